"""A surface cut into charts that a projection can lay flat."""

import heapq
from collections.abc import Callable

import numpy as np

from engine.kernels import kernel

SMOOTHINGS = 4
SEED_CONE = 0.80
"""Cosine of the half-angle of the cone of normals that a first, small chart may have,"""
MERGED_CONE = 0.55
"""and of merged ones: the projection of a face shrinks to no less than this."""
OUTSIDE = 0.005
"""Share of a chart's area that may lie beyond the cone: single faces do not stop a join."""
LOOK = 200
"""Joins between two looks at the clock."""


def cut_into_charts(
    normals: np.ndarray,
    areas: np.ndarray,
    side_lengths: np.ndarray,
    neighbours: np.ndarray,
    max_share: float,
    out_of_time: Callable[[], bool] = lambda: False,
) -> np.ndarray | None:
    """Chart of each face: connected, normals within a cone, none larger than a share.

    Small charts are grown breadth first while normals stay near the first one; then the pair with
    the largest share of border in common is joined, again and again, while the cone holds all but
    ``OUTSIDE`` of its area. Normals are smoothed first, so noise does not cut.

    Args:
        normals: (F, 3) float64, as long as the faces weigh.
        areas: (F,) float64.
        side_lengths: (F, 3) float64.
        neighbours: (F, 3) int64 face across each side or -1.
        max_share: of the whole area that one chart may have.
        out_of_time: asked between steps and while charts are joined; whether to give up.

    Returns:
        (F,) int32, numbered from 0 without gaps; None when out of time.
    """
    smooth = _smooth(normals, neighbours, SMOOTHINGS)
    max_area = float(areas.sum()) * max_share
    if out_of_time():
        return None
    grown, _ = _grow(smooth, areas, neighbours, SEED_CONE, min(max_area, areas.sum() / 200))
    _even_borders(grown, neighbours, 3)
    chart = connected(grown, neighbours)
    chart = _merge(chart, smooth, areas, side_lengths, neighbours, max_area, out_of_time)
    for _ in range(2):
        if chart is None or out_of_time():
            return None
        axis = np.stack([np.bincount(chart, smooth[:, k] * areas) for k in range(3)], axis=1)
        axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-300)
        chart = connected(_open(chart, smooth, axis, neighbours), neighbours)
    return _merge(chart, smooth, areas, side_lengths, neighbours, max_area, out_of_time)


