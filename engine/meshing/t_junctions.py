"""Vertices that lie on another face's open edge become corners of it."""

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.edges import find_edges, side_ends


def split_t_junctions(
    vertices: np.ndarray, faces: np.ndarray, distance: float
) -> tuple[np.ndarray, int]:
    """Split faces whose open side has ends of other open sides on it.

    Where one long side meets several short ones, the surface has no visible gap and yet is open. A
    face is split at one of the vertices that lie on its side, then again until none is left; this
    also closes what a dropped face without area leaves open.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32 with three different corners each.
        distance: how far off the side a vertex may lie.

    Returns:
        (F + splits, 3) int32 faces with the same windings, and the number of splits.
    """
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    splits = 0
    for _ in range(64):
        edges = find_edges(faces, len(vertices))
        sides = edges.sides_of_open_edges()
        if len(sides) == 0:
            break
        start, end = side_ends(faces, sides)
        on_side = _vertex_on_side(vertices, start, end, distance)
        found = np.flatnonzero(on_side >= 0)
        # One split of a face at a time.
        _, once = np.unique(sides[found] // 3, return_index=True)
        found = found[once]
        face, side = sides[found] // 3, sides[found] % 3
        inside = (faces[face] != on_side[found, None]).all(axis=1)
        found, face, side = found[inside], face[inside], side[inside]
        if len(found) == 0:
            break
        middle = on_side[found]
        second = faces[face].copy()
        faces[face, (side + 1) % 3] = middle
        second[np.arange(len(second)), side] = middle
        faces = np.concatenate([faces, second])
        splits += len(found)
    return faces, splits


def _vertex_on_side(
    vertices: np.ndarray, start: np.ndarray, end: np.ndarray, distance: float
) -> np.ndarray:
    """(S,) int64: for each side, the vertex of other sides that lies on it nearest to its middle.

    Vertices are sorted into cubic cells as large as a mean side; -1 where there is none.
    """
    a, b = vertices[start].astype(np.float64), vertices[end].astype(np.float64)
    lengths = np.linalg.norm(b - a, axis=1)
    cell = max(float(lengths.mean()), 4 * distance, 1e-30)
    candidates = np.unique(np.concatenate([start, end]))
    points = vertices[candidates].astype(np.float64)
    low = points.min(axis=0) - cell
    size = np.minimum(np.floor((points.max(axis=0) - low) / cell) + 2, 2**20).astype(np.int64)
    cells = np.floor((points - low) / cell).astype(np.int64)
    keys = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    order = np.argsort(keys, kind="stable")
    return _search(
        a, b, start, end, distance, low, cell, size, keys[order], candidates[order], points[order]
    )


@tight
def _first_from(keys, key):
    """The first place in sorted keys with one not below; numba's takes long to compile."""
    low, high = 0, keys.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _search(a, b, start, end, distance, low, cell, size, keys, candidates, points):
    best = np.full(a.shape[0], -1, np.int64)
    lower, upper = np.empty(3, np.int64), np.empty(3, np.int64)
    for e in range(a.shape[0]):
        length2 = 0.0
        for k in range(3):
            lower[k] = np.int64((min(a[e, k], b[e, k]) - distance - low[k]) / cell)
            upper[k] = np.int64((max(a[e, k], b[e, k]) + distance - low[k]) / cell)
            length2 += (b[e, k] - a[e, k]) ** 2
        if length2 <= 4 * distance * distance:
            continue
        nearest = 0.5 - distance / np.sqrt(length2)
        for x in range(lower[0], upper[0] + 1):
            for y in range(lower[1], upper[1] + 1):
                # Cells along z have consecutive keys.
                row = (x * size[1] + y) * size[2]
                i = _first_from(keys, row + lower[2])
                while i < keys.shape[0] and keys[i] <= row + upper[2]:
                    v = candidates[i]
                    if v != start[e] and v != end[e]:
                        t = 0.0
                        for k in range(3):
                            t += (points[i, k] - a[e, k]) * (b[e, k] - a[e, k])
                        t /= length2
                        off2 = 0.0
                        for k in range(3):
                            off2 += (a[e, k] + t * (b[e, k] - a[e, k]) - points[i, k]) ** 2
                        if off2 <= distance * distance and abs(t - 0.5) < nearest:
                            nearest = abs(t - 0.5)
                            best[e] = v
                    i += 1
    return best
