"""What is trained in stage 1 of the SC-VAEs: shape, and material.

The decoder follows the pyramid of the encoder (the truth) from level to level, whatever it would
have pruned itself; what it would have pruned is a loss of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from engine.models.material_vae import MaterialDecoder, MaterialEncoder
from engine.models.sc_vae import Encoded
from engine.models.shape_vae import ShapeDecoder, ShapeEncoder
from engine.sparse import SparseTensor
from engine.training.dataset import VoxelBatch, Voxels, collate
from engine.training.ovoxel_losses import (
    MATERIAL_WEIGHTS,
    SHAPE_WEIGHTS,
    kl_loss,
    material_losses,
    sample_posterior,
    shape_losses,
    weighted_sum,
)


class VoxelSource(Protocol):
    """What tasks ask of a data set."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def voxels(self, index: int, resolution: int) -> Voxels: ...


@dataclass(frozen=True)
class NamedBatch:
    """A batch and where it is from.

    Args:
        indices: of the assets in the data set, in the order of the batch items.
        names: of these assets.
        voxels: of all of them.
    """

    indices: tuple[int, ...]
    names: tuple[str, ...]
    voxels: VoxelBatch


def draw_assets(
    source: VoxelSource, resolution: int, most_voxels: int, random: np.random.Generator
) -> list[int]:
    """Different assets until the next one would be too much: what a step costs goes by voxels.

    The first is taken however large it is.
    """
    chosen: list[int] = []
    room = most_voxels
    for index in random.permutation(len(source.names)).tolist():
        room -= len(source.voxels(index, resolution).coords)
        if chosen and room < 0:
            break
        chosen.append(index)
    return chosen


class _ScVaeTask:
    """Batches of voxels, which shape and material have in common."""

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        source: VoxelSource,
        *,
        resolutions: tuple[int, ...],
        most_voxels: int,
        weights: Mapping[str, float],
        device: torch.device | str,
    ) -> None:
        self.networks = nn.ModuleDict(networks).to(device)
        self.source = source
        self.resolutions = resolutions
        self.most_voxels = most_voxels
        self.weights = dict(weights)
        self.device = torch.device(device)

    def batch(self, random: np.random.Generator) -> NamedBatch:
        """Assets at one of the resolutions, all of which are as likely."""
        resolution = int(random.choice(self.resolutions))
        indices = draw_assets(self.source, resolution, self.most_voxels, random)
        names = tuple(self.source.names[index] for index in indices)
        voxels = [self.source.voxels(index, resolution) for index in indices]
        return NamedBatch(tuple(indices), names, collate(voxels, self.device))

    def describe(self, batch: NamedBatch) -> str:
        return ", ".join(batch.names)


class ShapeVaeTask(_ScVaeTask):
    """The shape VAE, stage 1.

    Args:
        encoder, decoder: float32; their names in ``networks`` are those of the published files.
        source: the data set.
        resolutions: grid sizes that batches are drawn at.
        most_voxels: how many voxels a batch holds at most (one asset may have more).
        weights: of the losses, see ``shape_losses``.
        device: of networks and batches.
    """

    def __init__(
        self,
        encoder: ShapeEncoder,
        decoder: ShapeDecoder,
        source: VoxelSource,
        *,
        resolutions: tuple[int, ...],
        most_voxels: int,
        weights: Mapping[str, float] = SHAPE_WEIGHTS,
        device: torch.device | str = "cpu",
    ) -> None:
        networks = {"shape_encoder": encoder, "shape_decoder": decoder}
        super().__init__(
            networks,
            source,
            resolutions=resolutions,
            most_voxels=most_voxels,
            weights=weights,
            device=device,
        )
        self.encoder, self.decoder = encoder, decoder

    def loss(
        self, batch: NamedBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        voxels = batch.voxels
        encoded = self.encoder(voxels.topology, voxels.dual_vertices, voxels.intersected)
        decoded = self.decoder(_sampled(encoded, generator), encoded.pyramid)
        parts = shape_losses(decoded, voxels.dual_vertices, voxels.intersected)
        parts["kl"] = kl_loss(encoded.mean.feats, encoded.logvar.feats)
        return weighted_sum(parts, self.weights)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {}


class MaterialVaeTask(_ScVaeTask):
    """The material VAE, stage 1; arguments as those of ``ShapeVaeTask``."""

    def __init__(
        self,
        encoder: MaterialEncoder,
        decoder: MaterialDecoder,
        source: VoxelSource,
        *,
        resolutions: tuple[int, ...],
        most_voxels: int,
        weights: Mapping[str, float] = MATERIAL_WEIGHTS,
        device: torch.device | str = "cpu",
    ) -> None:
        networks = {"material_encoder": encoder, "material_decoder": decoder}
        super().__init__(
            networks,
            source,
            resolutions=resolutions,
            most_voxels=most_voxels,
            weights=weights,
            device=device,
        )
        self.encoder, self.decoder = encoder, decoder

    def loss(
        self, batch: NamedBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        voxels = batch.voxels
        encoded = self.encoder(SparseTensor(voxels.topology, voxels.materials * 2 - 1))
        decoded = self.decoder(_sampled(encoded, generator), encoded.pyramid)
        parts = material_losses(decoded, voxels.materials)
        parts["kl"] = kl_loss(encoded.mean.feats, encoded.logvar.feats)
        return weighted_sum(parts, self.weights)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {}


def _sampled(encoded: Encoded, generator: torch.Generator) -> SparseTensor:
    mean, logvar = encoded.mean.feats, encoded.logvar.feats
    return encoded.mean.replace(sample_posterior(mean, logvar, generator))
