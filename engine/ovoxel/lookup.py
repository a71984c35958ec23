"""Which row of a sparse voxel set is the voxel (x, y, z)?

Rows are grouped by column (all voxels of one x, y): one table entry for each column of the bounding
box, and inside a column ascending z. Surfaces have a few voxels in a column, so a search touches
one table entry and one short run, and neighbours in z are neighbours in memory. Against an
open-addressing hash and a binary search over sorted keys this was the fastest for both building
and asking, see docs/decisions/0011-voxel-lookup.md.

Other kernels take a ``VoxelLookup`` as an argument and call ``find_row`` from inside numba.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.errors import EngineError

# 1 GB of column table: a 4096^3 grid has 2**24 columns for each batch item.
MAX_COLUMNS = 1 << 28


class VoxelLookup(NamedTuple):
    """Built by ``build_lookup``; a tuple of arrays, so that numba kernels can take it.

    Args:
        low: (4,) int64, smallest batch, x, y, z.
        extent: (4,) int64, size of the bounding box.
        starts: (columns + 1,) int32, where the run of each column begins.
        z: (N,) int32, ascending in each run.
        rows: (N,) int32, the row of ``coords`` of each entry of ``z``.
    """

    low: np.ndarray
    extent: np.ndarray
    starts: np.ndarray
    z: np.ndarray
    rows: np.ndarray


def build_lookup(coords: np.ndarray) -> VoxelLookup:
    """Index voxels for ``find_row`` and ``find_rows``.

    Args:
        coords: (N, 3) or (N, 4) int32, x, y, z with the batch before them in the second case; in
            any order, distinct; N may be 0. Without a batch column all are in batch 0.

    Raises:
        EngineError: ``voxels_invalid`` for another shape or type, or for equal voxels;
            ``grid_too_large`` where the bounding box has more than 2**28 columns.
    """
    coords = np.asarray(coords)
    if coords.ndim != 2 or coords.shape[1] not in (3, 4) or coords.dtype.kind not in "iu":
        raise _invalid(f"Coordinates are {coords.dtype} of shape {coords.shape}")
    if len(coords) >= 1 << 31:
        raise _invalid(f"There are {len(coords)} voxels")
    if len(coords) == 0:
        none = np.zeros(0, np.int32)
        zero = np.zeros(4, np.int64)
        return VoxelLookup(zero, zero, np.zeros(1, np.int32), none, none)
    if coords.shape[1] == 3:
        low3, high3 = _bounds(coords)
        low, high = np.append([0], low3), np.append([0], high3)
    else:
        low, high = _bounds(coords)
    extent = high - low + 1
    columns = int(extent[0]) * int(extent[1]) * int(extent[2])
    if columns > MAX_COLUMNS or int(extent[3]) >= 1 << 31:
        raise EngineError(
            "grid_too_large",
            f"The voxels span {extent[1]} x {extent[2]} x {extent[3]} cells in {extent[0]} batch "
            f"items, too many to index.",
            "Use a lower resolution or fewer batch items.",
        )
    starts, z, rows, distinct = _group_columns(coords, low, extent, columns)
    if not distinct:
        raise _invalid("Two voxels have the same coordinates")
    return VoxelLookup(low, extent, starts, z, rows)


def find_rows(lookup: VoxelLookup, coords: np.ndarray) -> np.ndarray:
    """(M,) int32 rows of ``coords`` (M, 3) or (M, 4) int32, -1 where there is no voxel."""
    coords = np.asarray(coords)
    if coords.ndim != 2 or coords.shape[1] not in (3, 4) or coords.dtype.kind not in "iu":
        raise _invalid(f"Coordinates are {coords.dtype} of shape {coords.shape}")
    return _find_rows(lookup, coords)


@njit(cache=True, nogil=True, inline="always")
def find_row(lookup, batch, x, y, z):
    """Row of the voxel (batch, x, y, z), integers of any size and sign; -1 where there is none."""
    b, i, j, k = batch - lookup.low[0], x - lookup.low[1], y - lookup.low[2], z - lookup.low[3]
    extent = lookup.extent
    row = -1
    if 0 <= b < extent[0] and 0 <= i < extent[1] and 0 <= j < extent[2] and 0 <= k < extent[3]:
        column = (b * extent[1] + i) * extent[2] + j
        first, last = np.int64(lookup.starts[column]), np.int64(lookup.starts[column + 1])
        end = last
        while first < last:
            middle = (first + last) >> 1
            if lookup.z[middle] < z:
                first = middle + 1
            else:
                last = middle
        if first < end and lookup.z[first] == z:
            row = np.int64(lookup.rows[first])
    return row


@njit(cache=True, nogil=True)
def _find_rows(lookup, coords):
    rows = np.empty(len(coords), np.int32)
    shift = coords.shape[1] - 3
    for i in range(len(coords)):
        batch = np.int64(coords[i, 0]) if shift else np.int64(0)
        x, y, z = coords[i, shift], coords[i, shift + 1], coords[i, shift + 2]
        rows[i] = find_row(lookup, batch, np.int64(x), np.int64(y), np.int64(z))
    return rows


@njit(cache=True, nogil=True)
def _bounds(coords):
    """Smallest and largest of each column; several times faster than numpy along axis 0."""
    width = coords.shape[1]
    low, high = np.empty(width, np.int64), np.empty(width, np.int64)
    for axis in range(width):
        low[axis] = high[axis] = coords[0, axis]
    for row in range(len(coords)):
        for axis in range(width):
            value = np.int64(coords[row, axis])
            low[axis] = min(low[axis], value)
            high[axis] = max(high[axis], value)
    return low, high


@njit(cache=True, nogil=True)
def _column_of(coords, row, low, extent):
    shift = coords.shape[1] - 3
    batch = np.int64(coords[row, 0]) - low[0] if shift else np.int64(0)
    x = np.int64(coords[row, shift]) - low[1]
    y = np.int64(coords[row, shift + 1]) - low[2]
    return (batch * extent[1] + x) * extent[2] + y


@njit(cache=True, nogil=True)
def _group_columns(coords, low, extent, columns):
    """Counting sort by column, then each run by z; also whether all voxels are distinct."""
    count = len(coords)
    starts = np.zeros(columns + 1, np.int32)
    for row in range(count):
        starts[_column_of(coords, row, low, extent) + 1] += 1
    for column in range(columns):
        starts[column + 1] += starts[column]
    z = np.empty(count, np.int32)
    rows = np.empty(count, np.int32)
    for row in range(count):
        column = _column_of(coords, row, low, extent)
        place = starts[column]
        starts[column] += 1
        z[place] = coords[row, coords.shape[1] - 1]
        rows[place] = row
    # Filling moved every start to the end of its run, which is the next one's start.
    for column in range(columns, 0, -1):
        starts[column] = starts[column - 1]
    starts[0] = 0
    distinct = True
    for column in range(columns):
        first, last = starts[column], starts[column + 1]
        ascending = True
        for i in range(first + 1, last):
            ascending &= z[i - 1] <= z[i]
        if not ascending:
            order = np.argsort(z[first:last])
            z[first:last] = z[first:last][order]
            rows[first:last] = rows[first:last][order]
        for i in range(first + 1, last):
            distinct &= z[i - 1] != z[i]
    return starts, z, rows, distinct


def _invalid(what: str) -> EngineError:
    return EngineError(
        "voxels_invalid",
        f"{what}, where distinct rows of integers (N, 3) or (N, 4) are needed.",
        "Give every voxel once, as x, y, z with or without the batch before them.",
    )
