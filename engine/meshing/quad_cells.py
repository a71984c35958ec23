"""From a surface of small triangles with fields on it to cells: one vertex for each lattice point.

All that changes the mesh is a collapse of an edge or a turn of one, so that the surface stays what
it was: closed where it was closed, with its holes and handles.
"""

import numpy as np

from engine.kernels import kernel
from engine.meshing.edges import find_edges, side_ends, undirected
from engine.meshing.quad_fields import alike, cross
from engine.meshing.quad_surface import collapse

_FLATTEST = 0.5
"""Cosine of the angle between two triangles that may become one cell,"""
_WORST = 0.25
"""and the least sine of its corners."""


def collapse_cells(points, faces, normals, ways, places, kind, lines, cell):
    """Collapse every edge whose ends have the same lattice point, as far as the surface allows.

    Args:
        points, normals: (V, 3) float64.
        faces: (F, 3) int32.
        ways, places: (V, 3) float64 the fields.
        kind: (V,) int8 of ``find_kinds``.
        lines: (L, 2) int64 edges.
        cell: length of the sides of cells.

    Returns:
        (G, 3) int32 faces, into the same vertices; (M, 2) int64 lines.
    """
    off = np.linalg.norm(places - points, axis=1)

    def choose(ends):
        """Those that lie best on their lattice point first."""
        first, second = ends.T
        same = (_steps(ends, normals, ways, places, cell) == 0).all(axis=1)
        swap = (kind[first] > kind[second]) | (
            (kind[first] == kind[second]) & (off[first] < off[second])
        )
        pairs = np.where(swap[:, None], ends[:, ::-1], ends)
        return np.where(same, off[pairs[:, 1]], np.inf), pairs

    return collapse(points, faces, normals, kind, lines, choose)


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
        x, y, z = (
            places[w, 0] - places[v, 0],
            places[w, 1] - places[v, 1],
            places[w, 2] - places[v, 2],
        )
        along = (x * ax + y * ay + z * az + x * bx + y * by + z * bz) / 2
        across = (x * cx + y * cy + z * cz + x * dx + y * dy + z * dz) / 2
        steps[e, 0], steps[e, 1] = np.round(along / cell), np.round(across / cell)
    return steps


def pair_triangles(points, faces, lines) -> np.ndarray:
    """(C, 4) int32 cells: two triangles in one, the squarest first, or one with -1 at its end."""
    edges = find_edges(faces, len(points))
    pairs = edges.pairs()
    ends = np.stack(side_ends(faces, pairs[:, 0]), axis=1)
    pairs = pairs[~np.isin(undirected(ends), undirected(lines))]
    cells, worth = _cells(points, faces, pairs)
    good = worth > _WORST
    pairs, cells, worth = pairs[good], cells[good], worth[good]
    chosen, alone = _choose(pairs, np.lexsort((np.arange(len(worth)), -worth)), len(faces))
    single = np.concatenate([faces[alone], np.full((int(alone.sum()), 1), -1, np.int32)], axis=1)
    return np.concatenate([cells[chosen], single]).astype(np.int32)


def _cells(points, faces, pairs):
    """(P, 4) int32 the cell of each pair of sides, (P,) float64 the least sine of its corners."""
    f, s = pairs[:, 0] // 3, pairs[:, 0] % 3
    g, t = pairs[:, 1] // 3, pairs[:, 1] % 3
    a, b, c = faces[f, s], faces[f, (s + 1) % 3], faces[f, (s + 2) % 3]
    cells = np.stack([c, a, faces[g, (t + 2) % 3], b], axis=1)
    sines, _ = corner_sines(points, cells)
    one, other = (
        np.cross(
            points[faces[x, 1]] - points[faces[x, 0]], points[faces[x, 2]] - points[faces[x, 0]]
        )
        for x in (f, g)
    )
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    flat = np.einsum("pi,pi->p", one, other) > _FLATTEST * length
    agree = (cells[:, 0] != cells[:, 2]) & (faces[g, t] == b)
    return cells, np.where(flat & agree, sines.min(axis=1), -1.0)


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
