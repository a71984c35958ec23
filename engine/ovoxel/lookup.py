"""Which row of a sparse voxel set is the voxel (x, y, z)?

An open-addressing hash table of rows, at most half full. Coordinates may be in any order, of any
size and sign. Measured against a table of (x, y) columns and a binary search over sorted keys, it
was the fastest to build and to ask: docs/decisions/0010-vxz-defaults.md.

Other kernels take a ``VoxelLookup`` as an argument and call ``find_row`` from inside numba.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.kernels import kernel
from protocol.errors import EngineError


class VoxelLookup(NamedTuple):
    """Built by ``build_lookup``; a plain tuple, so that numba kernels can take it.

    Args:
        low: smallest batch, x, y, z. (Numbers, since a kernel keeps those in registers; reading
            them from arrays takes more than half of the time of ``find_row``.)
        extent: size of the bounding box along the same; zeros without voxels.
        keys: (N,) int64, the number of each row's voxel inside the bounding box.
        table: (2**n,) int32 rows, -1 where free.
    """

    low: tuple[int, int, int, int]
    extent: tuple[int, int, int, int]
    keys: np.ndarray
    table: np.ndarray


def build_lookup(coords: np.ndarray) -> VoxelLookup:
    """Index voxels for ``find_row`` and ``find_rows``.

    Args:
        coords: (N, 3) or (N, 4) int32, x, y, z with the batch before them in the second case; in
            any order, distinct; N may be 0. Without a batch column all are in batch 0.

    Raises:
        EngineError: ``voxels_invalid`` for another shape or type, for equal voxels, or for a
            bounding box of 2**63 cells and more.
    """
    coords = _check(coords)
    size = 2
    while size < 2 * len(coords):
        size *= 2
    table = np.full(size, -1, np.int32)
    if len(coords) == 0:
        return VoxelLookup((0, 0, 0, 0), (0, 0, 0, 0), np.zeros(0, np.int64), table)
    low, extent = _bounding_box(coords)
    cells = 1
    for length in extent:
        cells *= length
    if cells >= 1 << 63:
        raise _invalid(f"The voxels span {extent} cells")
    keys, distinct = _fill(coords, low, extent, table)
    if not distinct:
        raise _invalid("Two voxels have the same coordinates")
    return VoxelLookup(low, extent, keys, table)


def find_rows(lookup: VoxelLookup, coords: np.ndarray) -> np.ndarray:
    """(M,) int32 rows of ``coords`` (M, 3) or (M, 4) int32, -1 where there is no voxel."""
    return _find_rows(lookup, _check(coords))


@njit(inline="always")
def find_row(lookup, batch, x, y, z):
    """Row of the voxel (batch, x, y, z), all int64 of any size and sign; -1 where there is none."""
    low, extent = lookup.low, lookup.extent
    b, i, j, k = batch - low[0], x - low[1], y - low[2], z - low[3]
    row = np.int64(-1)
    if 0 <= b < extent[0] and 0 <= i < extent[1] and 0 <= j < extent[2] and 0 <= k < extent[3]:
        key = ((b * extent[1] + i) * extent[2] + j) * extent[3] + k
        last = len(lookup.table) - 1
        slot = _hash(key) & last
        row = np.int64(lookup.table[slot])
        while row >= 0 and lookup.keys[row] != key:
            slot = (slot + 1) & last
            row = np.int64(lookup.table[slot])
    return row


@njit(inline="always")
def _hash(key):
    """Mix all bits of a key into all bits (two rounds of multiply and shift, as in splitmix64)."""
    mixed = np.uint64(key) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    return np.int64((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1))


@kernel
def _find_rows(lookup, coords):
    rows = np.empty(len(coords), np.int32)
    axis = coords.shape[1] - 3
    for row in range(len(coords)):
        batch = np.int64(coords[row, 0]) if axis else np.int64(0)
        x, y, z = coords[row, axis], coords[row, axis + 1], coords[row, axis + 2]
        rows[row] = find_row(lookup, batch, np.int64(x), np.int64(y), np.int64(z))
    return rows


@kernel
def _bounding_box(coords):
    """Lower corner and size, four numbers each; several times faster than numpy along axis 0."""
    low, extent = np.zeros(4, np.int64), np.ones(4, np.int64)
    for column in range(coords.shape[1]):
        axis = column + 4 - coords.shape[1]
        least = most = np.int64(coords[0, column])
        for row in range(len(coords)):
            least = min(least, np.int64(coords[row, column]))
            most = max(most, np.int64(coords[row, column]))
        low[axis], extent[axis] = least, most - least + 1
    return (low[0], low[1], low[2], low[3]), (extent[0], extent[1], extent[2], extent[3])


@kernel
def _fill(coords, low, extent, table):
    """Enter all rows into the free ``table``; returns the keys and whether they are distinct."""
    keys = np.empty(len(coords), np.int64)
    axis = coords.shape[1] - 3
    last = len(table) - 1
    for row in range(len(coords)):
        b = np.int64(coords[row, 0]) - low[0] if axis else np.int64(0)
        i, j = np.int64(coords[row, axis]) - low[1], np.int64(coords[row, axis + 1]) - low[2]
        k = np.int64(coords[row, axis + 2]) - low[3]
        key = ((b * extent[1] + i) * extent[2] + j) * extent[3] + k
        keys[row] = key
        slot = _hash(key) & last
        while table[slot] >= 0:
            if keys[table[slot]] == key:
                return keys, False
            slot = (slot + 1) & last
        table[slot] = row
    return keys, True


def _check(coords: np.ndarray) -> np.ndarray:
    coords = np.asarray(coords)
    if coords.ndim != 2 or coords.shape[1] not in (3, 4) or coords.dtype.kind not in "iu":
        raise _invalid(f"Coordinates are {coords.dtype} of shape {coords.shape}")
    if coords.dtype != np.int32:
        # One type means one compiled kernel; what int32 cannot hold cannot be a voxel.
        if len(coords) and (coords.min() < -(1 << 31) or coords.max() >= 1 << 31):
            raise _invalid("Coordinates go beyond 32 bits")
        coords = coords.astype(np.int32)
    if len(coords) >= 1 << 30:
        raise _invalid(f"There are {len(coords)} voxels")
    return np.ascontiguousarray(coords)


def _invalid(what: str) -> EngineError:
    return EngineError(
        "voxels_invalid",
        f"{what}; distinct rows of integers, (N, 3) or (N, 4), are needed.",
        "Give every voxel once, as x, y, z with or without the batch before them.",
    )
