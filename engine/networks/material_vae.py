"""Material: six channels per O-Voxel cell to a latent and back.

Published as ``SparseUnetVaeEncoder`` and ``SparseUnetVaeDecoder``. The channels are base colour
(3), metallic, roughness, alpha. The published decoder predicts no subdivisions: it is guided by
those of the shape decoder, or by the shape encoder's pyramid when a given mesh gets a texture.
"""

from dataclasses import dataclass

import torch
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
from engine.sparse import SparseTensor

CHANNELS = 6
"""Base colour 3, metallic, roughness, alpha."""


@dataclass(frozen=True, kw_only=True)
class MaterialEncoderConfig(EncoderConfig):
    """As the published one; ``in_channels`` is 6."""


@dataclass(frozen=True, kw_only=True)
class MaterialDecoderConfig(DecoderConfig):
    """As the published one; ``out_channels`` is 6 and ``pred_subdiv`` false."""


@dataclass(frozen=True)
class DecodedMaterial(Decoded):
    """A decoded material.

    Args:
        attributes: (N, 6) float32, 0 to 1 and, not being clamped, somewhat beyond: base colour,
            metallic, roughness, alpha.
    """

    attributes: Tensor


class MaterialEncoder(ScVaeEncoder):
    """Material of a grid to its texture latent."""

    def __init__(
        self, config: MaterialEncoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        if config.in_channels != CHANNELS:
            raise ValueError(f"a material has {CHANNELS} channels, not {config.in_channels}")
        super().__init__(config, torso_dtype=torso_dtype)

    def forward(self, attributes: SparseTensor) -> Encoded:
        """Encode (N, 6) float32 attributes in [-1, 1]."""
        return self.encode(attributes)


class MaterialDecoder(ScVaeDecoder):
    """A texture latent to the material of the guide's finest cells."""

    def __init__(
        self, config: MaterialDecoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        if config.out_channels != CHANNELS:
            raise ValueError(f"a material has {CHANNELS} channels, not {config.out_channels}")
        super().__init__(config, torso_dtype=torso_dtype)

    def forward(
        self,
        latent: SparseTensor,
        guide: Pyramid | None = None,
        *,
        prune: bool | None = None,
        slabs: Slabs = whole,
    ) -> DecodedMaterial:
        """Decode, see ``ScVaeDecoder.forward``."""
        decoded = super().forward(latent, guide, prune=prune, slabs=slabs)
        return DecodedMaterial(
            raw=decoded.raw,
            logits=decoded.logits,
            pyramid=decoded.pyramid,
            attributes=decoded.raw.feats * 0.5 + 0.5,
        )
