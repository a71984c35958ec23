"""From a surface of small triangles with fields on it to cells: one vertex for each lattice point.

All that changes the mesh is a collapse of an edge or a turn of one, so that the surface stays what it was:
closed where it was closed, with its holes, and at most two faces at an edge.
"""

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.collapsible import meets_link_condition, turns_no_face
from engine.meshing.creases import CORNER, FREE, ON_LINE
from engine.meshing.edges import faces_around, find_edges, side_ends
from engine.meshing.quad_fields import alike, cross

_MOST_PASSES = 60
_LEAST_TURN = 0.1
"""Cosine of the angle by which a face may turn when its corner moves or its side is turned."""
_FLATTEST = 0.5
"""Cosine of the angle between two triangles that may become one cell,"""
_WORST = 0.25
"""and the least sine of its corners."""


def collapse_cells(points, faces, normals, ways, places, kind, lines, cell):
    """Collapse every edge whose ends have the same lattice point, as far as the surface allows.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int32.
        normals, ways, places: (V, 3) float64 the fields.
        kind: (V,) int8 of ``Creases``.
        lines: (L, 2) int64 the edges of lines.
        cell: length of the sides of cells.

    Returns:
        (G, 3) int32 faces, into the same vertices; (M, 2) int64 lines.
    """
    faces, off = faces.copy(), np.linalg.norm(places - points, axis=1)
    for strict in (True, False):
        for _ in range(_MOST_PASSES):
            edges = find_edges(faces, len(points))
            ends = np.stack(side_ends(faces, edges.sides[edges.first[:-1]]), axis=1)
            is_line = np.isin(_keys(ends), _keys(lines))
            order = _order(ends, is_line, points, normals, ways, places, kind, off, cell)
            start, corners = faces_around(faces, len(points))
            alive, kept = _collapse(points, faces, ends, order, start, corners // 3, kind, strict)
            if alive.all():
                break
            faces = faces[alive]
            lines = kept[lines]
            lines = lines[lines[:, 0] != lines[:, 1]]
    return faces, np.unique(np.sort(lines, axis=1), axis=0)


def _keys(pairs: np.ndarray) -> np.ndarray:
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1).astype(np.int64)
    return low * (1 << 32) + high


def _order(ends, is_line, points, normals, ways, places, kind, off, cell) -> np.ndarray:
    """(N, 2) int64: what goes and where to, the vertices that lie best on their lattice first."""
    steps = _steps(ends, normals, ways, places, cell)
    same = (steps == 0).all(axis=1)
    first, second = ends[:, 0].astype(np.int64), ends[:, 1].astype(np.int64)
    rank = kind.astype(np.int64)
    swap = (rank[first] > rank[second]) | (
        (rank[first] == rank[second]) & (off[first] < off[second])
    )
    goes, stays = np.where(swap, second, first), np.where(swap, first, second)
    may = same & (rank[goes] != CORNER) & (is_line | (rank[goes] == FREE))
    pairs = np.stack([goes, stays], axis=1)[may]
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1], off[pairs[:, 1]]))]


@kernel
def _steps(ends, normals, ways, places, cell):
    """(E, 2) int64: how many cells lie between the lattice points of an edge's ends, each way."""
    steps = np.empty((ends.shape[0], 2), np.int64)
    for e in range(ends.shape[0]):
        v, w = ends[e, 0], ends[e, 1]
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        mx, my, mz = normals[w, 0], normals[w, 1], normals[w, 2]
        ax, ay, az, bx, by, bz = alike(
            ways[v, 0], ways[v, 1], ways[v, 2], nx, ny, nz,
            ways[w, 0], ways[w, 1], ways[w, 2], mx, my, mz,
        )  # fmt: skip
        cx, cy, cz = cross(nx, ny, nz, ax, ay, az)
        dx, dy, dz = cross(mx, my, mz, bx, by, bz)
        x, y, z = places[w, 0] - places[v, 0], places[w, 1] - places[v, 1], places[w, 2] - places[v, 2]
        along = (x * ax + y * ay + z * az + x * bx + y * by + z * bz) / 2
        across = (x * cx + y * cy + z * cz + x * dx + y * dy + z * dz) / 2
        steps[e, 0], steps[e, 1] = np.round(along / cell), np.round(across / cell)
    return steps