def connected(chart: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """(F,) int32: the charts split into their connected pieces, numbered from 0."""
    return _connected(np.ascontiguousarray(chart, dtype=np.int32), neighbours)


def of_polygons(values: np.ndarray, piece_of: np.ndarray) -> np.ndarray:
    """(F,): for each triangle the value of the first one of its polygon.

    Args:
        values: (F,) of triangles.
        piece_of: (F,) int64 polygon of each triangle, numbered from 0 without gaps.
    """
    return values[np.unique(piece_of, return_index=True)[1]][piece_of]


def _merge(
    chart, normals, areas, side_lengths, neighbours, max_area, out_of_time
) -> np.ndarray | None:
    """Join neighbouring charts greedily, see ``cut_into_charts``; None when out of time."""
    count = int(chart.max()) + 1
    order = np.argsort(chart, kind="stable")
    first = np.searchsorted(chart[order], np.arange(count + 1))
    members = [order[first[c] : first[c + 1]] for c in range(count)]
    area = np.bincount(chart, weights=areas, minlength=count)
    axis = np.stack([np.bincount(chart, weights=normals[:, k] * areas) for k in range(3)], axis=1)
    borders, perimeter = _borders(chart, count, side_lengths, neighbours)
    heap: list[tuple[float, int, int, int, int]] = []
    version = [0] * count

    def offer(i: int, j: int) -> None:
        # A share of the shorter perimeter: slivers and islands go first, long strips stay apart.
        share = borders[i][j] / max(min(perimeter[i], perimeter[j]), 1e-30)
        if share > 0.05 and area[i] + area[j] <= max_area:
            a, b = min(i, j), max(i, j)
            heapq.heappush(heap, (-share, a, b, version[a], version[b]))

    for i in range(count):
        if i % LOOK == 0 and out_of_time():
            return None
        for j in borders[i]:
            if i < j:
                offer(i, j)
    turn = 0
    while heap:
        turn += 1
        if turn % LOOK == 0 and out_of_time():
            return None
        _, i, j, version_i, version_j = heapq.heappop(heap)
        if version[i] != version_i or version[j] != version_j:
            continue
        together = axis[i] + axis[j]
        length = np.linalg.norm(together)
        if length == 0:
            continue
        outside = sum(
            areas[members[c]][normals[members[c]] @ (together / length) < MERGED_CONE].sum()
            for c in (i, j)
        )
        if outside > OUTSIDE * (area[i] + area[j]):
            continue
        members[i] = np.concatenate([members[i], members[j]])
        members[j] = members[j][:0]
        axis[i] = together
        area[i] += area[j]
        perimeter[i] += perimeter[j] - 2 * borders[i][j]
        for k, length in borders[j].items():
            del borders[k][j]
            if k != i:
                borders[i][k] = borders[k][i] = borders[i].get(k, 0.0) + length
        borders[j] = {}
        version[i] += 1
        version[j] = -1
        for k in borders[i]:
            offer(i, k)
    merged = np.empty(len(chart), dtype=np.int32)
    for number, faces in enumerate(m for m in members if len(m)):
        merged[faces] = number
    return merged


def _borders(
    chart: np.ndarray, count: int, side_lengths: np.ndarray, neighbours: np.ndarray
) -> tuple[list[dict[int, float]], np.ndarray]:
    """Length of the border of each chart with each neighbour, and (C,) float64 perimeters."""
    borders: list[dict[int, float]] = [{} for _ in range(count)]
    across = np.where(neighbours >= 0, chart[neighbours], -1)
    on_border = across != chart[:, None]
    perimeter = np.bincount(
        np.repeat(chart, 3), weights=(side_lengths * on_border).reshape(-1), minlength=count
    )
    face, side = np.nonzero(on_border & (across >= 0))
    keys, inverse = np.unique(chart[face].astype(np.int64) * count + across[face, side],
                              return_inverse=True)  # fmt: skip
    shared = np.bincount(inverse, weights=side_lengths[face, side])
    for key, length in zip(keys.tolist(), shared.tolist(), strict=True):
        borders[key // count][key % count] = length
    return borders, perimeter


@kernel
def _smooth(normals, neighbours, rounds):
    """Unit normals, averaged ``rounds`` times with those of the neighbours."""
    old = normals.copy()
    new = np.empty_like(old)
    for _ in range(rounds):
        for f in range(old.shape[0]):
            for k in range(3):
                new[f, k] = old[f, k]
            for s in range(3):
                g = neighbours[f, s]
                if g >= 0:
                    for k in range(3):
                        new[f, k] += old[g, k]
        old, new = new, old
    for f in range(old.shape[0]):
        length = np.sqrt(old[f, 0] ** 2 + old[f, 1] ** 2 + old[f, 2] ** 2)
        for k in range(3):
            old[f, k] = old[f, k] / length if length > 0 else 0.0
    return old


@kernel
def _grow(normals, areas, neighbours, cone, max_area):
    """Breadth first from the lowest face without a chart; next seeds lie beside the last chart."""
    chart = np.full(normals.shape[0], -1, np.int32)
    queue = np.empty(normals.shape[0], np.int64)
    count = 0
    next_seed = 0
    beside = np.int64(-1)
    while True:
        seed = beside
        if seed < 0:
            while next_seed < chart.shape[0] and chart[next_seed] >= 0:
                next_seed += 1
            if next_seed == chart.shape[0]:
                return chart, count
            seed = np.int64(next_seed)
        chart[seed] = count
        queue[0] = seed
        head, tail = 0, 1
        area = areas[seed]
        while head < tail and area < max_area:
            f = queue[head]
            head += 1
            for s in range(3):
                g = neighbours[f, s]
                if g < 0 or chart[g] >= 0:
                    continue
                dot = 0.0
                for k in range(3):
                    dot += normals[g, k] * normals[seed, k]
                if dot >= cone and area + areas[g] <= max_area:
                    chart[g] = count
                    area += areas[g]
                    queue[tail] = g
                    tail += 1
        beside = np.int64(-1)
        for i in range(tail - 1, -1, -1):
            for s in range(3):
                g = neighbours[queue[i], s]
                if g >= 0 and chart[g] < 0:
                    beside = g
            if beside >= 0:
                break
        count += 1


@kernel
def _open(chart, normals, axis, neighbours):
    """Shrink charts to their cores and let these grow again at one pace.

    Arms and teeth vanish and borders become smooth; a face that no core may take, as its normal is
    too far from the core's axis, keeps its chart's number.
    """
    depth = np.full(chart.shape[0], -1, np.int32)
    queue = np.empty(chart.shape[0], np.int64)
    tail = 0
    for f in range(chart.shape[0]):
        for s in range(3):
            g = neighbours[f, s]
            if depth[f] < 0 and g >= 0 and chart[g] != chart[f]:
                depth[f] = 0
                queue[tail] = f
                tail += 1
    deepest = np.zeros(axis.shape[0], np.int32)
    head = 0
    while head < tail:
        f = queue[head]
        head += 1
        deepest[chart[f]] = depth[f]
        for s in range(3):
            g = neighbours[f, s]
            if g >= 0 and depth[g] < 0:
                depth[g] = depth[f] + 1
                queue[tail] = g
                tail += 1
    result = np.full(chart.shape[0], -1, np.int32)
    tail = 0
    for f in range(chart.shape[0]):
        if depth[f] < 0 or (deepest[chart[f]] >= 4 and 2 * depth[f] > deepest[chart[f]]):
            result[f] = chart[f]
            queue[tail] = f
            tail += 1
    head = 0
    while head < tail:
        f = queue[head]
        head += 1
        c = result[f]
        for s in range(3):
            g = neighbours[f, s]
            if g >= 0 and result[g] < 0:
                dot = 0.0
                for k in range(3):
                    dot += normals[g, k] * axis[c, k]
                if dot >= MERGED_CONE:
                    result[g] = c
                    queue[tail] = g
                    tail += 1
    for f in range(chart.shape[0]):
        if result[f] < 0:
            result[f] = chart[f] + axis.shape[0]
    return result


@kernel
def _even_borders(chart, neighbours, rounds):
    """A face with two sides in another chart moves to it: fewer teeth along the borders."""
    for _ in range(rounds):
        for f in range(chart.shape[0]):
            for s in range(3):
                g, h = neighbours[f, s], neighbours[f, (s + 1) % 3]
                if g >= 0 and h >= 0 and chart[g] == chart[h]:
                    chart[f] = chart[g]


@kernel
def _connected(chart, neighbours):
    result = np.full(chart.shape[0], -1, np.int32)
    queue = np.empty(chart.shape[0], np.int64)
    count = 0
    for seed in range(chart.shape[0]):
        if result[seed] >= 0:
            continue
        result[seed] = count
        queue[0] = seed
        head, tail = 0, 1
        while head < tail:
            f = queue[head]
            head += 1
            for s in range(3):
                g = neighbours[f, s]
                if g >= 0 and result[g] < 0 and chart[g] == chart[f]:
                    result[g] = count
                    queue[tail] = g
                    tail += 1
        count += 1
    return result
