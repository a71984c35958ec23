"""The Triton convolution and its gradients against the twin in plain torch."""

import pytest
import torch
from torch import Tensor

from engine.networks.sc_vae_blocks import DownBlock, UpBlock
from engine.sparse import SparseTensor, Topology, conv_torch
from engine.sparse.backends import preferring
from engine.sparse.convolution import gains_by_rows
from engine.sparse.neighbours import KERNEL_VOLUME
from engine.sparse.resample import convolve_to_children
from tests.sparse.grids import random_coords
from tests.sparse.triton_kernels.links import LINKS, a_link
from tests.tolerances import assert_same_maths

HALF_AND_FULL = [torch.float32, torch.bfloat16]


def cells_of(kind: str, count: int) -> Topology:
    """``apart``: no cell has a neighbour; ``block``: inner cells have all; ``random``: some."""
    numbers = torch.arange(count)
    if kind == "apart":
        coords = torch.stack([0 * numbers, 2 * numbers, 0 * numbers, 0 * numbers], dim=1)
    elif kind == "block":
        coords = torch.stack([0 * numbers, numbers // 9, numbers // 3 % 3, numbers % 3], dim=1)
    else:
        # Two batch items of different lengths.
        coords = random_coords((count // 3, count - count // 3), 6)
    return Topology(coords.int(), 2)


def parameters(channels: int, out_channels: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, kernel and bias, on the CPU in float32."""
    generator = torch.Generator().manual_seed(rows)
    feats = torch.randn(rows, channels, generator=generator)
    weight = torch.randn(out_channels, 3, 3, 3, channels, generator=generator)
    bias = torch.randn(out_channels, generator=generator)
    return feats, weight / (27 * max(1, channels)) ** 0.5, bias


def compare(
    cells: Topology,
    channels: int,
    out_channels: int,
    dtype: torch.dtype,
    device: torch.device,
    *,
    with_bias: bool = True,
    rows: Tensor | None = None,
    backward: bool = False,
) -> None:
    """Kernel in ``dtype`` against the twin in float32, which rounds nothing on its way."""
    from engine.sparse.triton_kernels.convolution import convolve

    values = [x.to(device, dtype) for x in parameters(channels, out_channels, len(cells))]
    if not with_bias:
        values.pop()
    rows = None if rows is None else rows.to(device)
    ours = [x.clone().requires_grad_(backward) for x in values]
    wide = [x.float().requires_grad_(backward) for x in values]
    cells = cells.to(device)
    bias, wide_bias = (ours[2], wide[2]) if with_bias else (None, None)
    got = convolve(cells, ours[0], ours[1], bias, rows)
    twin = conv_torch.convolve(cells, wide[0], wide[1], wide_bias, rows)
    assert got.dtype == dtype
    assert_near(got, twin, dtype)
    if backward:
        pull = torch.randn(got.shape, generator=torch.Generator().manual_seed(5)).to(device, dtype)
        gradients = torch.autograd.grad(got, ours, pull)
        for mine, theirs in zip(
            gradients, torch.autograd.grad(twin, wide, pull.float()), strict=True
        ):
            assert mine.dtype == dtype
            assert_near(mine, theirs, dtype)


def assert_near(got: Tensor, twin: Tensor, dtype: torch.dtype) -> None:
    assert got.shape == twin.shape
    if got.numel():
        assert_same_maths(got.detach(), twin.detach(), dtype)


@pytest.mark.parametrize("count", [0, 1, 31, 33, 65])
@pytest.mark.parametrize("dtype", HALF_AND_FULL)
def test_rows(count: int, dtype: torch.dtype, device: torch.device) -> None:
    compare(cells_of("random", count), 16, 16, dtype, device, backward=True)


@pytest.mark.parametrize("kind", ["apart", "block"])
@pytest.mark.parametrize("dtype", HALF_AND_FULL)
def test_no_neighbours_and_all(kind: str, dtype: torch.dtype, device: torch.device) -> None:
    cells = cells_of(kind, 45)
    present = (cells.neighbours >= 0).sum(dim=0)
    assert int(present.max()) == (1 if kind == "apart" else KERNEL_VOLUME)
    compare(cells, 16, 16, dtype, device, backward=True)


@pytest.mark.parametrize("width", [(1, 1), (7, 13), (65, 33), (20, 130)])
def test_channels_that_are_no_power_of_two(width: tuple[int, int], device: torch.device) -> None:
    for dtype in HALF_AND_FULL:
        cells = cells_of("random", 30)
        compare(cells, *width, dtype, device, with_bias=width[0] > 1, backward=True)


def test_some_rows_in_any_order(device: torch.device) -> None:
    cells = cells_of("random", 70)
    for rows in ([69, 3, 3, 0, 41], [], list(range(69))):
        some = torch.tensor(rows, dtype=torch.int64)
        compare(cells, 16, 24, torch.float32, device, rows=some, backward=True)


def test_sums_of_many_blocks_in_parts(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More blocks than one program sums, and a bound on memory that allows two parts only."""
    from engine.sparse.triton_kernels import tiles

    monkeypatch.setattr(tiles, "BLOCKS_A_SPLIT", 1)
    assert tiles.splits_of(5, 9 * 27 * 8) == 5
    monkeypatch.setattr(tiles, "SPLIT_BYTES", 2 * 4 * 9 * 27 * 8)
    assert tiles.splits_of(5, 9 * 27 * 8) == 2
    # Three blocks: two in the first part, one in the other.
    compare(cells_of("random", 140), 8, 9, torch.float32, device, backward=True)


def test_feats_and_pulls_that_are_views(device: torch.device) -> None:
    from engine.sparse.triton_kernels.convolution import convolve

    cells = cells_of("random", 40).to(device)
    weight = torch.randn(5, 3, 3, 3, 8, device=device)
    feats = torch.randn(8, 40, device=device).T.requires_grad_()
    got = convolve(cells, feats, weight, None, None)
    twin = conv_torch.convolve(cells, feats, weight, None, None)
    assert_near(got, twin, feats.dtype)
    pull = torch.randn(1, 5, device=device).expand(40, 5)
    (mine,), (theirs,) = (torch.autograd.grad(out, feats, pull) for out in (got, twin))
    assert_near(mine, theirs, feats.dtype)


@pytest.mark.usefixtures("by_triton")
@pytest.mark.parametrize("dtype", HALF_AND_FULL)
@pytest.mark.parametrize("name", LINKS)
def test_surviving_children_only(name: str, dtype: torch.dtype, device: torch.device) -> None:
    link = a_link(name, device)
    values = [x.to(device, dtype) for x in parameters(12, 8 * 5, len(link.parents))]
    ours = [x.clone().requires_grad_() for x in values]
    wide = [x.float().requires_grad_() for x in values]
    x = SparseTensor(link.parents, ours[0])
    assert gains_by_rows(x, ours[1])
    got = convolve_to_children(x, ours[1], ours[2], link)
    with preferring("torch"):
        twin = convolve_to_children(x.replace(wide[0]), wide[1], wide[2], link)
    assert_near(got, twin, dtype)
    pull = torch.randn(got.shape, generator=torch.Generator().manual_seed(5)).to(device, dtype)
    gradients = torch.autograd.grad(got, ours, pull)
    for mine, theirs in zip(gradients, torch.autograd.grad(twin, wide, pull.float()), strict=True):
        assert mine.dtype == dtype
        assert_near(mine, theirs, dtype)


@pytest.mark.usefixtures("by_triton")
def test_only_surviving_children_are_computed(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.sparse.triton_kernels import convolution

    computed: list[tuple[int, ...]] = []
    known = convolution._gather_gemm

    def told(*args):
        computed.append(known(*args).shape)
        return known(*args)

    monkeypatch.setattr(convolution, "_gather_gemm", told)
    link = a_link("some", device)
    feats, weight, bias = (x.to(device) for x in parameters(12, 8 * 5, len(link.parents)))
    convolve_to_children(SparseTensor(link.parents, feats), weight, bias, link)
    assert computed == [(len(link.children), 5)]


@pytest.mark.usefixtures("by_triton")
@pytest.mark.parametrize("dtype", HALF_AND_FULL)
def test_blocks_of_the_vae_learn(dtype: torch.dtype, device: torch.device) -> None:
    """Down and up again, with gradients, the kernels in their places, also under autocast."""
    torch.manual_seed(0)
    fine = Topology(random_coords((12, 5), 3))
    down, up = DownBlock(8, 16).to(device), UpBlock(16, 8, pred_subdiv=False).to(device)
    weights = [*down.parameters(), *up.parameters()]
    for weight in weights:  # else the branches would add nothing
        torch.nn.init.normal_(weight, std=0.2)
    x = torch.randn(len(fine), 8, device=device, requires_grad=True)

    def gradients() -> list[Tensor]:
        cells = SparseTensor(Topology(fine.coords.to(device)), x)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            link = cells.topology.coarsen()
            out = up(down(cells, link), link).feats.float()
        return [out.detach(), *torch.autograd.grad((out**2).mean(), [x, *weights])]

    got = gradients()
    with preferring("torch"):
        twin = gradients()
    for mine, theirs in zip(got, twin, strict=True):
        assert_same_maths(mine, theirs, dtype)
