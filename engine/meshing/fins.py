"""Stray flaps that stand on a surface which is whole without them."""

import numpy as np

from engine.meshing.charts import connected
from engine.meshing.edges import face_neighbours, find_edges, side_ends


def is_fin(vertices: np.ndarray, faces: np.ndarray, max_perimeter: float) -> np.ndarray:
    """(F,) bool: faces of small patches that hang on edges of three faces and end in the open.

    A patch is what edges of two faces hold together. Voxel surfaces have such flaps where a single
    quad stands on the surface; without it, the edges it stood on have two faces again.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
        max_perimeter: of a patch, in the unit of the vertices.
    """
    edges = find_edges(faces, len(vertices))
    if not (edges.counts > 2).any():
        return np.zeros(len(faces), dtype=bool)
    edge_of_side = edges.of_sides()
    sides_on_edge = edges.counts[edge_of_side]
    neighbours = face_neighbours(faces, edges)
    patch = connected(np.zeros(len(faces), np.int32), np.where(neighbours < 0, -1, neighbours >> 1))
    count = int(patch.max()) + 1
    rim = np.flatnonzero(sides_on_edge != 2)
    start, end = side_ends(faces, rim)
    lengths = np.linalg.norm(vertices[end] - vertices[start], axis=1)
    owner = patch[rim // 3]
    perimeter = np.bincount(owner, weights=lengths, minlength=count)
    is_open = np.bincount(owner, weights=sides_on_edge[rim] == 1, minlength=count) > 0
    # What stays on each shared edge must still be two faces or more.
    shared = rim[sides_on_edge[rim] > 2]
    keys = edge_of_side[shared].astype(np.int64) * count + patch[shared // 3]
    _, at, own = np.unique(keys, return_inverse=True, return_counts=True)
    left = sides_on_edge[shared] - own[at]
    stands = np.bincount(patch[shared // 3], minlength=count) > 0
    needed = np.bincount(patch[shared // 3], weights=left < 2, minlength=count) > 0
    return (is_open & stands & ~needed & (perimeter < max_perimeter))[patch]
