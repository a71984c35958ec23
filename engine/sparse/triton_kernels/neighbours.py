"""The neighbour map by one kernel that never waits; the twin is in ``engine.sparse.neighbours``."""

# pyright: reportMissingImports=false, reportIndexIssue=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.sparse.neighbours import CENTRE, KERNEL_VOLUME, SortedCells
from engine.sparse.triton_kernels.search import find, turns_of
from engine.sparse.triton_kernels.tiles import CELLS

VOLUME, HALF = tl.constexpr(KERNEL_VOLUME), tl.constexpr(CENTRE)


def neighbour_map(cells: SortedCells) -> Tensor:
    """See ``engine.sparse.neighbours.neighbour_map``."""
    keys, rows, (_, size_y, size_z) = cells
    count = len(keys)
    table = torch.full((KERNEL_VOLUME, count), -1, dtype=torch.int32, device=keys.device)
    if count:
        find_neighbours[(triton.cdiv(count, CELLS), CENTRE + 1)](
            keys, rows, table, count, turns_of(count), size_y * size_z, size_z, BLOCK=CELLS
        )
    return table


@triton.jit(do_not_specialize=["count", "turns", "step_x", "step_y"])
def find_neighbours(keys, rows, table, count, turns, step_x, step_y, BLOCK: tl.constexpr):
    """Fill a table of -1 in one direction and its opposite.

    Args:
        keys, rows: (count,) int64 as of ``SortedCells``.
        table: (27, count) int32.
        step_x, step_y: what keys differ by from cell to cell along x and y; along z it is 1.
    """
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    v = tl.program_id(1).to(tl.int64)
    there_is = index < count
    here = tl.load(rows + index, mask=there_is, other=0)
    near = table + v * count
    if v == HALF:
        tl.store(near + here, here.to(tl.int32), mask=there_is)
    else:
        step = (v // 9 - 1) * step_x + (v // 3 % 3 - 1) * step_y + v % 3 - 1
        wanted = tl.load(keys + index, mask=there_is, other=0) + step
        place, found = find(keys, wanted, there_is, count, turns)
        there = tl.load(rows + place, mask=found, other=0)
        tl.store(near + here, there.to(tl.int32), mask=found)
        far = table + (-v + (VOLUME - 1)) * count
        tl.store(far + there, here.to(tl.int32), mask=found)
