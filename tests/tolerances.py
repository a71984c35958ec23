"""How far two computations of the same thing may lie apart, in one place."""

import torch
from torch import Tensor

# float32 on the CPU against the recordings of the reference (float64 sums, rounded once).
PARITY_ABSOLUTE = 1e-4
PARITY_OF_LARGEST = 5e-5


def assert_close(actual: Tensor, expected: Tensor) -> None:
    """Largest difference below 1e-4, or below 5e-5 of the largest value; shapes equal, all finite."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} is not {tuple(expected.shape)}"
    assert bool(torch.isfinite(actual).all()), "not finite"
    if expected.numel() == 0:
        return
    worst = float((actual.double() - expected.double()).abs().max())
    bound = max(PARITY_ABSOLUTE, PARITY_OF_LARGEST * float(expected.double().abs().max()))
    assert worst < bound, f"largest difference {worst:.2e}, allowed {bound:.2e}"
