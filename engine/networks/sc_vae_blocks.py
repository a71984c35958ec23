"""The blocks of the sparse compression VAE: ConvNeXt-style torso, down and up between levels.

Norms are computed in float32 whatever the torso's dtype; shortcuts run in the torso's dtype.

What is done row by row is done to some rows at a time, unless a gradient is wanted: beside what
comes in, a block then needs one tensor of the size of what comes out, not of its widest layer.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.networks.norms import LayerNorm
from engine.sparse import SparseTensor, Subdivision
from engine.sparse.backends import learns
from engine.sparse.convolution import submanifold_conv3d
from engine.sparse.resample import channel_to_space, convolve_to_children, space_to_channel

BLOCK_EPSILON = 1e-6
CHUNK_BYTES = 256 << 20
"""What the rows that are done at a time may take at the widest place."""
CHUNK_BYTES_CPU, FEWEST_ROWS_CPU = 24 << 20, 512
"""The same where a cache is what counts, as long as weights are not read for too few rows."""


class SubmanifoldConv(nn.Module):
    """3x3x3 convolution on occupied cells; weight [Co, 3, 3, 3, Ci] as published."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, 3, 3, 3, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        bound = 1 / math.sqrt(27 * in_channels)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: SparseTensor) -> Tensor:
        return submanifold_conv3d(x, self.weight, self.bias)


class ConvNeXtBlock(nn.Module):
    """x + MLP(norm(conv(x))), the MLP four times as wide (arXiv:2201.03545, made sparse)."""

    def __init__(self, channels: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.hidden = hidden = int(channels * mlp_ratio)
        self.conv = SubmanifoldConv(channels, channels)
        self.norm = LayerNorm(channels, eps=BLOCK_EPSILON)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, channels)
        )
        _start_at_zero(self.mlp[2])

    def forward(self, x: SparseTensor) -> SparseTensor:
        h = self.conv(x)
        # By rows the sum takes the place of ``h``, which autocast may have in another dtype.
        if learns(h, *self.parameters()) or h.dtype != x.feats.dtype:
            return x.replace(x.feats + self.mlp(self.norm(h)))
        for rows in some_rows(h, 2 * self.hidden + 4 * h.shape[1]):
            h[rows] = x.feats[rows] + self.mlp(self.norm(h[rows]))
        return x.replace(h)


class DownBlock(nn.Module):
    """To the grid of half the size; the shortcut averages groups of the children's channels.

    Raises:
        ValueError: the widths do not divide.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        if out_channels % 8 or (8 * channels) % out_channels:
            raise ValueError(f"a down block cannot lead from {channels} to {out_channels} channels")
        self.norm1 = LayerNorm(channels, eps=BLOCK_EPSILON)
        self.norm2 = LayerNorm(out_channels, eps=BLOCK_EPSILON, elementwise_affine=False)
        self.conv1 = SubmanifoldConv(channels, out_channels // 8)
        self.conv2 = SubmanifoldConv(out_channels, out_channels)
        self.averaged = 8 * channels // out_channels
        _start_at_zero(self.conv2)

    def forward(self, x: SparseTensor, link: Subdivision) -> SparseTensor:
        """Features of ``link.parents``; ``x`` is on ``link.children``."""
        h = self.conv1(x.replace(_active(self.norm1, x.feats)))
        h = _active(self.norm2, space_to_channel(h, link))
        h = self.conv2(SparseTensor(link.parents, h))
        # A group never holds channels of two children, so it is averaged before they are packed.
        shortcut = x.feats.unflatten(1, (-1, self.averaged)).mean(dim=-1)
        return SparseTensor(link.parents, _sum(h, space_to_channel(shortcut, link)))


class UpBlock(nn.Module):
    """To the grid of twice the size; only children that survive are computed.

    Args:
        channels: of the coarser level.
        out_channels: of the finer level.
        pred_subdiv: whether the block says itself which children survive.

    Raises:
        ValueError: the widths do not divide.
    """

    def __init__(self, channels: int, out_channels: int, *, pred_subdiv: bool) -> None:
        super().__init__()
        if channels % 8 or (8 * out_channels) % channels:
            raise ValueError(f"an up block cannot lead from {channels} to {out_channels} channels")
        self.norm1 = LayerNorm(channels, eps=BLOCK_EPSILON)
        self.norm2 = LayerNorm(out_channels, eps=BLOCK_EPSILON, elementwise_affine=False)
        self.conv1 = SubmanifoldConv(channels, 8 * out_channels)
        self.conv2 = SubmanifoldConv(out_channels, out_channels)
        self.to_subdiv = nn.Linear(channels, 8) if pred_subdiv else None
        self.repeats = 8 * out_channels // channels
        _start_at_zero(self.conv2)

    def logits(self, x: SparseTensor) -> SparseTensor | None:
        """(N, 8) for the eight children of every cell, above 0 where they survive, if predicted."""
        return None if self.to_subdiv is None else x.replace(self.to_subdiv(x.feats))

    def forward(
        self, x: SparseTensor, link: Subdivision, *, prune: bool | None = None
    ) -> SparseTensor:
        """Features of ``link.children``; ``prune`` as in ``convolve_to_children``."""
        h = x.replace(_active(self.norm1, x.feats))
        h = convolve_to_children(h, self.conv1.weight, self.conv1.bias, link, prune=prune)
        h = self.conv2(SparseTensor(link.children, _active(self.norm2, h)))
        shortcut = channel_to_space(x.feats, link, self.repeats)
        return SparseTensor(link.children, _sum(h, shortcut))


def _active(norm: nn.Module, feats: Tensor) -> Tensor:
    """``silu(norm(feats))``."""
    if learns(feats, *norm.parameters()):
        return F.silu(norm(feats))
    out = torch.empty_like(feats)
    for rows in some_rows(feats, 4 * feats.shape[1]):
        out[rows] = F.silu(norm(feats[rows]))
    return out


def _sum(h: Tensor, shortcut: Tensor) -> Tensor:
    """Their sum, in place of ``h`` where it has room for it."""
    return h.add_(shortcut) if h.dtype == shortcut.dtype else h + shortcut


def chunk_bytes(device: torch.device) -> int:
    """What the rows may take that are done at a time; more where a row is very wide."""
    return CHUNK_BYTES_CPU if device.type == "cpu" else CHUNK_BYTES


def some_rows(feats: Tensor, per_row: int) -> Iterator[slice]:
    """Slices of the rows; ``per_row``: float32 numbers that a row needs meanwhile, at most."""
    size = max(1, chunk_bytes(feats.device) // (4 * per_row))
    if feats.device.type == "cpu":
        size = max(FEWEST_ROWS_CPU, size)
    for start in range(0, len(feats), size):
        yield slice(start, start + size)


def _start_at_zero(layer: nn.Module) -> None:
    """Make a residual branch add nothing until it has learned something."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
