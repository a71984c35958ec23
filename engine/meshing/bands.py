"""Triangles sorted into bands of rows, so that bands can be filled side by side."""

from typing import NamedTuple

import numpy as np

from engine.kernels import kernel, tight


class Bands(NamedTuple):
    """Triangles of each band: those of band b are ``faces[start[b] : start[b + 1]]``, ascending."""

    start: np.ndarray
    faces: np.ndarray


def fill_bands(reach: np.ndarray, count: int) -> Bands:
    """Sort triangles by the bands they reach.

    Args:
        reach: (F, 2) int32 first and last band of each triangle, first > last for none.
        count: of bands.
    """
    return Bands(*_fill(reach, count))


@kernel
def _fill(reach, count):
    start = np.zeros(count + 1, np.int64)
    _count(reach, start)
    faces = np.empty(start[count], np.int32)
    _sort(reach, start[:-1].copy(), faces)
    return start, faces


@tight
def _count(reach, start):
    for f in range(len(reach)):
        for band in range(reach[f, 0], reach[f, 1] + 1):
            start[band + 1] += 1
    for band in range(len(start) - 1):
        start[band + 1] += start[band]


@tight
def _sort(reach, place, faces):
    for f in range(len(reach)):
        for band in range(reach[f, 0], reach[f, 1] + 1):
            faces[place[band]] = f
            place[band] += 1
