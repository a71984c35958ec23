"""The dense auto-encoder of the structure: occupancy of 64^3 cells, latent of 16^3 (TRELLIS, 3.3).

Published as ``SparseStructureEncoder`` and ``SparseStructureDecoder``; the convolutions inside the
blocks follow the torso's dtype, all else is float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class StructureEncoderConfig:
    """``channels`` per level, finest first; each level after the first halves the grid."""

    in_channels: int
    latent_channels: int
    num_res_blocks: int
    channels: Sequence[int]
    num_res_blocks_middle: int = 2
    norm_type: str = "layer"


@dataclass(frozen=True)
class StructureDecoderConfig:
    """``channels`` per level, coarsest first; each level after the first doubles the grid."""

    out_channels: int
    latent_channels: int
    num_res_blocks: int
    channels: Sequence[int]
    num_res_blocks_middle: int = 2
    norm_type: str = "layer"


class ChannelNorm(nn.LayerNorm):
    """Layer norm over dimension 1 of (N, C, X, Y, Z), in float32."""

    def forward(self, input: Tensor) -> Tensor:
        h = super().forward(input.float().movedim(1, -1))
        return h.movedim(-1, 1).to(input.dtype)


class GroupNorm(nn.GroupNorm):
    """Group norm in float32."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float()).to(input.dtype)


class ResBlock(nn.Module):
    """Two normalised convolutions beside a shortcut; always with the layer norm, as published."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm2 = ChannelNorm(channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Halve(nn.Module):
    """Grid of half the size."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, out_channels, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Double(nn.Module):
    """Grid of double the size: eight times the channels, then moved into the cells."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, 8 * out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return pixel_shuffle(self.conv(x))


class _StructureNetwork(nn.Module):
    """What encoder and decoder share: the torso of ``blocks`` and ``middle_block``."""

    blocks: nn.ModuleList
    middle_block: nn.Sequential

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Convert the convolutions inside the blocks, and nothing else."""
        self.torso_dtype = dtype
        for module in (*self.blocks.modules(), *self.middle_block.modules()):
            if isinstance(module, nn.Conv3d):
                module.to(dtype)


class StructureEncoder(_StructureNetwork):
    """Occupancy -> latent."""

    def __init__(
        self, config: StructureEncoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.config = config
        widths = list(config.channels)
        self.input_layer = nn.Conv3d(config.in_channels, widths[0], 3, padding=1)
        self.blocks = _levels(widths, config.num_res_blocks, Halve)
        self.middle_block = _res_blocks(widths[-1], config.num_res_blocks_middle)
        self.out_layer = _head(widths[-1], 2 * config.latent_channels, config.norm_type)
        self.set_torso_dtype(torso_dtype)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Occupancy (N, 1, X, Y, Z) float32 of 0 and 1 -> the latent's mean and log-variance.

        The grid shrinks by 2 per level after the first; its size must divide evenly.
        """
        h = self.input_layer(x).to(self.torso_dtype)
        for block in self.blocks:
            h = block(h)
        h = self.middle_block(h)
        mean, logvar = self.out_layer(h.to(x.dtype)).chunk(2, dim=1)
        return mean, logvar


class StructureDecoder(_StructureNetwork):
    """Latent -> occupancy logits."""

    def __init__(
        self, config: StructureDecoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.config = config
        widths = list(config.channels)
        self.input_layer = nn.Conv3d(config.latent_channels, widths[0], 3, padding=1)
        self.middle_block = _res_blocks(widths[0], config.num_res_blocks_middle)
        self.blocks = _levels(widths, config.num_res_blocks, Double)
        self.out_layer = _head(widths[-1], config.out_channels, config.norm_type)
        self.set_torso_dtype(torso_dtype)

    def forward(self, latent: Tensor) -> Tensor:
        """Latent (N, latent_channels, X, Y, Z) -> logits (N, 1, ...), occupied where > 0."""
        h = self.middle_block(self.input_layer(latent).to(self.torso_dtype))
        for block in self.blocks:
            h = block(h)
        return self.out_layer(h.to(latent.dtype))


def pixel_shuffle(x: Tensor) -> Tensor:
    """(N, 8 C, X, Y, Z) -> (N, C, 2X, 2Y, 2Z): channel 8c + 4i + 2j + k goes to cell (i, j, k)."""
    n, channels, sx, sy, sz = x.shape
    x = x.reshape(n, channels // 8, 2, 2, 2, sx, sy, sz).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(n, channels // 8, 2 * sx, 2 * sy, 2 * sz)


def _levels(widths: list[int], per_level: int, change: type[Halve] | type[Double]) -> nn.ModuleList:
    blocks = nn.ModuleList()
    for level, width in enumerate(widths):
        blocks.extend(ResBlock(width) for _ in range(per_level))
        if level + 1 < len(widths):
            blocks.append(change(width, widths[level + 1]))
    return blocks


def _res_blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResBlock(width) for _ in range(count)))


def _head(width: int, out_channels: int, norm_type: str) -> nn.Sequential:
    if norm_type not in ("layer", "group"):
        raise ValueError(f"norm_type is {norm_type!r}; known are 'layer' and 'group'")
    norm = ChannelNorm(width) if norm_type == "layer" else GroupNorm(32, width)
    return nn.Sequential(norm, nn.SiLU(), nn.Conv3d(width, out_channels, 3, padding=1))
