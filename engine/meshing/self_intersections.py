"""Faces of a mesh that cross each other."""

import numpy as np

from engine.kernels import kernel
from engine.meshing.nearest import sort_into_cells

DEPTH = 1e-6
"""Crossings less deep than this share of the mesh's size are the rounding of its coordinates."""
MOST_CELLS = 256
ROUNDS, STEP = 40, 0.15
"""Of moving vertices towards the mean of their neighbours, and how far each."""


def self_intersecting_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool: faces that a side of another face pierces, or whose side pierces another.

    Faces that only touch, and faces that lie on each other, do not cross; a face does not cross
    those that it shares a side with.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
    """
    points = np.ascontiguousarray(vertices, dtype=np.float64)
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    if len(faces) == 0:
        return np.zeros(0, bool)
    low, high = points[faces].min(axis=(0, 1)), points[faces].max(axis=(0, 1))
    size = max(float((high - low).max()), 1e-30)
    cells = min(MOST_CELLS, max(1, int(np.sqrt(len(faces) / 4))))
    shape = (np.floor((high - low) / (size / cells)).astype(np.int64) + 1).clip(1, cells + 1)
    start, members = sort_into_cells(points, faces, low, size / cells, shape)
    return _crossing(points, faces, start, members, DEPTH * size)


@kernel
def _crossing(points, faces, start, members, depth):
    crossing = np.zeros(faces.shape[0], np.bool_)
    for cell in range(start.shape[0] - 1):
        for m in range(start[cell], start[cell + 1]):
            for n in range(m + 1, start[cell + 1]):
                f, g = members[m], members[n]
                if crossing[f] and crossing[g]:
                    continue
                apart = False
                for k in range(3):
                    a, b, c = points[faces[f, 0], k], points[faces[f, 1], k], points[faces[f, 2], k]
                    p, q, r = points[faces[g, 0], k], points[faces[g, 1], k], points[faces[g, 2], k]
                    if max(a, b, c) < min(p, q, r) or max(p, q, r) < min(a, b, c):
                        apart = True
                if not apart and (
                    _pierces(points, faces, f, g, depth) or _pierces(points, faces, g, f, depth)
                ):
                    crossing[f] = crossing[g] = True
    return crossing


@kernel
def _pierces(points, faces, f, g, depth):
    """Whether a side of face f, without corners in common with g, goes through g."""
    shared = 0
    for s in range(3):
        for t in range(3):
            shared += faces[f, s] == faces[g, t]
    if shared > 1:
        return False
    a, b, c = faces[g, 0], faces[g, 1], faces[g, 2]
    nx = (points[b, 1] - points[a, 1]) * (points[c, 2] - points[a, 2]) - (
        points[b, 2] - points[a, 2]
    ) * (points[c, 1] - points[a, 1])
    ny = (points[b, 2] - points[a, 2]) * (points[c, 0] - points[a, 0]) - (
        points[b, 0] - points[a, 0]
    ) * (points[c, 2] - points[a, 2])
    nz = (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1]) - (
        points[b, 1] - points[a, 1]
    ) * (points[c, 0] - points[a, 0])
    area = np.sqrt(nx * nx + ny * ny + nz * nz)
    if area == 0.0:
        return False
    for s in range(3):
        i, j = faces[f, s], faces[f, (s + 1) % 3]
        if i in (a, b, c) or j in (a, b, c):
            continue
        above = _height(points, i, a, nx, ny, nz) / area
        below = _height(points, j, a, nx, ny, nz) / area
        if not ((above > depth and below < -depth) or (above < -depth and below > depth)):
            continue
        share = above / (above - below)
        x = points[i, 0] + share * (points[j, 0] - points[i, 0])
        y = points[i, 1] + share * (points[j, 1] - points[i, 1])
        z = points[i, 2] + share * (points[j, 2] - points[i, 2])
        within = True
        for t in range(3):
            p, q = faces[g, t], faces[g, (t + 1) % 3]
            ux = points[q, 0] - points[p, 0]
            uy, uz = points[q, 1] - points[p, 1], points[q, 2] - points[p, 2]
            vx, vy, vz = x - points[p, 0], y - points[p, 1], z - points[p, 2]
            inwards = nx * (uy * vz - uz * vy) + ny * (uz * vx - ux * vz) + nz * (ux * vy - uy * vx)
            side = np.sqrt(ux * ux + uy * uy + uz * uz)
            within = within and inwards > depth * area * side
        if within:
            return True
    return False


@kernel
def _height(points, i, a, nx, ny, nz):
    return (
        nx * (points[i, 0] - points[a, 0])
        + ny * (points[i, 1] - points[a, 1])
        + nz * (points[i, 2] - points[a, 2])
    )


def without_self_intersections(
    vertices: np.ndarray, faces: np.ndarray, most: float
) -> tuple[np.ndarray, bool]:
    """Move vertices of crossing faces towards their neighbours until no faces cross.

    Args:
        most: no vertex may end farther away from its place.

    Returns:
        (V, 3) float32, and whether that went well.
    """
    given, vertices = vertices, vertices.copy()
    for _ in range(ROUNDS):
        crossing = self_intersecting_faces(vertices, faces)
        if not crossing.any():
            away = np.linalg.norm(vertices - given, axis=1)
            return vertices, float(away.max(initial=0)) <= most
        moved = np.unique(faces[crossing])
        beside = faces[np.isin(faces, moved).any(axis=1)]
        total, count = np.zeros((len(vertices), 3)), np.zeros((len(vertices), 1))
        for k in range(3):
            for n in ((k + 1) % 3, (k + 2) % 3):
                np.add.at(total, beside[:, k], vertices[beside[:, n]])
                np.add.at(count, beside[:, k], 1)
        mean = total[moved] / count[moved]
        vertices[moved] += (STEP * (mean - vertices[moved])).astype(vertices.dtype)
    return vertices, False
