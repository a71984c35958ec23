"""Flat charts packed into a square.

Charts are kept as the span of cells they cover in each row (and, for quarter turns, in each
column); large ones go first, each to the lowest place where it fits, which may be below others.
"""

from collections.abc import Callable

import numpy as np

from engine.kernels import kernel

CELLS = 1024
LIMIT = 4 * CELLS
"""Rows that charts may reach up to while a scale is tried; no more than CELLS of them count."""
TRIES = 7
PORTION = 50
"""Charts placed between two looks at the clock."""
THOROUGH = 500
"""This many of the largest charts are tried everywhere in all turns, which bounds the time."""


def pack_charts(
    points: np.ndarray,
    faces: np.ndarray,
    chart_of_face: np.ndarray,
    chart_of_vertex: np.ndarray,
    padding: float,
    out_of_time: Callable[[], bool] = lambda: False,
) -> np.ndarray | None:
    """Where chart vertices go in the unit square, all charts in one scale.

    Args:
        points: (W, 2) float64, each chart in a box from 0, in one unit.
        faces: (F, 3) int32 into points.
        chart_of_face: (F,) int32.
        chart_of_vertex: (W,) int32, ascending.
        padding: least distance of two charts, in the unit square.
        out_of_time: asked between tries and portions of charts; the best packing so far is then
            the result.

    Returns:
        (W, 2) float64 in 0..1, or None when time ran out before any was found.
    """
    count = int(chart_of_vertex.max()) + 1
    first = np.searchsorted(chart_of_vertex, np.arange(count))
    box = np.maximum.reduceat(points, first, axis=0)
    area = np.abs(_doubled_areas(points, faces)).sum() / 2
    # In cells. A cell belongs to a chart when its middle is nearer than this.
    reach = padding * CELLS / 2 + 0.5**0.5
    # What padding takes shows in advance in the outlines of the boxes.
    scale = CELLS * np.sqrt(0.75 / max(area, 1e-300))
    outline = 2 * float(box.sum()) * scale * reach
    scale /= np.sqrt(1 + 0.7 * outline / CELLS**2)
    # A larger chart would not fit into the square however few there are.
    largest = (CELLS - 2 * reach - 3) / max(float(box.max()), 1e-300)
    scale = min(scale, largest)
    placed = None
    too_large = np.inf
    for _ in range(TRIES if largest > 0 else 0):
        if out_of_time():
            return placed
        size = np.ceil(box * scale + 2 * reach).astype(np.int64) + 1
        shifted = points * scale + reach
        offsets = np.concatenate([[0], np.cumsum(size.sum(axis=1))])
        spans = _spans(shifted, faces, chart_of_face, size, offsets[:-1], offsets[-1], reach)
        order = np.lexsort((np.arange(count), -size.max(axis=1) - 0.2 * size.min(axis=1)))
        laid = _lay_out(spans, size, offsets[:-1], order, out_of_time)
        if laid is None:
            return placed
        places, height = laid
        if height <= CELLS:
            placed = _moved(shifted, chart_of_vertex, size, places) / CELLS
            if height > 0.985 * CELLS:
                break
            larger = min(scale * min(1.02, np.sqrt(CELLS / height)), largest)
            if larger <= scale or larger >= too_large:
                break
            scale = larger
        elif placed is not None:
            break
        else:
            too_large = min(too_large, scale)
            scale *= max(np.sqrt(CELLS / height), 0.5) * 0.995
    if placed is None:
        # So much padding that no scale was small enough: boxes get smaller without it.
        return pack_charts(points, faces, chart_of_face, chart_of_vertex, padding / 2, out_of_time)
    return placed


def _lay_out(spans, size, offsets, order, out_of_time) -> tuple[np.ndarray, int] | None:
    """(C, 3) int64 x, y and quarter turns of each chart's box, and the height of all, in cells.

    None when out of time. The height is LIMIT when a chart found no place below it.
    """
    if size.max() > CELLS:  # the kernels' arrays end there
        raise ValueError(f"a chart of {size.max()} cells does not fit into {CELLS}")
    # Where the next used, and the next free, cell of each row is.
    next_used = np.full((LIMIT, CELLS + 1), CELLS, np.int16)
    next_free = np.tile(np.arange(CELLS + 1, dtype=np.int16), (LIMIT, 1))
    # After the first charts, one looks no lower than where the last of about its size went.
    floors = np.zeros((CELLS, CELLS), np.int16)
    places = np.zeros((len(size), 3), np.int64)
    height = 0
    for first in range(0, len(order), PORTION):
        if first and out_of_time():
            return None
        some = order[first : first + PORTION]
        thorough = first < THOROUGH
        top = _place(spans, size, offsets, some, thorough, next_used, next_free, floors, places)
        height = max(height, int(top))
        if height == LIMIT:
            break
    return places, height


def _moved(points, chart, size, places) -> np.ndarray:
    """Points turned by quarters within their boxes and moved to their places."""
    width, height = size[chart, 0], size[chart, 1]
    u, v = points[:, 0], points[:, 1]
    turned = [(u, v), (v, width - u), (width - u, height - v), (height - v, u)]
    quarter = places[chart, 2]
    u, v = (np.choose(quarter, [t[k] for t in turned]) for k in range(2))
    return np.stack([u + places[chart, 0], v + places[chart, 1]], axis=1)


def _doubled_areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    u, v = b - a, c - a
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]


