"""Coarser and coarser levels of a set of voxels, and which children each parent has.

What an encoder walks up and a decoder has to find again on its way down (SC-VAE, TRELLIS.2). This
is plain numpy for the preparation of data; engine/sparse/topology.py does the same for networks.
"""

from typing import NamedTuple

import numpy as np

from protocol.errors import EngineError


class PyramidLevel(NamedTuple):
    """One level of a pyramid.

    Args:
        coords: (N, 3) int32, unique, sorted by x, y, z.
        children: (N, 8) bool: which children exist on the next finer level. Child s lies at
            2 * coords + (s & 1, s >> 1 & 1, s >> 2 & 1), so s = x + 2 y + 4 z.
    """

    coords: np.ndarray
    children: np.ndarray


def subdivision_pyramid(coords: np.ndarray, levels: int) -> list[PyramidLevel]:
    """Halve the resolution of voxels ``levels`` times.

    Args:
        coords: (N, 3) integer voxel indices, not negative, unique, in any order.
        levels: how often, at least 0; the last level is 2^levels times coarser.

    Returns:
        The levels from fine to coarse, without ``coords`` itself. An odd number of cells per axis
        is rounded up: the last parents then hold fewer cells.

    Raises:
        EngineError: coords, levels.
    """
    if isinstance(levels, bool) or not isinstance(levels, (int, np.integer)) or levels < 0:
        raise EngineError("levels", f"A pyramid of {levels!r} levels.", "Give a number from 0 on.")
    if coords.ndim != 2 or coords.shape[1] != 3 or not np.issubdtype(coords.dtype, np.integer):
        raise EngineError(
            "coords",
            f"Voxels are {coords.dtype} of shape {coords.shape}.",
            "Give (N, 3) integer indices.",
        )
    if len(coords) and coords.min() < 0:
        raise EngineError("coords", "A voxel index is negative.", "Give indices from 0 on.")
    pyramid = []
    for _ in range(levels):
        parents, rows = parents_of(coords, 2)
        slots = (coords & 1) @ np.array((1, 2, 4))
        children = np.zeros((len(parents), 8), np.bool_)
        children[rows, slots] = True
        pyramid.append(PyramidLevel(parents, children))
        coords = parents
    return pyramid


def parents_of(coords: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells of a ``factor`` times coarser grid that hold voxels.

    Args:
        coords: (N, 3) integer, not negative, below 2^21.
        factor: at least 1.

    Returns:
        (parents, rows): (M, 3) int32 unique and sorted by x, y, z, and (N,) int64 in which of them
        each voxel lies.

    Raises:
        EngineError: coords.
    """
    _check_range(coords)
    wide = coords.astype(np.int64) // factor
    x, y, z = wide.T
    keys, rows = np.unique((x << 42) + (y << 21) + z, return_inverse=True)
    mask = (1 << 21) - 1
    return np.stack([keys >> 42, keys >> 21 & mask, keys & mask], axis=1).astype(np.int32), rows


def _check_range(coords: np.ndarray) -> None:
    """Three indices share one 64-bit key, 21 bits each; larger ones would alias."""
    if len(coords) and coords.max() >= 1 << 21:
        raise EngineError(
            "coords", f"A voxel index is {coords.max()}.", "Give indices below 2097152 (2^21)."
        )
