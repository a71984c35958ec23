"""The Triton convolution by Triton's interpreter against its twin in plain torch."""

import importlib.util

import pytest
import torch

from engine.host.machine import Hardware
from engine.sparse import SparseTensor, Topology, conv_torch, conv_triton
from engine.sparse.convolution import CONVOLUTION, submanifold_conv3d
from engine.sparse.neighbours import KERNEL_VOLUME
from protocol.errors import EngineError
from tests.tolerances import assert_same_maths

interpreted = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels read it when they are imported, which here is the first time."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")


def cells_of(kind: str, count: int) -> Topology:
    """``apart``: no cell has a neighbour; ``block``: inner cells have all; ``random``: some."""
    numbers = torch.arange(count)
    if kind == "apart":
        coords = torch.stack([0 * numbers, 2 * numbers, 0 * numbers, 0 * numbers], dim=1)
    elif kind == "block":
        coords = torch.stack([0 * numbers, numbers // 9, numbers // 3 % 3, numbers % 3], dim=1)
    else:
        places = torch.randperm(6**3, generator=torch.Generator().manual_seed(1))[:count]
        # Two batch items of different lengths, whose cells touch but for the item.
        item = (numbers >= count // 3).long()
        coords = torch.stack([item, places // 36, places // 6 % 6, places % 6], dim=1)
    return Topology(coords.int(), 2)


def compare(
    cells: Topology,
    channels: int,
    out_channels: int,
    dtype: torch.dtype,
    *,
    bias: bool = True,
    rows: torch.Tensor | None = None,
) -> None:
    generator = torch.Generator().manual_seed(len(cells))
    feats = torch.randn(len(cells), channels, generator=generator).to(dtype)
    weight = torch.randn(out_channels, 3, 3, 3, channels, generator=generator)
    weight = (weight / (27 * channels) ** 0.5).to(dtype)
    add = torch.randn(out_channels, generator=generator).to(dtype) if bias else None
    got = conv_triton.convolve(cells, feats, weight, add, rows)
    # In float32, so that the twin rounds nothing on its way.
    whole = None if add is None else add.float()
    twin = conv_torch.convolve(cells, feats.float(), weight.float(), whole, rows)
    assert got.dtype == dtype
    assert got.shape == twin.shape
    if got.numel() == 0:
        return
    assert_same_maths(got, twin, dtype)


@interpreted
@pytest.mark.parametrize("count", [0, 1, 31, 33, 64, 65, 150])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows(count: int, dtype: torch.dtype) -> None:
    compare(cells_of("random", count), 16, 16, dtype)


@interpreted
@pytest.mark.parametrize("kind", ["apart", "block"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_neighbours_and_all(kind: str, dtype: torch.dtype) -> None:
    cells = cells_of(kind, 45)
    present = (cells.neighbours >= 0).sum(dim=0)
    assert int(present.max()) == (1 if kind == "apart" else KERNEL_VOLUME)
    compare(cells, 16, 16, dtype)


@interpreted
@pytest.mark.parametrize(("channels", "out_channels"), [(1, 1), (7, 13), (65, 33), (40, 130)])
def test_channels_that_are_no_power_of_two(channels: int, out_channels: int) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        compare(cells_of("random", 40), channels, out_channels, dtype, bias=channels > 1)


@interpreted
def test_some_rows_in_any_order() -> None:
    cells = cells_of("random", 70)
    compare(cells, 16, 24, torch.float32, rows=torch.tensor([69, 3, 3, 0, 41]))
    compare(cells, 16, 24, torch.float32, rows=torch.tensor([], dtype=torch.int64))


@interpreted
def test_feats_that_are_a_view() -> None:
    cells = cells_of("random", 40)
    weight = torch.randn(5, 3, 3, 3, 8)
    feats = torch.randn(8, 40).T
    expected = conv_torch.convolve(cells, feats, weight, None, None)
    assert_same_maths(conv_triton.convolve(cells, feats, weight, None, None), expected, feats.dtype)


def test_rows_with_the_same_neighbours_come_together_and_blocks_skip_directions() -> None:
    apart, block = cells_of("apart", 70), cells_of("block", 45)
    assert conv_triton.order_of(apart.neighbours).block_bits.tolist() == [1 << 13] * 2
    mixed = torch.cat([apart.neighbours, torch.full((27, 128), -1, dtype=torch.int32)], dim=1)
    mixed[:, ::3][:, :45] = block.neighbours
    order = conv_triton.order_of(mixed)
    assert sorted(order.places.tolist()) == list(range(198))
    bits = sum(((mixed[v] >= 0).long() << v) for v in range(27))
    assert isinstance(bits, torch.Tensor)
    assert torch.equal(bits[order.places], bits.sort().values)
    for number, found in enumerate(order.block_bits.tolist()):
        expected = 0
        for row in order.places[64 * number : 64 * number + 64].tolist():
            expected |= int(bits[row])
        assert found == expected
    assert order.block_bits[0] == 0  # rows without any neighbour, which real cells do not have


def test_it_is_used_only_where_it_is_asked_for() -> None:
    hopper = Hardware("cuda", (9, 0))
    assert CONVOLUTION.choose(hopper, torch.bfloat16).name == "torch"
    x = SparseTensor(cells_of("apart", 3), torch.zeros(3, 4))
    with pytest.raises(EngineError, match="needs a GPU"):
        submanifold_conv3d(x, torch.zeros(2, 3, 3, 3, 4), backend="triton")
    reason = conv_triton.probe(Hardware("cuda", (7, 5))).reason
    assert "Ampere" in reason
