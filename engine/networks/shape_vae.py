"""Shape: O-Voxel cells to a latent and back.

Published as ``FlexiDualGridVaeEncoder`` and ``FlexiDualGridVaeDecoder``.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.networks.sc_vae import (
    Decoded,
    DecoderConfig,
    Encoded,
    EncoderConfig,
    Pyramid,
    ScVaeDecoder,
    ScVaeEncoder,
)
from engine.networks.slabs import Slabs, whole
from engine.sparse import SparseTensor, Topology

IN_CHANNELS = 6
"""Dual vertex 3, intersected edges 3."""
OUT_CHANNELS = 7
"""Dual vertex 3, intersected edges 3, split weight 1."""


@dataclass(frozen=True, kw_only=True)
class ShapeEncoderConfig(EncoderConfig):
    """Six input channels: dual vertex and intersected edges."""


@dataclass(frozen=True, kw_only=True)
class ShapeDecoderConfig(DecoderConfig):
    """As the published one; seven output channels, those of the encoder and the split weight.

    Args:
        resolution: finest grid size of the training; requests have their own.
        voxel_margin: how far, in voxels, a dual vertex may lie outside its voxel.
    """

    out_channels: int = OUT_CHANNELS
    resolution: int = 256
    voxel_margin: float = 0.5


@dataclass(frozen=True)
class DecodedShape(Decoded):
    """A decoded shape; the rows of everything are those of ``raw``.

    Args:
        dual_vertices: (N, 3) float32 inside the voxel, -margin to 1 + margin.
        intersected: (N, 3) bool, edges along x, y, z that the surface crosses.
        split_weight: (N, 1) float32 > 0.
    """

    dual_vertices: Tensor
    intersected: Tensor
    split_weight: Tensor


class ShapeEncoder(ScVaeEncoder):
    """Dual vertices and intersected edges of a grid to its shape latent."""

    def __init__(
        self, config: ShapeEncoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        if config.in_channels != IN_CHANNELS:
            raise ValueError(f"a shape has {IN_CHANNELS} channels, not {config.in_channels}")
        super().__init__(config, torso_dtype=torso_dtype)

    def forward(
        self,
        topology: Topology,
        dual_vertices: Tensor,
        intersected: Tensor,
        *,
        slabs: Slabs = whole,
    ) -> Encoded:
        """Encode a batch of O-Voxel grids.

        Args:
            topology: N cells of the finest grids.
            dual_vertices: (N, 3) float32 in [0, 1] inside the voxel.
            intersected: (N, 3) bool.
            slabs: as in ``encode``.
        """
        feats = torch.cat([dual_vertices - 0.5, intersected.to(dual_vertices.dtype) - 0.5], dim=1)
        return self.encode(SparseTensor(topology, feats), slabs=slabs)


class ShapeDecoder(ScVaeDecoder):
    """A shape latent to dual vertices, intersected edges and split weights."""

    def __init__(
        self, config: ShapeDecoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        if config.out_channels != OUT_CHANNELS:
            raise ValueError(f"a shape has {OUT_CHANNELS} channels, not {config.out_channels}")
        super().__init__(config, torso_dtype=torso_dtype)
        self.voxel_margin = config.voxel_margin

    def forward(
        self,
        latent: SparseTensor,
        guide: Pyramid | None = None,
        *,
        prune: bool | None = None,
        slabs: Slabs = whole,
    ) -> DecodedShape:
        """Decode, see ``ScVaeDecoder.forward``."""
        decoded = super().forward(latent, guide, prune=prune, slabs=slabs)
        vertex, edges, split = decoded.raw.feats.split([3, 3, 1], dim=1)
        margin = self.voxel_margin
        return DecodedShape(
            raw=decoded.raw,
            logits=decoded.logits,
            pyramid=decoded.pyramid,
            dual_vertices=(1 + 2 * margin) * torch.sigmoid(vertex) - margin,
            intersected=edges > 0,
            split_weight=F.softplus(split),
        )
