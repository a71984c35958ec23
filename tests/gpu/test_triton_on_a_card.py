"""The Triton convolution, compiled, against its twin, on the shapes that the interpreter gets."""

import importlib.util

import pytest
import torch
from tests.sparse.test_conv_triton import cells_of

from engine.sparse import Topology, conv_torch, conv_triton
from tests.tolerances import assert_same_maths

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="there is no triton"),
]
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def compare(
    cells: Topology, channels: int, out_channels: int, dtype: torch.dtype, *,
    bias: bool = True, rows: list[int] | None = None,
) -> None:  # fmt: skip
    device = cells.device
    generator = torch.Generator().manual_seed(len(cells))
    feats = torch.randn(len(cells), channels, generator=generator).to(dtype).to(device)
    weight = torch.randn(out_channels, 3, 3, 3, channels, generator=generator)
    weight = (weight / (27 * channels) ** 0.5).to(dtype).to(device)
    add = torch.randn(out_channels, generator=generator).to(dtype).to(device) if bias else None
    wanted = None if rows is None else torch.tensor(rows, dtype=torch.int64, device=device)
    got = conv_triton.convolve(cells, feats, weight, add, wanted)
    # In float64, so that neither the twin's sums nor TF32 stand between the two.
    whole = None if add is None else add.double()
    twin = conv_torch.convolve(cells, feats.double(), weight.double(), whole, wanted)
    assert got.dtype == dtype and got.shape == twin.shape
    if got.numel():
        assert_same_maths(got, twin, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 31, 33, 64, 65, 150])
def test_rows(device: torch.device, count: int, dtype: torch.dtype) -> None:
    compare(cells_of("random", count).to(device), 16, 16, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["apart", "block"])
def test_no_neighbours_and_all(device: torch.device, kind: str, dtype: torch.dtype) -> None:
    compare(cells_of(kind, 45).to(device), 16, 16, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "out_channels"), [(1, 1), (7, 13), (65, 33), (64, 256)])
def test_widths(device: torch.device, channels: int, out_channels: int, dtype: torch.dtype) -> None:
    compare(cells_of("random", 150).to(device), channels, out_channels, dtype, bias=channels > 1)


def test_some_rows_in_any_order(device: torch.device) -> None:
    cells = cells_of("random", 70).to(device)
    compare(cells, 16, 24, torch.float32, rows=[69, 3, 3, 0, 41])
    compare(cells, 16, 24, torch.bfloat16, rows=[])
