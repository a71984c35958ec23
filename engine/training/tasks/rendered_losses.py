"""Losses on pictures of what auto-encoders made (TRELLIS.2, SC-VAE, stage 2).

The paper compares masks and depths by L1 and normals and material maps by L1, SSIM and LPIPS. The
weights here are the defaults of the published trainers. LPIPS needs weights of a picture network
that cannot be had here: differences of gradients at several scales stand for it (``edge_loss``),
with its weight; like LPIPS they punish blur and lost detail more than L1 does, but they know
nothing of textures.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.tasks.rasterise import Raster

SHAPE_PICTURES = {
    "mask": 1.0,
    "depth": 10.0,
    "normal": 1.0,
    "normal_ssim": 0.2,
    "normal_edges": 0.2,
}
MATERIAL_PICTURES = {
    "base_color": 1.0,
    "base_color_ssim": 0.2,
    "base_color_edges": 0.2,
    "factors": 1.0,
    "factors_ssim": 0.2,
    "factors_edges": 0.2,
}
WINDOW, SIGMA = 11, 1.5
SCALES = 3


def shape_picture_losses(made: Raster, truth: Raster) -> dict[str, Tensor]:
    """Losses of one picture of a shape, means over the picture.

    Depth and normal are compared where both have a face; where only one has, the mask says so.

    Returns:
        Parts named as in ``SHAPE_PICTURES``; depth in units of object space, normals as if coded
        in [0, 1].
    """
    both = made.covered & truth.covered
    one, other = (
        torch.where(both[..., None], raster.normal * 0.5 + 0.5, 0.0) for raster in (made, truth)
    )
    return {
        "mask": F.l1_loss(made.mask, truth.mask),
        "depth": ((made.depth - truth.depth).abs() * both).mean(),
        **_picture_losses("normal", one, other),
    }


def material_picture_losses(raster: Raster, made: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Losses of one picture of a material, on the true shape.

    Args:
        raster: of that shape.
        made, truth: (V, 6) of its vertices in [0, 1]: base colour, metallic, roughness, alpha.

    Returns:
        Parts named as in ``MATERIAL_PICTURES``; factors are the last three.
    """
    one, other = raster.interpolate(made), raster.interpolate(truth)
    return {
        **_picture_losses("base_color", one[..., :3], other[..., :3]),
        **_picture_losses("factors", one[..., 3:], other[..., 3:]),
    }


def _picture_losses(name: str, one: Tensor, other: Tensor) -> dict[str, Tensor]:
    return {
        name: F.l1_loss(one, other),
        f"{name}_ssim": 1 - ssim(one, other),
        f"{name}_edges": edge_loss(one, other),
    }


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """Mean structural similarity of two pictures, 1 where they are the same.

    Windows are Gaussian with sigma 1.5, 11 pixels wide and wholly inside (Wang et al. 2004).

    Args:
        one, other: (H, W, C) floating in [0, 1]; sides of at least 11 pixels.
    """
    place = torch.arange(WINDOW, dtype=one.dtype, device=one.device) - WINDOW // 2
    bell = torch.exp(-(place**2) / (2 * SIGMA**2))
    bell = bell / bell.sum()

    def blurred(picture: Tensor) -> Tensor:
        rows = F.conv2d(picture.permute(2, 0, 1)[:, None], bell[None, None, None, :])
        return F.conv2d(rows, bell[None, None, :, None])

    mean, mean_other = blurred(one), blurred(other)
    variance = blurred(one * one) - mean**2
    variance_other = blurred(other * other) - mean_other**2
    both = blurred(one * other) - mean * mean_other
    c1, c2 = 0.01**2, 0.03**2
    light = (2 * mean * mean_other + c1) / (mean**2 + mean_other**2 + c1)
    return (light * (2 * both + c2) / (variance + variance_other + c2)).mean()


def edge_loss(one: Tensor, other: Tensor) -> Tensor:
    """Mean difference of the gradients of two pictures, at full, half and quarter size.

    Stands for LPIPS; 0 where they are the same.

    Args:
        one, other: (H, W, C) floating; sides of at least 8 pixels.
    """
    difference = (one - other).permute(2, 0, 1)  # gradients are linear: those of the difference
    found = []
    for scale in range(SCALES):
        if scale > 0:
            difference = F.avg_pool2d(difference, 2)
        found.append(difference.diff(dim=1).abs().mean() + difference.diff(dim=2).abs().mean())
    return torch.stack(found).mean()
