"""What follows the networks, written out plainly: an oracle that imports nothing of ours."""

import numpy as np

QUADS = (
    ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0)),
    ((0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)),
    ((0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0)),
)
"""The voxels around a crossed edge along x, y, z, in the order of their quad."""


def surface(coords: np.ndarray, intersected: np.ndarray, split_weight: np.ndarray) -> np.ndarray:
    """(N, 3) voxels, (N, 3) bool, (N,) -> (F, 3) faces, two to each crossed edge."""
    row_of = {tuple(voxel): row for row, voxel in enumerate(coords.tolist())}
    faces: list[tuple[int, int, int]] = []
    for (x, y, z), flags in zip(coords.tolist(), intersected.tolist(), strict=True):
        for axis in range(3):
            around = [row_of.get((x + i, y + j, z + k)) for i, j, k in QUADS[axis]]
            if not flags[axis] or None in around:
                continue
            a, b, c, d = (row for row in around if row is not None)
            w = split_weight
            if np.float32(w[a] * w[c]) > np.float32(w[b] * w[d]):
                faces += [(a, b, c), (a, c, d)]
            else:
                faces += [(a, b, d), (d, b, c)]
    return np.array(faces, np.int32).reshape(-1, 3)


def trilinear(coords: np.ndarray, feats: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) voxels, (N, C), (P, 3) in voxel units -> (P, C), absent voxels left out."""
    row_of = {tuple(voxel): row for row, voxel in enumerate(coords.tolist())}
    low = np.floor(points.astype(np.float32) - np.float32(0.5)).astype(int)
    total = np.zeros((len(points), feats.shape[1]))
    weights = np.zeros((len(points), 1))
    for corner in np.ndindex(2, 2, 2):
        cells = low + corner
        rows = np.array([row_of.get(tuple(cell), -1) for cell in cells.tolist()])
        weight = np.prod(1 - np.abs(points.astype(float) - cells - 0.5), axis=1)
        weight = np.where(rows < 0, 0, weight)[:, None]
        total += weight * feats[rows]
        weights += weight
    return total / np.maximum(weights, 1e-12)
