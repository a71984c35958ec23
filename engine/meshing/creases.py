"""Lines of a surface that quads must follow: borders, sharp edges and edges
where more than two faces meet, and the corners on them."""

from heapq import heappop, heappush

import numpy as np

from engine.meshing.edges import face_normals, find_edges, parts_of

FREE, ON_LINE, CORNER = range(3)
"""What a vertex may do: move on the surface, move along its line, stay."""

_SHARP, _BENT = np.cos(np.radians(45.0)), np.cos(np.radians(25.0))
"""A line has edges of more than 45 degrees, and goes on over those of more than 25."""
_STANDS_OUT = 1.5
"""Times that an edge must bend more than the sides of its faces: a tight curve bends everywhere."""
_SHORTEST = 4.0
"""Of a line that counts, in cells: noise makes crumbs of lines."""
_TURN = np.cos(np.radians(40.0))
"""A line that turns by more than this has a corner."""
_LOOP, _STUB = 1.0, 0.75
"""Loops and dead ends shorter than that, in cells, are of edges beside each other."""
_TANGLED = 0.15
"""Ends and crossings per edge of what is a tangle and no line."""


def find_lines(points: np.ndarray, faces: np.ndarray, cell: float) -> np.ndarray:
    """(L, 2) int64 vertices at the ends of each edge of a line.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int32.
        cell: length of the sides that cells are going to have.
    """
    edges = find_edges(faces, len(points))
    ends = edges.ends(faces).astype(np.int64)
    odd = edges.counts != 2
    bend, sharp = _sharp(points, faces, edges, ends, cell)
    chosen = np.flatnonzero(odd | sharp)
    kept = _single(points, ends[chosen], np.where(odd, np.inf, bend)[chosen], cell)
    return ends[chosen[kept]]


def _single(points, ends, bend, cell) -> np.ndarray:
    """(L,) bool: of edges beside each other, as of a narrow bevel, one line, and no stubs.

    The more an edge bends the sooner it is taken, if it closes no short loop; then short dead
    ends go. Infinitely bent edges stay.
    """
    length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    around: dict[int, list[tuple[int, int]]] = {}
    kept = np.zeros(len(ends), bool)
    for e in np.lexsort((np.arange(len(ends)), -bend)).tolist():
        a, b = ends[e].tolist()
        if np.isfinite(bend[e]) and _near(a, b, around, length, _LOOP * cell - length[e]):
            continue
        kept[e] = True
        around.setdefault(a, []).append((b, e))
        around.setdefault(b, []).append((a, e))
    length[np.isinf(bend)] = np.inf
    for tip in [v for v, beside in around.items() if len(beside) == 1]:
        kept[_stub(tip, around, length, _STUB * cell)] = False
    return kept


def _stub(tip, around, length, most) -> list[int]:
    """The edges from a dead end to where lines meet, none if that is far."""
    v, whole, chain = tip, 0.0, []
    while not chain or len(around[v]) == 2:
        v, e = next(step for step in around[v] if step[1] not in chain[-1:])
        whole += length[e]
        if whole >= most:
            return []
        chain.append(e)
    return chain


def _near(a, b, around, length, most) -> bool:
    """Whether edges that are taken already lead from a to b within a length."""
    best, queue = {a: 0.0}, [(0.0, a)]
    while queue:
        so_far, v = heappop(queue)
        if v == b:
            return True
        for w, e in around.get(v, ()):
            there = so_far + length[e]
            if there < most and there < best.get(w, np.inf):
                best[w] = there
                heappush(queue, (there, w))
    return False


def _sharp(points, faces, edges, ends, cell) -> tuple[np.ndarray, np.ndarray]:
    """(E,) float64 radians that each edge bends, (E,) bool whether it belongs to a line."""
    normals = face_normals(points, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    two = np.flatnonzero(edges.counts == 2)
    sides = edges.pairs()
    cosine = np.ones(len(edges.counts))
    cosine[two] = np.einsum("ei,ei->e", normals[sides[:, 0] // 3], normals[sides[:, 1] // 3])
    bend = np.arccos(np.clip(cosine, -1, 1))
    of_face = bend[edges.of_sides()].reshape(-1, 3)
    around = np.zeros(len(edges.counts))
    around[two] = (of_face.sum(axis=1)[sides // 3].sum(axis=1) - 2 * bend[two]) / 4
    stands_out = bend > _STANDS_OUT * around
    line = np.flatnonzero((cosine < _BENT) & stands_out)
    sharp = np.zeros(len(edges.counts), bool)
    if len(line) == 0:
        return bend, sharp
    part, count = parts_of(ends[line], len(points))
    length = np.linalg.norm(points[ends[line, 0]] - points[ends[line, 1]], axis=1)
    whole = np.bincount(part, length, count)
    hard = np.bincount(part, length * (cosine[line] < _SHARP), count)
    degree = np.bincount(ends[line].reshape(-1), minlength=len(points))
    odd = ((degree[ends[line]] != 2) / np.maximum(degree[ends[line]], 1)).sum(axis=1)
    tangled = np.bincount(part, odd, count) > _TANGLED * np.bincount(part, minlength=count)
    kept = (whole > _SHORTEST * cell) & (hard > 0.5 * whole) & ~(tangled & (whole < 20 * cell))
    sharp[line[kept[part]]] = True
    return bend, sharp


def find_kinds(points: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the vertices of lines are.

    Args:
        points: (V, 3) float64.
        ends: (L, 2) int64 of ``find_lines``.

    Returns:
        (V,) int8 ``FREE``, ``ON_LINE`` or ``CORNER``, the ends, crossings and sharp turns of lines;
        (V, 3) float64 unit direction of the line, zeros where ``FREE``.
    """
    degree = np.bincount(ends.reshape(-1), minlength=len(points))
    kind = np.where(degree == 0, FREE, np.where(degree == 2, ON_LINE, CORNER)).astype(np.int8)
    along = np.zeros((len(points), 3))
    at = np.concatenate([ends[:, 0], ends[:, 1]])
    way = points[np.concatenate([ends[:, 1], ends[:, 0]])] - points[at]
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-300)
    order = np.argsort(at, kind="stable")
    first = (
        order[np.searchsorted(at[order], np.arange(len(points))).clip(0, max(len(at) - 1, 0))]
        if len(at)
        else np.zeros(len(points), np.int64)
    )
    on = np.flatnonzero(degree > 0)
    total = np.stack([np.bincount(at, way[:, k], len(points)) for k in range(3)], axis=1)
    one = way[first[on]]
    along[on] = one
    # Of two ways the one minus the other: twice the first less their sum.
    two = on[degree[on] == 2]
    both = 2 * way[first[two]] - total[two]
    length = np.linalg.norm(both, axis=1, keepdims=True)
    along[two] = both / np.maximum(length, 1e-300)
    # |a - b| of unit vectors is 2 cos(turn / 2).
    turned = length[:, 0] < 2 * np.sqrt((1 + _TURN) / 2)
    kind[two[turned]] = CORNER
    return kind, along
