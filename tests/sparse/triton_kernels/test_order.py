"""Rows of the convolution in blocks that have the same neighbours and use the same kernel."""

import torch

from engine.sparse import Topology
from engine.sparse.neighbours import KERNEL_VOLUME
from engine.sparse.triton_kernels.order import SLOTS, Order, order_of
from engine.sparse.triton_kernels.tiles import CONVOLVED_ROWS
from tests.sparse.grids import random_coords


def bits_of(neighbours: torch.Tensor) -> list[int]:
    return [sum(1 << v for v in range(27) if column[v] >= 0) for column in neighbours.T.tolist()]


def assert_blocks(order: Order, neighbours: torch.Tensor, slots: list[int]) -> None:
    """Every row once, and each block says what its rows have and share."""
    rows = [place for place in order.places.tolist() if place >= 0]
    assert sorted(rows) == list(range(neighbours.shape[1]))
    bits = bits_of(neighbours)
    blocks = order.places.view(-1, CONVOLVED_ROWS).tolist()
    found = zip(blocks, order.block_bits.tolist(), order.block_slots.tolist(), strict=True)
    for block, block_bits, slot in found:
        here = [place for place in block if place >= 0]
        assert {slots[place] for place in here} <= {slot}
        either = 0
        for place in here:
            either |= bits[place]
        assert block_bits == either


def test_rows_that_touch_nothing() -> None:
    coords = torch.tensor([[0, 2 * i, 0, 0] for i in range(70)], dtype=torch.int32)
    assert order_of(Topology(coords).neighbours).block_bits.tolist() == [1 << 13] * 2


def test_rows_with_the_same_neighbours_come_together() -> None:
    neighbours = Topology(random_coords((150, 90), 7)).neighbours
    order = order_of(neighbours)
    assert_blocks(order, neighbours, [0] * 240)
    bits = torch.tensor(bits_of(neighbours))
    assert torch.equal(bits[order.places[:240]], bits.sort().values)


def test_children_of_one_slot_come_together() -> None:
    parents = Topology(random_coords((60, 20), 6))
    generator = torch.Generator().manual_seed(0)
    for share in (0.0, 0.1, 0.6, 1.0):
        # One slot without a child, and one with far more than a block.
        mask = torch.rand(80, 8, generator=generator) < share
        mask[:, 3], mask[:, 6] = False, share > 0
        link = parents.subdivide(mask)
        neighbours = parents.neighbours[:, link.parent_rows]
        order = order_of(neighbours, link.slots)
        assert_blocks(order, neighbours, link.slots.tolist())
        assert len(order.block_bits) == len(link.slots) // CONVOLVED_ROWS + SLOTS


def test_all_27_directions_have_a_bit() -> None:
    cube = torch.cartesian_prod(*[torch.arange(3)] * 3)
    coords = torch.nn.functional.pad(cube, (1, 0)).int()
    order = order_of(Topology(coords).neighbours)
    assert order.block_bits.tolist() == [(1 << KERNEL_VOLUME) - 1]
