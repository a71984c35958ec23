"""Rotary position embedding over three axes (RoFormer, arXiv:2104.09864, section 3.4)."""

import torch
from torch import Tensor


def rope_phases(
    positions: Tensor, head_dim: int, rope_freq: tuple[float, float] = (1.0, 10000.0)
) -> Tensor:
    """Rotations of the channel pairs of one attention head at every position.

    Args:
        positions: (N, 3) raw integer cell indices x, y, z (not scaled by the grid size).
        head_dim: even channels of one head.
        rope_freq: highest frequency and base.

    Returns:
        (N, head_dim // 2) complex64 of length one, on the positions' device. One contiguous block
        of ``head_dim // 6`` frequencies per axis; the pairs that are left over are not rotated.
    """
    count = head_dim // 6
    highest, base = rope_freq
    exponents = torch.arange(count, dtype=torch.float32, device=positions.device) / count
    frequencies = highest / base**exponents
    angles = (positions.to(torch.float32)[:, :, None] * frequencies).flatten(1)
    angles = torch.nn.functional.pad(angles, (0, head_dim // 2 - angles.shape[1]))
    return torch.polar(torch.ones_like(angles), angles)


def apply_rope(x: Tensor, phases: Tensor) -> Tensor:
    """Rotate the pairs (x[2i], x[2i+1]) of every head by the phases of its row, in float32.

    Args:
        x: (..., N, heads, head_dim) any floating dtype.
        phases: (N, head_dim // 2) complex64, as ``rope_phases`` gives them.

    Returns:
        Shape and dtype of ``x``.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    turned = torch.view_as_real(pairs * phases[:, None, :]).flatten(-2)
    return turned.to(x.dtype)
