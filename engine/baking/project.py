"""The point of a detailed surface that lies nearest to a point of its simplified one.

The detailed surface is an O-Voxel mesh: its vertices are about a voxel apart. A point looks into the
voxels around it, ring by ring, for the nearest vertex whose surface does not face the other way (a
thin wall has two sides), and then for the nearest point of the triangles at that vertex.
"""

from typing import NamedTuple

import numpy as np

from engine.baking.normals import corner_normals, faces_around
from engine.baking.rows import unique_rows
from engine.errors import EngineError
from engine.kernels import kernel
from engine.ovoxel.lookup import VoxelLookup, build_lookup, find_row

NEAR_RINGS = 4
FAR_CELL = 8
"""Voxels per cell of the second, coarser search; what it does not find is not on the surface."""

_WRONG_WAY = 4.0
"""Added to the squared distance, in voxels, of a vertex whose surface faces the other way."""


class Cells(NamedTuple):
    """Vertices by the cell they lie in.

    Args:
        size: edge of a cell in voxels.
        lookup: of the cells.
        start, vertices: vertices of cell c are ``vertices[start[c] : start[c + 1]]``.
    """

    size: float
    lookup: VoxelLookup
    start: np.ndarray
    vertices: np.ndarray


class Source(NamedTuple):
    """A detailed surface, ready for ``project``; a plain tuple, so that kernels can take it.

    Args:
        points: (V, 3) float32 vertices in voxel units.
        faces: (F, 3) int32.
        normals: (F, 3, 3) float32 per face corner.
        facing: (V, 3) float32 a normal of each vertex.
        start, corners: of ``faces_around``.
        near, far: vertices by voxel, and by cell of FAR_CELL voxels.
    """

    points: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    facing: np.ndarray
    start: np.ndarray
    corners: np.ndarray
    near: Cells
    far: Cells


def source_of(
    points: np.ndarray, faces: np.ndarray, *, threads: int | None = None
) -> Source:
    """Make a surface ready: ``points`` (V, 3) in voxel units, ``faces`` (F, 3).

    Raises:
        EngineError: ``mesh_empty`` without triangles.
    """
    if len(faces) == 0:
        raise EngineError(
            "mesh_empty", "The surface to bake from has no triangles.", "Check the O-Voxels."
        )
    points = np.ascontiguousarray(points, np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    normals = corner_normals(points, faces, welded=True, threads=threads)
    start, corners = faces_around(faces, len(points))
    used = np.flatnonzero(np.diff(start)).astype(np.int32)
    facing = np.zeros_like(points)
    facing[used] = normals.reshape(-1, 3)[corners[start[used]]]
    return Source(
        *(points, faces, normals, facing, start, corners),
        *(_cells(points, used, size) for size in (1, FAR_CELL)),
    )


def _cells(points: np.ndarray, used: np.ndarray, size: int) -> Cells:
    coords = np.floor(points[used] / size).astype(np.int32)
    first, cell = unique_rows(coords)
    order = np.argsort(cell, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(first)))])
    return Cells(float(size), build_lookup(coords[first]), start, used[order])


@kernel
def project(source, points, facing, wanted, normals, found):
    """Move points onto the surface.

    Args:
        source: of ``source_of``.
        points: (P, 3) float32 in voxel units; replaced by the nearest point of the surface.
        facing: (P, 3) float32 normals of the simplified surface.
        wanted: (P,) bool, the points to move.
        normals: (P, 3) float32, receive the surface's unit normals.
        found: (P,) bool, receives whether there is a surface near; ``points`` stays otherwise.
    """
    best = np.empty(6, np.float64)
    for p in range(len(points)):
        found[p] = False
        if not wanted[p]:
            continue
        vertex = _nearest_vertex(source, source.near, points[p], facing[p])
        if vertex < 0:
            vertex = _nearest_vertex(source, source.far, points[p], facing[p])
        if vertex < 0:
            continue
        found[p] = True
        _nearest_on_faces(source, vertex, points[p], best)
        for i in range(3):
            points[p, i] = best[i]
            normals[p, i] = best[3 + i]


