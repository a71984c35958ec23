"""Children and parents, neighbours and values at points in Triton against their twins."""

import pytest
import torch

from engine.sparse import Topology
from engine.sparse import resample as levels
from engine.sparse.atlas import texels_in_torch
from engine.sparse.neighbours import neighbour_map_in_torch, sorted_cells
from engine.sparse.sampling import sample_cells_in_torch
from tests.sparse.grids import random_coords
from tests.sparse.triangles import an_atlas
from tests.sparse.triton_kernels.links import LINKS, a_link


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LINKS)
def test_children_into_channels_and_out(name, dtype, device) -> None:
    from engine.sparse.triton_kernels.levels import channel_to_space, space_to_channel

    link = a_link(name, device)
    for width, repeats in ((1, 1), (3, 1), (7, 4), (40, 2)):
        feats = torch.randn(len(link.children), width, device=device).to(dtype)
        packed = space_to_channel(feats, link)
        assert torch.equal(packed, levels.space_to_channel_in_torch(feats, link))
        wide = torch.randn(len(link.parents), 8 * width, device=device).to(dtype)
        unpacked = channel_to_space(wide, link, repeats)
        assert torch.equal(unpacked, levels.channel_to_space_in_torch(wide, link, repeats))
        assert unpacked.dtype == packed.dtype == dtype


def test_rows_wider_than_a_program(device, monkeypatch) -> None:
    from engine.sparse.triton_kernels import levels as kernels

    monkeypatch.setattr(kernels, "ROW_NUMBERS", 16)
    link = a_link("some", device)
    feats = torch.randn(len(link.parents), 8 * 21, device=device)
    got = kernels.channel_to_space(feats.flip(1), link, 1)
    assert torch.equal(got, levels.channel_to_space_in_torch(feats.flip(1), link, 1))


@pytest.mark.parametrize("counts", [(0,), (1,), (31,), (33,), (20, 0, 7), (200, 90)])
def test_neighbours(counts, device) -> None:
    from engine.sparse.triton_kernels.neighbours import neighbour_map

    cells = sorted_cells(random_coords(counts, 7).to(device))
    got = neighbour_map(cells)
    assert got.dtype == torch.int32
    assert torch.equal(got, neighbour_map_in_torch(cells))


def test_neighbours_none_and_all(device) -> None:
    from engine.sparse.triton_kernels.neighbours import neighbour_map

    cube = torch.nn.functional.pad(torch.cartesian_prod(*[torch.arange(3)] * 3), (1, 0)).int()
    for coords, most in ((2 * cube, 1), (cube, 27)):
        got = neighbour_map(sorted_cells(coords.to(device)))
        assert int((got >= 0).sum(dim=0).max()) == most
        assert torch.equal(got, neighbour_map_in_torch(sorted_cells(coords.to(device))))


def test_neighbours_on_a_grid_of_more_than_32_bits(device) -> None:
    from engine.sparse.triton_kernels.neighbours import neighbour_map

    cube = torch.nn.functional.pad(torch.cartesian_prod(*[torch.arange(3)] * 3), (1, 0)).int()
    far = torch.tensor([0, 9000, 8000, 7000], dtype=torch.int32)
    cells = sorted_cells(torch.cat([cube, cube + far]).to(device))
    assert int(cells.keys.max()) > 1 << 38
    got = neighbour_map(cells)
    assert torch.equal(got, neighbour_map_in_torch(cells))
    assert int((got >= 0).sum()) == 2 * 7**3


@pytest.mark.usefixtures("by_triton")
def test_a_topology_takes_the_kernel(device, monkeypatch) -> None:
    from engine.sparse.triton_kernels import neighbours

    coords = random_coords((20, 7), 4).to(device)
    twin = neighbour_map_in_torch(sorted_cells(coords))
    assert torch.equal(Topology(coords).neighbours, twin)
    monkeypatch.setattr(neighbours, "neighbour_map", lambda cells: cells.keys)
    assert torch.equal(Topology(coords).neighbours, sorted_cells(coords).keys)


@pytest.mark.parametrize("count", [0, 1, 31, 33, 300])
def test_values_at_points(count, device) -> None:
    from engine.sparse.triton_kernels.sampling import sample_cells

    generator = torch.Generator().manual_seed(count)
    cells = sorted_cells(random_coords((50,), 8).to(device))
    feats = torch.rand(50, 7, generator=generator).to(device)
    points = 11 * torch.rand(count, 3, generator=generator) - 1.5
    if count > 4:
        points[:3, 0] = torch.tensor([float("nan"), float("inf"), -3e38])
    points[::2] = (2 * points[::2]).round() / 2  # where several cells are equally near
    for reach in (0, 1):
        got = sample_cells(cells, feats, points.to(device), reach)
        twin = sample_cells_in_torch(cells, feats, points.to(device), reach)
        torch.testing.assert_close(got, twin, rtol=1e-5, atol=1e-6)
    if count == 300:
        found = (got.abs().sum(dim=1) > 0).sum()
        assert 60 < int(found) < 290


def test_values_of_no_cells(device) -> None:
    from engine.sparse.triton_kernels.sampling import sample_cells

    none = sorted_cells(torch.zeros(0, 4, dtype=torch.int32, device=device))
    got = sample_cells(none, torch.zeros(0, 3, device=device), torch.rand(5, 3, device=device), 2)
    assert got.shape == (5, 3) and not got.any()


@pytest.mark.parametrize("size", [1, 31, 40])
def test_triangles_of_texels(size, device) -> None:
    from engine.sparse.triton_kernels.atlas import texels_of

    corners = an_atlas(size).to(device)
    got, twin = texels_of(corners, size, 1.5), texels_in_torch(corners, size, 1.5)
    assert torch.equal(got.face, twin.face)
    torch.testing.assert_close(got.weights, twin.weights, rtol=0, atol=1e-6)
    assert size < 31 or 0.2 < float((got.face >= 0).float().mean()) < 1
    none = texels_of(corners[:0], size, 1.5)
    assert bool((none.face == -1).all()) and not none.weights.any()
