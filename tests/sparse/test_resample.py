"""Space to channel and back, and the convolution that computes surviving children only."""

import pytest
import torch

from engine.sparse import SparseTensor, Topology
from engine.sparse.convolution import submanifold_conv3d
from engine.sparse.resample import channel_to_space, convolve_to_children, space_to_channel
from tests.sparse.grids import random_coords


def test_space_to_channel_cell_by_cell():
    topology = Topology(random_coords((40, 20), 5))
    link = topology.coarsen()
    feats = torch.randn(60, 3)
    packed = space_to_channel(feats, link)
    rows = {tuple(cell): row for row, cell in enumerate(topology.coords.tolist())}
    for parent, (b, x, y, z) in enumerate(link.parents.coords.tolist()):
        for slot in range(8):
            cell = (b, 2 * x + slot % 2, 2 * y + slot // 2 % 2, 2 * z + slot // 4)
            group = packed[parent, 3 * slot : 3 * slot + 3]
            expected = feats[rows[cell]] if cell in rows else torch.zeros(3)
            assert torch.equal(group, expected)


def test_channel_to_space_undoes_it():
    link = Topology(random_coords((40, 20), 5)).coarsen()
    feats = torch.randn(60, 3)
    assert torch.equal(channel_to_space(space_to_channel(feats, link), link), feats)


def links():
    """Any children, the encoder's own order of children, none at all."""
    parents = Topology(random_coords((50, 30), 5))
    generator = torch.Generator().manual_seed(3)
    some = torch.rand(80, 8, generator=generator) < 5 / 8
    return {
        "some": parents.subdivide(some),
        "own order": Topology(random_coords((150, 70), 8)).coarsen(),
        "none": parents.subdivide(torch.zeros_like(some)),
        "all": parents.subdivide(torch.ones_like(some)),
    }


@pytest.mark.parametrize("name", ["some", "own order", "none", "all"])
@pytest.mark.parametrize("channels", [4, 24])
def test_pruned_equals_full(name, channels):
    link = links()[name]
    x = SparseTensor(link.parents, torch.randn(len(link.parents), channels, dtype=torch.float64))
    weight = torch.randn(8 * 3, 3, 3, 3, channels, dtype=torch.float64)
    bias = torch.randn(8 * 3, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (x.feats, weight, bias)]
    expected = channel_to_space(submanifold_conv3d(x, weight, bias), link)
    pull = torch.randn_like(expected)
    gradients = torch.autograd.grad(expected, inputs, pull)
    for prune in (True, False, None):
        got = convolve_to_children(x, weight, bias, link, prune=prune)
        torch.testing.assert_close(got, expected)
        for ours, theirs in zip(torch.autograd.grad(got, inputs, pull), gradients, strict=True):
            torch.testing.assert_close(ours, theirs)
