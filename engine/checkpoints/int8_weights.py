"""Weights at one byte each: whole numbers from -127 to 127 and a scale for every output.

Our own addition to the published layout, so that the embedded model stays small: beside an int8
tensor "x" of shape (outputs, ...) lies "x.scale", (outputs,) float32, and the weight is their
product. The largest error is 1/254 of the largest weight of the same output. What it costs in
quality: docs/embedded.md.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.networks.scaled_linear import row_scales

SCALE = ".scale"
LARGEST = 127
SMALLEST_TENSOR = 1 << 12
"""Numbers in a tensor from which on it is worth it."""


def to_int8(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Large matrices and kernels as int8 with their scales; all others as they are."""
    small: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.ndim < 2 or tensor.numel() < SMALLEST_TENSOR:
            small[name] = tensor
            continue
        rows = tensor.float().flatten(1)
        scale = row_scales(rows, LARGEST)
        small[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
        small[name + SCALE] = scale
    return small


def from_int8(whole: Tensor, scale: Tensor) -> Tensor:
    """Float32 weights of the shape of ``whole``.

    Raises:
        ValueError: not a scale for each output.
    """
    if scale.shape != whole.shape[:1]:
        raise ValueError(f"scales {list(scale.shape)} do not fit weights {list(whole.shape)}")
    return whole.float() * scale.view(-1, *[1] * (whole.ndim - 1))


def scales_of(dtypes: Mapping[str, str]) -> set[str]:
    """Names of the scales in a file, by the stored dtypes (as safetensors names them)."""
    return {name + SCALE for name, dtype in dtypes.items() if dtype == "I8"} & dtypes.keys()
