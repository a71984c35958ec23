"""Duplicate faces and corners."""

import numpy as np

from engine.kernels import kernel


def is_repeated(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    """(F,) bool: faces with the same three corners as an earlier face, in whatever order."""
    return _is_repeated(np.ascontiguousarray(faces, dtype=np.int32), vertex_count)


def has_repeated_corner(faces: np.ndarray) -> np.ndarray:
    """(F,) bool: faces with a vertex twice."""
    a, b, c = faces[:, 0], faces[:, 1], faces[:, 2]
    return (a == b) | (b == c) | (c == a)


@kernel
def _is_repeated(faces, vertex_count):
    """Chains of faces by their lowest corner; a vertex starts few of them."""
    repeated = np.zeros(faces.shape[0], np.bool_)
    last = np.full(vertex_count, -1, np.int32)
    before = np.empty(faces.shape[0], np.int32)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        low, high = min(a, b, c), max(a, b, c)
        total = np.int64(a) + b + c
        g = last[low]
        while g >= 0:
            d, e, h = faces[g, 0], faces[g, 1], faces[g, 2]
            if max(d, e, h) == high and np.int64(d) + e + h == total:
                repeated[f] = True
                break
            g = before[g]
        before[f] = last[low]
        if not repeated[f]:
            last[low] = f
    return repeated
