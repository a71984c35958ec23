"""Convex hulls for collisions."""

import numpy as np

from engine.mesh import Mesh

MOST_POINTS = 96
"""Besides those along the axes. Engines want hulls of less than 256 vertices; fewer are faster."""


def collision_hull(vertices: np.ndarray) -> Mesh | None:
    """A convex hull of the vertices that lie farthest along evenly spread directions.

    It touches the shape from inside: what stands out between directions is cut off, by little.

    Args:
        vertices: (V, 3) finite.

    Returns:
        A closed mesh that faces outwards; None when the vertices lie in a plane.
    """
    points = np.asarray(vertices, np.float64)
    if len(points) < 4:
        return None
    number = np.arange(MOST_POINTS) + 0.5
    height = 1 - 2 * number / MOST_POINTS
    turn = np.pi * (1 + 5**0.5) * number
    flat = np.sqrt(1 - height * height)
    spread = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
    spread = np.concatenate([np.eye(3), -np.eye(3), spread])
    extreme = np.unique([int(np.argmax(points @ direction)) for direction in spread])
    points = np.unique(points[extreme], axis=0)
    faces = _hull_faces(points)
    if faces is None:
        return None
    used, new = np.unique(faces, return_inverse=True)
    return Mesh(points[used], new.reshape(-1, 3).astype(np.int32))


def _hull_faces(points: np.ndarray) -> np.ndarray | None:
    """(F, 3) faces of the hull: start with a tetrahedron and add point after point."""
    first = _tetrahedron(points)
    if first is None:
        return None
    a, b, c, d = first
    scale = float(np.ptp(points, axis=0).max())
    faces = [(a, b, c), (a, d, b), (b, d, c), (c, d, a)]
    for p in range(len(points)):
        if p in first:
            continue
        corners = points[np.array(faces)]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        sees = np.einsum("ij,ij->i", normals, points[p] - corners[:, 0]) > 1e-10 * scale**3
        if not sees.any():
            continue
        lost = {e for f in np.flatnonzero(sees) for e in _edges(faces[f])}
        # The horizon: edges of faces that go whose other side stays.
        horizon = sorted((i, j) for i, j in lost if (j, i) not in lost)
        faces = [face for face, gone in zip(faces, sees, strict=True) if not gone]
        faces += [(i, j, p) for i, j in horizon]
    return np.array(faces)


def _edges(face: tuple[int, int, int]) -> list[tuple[int, int]]:
    a, b, c = face
    return [(a, b), (b, c), (c, a)]


def _tetrahedron(points: np.ndarray) -> tuple[int, int, int, int] | None:
    """Four points far from one plane, the fourth behind the first three; None in a plane."""
    scale = float(np.ptp(points, axis=0).max())
    a = int(np.argmin(points[:, 0]))
    b = int(np.argmax(np.linalg.norm(points - points[a], axis=1)))
    off_line = np.linalg.norm(np.cross(points - points[a], points[b] - points[a]), axis=1)
    c = int(np.argmax(off_line))
    normal = np.cross(points[b] - points[a], points[c] - points[a])
    off_plane = (points - points[a]) @ normal
    d = int(np.argmax(np.abs(off_plane)))
    if not abs(off_plane[d]) > 1e-9 * scale**3:
        return None
    return (a, b, c, d) if off_plane[d] < 0 else (a, c, b, d)
