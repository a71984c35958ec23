"""The picture encoder of the embedded model: small enough to be trained on a CPU.

DINOv3 sees pictures as flat patches, and the flows learn what they mean in space. A small model has
no room for that, so this encoder is trained to draw voxels from a picture and says it itself. What
toys cannot teach it, how things look in photographs, it may take from a trunk that has been trained
on them and stays as it is. Its
tokens are the patches of the picture and, for every cell of a coarse grid around the object, what
it thinks is there.
"""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from engine.networks.dinov3 import normalised_pixels
from engine.networks.efficientnet_lite import EfficientNetLite0

STRIDE = 16
"""Pixels a side to a patch: four convolutions that halve."""


@dataclass(frozen=True)
class SmallEncoderConfig:
    """Sizes of the network.

    Args:
        image_size: pixels a side at which pictures are looked at; a multiple of 16.
        model_channels: width of the tokens; a multiple of 8.
        num_blocks: transformer blocks over the patches.
        num_lift_blocks: blocks that carry the patches into space.
        num_heads: of the attentions.
        grid: cells an axis of the coarse grid.
        mlp_ratio: inner width of the blocks over ``model_channels``.
        trunk: whether patches also hear what EfficientNet-Lite0 sees; ``image_size`` is then a
            multiple of 32.
    """

    image_size: int = 128
    model_channels: int = 192
    num_blocks: int = 4
    num_lift_blocks: int = 3
    num_heads: int = 6
    grid: int = 4
    mlp_ratio: float = 3.0
    trunk: bool = False

    def __post_init__(self) -> None:
        multiple = 2 * STRIDE if self.trunk else STRIDE
        if self.image_size % multiple:
            raise ValueError(f"image_size {self.image_size} is not a multiple of {multiple}")
        if self.model_channels % (8 * self.num_heads):
            raise ValueError(f"{self.model_channels} channels are not a multiple of 8 per head")


class SmallEncoder(nn.Module):
    """A picture to tokens: P patches row by row, then the cells of the coarse grid (x, y, z)."""

    def __init__(
        self, config: SmallEncoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if torso_dtype != torch.float32:
            raise ValueError("the small encoder computes in float32")
        self.config = config
        width, patches = config.model_channels, (config.image_size // STRIDE) ** 2
        inner = int(width * config.mlp_ratio)
        self.stem = nn.Sequential(
            *_halving(3, width // 8),
            *_halving(width // 8, width // 4),
            *_halving(width // 4, width // 2),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
        )
        self.trunk = self.from_trunk = None
        if config.trunk:
            self.trunk = EfficientNetLite0().requires_grad_(False)
            channels = EfficientNetLite0.channels
            last = nn.Linear(channels, width)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.from_trunk = nn.Sequential(nn.LayerNorm(channels), last)
        self.positions = nn.Parameter(0.02 * torch.randn(patches, width))
        self.cells = nn.Parameter(0.02 * torch.randn(config.grid**3, width))
        common = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, config.num_heads, inner, **common)
            for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.lift_blocks = nn.ModuleList(
            nn.TransformerDecoderLayer(width, config.num_heads, inner, **common)
            for _ in range(config.num_lift_blocks)
        )

    def forward(self, pixels: Tensor, seen: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """(B, 3, image_size, image_size) normalised pixels -> (B, P + grid^3, model_channels).

        Args:
            seen: what the trunk makes of the pixels, where that is known already.
        """
        patches = self.stem(pixels).flatten(2).mT + self.positions
        if self.trunk is not None and self.from_trunk is not None:
            fine, coarse = self.trunk(pixels) if seen is None else seen
            wide = coarse.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            patches = patches + self.from_trunk(torch.cat([fine, wide], dim=1).flatten(2).mT)
        for block in self.blocks:
            patches = block(patches)
        patches = self.norm(patches)
        cells = self.cells.expand(len(pixels), -1, -1)
        for block in self.lift_blocks:
            cells = block(cells, patches)
        tokens = torch.cat([patches, cells.to(patches.dtype)], dim=1).float()
        return nn.functional.layer_norm(tokens, tokens.shape[-1:])

    @torch.no_grad()
    def tokens(self, image: Image.Image, size: int) -> Tensor:
        """``image_tokens`` (1, P + grid^3, model_channels), float32, on the weights' device.

        Args:
            image: mode "RGB", square, premultiplied on black (``crop_to_foreground``).
            size: not used: this network looks at every picture at its own size.
        """
        del size
        pixels = normalised_pixels(image, self.config.image_size)
        return self(pixels.to(self.positions.device))


def _halving(channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out_channels, 3, stride=2, padding=1),
        nn.GroupNorm(1, out_channels),
        nn.GELU(),
    ]
