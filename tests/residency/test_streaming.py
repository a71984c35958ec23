"""When copies of streamed blocks are waited for; that they compute the same: ``test_memory.py``."""

import torch
from torch import Tensor, nn

from engine.residency.streaming import BlockStream
from tests.residency.copies import CPU, LateCopies


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


@torch.inference_mode()
def test_copies_are_waited_for_before_they_are_used_or_let_go_of() -> None:
    network, copies = Network(), LateCopies()
    x = torch.randn(2, 4)
    expected = network(x)
    stream = BlockStream(network, CPU, copies)
    for _ in range(2):
        assert torch.equal(network(x), expected)
        assert len(copies.under_way) == 1  # the first block's, for the next pass
    # The one that is under way is not the one that is wanted.
    network.blocks[1](x)
    assert len(copies.under_way) == 1
    stream.close()
    assert copies.under_way == []
    assert torch.equal(network(x), expected)


@torch.inference_mode()
def test_what_is_borrowed_is_waited_for_too() -> None:
    network, copies = Network(), LateCopies()
    network.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2)])
    leaf, x = network.blocks[0][0], torch.randn(2, 4)  # pyright: ignore[reportIndexIssue]
    expected = leaf(x)
    stream = BlockStream(network, CPU, copies)
    assert torch.equal(leaf(x), expected) and copies.under_way == []
    stream.close()
