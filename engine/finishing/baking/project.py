"""The point of a detailed surface that lies nearest to a point of its simplified one.

The detailed surface is an O-Voxel mesh: its vertices are about a voxel apart. A point looks into
the voxels around it, ring by ring, for the nearest vertex whose surface does not face the other
way (a thin wall has two sides), and then for the nearest point of the triangles at that vertex.
"""

from typing import NamedTuple

import numpy as np

from engine.kernels import kernel
from engine.meshing.edges import faces_around
from engine.meshing.nearest import nearest_weights
from engine.meshing.normals import corner_normals
from engine.meshing.rows import unique_rows
from engine.ovoxel.lookup import VoxelLookup, build_lookup, find_row
from protocol.errors import EngineError

NEAR_RINGS = 4
FAR_CELL = 8
"""Voxels per cell of the second, coarser search; what it does not find is not on the surface."""

_WRONG_WAY = 0.75
"""Added to the squared distance, in voxels, of a vertex whose surface faces the other way: enough
to choose the right side of a wall, too little to search far where a whole sheet is turned round."""


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


def source_of(points: np.ndarray, faces: np.ndarray, *, threads: int | None = None) -> Source:
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
def project(source, points, facing, normals, found):
    """Move points onto the surface.

    Args:
        source: of ``source_of``.
        points: (P, 3) float32 in voxel units; replaced by the nearest point of the surface.
        facing: (P, 3) float32 normals of the simplified surface.
        normals: (P, 3) float32, receive the surface's unit normals.
        found: (P,) bool, receives whether there is a surface near; ``points`` stays otherwise.
    """
    # Long, but one loop over points: as functions, its steps would take the tuple apart each time.
    # Arrays are taken out of their tuples once: each time costs a count that threads fight for.
    vertices, faces, corner_normal = source.points, source.faces, source.normals
    around, corners, vertex_facing = source.start, source.corners, source.facing
    lookup, start, members = source.near.lookup, source.near.start, source.near.vertices
    # Neighbouring points mostly lie in the same voxel, whose surroundings are gathered once.
    most = 0
    for cell in range(len(start) - 1):
        most = max(most, start[cell + 1] - start[cell])
    gathered = np.empty(27 * most, np.int64)
    count, last_i, last_j, last_k = 0, np.int64(0), np.int64(0), np.int64(0)
    for p in range(len(points)):
        x, y, z = np.float64(points[p, 0]), np.float64(points[p, 1]), np.float64(points[p, 2])
        nx, ny, nz = facing[p, 0], facing[p, 1], facing[p, 2]
        i, j, k = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
        if p == 0 or i != last_i or j != last_j or k != last_k:
            count, last_i, last_j, last_k = 0, i, j, k
            for a in range(i - 1, i + 2):
                for b in range(j - 1, j + 2):
                    for c in range(k - 1, k + 2):
                        cell = find_row(lookup, 0, a, b, c)
                        if cell >= 0:
                            for place in range(start[cell], start[cell + 1]):
                                gathered[count] = members[place]
                                count += 1
        vertex, best = np.int64(-1), np.inf
        for place in range(count):
            v = gathered[place]
            dx, dy, dz = vertices[v, 0] - x, vertices[v, 1] - y, vertices[v, 2] - z
            away = dx * dx + dy * dy + dz * dz
            if vertex_facing[v, 0] * nx + vertex_facing[v, 1] * ny + vertex_facing[v, 2] * nz < 0:
                away += _WRONG_WAY
            if away < best:
                best, vertex = away, v
        # What was not gathered is at least a voxel away.
        if best > 1.0:
            vertex = _search(source.near, vertices, vertex_facing, x, y, z, nx, ny, nz)
        if vertex < 0:
            vertex = _search(source.far, vertices, vertex_facing, x, y, z, nx, ny, nz)
        found[p] = vertex >= 0
        if vertex < 0:
            continue
        least, face = np.inf, np.int64(-1)
        wa = wb = wc = 0.0
        for place in range(around[vertex], around[vertex + 1]):
            f = corners[place] // 3
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            # Relative to the point, which becomes the origin.
            ax, ay, az = vertices[a, 0] - x, vertices[a, 1] - y, vertices[a, 2] - z
            bx, by, bz = vertices[b, 0] - x, vertices[b, 1] - y, vertices[b, 2] - z
            cx, cy, cz = vertices[c, 0] - x, vertices[c, 1] - y, vertices[c, 2] - z
            ta, tb, tc = nearest_weights(ax, ay, az, bx, by, bz, cx, cy, cz)
            away = (
                (ta * ax + tb * bx + tc * cx) ** 2
                + (ta * ay + tb * by + tc * cy) ** 2
                + (ta * az + tb * bz + tc * cz) ** 2
            )
            if away < least:
                least, face = away, np.int64(f)
                wa, wb, wc = ta, tb, tc
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        size = 0.0
        for i in range(3):
            points[p, i] = wa * vertices[a, i] + wb * vertices[b, i] + wc * vertices[c, i]
            normal = (
                wa * corner_normal[face, 0, i]
                + wb * corner_normal[face, 1, i]
                + wc * corner_normal[face, 2, i]
            )
            normals[p, i] = normal
            size += normal * normal
        for i in range(3):
            normals[p, i] /= max(np.sqrt(size), 1e-12)


@kernel
def _search(cells, points, facing, x, y, z, nx, ny, nz):
    """The nearest vertex that does not face away from the normal (nx, ny, nz); -1 without any."""
    lookup, start, members, size = cells.lookup, cells.start, cells.vertices, cells.size
    i, j, k = (
        np.int64(np.floor(x / size)),
        np.int64(np.floor(y / size)),
        np.int64(np.floor(z / size)),
    )
    # Distance from the point to the nearest wall of its own cell.
    wall = min(x - i * size, y - j * size, z - k * size)
    wall = min(wall, size - (x - i * size), size - (y - j * size), size - (z - k * size))
    nearest, best = np.int64(-1), np.inf
    for ring in range(NEAR_RINGS + 1):
        # Everything in this ring is at least so far away.
        least = wall + (ring - 1) * size if ring > 0 else 0.0
        if least * least > best:
            break
        for a in range(-ring, ring + 1):
            for b in range(-ring, ring + 1):
                inner = abs(a) < ring and abs(b) < ring
                for c in range(-ring, ring + 1, 2 * ring if inner else 1):
                    cell = find_row(lookup, 0, i + a, j + b, k + c)
                    if cell < 0:
                        continue
                    for place in range(start[cell], start[cell + 1]):
                        v = members[place]
                        dx, dy, dz = points[v, 0] - x, points[v, 1] - y, points[v, 2] - z
                        away = dx * dx + dy * dy + dz * dz
                        if away >= best:
                            continue
                        if facing[v, 0] * nx + facing[v, 1] * ny + facing[v, 2] * nz < 0:
                            away += _WRONG_WAY
                        if away < best:
                            best, nearest = away, np.int64(v)
    return nearest
