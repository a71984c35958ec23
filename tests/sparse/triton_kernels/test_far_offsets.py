"""Features of more than 2^31 numbers, of which only the last rows are ever touched."""

import mmap
import sys

import pytest
import torch
from torch import Tensor

CHANNELS = 64
CELLS = (1 << 31) // CHANNELS + 5000
NO_RESERVE = 0x4000
"""Linux: promise memory that only exists where it is written."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs memory without backing")


@pytest.fixture(autouse=True)
def untouched(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter writes all arguments back, here all of them onto themselves."""
    if device.type != "cpu":
        pytest.skip("for the interpreter: a GPU would need the memory")
    from triton.runtime import interpreter  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr(interpreter.GridExecutor, "_restore_args_dev", lambda *_: None)


def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
    """Zeros that take no memory until they are written."""
    size = torch.Size(shape).numel()
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
    memory = mmap.mmap(-1, size * dtype.itemsize, flags=flags)
    return torch.frombuffer(memory, dtype=dtype, count=size).view(shape)


class LargeCells:
    """Cells of which the last two are neighbours along z, and are all that is asked for."""

    def __init__(self) -> None:
        self.neighbours = zeros(27, CELLS, dtype=torch.int32)
        self.neighbours[:, -2:] = -1
        self.neighbours[13, -2:] = torch.tensor([CELLS - 2, CELLS - 1], dtype=torch.int32)
        self.neighbours[12, -1] = CELLS - 2
        self.neighbours[14, -2] = CELLS - 1

    def __len__(self) -> int:
        return CELLS


def test_convolution_and_the_gradient_of_its_kernel(device: torch.device) -> None:
    from engine.sparse.triton_kernels.convolution import convolve

    cells, feats = LargeCells(), zeros(CELLS, CHANNELS, dtype=torch.bfloat16)
    feats[-2:] = torch.randn(2, CHANNELS).bfloat16()
    weight = torch.randn(16, 3, 3, 3, CHANNELS).bfloat16().requires_grad_()
    rows = torch.tensor([CELLS - 1, CELLS - 2])
    out = convolve(cells, feats, weight, None, rows)  # pyright: ignore[reportArgumentType]
    (grad,) = torch.autograd.grad(out.float().sum(), weight)
    before, last = feats[-2:].float()
    kernel = weight.detach().float().view(16, 27, CHANNELS)
    expected = torch.stack(
        [
            kernel[:, 13] @ last + kernel[:, 12] @ before,
            kernel[:, 13] @ before + kernel[:, 14] @ last,
        ]
    )
    torch.testing.assert_close(out.detach().float(), expected, rtol=0.02, atol=0.1)
    sums = torch.zeros(27, CHANNELS)
    sums[13], sums[12], sums[14] = before + last, before, last
    assert grad.shape == weight.shape
    for row in grad.float().view(16, 27, CHANNELS):
        torch.testing.assert_close(row, sums, rtol=0.02, atol=0.02)


def test_rows_of_a_large_table(device: torch.device) -> None:
    from engine.sparse.triton_kernels.levels import _gather

    table = zeros(CELLS, CHANNELS, dtype=torch.bfloat16)
    table[-1] = 7
    got = _gather(table, torch.tensor([CELLS - 1, 0, -1]), 1)
    assert got[:, 0].tolist() == [7, 0, 0]
