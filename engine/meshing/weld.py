"""Vertices in the same place become one."""

import numpy as np


def weld_positions(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which vertices to keep so that each position occurs once: the first of each, in order.

    Args:
        vertices: (V, 3) float; exactly equal positions count as one, NaN equals nothing.

    Returns:
        (W,) int64 ``kept`` and (V,) int64 ``new_index``: the welded mesh has the vertices
        ``vertices[kept]`` and the faces ``new_index[faces]``.
    """
    order = np.lexsort(vertices.T)
    ranked = vertices[order]
    is_new = np.ones(len(vertices), dtype=bool)
    is_new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    # lexsort is stable, so the first of each group is the earliest in the file.
    first = order[is_new]
    by_age = np.argsort(first)
    rank = np.empty(len(first), dtype=np.int64)
    rank[by_age] = np.arange(len(first))
    new_index = np.empty(len(vertices), dtype=np.int64)
    new_index[order] = rank[np.cumsum(is_new) - 1]
    return first[by_age], new_index


def weld_near(vertices: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """As ``weld_positions``, but joining what lies up to about ``distance`` apart.

    Two vertices are joined when they fall into the same cube of a grid of that spacing, or of the
    same grid moved by half a cube: all nearer than half the distance are, none farther than two
    cube diagonals is.
    """
    if distance <= 0 or len(vertices) == 0:
        return weld_positions(vertices)
    kept = np.arange(len(vertices))
    new_index = kept
    for shift in (0.0, 0.5):
        points = vertices[kept].astype(np.float64)
        with np.errstate(invalid="ignore"):
            cells = np.floor(points / distance + shift)
        still, joined = weld_positions(cells)
        kept, new_index = kept[still], joined[new_index]
    return kept, new_index
