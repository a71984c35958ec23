"""Cells of a real mesh, in the order in which decoders make them."""

from pathlib import Path

import pytest
import torch

from engine.bench.scene import decoder_order, load_scene
from engine.sparse import Topology

LANTERN = Path(__file__).resolve().parents[2] / "examples" / "lantern.glb"


def as_set(cells: Topology) -> set[tuple[int, ...]]:
    return {tuple(row) for row in cells.coords.tolist()}


def test_the_order_is_that_of_subdividing():
    generator = torch.Generator().manual_seed(2)
    flat = torch.randperm(32**3, generator=generator)[:700].sort().values
    coords = torch.stack([0 * flat, flat // 1024, flat // 32 % 32, flat % 32], dim=1).int()
    voxels = Topology(coords)
    pyramid = decoder_order(voxels)
    assert len(pyramid) == 4
    cells = pyramid[0].parents
    for link in pyramid:
        again = cells.subdivide(link.mask)
        assert torch.equal(again.children.coords, link.children.coords)
        assert torch.equal(link.children.coords[:, 1:] // 2, cells.coords[link.parent_rows][:, 1:])
        cells = link.children
    assert as_set(cells) == as_set(voxels)
    assert as_set(pyramid[0].parents) == {
        (0, x // 16, y // 16, z // 16) for _, x, y, z in as_set(voxels)
    }


@pytest.mark.parametrize("tokens", [2000, 9600])
def test_the_mesh_shrinks_to_the_wanted_number_of_tokens(tokens: int):
    scene = load_scene(LANTERN, tokens)
    # Counted on the 64^3 latent grid of 1024, from a coarser voxelisation to be quick.
    found = len(scene.pyramid(512, torch.device("cpu"))[1].parents)
    assert tokens * 0.93 < found < tokens * 1.07
