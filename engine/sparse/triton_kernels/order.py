"""In which order the convolution computes rows, so that its blocks skip absent directions.

Rows with the same neighbours come together; in an up-convolution also the children of one slot,
since those share a kernel. Nothing here waits for the device.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.sparse.neighbours import KERNEL_VOLUME
from engine.sparse.triton_kernels.tiles import CONVOLVED_ROWS

SLOTS = 8


class Order(NamedTuple):
    """Rows by blocks of CONVOLVED_ROWS.

    Args:
        places: (blocks * CONVOLVED_ROWS,) int64, which of the wanted rows is computed there; -1:
            none.
        block_bits: (blocks,) int32, bit v: one of the block has a neighbour in direction v.
        block_slots: (blocks,) int32, which of the kernels is used; zeros where there is one.
    """

    places: Tensor
    block_bits: Tensor
    block_slots: Tensor


def order_of(neighbours: Tensor, slots: Tensor | None = None) -> Order:
    """Rows with the same neighbours, and slot, together.

    Args:
        neighbours: (27, M) int32 of the rows that are wanted, -1 where there is none.
        slots: (M,) int64 in 0..7, the kernel of each; None: they share one.
    """
    count, device = neighbours.shape[1], neighbours.device
    bits = torch.zeros(count, dtype=torch.int32, device=device)
    for v in range(KERNEL_VOLUME):
        bits |= (neighbours[v] >= 0).int() << v
    if slots is None:
        bits, order = bits.sort(stable=True)
        more = (0, -count % CONVOLVED_ROWS)
        places, bits = F.pad(order, more, value=-1), F.pad(bits, more)
        blocks = len(places) // CONVOLVED_ROWS
        block_slots = torch.zeros(blocks, dtype=torch.int32, device=device)
    else:
        blocks = count // CONVOLVED_ROWS + SLOTS  # enough, however the rows fall on slots
        keys, order = (bits | slots.int() << KERNEL_VOLUME).sort(stable=True)
        every = torch.arange(SLOTS, device=device)
        counts = (slots[:, None] == every).sum(dim=0)
        ends = (-(counts // -CONVOLVED_ROWS)).cumsum(0)  # in blocks
        starts = F.pad(ends[:-1], (1, 0)) * CONVOLVED_ROWS
        slot = (keys >> KERNEL_VOLUME).long()
        shift = starts - (counts.cumsum(0) - counts)
        position = torch.arange(count, device=device) + shift[slot]
        places = torch.full((blocks * CONVOLVED_ROWS,), -1, dtype=torch.int64, device=device)
        places[position] = order
        bits = torch.zeros(len(places), dtype=torch.int32, device=device)
        bits[position] = keys & (1 << KERNEL_VOLUME) - 1
        found = torch.searchsorted(ends, torch.arange(blocks, device=device), right=True)
        block_slots = found.clamp_(max=SLOTS - 1).int()
    in_blocks = bits.view(blocks, CONVOLVED_ROWS)
    block_bits = torch.zeros(blocks, dtype=torch.int32, device=device)
    for v in range(KERNEL_VOLUME):
        block_bits |= (in_blocks >> v & 1).sum(dim=1).clamp_(max=1).int() << v
    return Order(places, block_bits, block_slots)
