"""Finding voxels among sorted rows: the start of each (x, y) column, then a search along z.

For voxels sorted by x, y, z inside a known grid this needs no hashing and stays in cache; for any
others there is ``lookup``.
"""

import numpy as np

from engine.kernels import kernel, tight


@kernel
def column_starts(coords, first_row, last_row, first_x, columns_x, grid_size):
    """Row at which each (x, y) column starts, and in the end where the last one stops.

    Args:
        coords: (N, 3) int32, sorted; rows ``first_row`` to ``last_row`` (exclusive) are looked at,
            whose x are in ``first_x`` to ``first_x + columns_x`` (exclusive).
        grid_size: cells per axis.

    Returns:
        (columns_x * grid_size + 1,) int32 row numbers; column (x - first_x) * grid_size + y.
    """
    start = np.zeros(columns_x * grid_size + 1, np.int32)
    for row in range(first_row, last_row):
        start[(np.int64(coords[row, 0]) - first_x) * grid_size + coords[row, 1] + 1] += 1
    start[0] = first_row
    for column in range(1, start.shape[0]):
        start[column] += start[column - 1]
    return start


@tight
def row_in_column(coords, start, column, z):
    """Row of the voxel at height z in a column, -1 where there is none."""
    low, high = start[column], start[column + 1]
    while low < high:
        middle = (low + high) >> 1
        here = coords[middle, 2]
        if here == z:
            return middle
        if here < z:
            low = middle + 1
        else:
            high = middle
    return -1