@kernel
def _spans(points, faces, chart, size, offsets, total, reach):
    """(total, 2) int16: first cell and end of each row, then of each column, of each chart."""
    spans = np.empty((total, 2), np.int16)
    spans[:, 0] = 32767
    spans[:, 1] = 0
    lines = np.empty((3, 3))
    for f in range(faces.shape[0]):
        c = chart[f]
        ax, ay = points[faces[f, 0], 0], points[faces[f, 0], 1]
        bx, by = points[faces[f, 1], 0], points[faces[f, 1], 1]
        cx, cy = points[faces[f, 2], 0], points[faces[f, 2], 1]
        sign = 1.0 if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) >= 0 else -1.0
        for s in range(3):
            px, py, qx, qy = ax, ay, bx, by
            if s == 1:
                px, py, qx, qy = bx, by, cx, cy
            elif s == 2:
                px, py, qx, qy = cx, cy, ax, ay
            length = np.sqrt((qx - px) ** 2 + (qy - py) ** 2)
            if length == 0.0:
                length = 1.0
            lines[s, 0] = -(qy - py) * sign / length
            lines[s, 1] = (qx - px) * sign / length
            lines[s, 2] = reach - lines[s, 0] * px - lines[s, 1] * py
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - reach - 0.5)))
        x1 = min(size[c, 0] - 1, int(np.floor(max(ax, bx, cx) + reach - 0.5)))
        y0 = max(0, int(np.ceil(min(ay, by, cy) - reach - 0.5)))
        y1 = min(size[c, 1] - 1, int(np.floor(max(ay, by, cy) + reach - 0.5)))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                inside = True
                for s in range(3):
                    if lines[s, 0] * (x + 0.5) + lines[s, 1] * (y + 0.5) + lines[s, 2] < 0:
                        inside = False
                if inside:
                    row, column = offsets[c] + y, offsets[c] + size[c, 1] + x
                    spans[row, 0] = min(spans[row, 0], x)
                    spans[row, 1] = max(spans[row, 1], x + 1)
                    spans[column, 0] = min(spans[column, 0], y)
                    spans[column, 1] = max(spans[column, 1], y + 1)
    return spans


@kernel
def _place(spans, size, offsets, order, thorough, next_used, next_free, floors, places):
    """Fill in ``places`` of some charts, one after the other; how high they reach, in cells."""
    height = 0
    lines = np.empty((4, CELLS, 2), np.int64)
    for n in range(order.shape[0]):
        c = order[n]
        w, h = size[c, 0], size[c, 1]
        _turn_spans(spans, offsets[c], w, h, lines)
        longer, shorter = max(w, h) // 3, min(w, h) // 3
        floor = 0 if thorough else np.int64(floors[longer, shorter])
        turns = 1 if w * h <= 100 else 4 if thorough else 2
        # Typed, or what they are given to is compiled for literal numbers too.
        best_x, best_y = np.int64(0), np.int64(0)
        top, best_turn = LIMIT + 1, 0
        for turn in range(turns):
            rows, cols = (h, w) if turn % 2 == 0 else (w, h)
            x, y = _lowest_place(lines[turn], rows, cols, floor, top, next_used, next_free)
            if y >= 0:
                top, best_x, best_y, best_turn = y + rows, x, y, turn
        if top > LIMIT:
            return LIMIT
        rows = h if best_turn % 2 == 0 else w
        floors[longer, shorter] = max(0, best_y - rows // 2)
        _take(lines[best_turn], rows, best_x, best_y, next_used, next_free)
        places[c, 0], places[c, 1], places[c, 2] = best_x, best_y, best_turn
        height = max(height, top)
    return height


@kernel
def _turn_spans(spans, offset, w, h, lines):
    """First cell and end of each row of a chart in each of its four turns; 0, 0 for none."""
    for row in range(h):
        a, b = spans[offset + row, 0], spans[offset + row, 1]
        empty = a >= b
        lines[0, row, 0], lines[0, row, 1] = (0, 0) if empty else (a, b)
        lines[2, h - 1 - row, 0], lines[2, h - 1 - row, 1] = (0, 0) if empty else (w - b, w - a)
    for col in range(w):
        a, b = spans[offset + h + col, 0], spans[offset + h + col, 1]
        empty = a >= b
        lines[1, w - 1 - col, 0], lines[1, w - 1 - col, 1] = (0, 0) if empty else (a, b)
        lines[3, col, 0], lines[3, col, 1] = (0, 0) if empty else (h - b, h - a)


@kernel
def _lowest_place(lines, rows, cols, floor, top, next_used, next_free):
    """Lowest and leftmost x, y where rows fit and end below ``top``; y is -1 without any."""
    for y in range(floor, min(LIMIT, top) - rows):
        x = 0
        row, clear = 0, 0
        # Go round the rows until all are free at the same x.
        while clear < rows and x + cols <= CELLS:
            a, b = lines[row, 0], lines[row, 1]
            used = next_used[y + row, x + a]
            if a < b and used < x + b:
                x = next_free[y + row, used] - a
                clear = 0
            else:
                clear += 1
                row += 1
                if row == rows:
                    row = 0
        if x + cols <= CELLS:
            return x, y
    return 0, -1


@kernel
def _take(lines, rows, left, low, next_used, next_free):
    """Mark the cells of a chart at its place as used."""
    for row in range(rows):
        a, b = lines[row, 0], lines[row, 1]
        y = low + row
        for x in range(left + b - 1, left + a - 1, -1):
            next_used[y, x] = x
            next_free[y, x] = next_free[y, x + 1]
        x = left + a - 1
        while a < b and x >= 0 and next_used[y, x] > left + a:
            next_used[y, x] = left + a
            x -= 1
        while a < b and x >= 0 and next_free[y, x] == left + a:
            next_free[y, x] = next_free[y, left + a]
            x -= 1
