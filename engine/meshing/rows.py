"""Equal rows of numbers become one: positions at seams, corners that share a vertex of a file."""

import numpy as np

from engine.kernels import kernel


def unique_rows(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are equal, bit for bit; -0 counts as 0.

    Args:
        columns: arrays (N, C_i) or (N,) of float32 or of integers below 2**31, side by side.

    Returns:
        first (M,) int64, the earliest of each kind of row, in the order of their appearance, and
        inverse (N,) int32, the place of each row's kind in ``first``.
    """
    words = []
    for values in columns:
        values = np.asarray(values).reshape(len(values), -1)
        if values.dtype.kind == "f":
            values = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
        words.append(values.astype(np.uint32))
    return _unique(np.ascontiguousarray(np.concatenate(words, axis=1)))


@kernel
def _unique(rows):
    count, width = rows.shape
    size = 2
    while size < 2 * count:
        size *= 2
    table = np.full(size, -1, np.int32)
    first = np.empty(count, np.int64)
    inverse = np.empty(count, np.int32)
    kinds = 0
    for row in range(count):
        mixed = np.uint64(14695981039346656037)
        for c in range(width):
            mixed = (mixed ^ np.uint64(rows[row, c])) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        slot = np.int64(mixed & np.uint64(size - 1))
        while True:
            kind = table[slot]
            if kind < 0:
                table[slot] = kinds
                first[kinds] = row
                inverse[row] = kinds
                kinds += 1
                break
            equal = True
            for c in range(width):
                if rows[first[kind], c] != rows[row, c]:
                    equal = False
                    break
            if equal:
                inverse[row] = kind
                break
            slot = (slot + 1) & (size - 1)
    return first[:kinds].copy(), inverse