@kernel
def _collapse(points, faces, ends, order, start, members, kind, strict):
    """Collapse in ``order``; (F,) bool faces that are left, (V,) int64 what became of vertices."""
    alive = np.ones(faces.shape[0], np.bool_)
    locked = np.zeros(points.shape[0], np.bool_)
    mark = np.zeros(points.shape[0], np.int64)
    kept = np.arange(points.shape[0])
    token = 0
    for e in range(order.shape[0]):
        goes, stays = order[e, 0], order[e, 1]
        if locked[goes] or locked[stays]:
            continue
        token += 3
        on_line = kind[goes] != FREE
        if not meets_link_condition(
            faces, alive, start, members, stays, goes, on_line, mark, token
        ):
            continue
        if strict and not turns_no_face(
            points, faces, alive, start, members, stays, goes, points[stays]
        ):
            continue
        for i in range(start[goes], start[goes + 1]):
            f = members[i]
            if not alive[f]:
                continue
            if faces[f, 0] == stays or faces[f, 1] == stays or faces[f, 2] == stays:
                alive[f] = False
                continue
            for s in range(3):
                if faces[f, s] == goes:
                    faces[f, s] = stays
        kept[goes] = stays
        locked[goes] = True
        locked[stays] = True
    return alive, kept


def turn_edges(points, faces, lines) -> np.ndarray:
    """(F, 3) int32: edges that are longer than what would lie across them are turned."""
    faces = faces.copy()
    fixed = _keys(lines)
    for _ in range(10):
        edges = find_edges(faces, len(points))
        pairs = edges.pairs()
        ends = np.stack(side_ends(faces, pairs[:, 0]), axis=1)
        pairs = pairs[~np.isin(_keys(ends), fixed)]
        start, corners = faces_around(faces, len(points))
        if _turn(points, faces, pairs, start, corners // 3) == 0:
            break
    return faces


@kernel
def _turn(points, faces, pairs, start, members):
    locked = np.zeros(points.shape[0], np.bool_)
    normals = np.empty((4, 3))
    turned = 0
    for p in range(pairs.shape[0]):
        f, s = pairs[p, 0] // 3, pairs[p, 0] % 3
        g, t = pairs[p, 1] // 3, pairs[p, 1] % 3
        a, b, c = faces[f, s], faces[f, (s + 1) % 3], faces[f, (s + 2) % 3]
        d = faces[g, (t + 2) % 3]
        if faces[g, t] != b or c == d or locked[a] or locked[b] or locked[c] or locked[d]:
            continue
        old = (
            (points[a, 0] - points[b, 0]) ** 2
            + (points[a, 1] - points[b, 1]) ** 2
            + (points[a, 2] - points[b, 2]) ** 2
        )
        new = (
            (points[c, 0] - points[d, 0]) ** 2
            + (points[c, 1] - points[d, 1]) ** 2
            + (points[c, 2] - points[d, 2]) ** 2
        )
        if old < 1.35 * new:
            continue
        there = False
        for i in range(start[c], start[c + 1]):
            q = members[i]
            if faces[q, 0] == d or faces[q, 1] == d or faces[q, 2] == d:
                there = True
        if there:
            continue
        _fill_normal(points, a, b, c, normals[0])
        _fill_normal(points, b, a, d, normals[1])
        _fill_normal(points, c, d, b, normals[2])
        _fill_normal(points, d, c, a, normals[3])
        fits = True
        for i in range(2):
            for j in range(2, 4):
                if _cosine(normals[i], normals[j]) < 0.7:
                    fits = False
        if not fits:
            continue
        faces[f, 0], faces[f, 1], faces[f, 2] = c, d, b
        faces[g, 0], faces[g, 1], faces[g, 2] = d, c, a
        locked[a] = locked[b] = locked[c] = locked[d] = True
        turned += 1
    return turned


@kernel
def settle(points, faces, start, corners, places):
    """Move each vertex towards its place, in (V, 3) ``points``, as far as no face turns."""
    old, new, kept = np.empty(3), np.empty(3), np.empty(3)
    for v in range(points.shape[0]):
        if start[v] == start[v + 1]:
            continue
        for k in range(3):
            kept[k] = points[v, k]
        share = 1.0
        while share > 0.1:
            fits = True
            for i in range(start[v], start[v + 1]):
                f = corners[i] // 3
                for k in range(3):
                    points[v, k] = kept[k]
                _fill_normal(points, faces[f, 0], faces[f, 1], faces[f, 2], old)
                for k in range(3):
                    points[v, k] = kept[k] + share * (places[v, k] - kept[k])
                _fill_normal(points, faces[f, 0], faces[f, 1], faces[f, 2], new)
                if _cosine(old, new) < 0.7 or _shape(points, faces, f) < min(
                    0.15, 0.9 * _shape_at(points, faces, f, v, kept)
                ):
                    fits = False
                    break
            if fits:
                break
            share /= 2
        if share <= 0.1:
            for k in range(3):
                points[v, k] = kept[k]


@tight
def _shape_at(points, faces, f, v, place):
    """``_shape`` with vertex v at ``place``."""
    x, y, z = points[v, 0], points[v, 1], points[v, 2]
    points[v, 0], points[v, 1], points[v, 2] = place[0], place[1], place[2]
    value = _shape(points, faces, f)
    points[v, 0], points[v, 1], points[v, 2] = x, y, z
    return value


@tight
def _shape(points, faces, f):
    """Height over the longest side."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    nx, ny, nz = cross(ux, uy, uz, vx, vy, vz)
    longest = max(
        ux * ux + uy * uy + uz * uz,
        vx * vx + vy * vy + vz * vz,
        (ux - vx) ** 2 + (uy - vy) ** 2 + (uz - vz) ** 2,
        1e-300,
    )
    return np.sqrt(nx * nx + ny * ny + nz * nz) / longest


@tight
def _fill_normal(points, a, b, c, normal):
    normal[0], normal[1], normal[2] = cross(
        points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2],
        points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2],
    )  # fmt: skip


@tight
def _cosine(a, b):
    both = (a[0] ** 2 + a[1] ** 2 + a[2] ** 2) * (b[0] ** 2 + b[1] ** 2 + b[2] ** 2)
    return (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / np.sqrt(max(both, 1e-300))


def pair_triangles(points, faces, lines) -> np.ndarray:
    """(C, 4) int32 cells: two triangles in one, the squarest first, or one with -1 at its end."""
    edges = find_edges(faces, len(points))
    pairs = edges.pairs()
    ends = np.stack(side_ends(faces, pairs[:, 0]), axis=1)
    pairs = pairs[~np.isin(_keys(ends), _keys(lines))]
    cells, worth = _cells(points, faces, pairs)
    good = worth > _WORST
    pairs, cells, worth = pairs[good], cells[good], worth[good]
    chosen, alone = _choose(pairs, np.lexsort((np.arange(len(worth)), -worth)), len(faces))
    single = np.concatenate([faces[alone], np.full((int(alone.sum()), 1), -1, np.int32)], axis=1)
    return np.concatenate([cells[chosen], single]).astype(np.int32)


def _cells(points, faces, pairs):
    """(P, 4) int32 the cell of each pair of sides, and (P,) float64 the least sine of its corners."""
    f, s = pairs[:, 0] // 3, pairs[:, 0] % 3
    g, t = pairs[:, 1] // 3, pairs[:, 1] % 3
    a, b, c = faces[f, s], faces[f, (s + 1) % 3], faces[f, (s + 2) % 3]
    cells = np.stack([c, a, faces[g, (t + 2) % 3], b], axis=1)
    sines, normal = corner_sines(points, cells)
    one, other = (
        np.cross(points[faces[x, 1]] - points[faces[x, 0]], points[faces[x, 2]] - points[faces[x, 0]])
        for x in (f, g)
    )
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    flat = np.einsum("pi,pi->p", one, other) > _FLATTEST * length
    distinct = cells[:, 0] != cells[:, 2]
    return cells, np.where(flat & distinct, sines.min(axis=1), -1.0)


def corner_sines(points: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far quads are from folding.

    Args:
        points: (V, 3) float64.
        quads: (Q, 4) int.

    Returns:
        (Q, 4) float64 of each corner the sine of its angle times the cosine between its normal and
        that of the quad: 1 for a square, 0 or less for what is folded; (Q, 3) normals, the longer
        the larger the quad.
    """
    at = points[quads].astype(np.float64)
    to, back = np.roll(at, -1, axis=1) - at, np.roll(at, 1, axis=1) - at
    normals = np.cross(to, back)
    whole = normals.sum(axis=1)
    unit = whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-300)
    length = np.linalg.norm(to, axis=2) * np.linalg.norm(back, axis=2)
    sines = np.einsum("qci,qi->qc", normals, unit) / np.maximum(length, 1e-300)
    return sines, whole


@kernel
def _choose(pairs, order, count):
    """(P,) bool the pairs taken in ``order``, (F,) bool the faces left alone."""
    alone = np.ones(count, np.bool_)
    chosen = np.zeros(pairs.shape[0], np.bool_)
    for p in order:
        f, g = pairs[p, 0] // 3, pairs[p, 1] // 3
        if alone[f] and alone[g]:
            alone[f] = alone[g] = False
            chosen[p] = True
    return chosen, alone