@kernel
def _nearest_vertex(source, cells, point, facing):
    x, y, z = np.float64(point[0]), np.float64(point[1]), np.float64(point[2])
    i, j, k = int(np.floor(x / cells.size)), int(np.floor(y / cells.size)), int(np.floor(z / cells.size))
    # Distance from the point to the nearest wall of its own cell.
    wall = cells.size
    for axis in range(3):
        share = point[axis] / cells.size
        share -= np.floor(share)
        wall = min(wall, cells.size * min(share, 1 - share))
    nearest, best = -1, np.inf
    for ring in range(NEAR_RINGS + 1):
        # Everything in this ring is at least so far away.
        least = wall + (ring - 1) * cells.size if ring > 0 else 0.0
        if least * least > best:
            break
        for a in range(-ring, ring + 1):
            for b in range(-ring, ring + 1):
                inner = abs(a) < ring and abs(b) < ring
                for c in range(-ring, ring + 1, 2 * ring if inner else 1):
                    cell = find_row(cells.lookup, 0, i + a, j + b, k + c)
                    if cell < 0:
                        continue
                    for place in range(cells.start[cell], cells.start[cell + 1]):
                        v = cells.vertices[place]
                        dx, dy = source.points[v, 0] - x, source.points[v, 1] - y
                        dz = source.points[v, 2] - z
                        away = dx * dx + dy * dy + dz * dz
                        if away < best:
                            n = source.facing[v]
                            if n[0] * facing[0] + n[1] * facing[1] + n[2] * facing[2] < 0:
                                away += _WRONG_WAY
                        if away < best:
                            best, nearest = away, v
    return nearest


@kernel
def _nearest_on_faces(source, vertex, point, best):
    """Nearest point of the triangles at a vertex, and the normal there; both into ``best``."""
    least = np.inf
    wa = wb = wc = 0.0
    face = np.int64(-1)
    p = point.astype(np.float64)
    for place in range(source.start[vertex], source.start[vertex + 1]):
        f = source.corners[place] // 3
        a = source.points[source.faces[f, 0]].astype(np.float64)
        b = source.points[source.faces[f, 1]].astype(np.float64)
        c = source.points[source.faces[f, 2]].astype(np.float64)
        ta, tb, tc = _nearest_weights(p, a, b, c)
        away = 0.0
        for i in range(3):
            away += (ta * a[i] + tb * b[i] + tc * c[i] - p[i]) ** 2
        if away < least:
            least, face = away, f
            wa, wb, wc = ta, tb, tc
    for i in range(3):
        q = source.points
        t = source.faces[face]
        best[i] = wa * q[t[0], i] + wb * q[t[1], i] + wc * q[t[2], i]
        n = source.normals[face]
        best[3 + i] = wa * n[0, i] + wb * n[1, i] + wc * n[2, i]
    size = np.sqrt(best[3] ** 2 + best[4] ** 2 + best[5] ** 2)
    if size > 1e-12:
        best[3:] /= size


@kernel
def _dot(ax, ay, az, bx, by, bz):
    return ax * bx + ay * by + az * bz


@kernel
def _nearest_weights(p, a, b, c):
    """Corner weights of the point of triangle abc nearest to p, by the regions of its corners."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    px, py, pz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    d1, d2 = _dot(ux, uy, uz, px, py, pz), _dot(vx, vy, vz, px, py, pz)
    if d1 <= 0 and d2 <= 0:
        return 1.0, 0.0, 0.0
    qx, qy, qz = p[0] - b[0], p[1] - b[1], p[2] - b[2]
    d3, d4 = _dot(ux, uy, uz, qx, qy, qz), _dot(vx, vy, vz, qx, qy, qz)
    if d3 >= 0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    rx, ry, rz = p[0] - c[0], p[1] - c[1], p[2] - c[2]
    d5, d6 = _dot(ux, uy, uz, rx, ry, rz), _dot(vx, vy, vz, rx, ry, rz)
    if d6 >= 0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    wc = d1 * d4 - d3 * d2
    if wc <= 0 and d1 >= 0 and d3 <= 0:
        t = d1 / (d1 - d3)
        return 1 - t, t, 0.0
    wb = d5 * d2 - d1 * d6
    if wb <= 0 and d2 >= 0 and d6 <= 0:
        t = d2 / (d2 - d6)
        return 1 - t, 0.0, t
    wa = d3 * d6 - d5 * d4
    if wa <= 0 and d4 >= d3 and d5 >= d6:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 0.0, 1 - t, t
    total = wa + wb + wc
    return wa / total, wb / total, wc / total
