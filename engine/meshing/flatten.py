"""Charts laid flat without overlap: projected, untangled, checked by rasterising, split."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel
from engine.meshing.charts import connected, of_polygons
from engine.meshing.edges import face_normals

HALVING, ROUNDS = 8, 16
SMOOTHINGS = 4
"""Rounds that take away noise of about the length of an edge."""
UNTANGLINGS = 40
MIN_SHARE = 0.05
"""A face must keep this share of its area, right side up, or it leaves the chart."""


@dataclass(frozen=True)
class FlatCharts:
    """Charts in a plane, each at its own origin, as large as on the surface on average.

    Args:
        chart_of_face: (F,) int32 from 0.
        source: (W,) int64 the mesh's vertex of each chart vertex.
        faces: (F, 3) int32 into chart vertices, in the mesh's order.
        points: (W, 2) float64 in the mesh's unit, x and y from 0.
        chart_of_vertex: (W,) int32.
    """

    chart_of_face: np.ndarray
    source: np.ndarray
    faces: np.ndarray
    points: np.ndarray
    chart_of_vertex: np.ndarray


def flatten_charts(
    vertices: np.ndarray,
    faces: np.ndarray,
    chart_of_face: np.ndarray,
    neighbours: np.ndarray,
    step: float,
    out_of_time: Callable[[], bool],
    piece_of: np.ndarray | None = None,
) -> FlatCharts | None:
    """Project each chart along its mean normal and take apart what overlaps.

    A chart that folds, as noise makes it do, is projected from smoothed places where that folds
    less. Folds of single faces are undone by moving vertices between their neighbours; faces that
    stay folded, or that cover a sample another face covers, leave for a chart of their own. After
    HALVING rounds charts with much overlap are cut in two, after ROUNDS what overlaps leaves face
    by face, and after twice as many its charts fall into single faces.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
        chart_of_face: (F,) int32, connected charts.
        neighbours: (F, 3) int64 face across each side or -1.
        step: distance of the samples that look for overlap.
        out_of_time: called between rounds and their steps; returns whether to give up.
        piece_of: (F,) int64 polygon of each triangle, from 0 without gaps, whose triangles are in
            one chart and stay together, whatever they cover; None: each triangle by itself.

    Returns:
        The charts, or None when out of time.
    """
    normals = face_normals(vertices, faces)
    areas = np.sqrt(np.einsum("fi,fi->f", normals, normals)) / 2
    chart, across = chart_of_face, neighbours
    pieces = np.arange(len(faces)) if piece_of is None else piece_of
    true_faces, true_normals, vertex_count = faces, normals, len(vertices)
    # Where corners lie in charts that are done, and a number of each such chart; the arrays above
    # keep only the faces that are not.
    todo = np.arange(len(faces))
    places, number, numbers = np.empty((len(faces), 3, 2)), np.empty(len(faces), np.int32), 0
    round_ = 0
    while True:
        if out_of_time():
            return None
        flat, order = _project(vertices, faces, normals, areas, chart)
        if out_of_time():
            return None
        leaves, covered, taken = _faults(flat, order, areas, across, step)
        if out_of_time():
            return None
        count = int(chart.max()) + 1
        if round_ == 0 and leaves.any():
            smoothed = _smoothed(vertices.astype(np.float64), faces, across, SMOOTHINGS)
            other_leaves, *_ = _faults(
                *_project(smoothed, faces, normals, areas, chart), areas, across, step
            )
            normals = np.where(_alone(chart, pieces), normals, face_normals(smoothed, faces))
            fewer = np.bincount(chart, leaves.astype(int) - other_leaves, minlength=count) > 0
            # Both places of each vertex; all faces of a chart take theirs from the same.
            vertices = np.concatenate([vertices, smoothed])
            faces = faces + vertex_count * fewer[chart][:, None]
            round_ = 1
            continue
        # A face by itself, if only without area, is as flat as it gets.
        leaves &= ~_alone(chart, pieces)[:, 0]
        changes = np.bincount(chart, leaves, minlength=count) > 0
        done = ~changes[chart]
        places[todo[done]] = flat.points[flat.faces[done]]
        number[todo[done]] = chart[done] + numbers
        numbers += count
        if done.all():
            return _joined(true_faces, connected(number, neighbours), places)
        round_ += 1
        # Of sheets that lie one above the other the hidden ones leave whole, so that comes first.
        many = np.bincount(chart, weights=taken, minlength=count) > 0.03 * np.maximum(
            np.bincount(chart, weights=covered, minlength=count), 1
        )
        many &= round_ > HALVING
        # The folded and the covered go, ...
        away = (np.bincount(pieces, leaves) > 0)[pieces]
        new = chart * 3
        if round_ >= ROUNDS:
            # ... each by itself in the end, or all of its chart, ...
            alone = away
            if round_ >= 2 * ROUNDS:
                alone = ~done
        else:
            # ... but at first those side by side together, and charts with much overlap in halves.
            away &= ~many[chart]
            half = (many & changes)[chart] & _is_far_half(flat)
            if piece_of is not None:
                half = of_polygons(half, pieces)
            new[half] += 2
            new[away] += 1
            # Where all leave together, nothing would change.
            alone = np.bincount(chart, ~away, minlength=count)[chart] == 0
        new[alone] = 3 * count + pieces[alone]
        todo, faces, normals, areas = (x[~done] for x in (todo, faces, normals, areas))
        pieces = np.unique(pieces[~done], return_inverse=True)[1]
        place = np.where(done, -1, np.cumsum(~done) - 1)
        across = np.where(across < 0, -1, place[across])[~done]
        chart = connected(new[~done], across)
        # Smoothed places can leave nothing of a face; by itself it lies flat in its true ones.
        single = _alone(chart, pieces)
        faces = np.where(single, true_faces[todo], faces)
        normals = np.where(single, true_normals[todo], normals)


def _alone(chart: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """(F, 1) bool: faces whose chart has no other piece."""
    return (np.bincount(chart)[chart] == np.bincount(pieces)[pieces])[:, None]


def _joined(faces: np.ndarray, chart: np.ndarray, places: np.ndarray) -> FlatCharts:
    """Charts whose corners lie at ``places`` (F, 3, 2), which are equal where vertices are."""
    count = int(faces.max()) + 1
    keys, first, corner = np.unique(
        chart[:, None].astype(np.int64) * count + faces, return_index=True, return_inverse=True
    )
    return FlatCharts(
        chart,
        keys % count,
        corner.reshape(-1, 3).astype(np.int32),
        places.reshape(-1, 2)[first],
        (keys // count).astype(np.int32),
    )


def _project(vertices, faces, normals, areas, chart) -> tuple[FlatCharts, np.ndarray]:
    """Charts along their mean normal, turned to their smallest box, in their true size; and (F,)
    faces from the foremost to the last, as one sees them who looks along their chart's normal."""
    count = int(chart.max()) + 1
    keys, corner = np.unique(chart[:, None].astype(np.int64) * len(vertices) + faces,
                             return_inverse=True)  # fmt: skip
    source = keys % len(vertices)
    of_vertex = (keys // len(vertices)).astype(np.int32)
    new_faces = corner.reshape(-1, 3).astype(np.int32)
    axis = np.stack([np.bincount(chart, normals[:, k], minlength=count) for k in range(3)], axis=1)
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.where(length > 0, axis / np.maximum(length, 1e-300), (0.0, 0.0, 1.0))
    # Duff et al. 2017, "Building an Orthonormal Basis, Revisited".
    sign = np.where(axis[:, 2] < 0, -1.0, 1.0)
    a = -1 / (sign + axis[:, 2])
    b = axis[:, 0] * axis[:, 1] * a
    right = np.stack([1 + sign * axis[:, 0] ** 2 * a, sign * b, -sign * axis[:, 0]], axis=1)
    up = np.stack([b, sign + axis[:, 1] ** 2 * a, -axis[:, 1]], axis=1)
    position = vertices[source].astype(np.float64)
    x = np.einsum("vi,vi->v", position, right[of_vertex])
    y = np.einsum("vi,vi->v", position, up[of_vertex])
    front = np.einsum("vi,vi->v", position, axis[of_vertex])[new_faces].sum(axis=1)
    first = np.searchsorted(of_vertex, np.arange(count))
    best, angle = np.full(count, np.inf), np.zeros(count)
    for turn in np.arange(16) * (np.pi / 32):
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        width = np.maximum.reduceat(u, first) - np.minimum.reduceat(u, first)
        box = width * (np.maximum.reduceat(v, first) - np.minimum.reduceat(v, first))
        angle = np.where(box < best, turn, angle)
        best = np.minimum(best, box)
    cos, sin = np.cos(angle)[of_vertex], np.sin(angle)[of_vertex]
    points = np.stack([x * cos + y * sin, y * cos - x * sin], axis=1)
    chart_area = np.bincount(chart, areas, minlength=count)
    flat_area = np.bincount(chart, np.abs(_flat_areas(points, new_faces)), minlength=count)
    # A chart seen edge-on has no flat area; it falls apart into single faces later.
    points *= np.sqrt(chart_area / np.maximum(flat_area, 0.05 * chart_area + 1e-300))[
        of_vertex, None
    ]
    for k in range(2):
        points[:, k] -= np.minimum.reduceat(points[:, k], first)[of_vertex]
    flat = FlatCharts(chart, source, new_faces, points, of_vertex)
    return flat, np.lexsort((-front, chart))


def _faults(
    flat: FlatCharts, order, areas, neighbours, step
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Untangles ``flat``; three (F,): which faces stay folded or cover what is covered already, how
    many samples each covers, and how many of them were covered already."""
    leaves = _untangle(flat.points, flat.faces, flat.chart_of_face, areas, neighbours)
    covered, taken = _overlap(flat, order, step)
    return leaves | (taken > 0), covered, taken


def _flat_areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    u, v = b - a, c - a
    return (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2


def _is_far_half(flat: FlatCharts) -> np.ndarray:
    """(F,) bool: faces beyond the middle of the longer side of their chart's box."""
    count = int(flat.chart_of_vertex.max()) + 1
    first = np.searchsorted(flat.chart_of_vertex, np.arange(count))
    size = np.maximum.reduceat(flat.points, first, axis=0)
    longer = size.argmax(axis=1)[flat.chart_of_face]
    middle = size.max(axis=1)[flat.chart_of_face] / 2
    centers = flat.points[flat.faces].mean(axis=1)
    return np.take_along_axis(centers, longer[:, None], axis=1)[:, 0] > middle


def _overlap(flat: FlatCharts, order: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Two (F,) int32: samples that each face covers, and those that were already taken.

    By faces of ``order`` before it: of two sheets one above the other all of the hidden one leaves.
    """
    count = int(flat.chart_of_vertex.max()) + 1
    first = np.searchsorted(flat.chart_of_vertex, np.arange(count))
    size = (np.maximum.reduceat(flat.points, first, axis=0) / step).astype(np.int64) + 2
    start = np.concatenate([[0], np.cumsum(size[:, 0] * size[:, 1])])
    # A bit a sample would do; a byte is simpler.
    taken = np.zeros(int(start[-1]), dtype=np.uint8)
    return _cover(
        order, flat.points / step, flat.faces, flat.chart_of_face, start, size[:, 0], taken
    )


@kernel
def _smoothed(vertices, faces, neighbours, rounds):
    """(V, 3) float64: each vertex half way to the mean of those beside it, ``rounds`` times.

    Those on a rim look along it only, so that it keeps its place and loses its teeth.
    """
    on_rim = np.zeros(vertices.shape[0], np.bool_)
    for f in range(faces.shape[0]):
        for s in range(3):
            if neighbours[f, s] < 0:
                on_rim[faces[f, s]] = on_rim[faces[f, (s + 1) % 3]] = True
    places = vertices.copy()
    total = np.empty((vertices.shape[0], 4))
    for _ in range(rounds):
        total[:] = 0.0
        for f in range(faces.shape[0]):
            for s in range(3):
                i, j = faces[f, s], faces[f, (s + 1) % 3]
                rim = neighbours[f, s] < 0
                for v, w in ((i, j), (j, i)):
                    if rim or not on_rim[v]:
                        for k in range(3):
                            total[v, k] += places[w, k]
                        total[v, 3] += 1.0
        for v in range(places.shape[0]):
            if total[v, 3] > 0:
                for k in range(3):
                    places[v, k] = (places[v, k] + total[v, k] / total[v, 3]) / 2
    return places


@kernel
def _untangle(points, faces, chart, areas, neighbours):
    """Move inner vertices of folded faces between their neighbours; (F,) bool what stays folded."""
    on_border = np.zeros(points.shape[0], np.bool_)
    for f in range(faces.shape[0]):
        for s in range(3):
            g = neighbours[f, s]
            if g < 0 or chart[g] != chart[f]:
                on_border[faces[f, s]] = True
                on_border[faces[f, (s + 1) % 3]] = True
    bad = np.zeros(faces.shape[0], np.bool_)
    moves = np.zeros(points.shape[0], np.bool_)
    total = np.zeros((points.shape[0], 3))
    for turn in range(UNTANGLINGS + 1):
        count = 0
        moves[:] = False
        for f in range(faces.shape[0]):
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            area = (points[j, 0] - points[i, 0]) * (points[k, 1] - points[i, 1]) - (
                points[j, 1] - points[i, 1]
            ) * (points[k, 0] - points[i, 0])
            bad[f] = area <= 2 * MIN_SHARE * areas[f]
            if bad[f]:
                count += 1
                moves[i] = moves[j] = moves[k] = True
        if count == 0 or turn == UNTANGLINGS:
            break
        total[:] = 0.0
        for f in range(faces.shape[0]):
            for s in range(3):
                i, j = faces[f, s], faces[f, (s + 1) % 3]
                if not (moves[i] or moves[j]):
                    continue
                g = neighbours[f, s]
                border = g < 0 or chart[g] != chart[f]
                for v, w in ((i, j), (j, i)):
                    # On the border only along it.
                    if moves[v] and (border or not on_border[v]):
                        total[v, 0] += points[w, 0]
                        total[v, 1] += points[w, 1]
                        total[v, 2] += 1
        for v in range(points.shape[0]):
            if total[v, 2] > 0:
                points[v, 0] = total[v, 0] / total[v, 2]
                points[v, 1] = total[v, 1] / total[v, 2]
    return bad


@kernel
def _cover(order, points, faces, chart, start, width, taken):
    """Sample each face of each chart at whole numbers plus a half."""
    covered = np.zeros(faces.shape[0], np.int32)
    again = np.zeros(faces.shape[0], np.int32)
    for f in order:
        ax, ay = points[faces[f, 0], 0], points[faces[f, 0], 1]
        bx, by = points[faces[f, 1], 0], points[faces[f, 1], 1]
        cx, cy = points[faces[f, 2], 0], points[faces[f, 2], 1]
        bx, by, cx, cy = bx - ax, by - ay, cx - ax, cy - ay
        area = bx * cy - by * cx
        if area == 0.0:
            continue
        base, row = start[chart[f]], width[chart[f]]
        x0, x1 = int(np.floor(ax + min(0.0, bx, cx))), int(np.floor(ax + max(0.0, bx, cx)))
        y0, y1 = int(np.floor(ay + min(0.0, by, cy))), int(np.floor(ay + max(0.0, by, cy)))
        # How the weights of b and c grow along x and y.
        bu, bv, cu, cv = cy / area, -cx / area, -by / area, bx / area
        samples, taken_before = 0, 0
        for y in range(y0, y1 + 1):
            place, dy = base + y * row, y + 0.5 - ay
            was_inside = False
            for x in range(x0, x1 + 1):
                dx = x + 0.5 - ax
                b, c = dx * bu + dy * bv, dx * cu + dy * cv
                # Well inside: a sample on a common side belongs to neither face.
                if b > 1e-6 and c > 1e-6 and b + c < 1.0 - 1e-6:
                    was_inside = True
                    samples += 1
                    taken_before += taken[place + x]
                    taken[place + x] = 1
                elif was_inside:
                    break
        covered[f], again[f] = samples, taken_before
    return covered, again
