"""How far numbers may be apart, in one place.

Parity: against recordings of the reference, float32, on a CPU or a GPU. Either bound suffices,
because the recordings' own noise grows with the size of the values.
"""

import torch
from torch import Tensor

PARITY_ABSOLUTE = 1e-4
PARITY_OF_LARGEST = 5e-5
SAME_MATHS = {
    torch.float64: 1e-12,
    torch.float32: 2e-5,
    torch.float16: 1e-2,
    torch.bfloat16: 5e-2,
}
"""Two ways to compute the same in a dtype: largest difference over the largest value."""


def assert_parity(got: Tensor, recorded: Tensor, what: str) -> None:
    """Equal to a recording of the reference within the project's promise."""
    assert got.shape == recorded.shape, f"{what}: {tuple(got.shape)}, not {tuple(recorded.shape)}"
    if got.numel() == 0:
        return
    worst = float((got.cpu().double() - recorded.cpu().double()).abs().max())
    bound = max(PARITY_ABSOLUTE, PARITY_OF_LARGEST * float(recorded.abs().max()))
    assert worst < bound, f"{what}: {worst:.3e} apart, {bound:.3e} allowed"


def assert_same_maths(got: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    """Equal as two computations in ``dtype`` can be."""
    assert got.shape == expected.shape
    worst = float((got.double() - expected.double()).abs().max())
    bound = SAME_MATHS[dtype] * max(1.0, float(expected.double().abs().max()))
    assert worst <= bound, f"{worst:.3e} apart, {bound:.3e} allowed in {dtype}"
