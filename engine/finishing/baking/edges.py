"""Open borders of a mesh."""

import numpy as np

from engine.meshing.rows import unique_rows


def has_open_edges(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether any edge has a triangle on one side only; equal positions count as one vertex.

    Triangles with two equal corners do not count.
    """
    _, welded = unique_rows(np.asarray(vertices, np.float32))
    faces = welded[np.asarray(faces)]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    edges = np.stack([faces[whole], np.roll(faces[whole], -1, axis=1)], axis=-1).reshape(-1, 2)
    if len(edges) == 0:
        return False
    _, kind = unique_rows(edges.min(axis=1), edges.max(axis=1))
    return bool((np.bincount(kind) == 1).any())
