"""What is trained in stage 1 of the SC-VAEs: shape, and material.

The decoder follows the pyramid of the encoder (the truth) from level to level, whatever it would
have pruned itself; what it would have pruned is a loss of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.networks.material_vae import DecodedMaterial, MaterialDecoder, MaterialEncoder
from engine.networks.sc_vae import Decoded, Encoded, ScVaeDecoder, ScVaeEncoder
from engine.networks.shape_vae import DecodedShape, ShapeDecoder, ShapeEncoder
from engine.ovoxel import OVoxels
from engine.sparse import SparseTensor
from engine.training.data.dataset import VoxelBatch, Voxels, collate
from engine.training.reconstruct import (
    encode_material,
    encode_shape,
    opaque_surface,
    ovoxels_of,
    reconstruct_material,
    reconstruct_shape,
    side_by_side,
)
from engine.training.tasks.ovoxel_losses import (
    MATERIAL_WEIGHTS,
    SHAPE_WEIGHTS,
    kl_loss,
    material_losses,
    noise_like,
    sample_posterior,
    shape_losses,
    weighted_sum,
)
from engine.training.tasks.sc_vae_start import fit_read_out

E = TypeVar("E", bound=ScVaeEncoder)
D = TypeVar("D", bound=ScVaeDecoder)
Result = TypeVar("Result", bound=Decoded)

LATENT_CELL = 16
"""Voxels an axis to a cell of the latent."""
FITTED_BATCHES = 4
CERTAIN = 2.0
"""Logit of a flag that is known, for a fit by least squares."""
NEARLY = 0.02
"""No dual vertex lies nearer to the end of what a sigmoid can say."""


class VoxelSource(Protocol):
    """What tasks ask of a data set."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def voxel_count(self, index: int, resolution: int) -> int: ...

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


def block_of(voxels: Voxels, side: int, random: np.random.Generator) -> Voxels:
    """The voxels in a cube around a random one, whole latent cells of them, moved to the origin.

    What an SC-VAE does in one place does not depend on what is far away, so that a block teaches as
    much as the whole asset, and a batch shows more assets.

    Args:
        side: voxels an axis of the cube, a multiple of 16.
    """
    coords = voxels.coords.astype(np.int64)
    centre = coords[random.integers(len(coords))]
    low = (
        np.maximum(centre - random.integers(side - LATENT_CELL + 1, size=3), 0)
        // LATENT_CELL
        * LATENT_CELL
    )
    inside = ((coords >= low) & (coords < low + side)).all(axis=1)
    moved = (coords[inside] - low).astype(voxels.coords.dtype)
    return Voxels(moved, *(array[inside] for array in voxels[1:]))


class ScVaeTask(ABC, Generic[E, D, Result]):
    """What shape and material have in common: batches of voxels, and the way through the networks.

    Args:
        encoder, decoder: float32; their names in ``networks`` are those of the published files.
        source: the data set.
        resolutions: grid sizes that batches are drawn at.
        most_voxels: how many voxels a batch holds at most (one asset may have more).
        block: of grids larger than this only a random cube of so many voxels an axis is taken.
        weights: of the losses, see ``shape_losses`` and ``material_losses``; None: the usual ones.
        latent_noise: how much more noise the decoder sees than the posterior has, as a share of the
            latent's standard deviation: each item of a batch gets up to so much. A flow's latents
            are not exact; a decoder that has never seen such is ragged on them (noise-augmented
            decoding, arXiv:2510.11690).
        device: of networks and batches.
    """

    kind: str
    usual_weights: Mapping[str, float]

    def __init__(
        self,
        encoder: E,
        decoder: D,
        source: VoxelSource,
        *,
        resolutions: tuple[int, ...],
        most_voxels: int,
        block: int | None = None,
        weights: Mapping[str, float] | None = None,
        latent_noise: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> None:
        if block is not None and block % LATENT_CELL:
            raise ValueError(f"a block of {block} voxels is not a multiple of {LATENT_CELL}")
        self.encoder, self.decoder = encoder, decoder
        self.networks = nn.ModuleDict(
            {f"{self.kind}_encoder": encoder, f"{self.kind}_decoder": decoder}
        ).to(device)
        self.source = source
        self.resolutions = resolutions
        self.most_voxels = most_voxels
        self.block = block
        self.weights = dict(self.usual_weights if weights is None else weights)
        self.latent_noise = latent_noise
        self.device = torch.device(device)

    def batch(self, random: np.random.Generator) -> NamedBatch:
        """Assets at one of the resolutions, all of which are as likely."""
        resolution = int(random.choice(self.resolutions))
        indices: list[int] = []
        items: list[Voxels] = []
        room = self.most_voxels
        for index in random.permutation(len(self.source.names)).tolist():
            voxels = self.source.voxels(index, resolution)
            if self.block is not None and self.block < resolution:
                voxels = block_of(voxels, self.block, random)
            room -= len(voxels.coords)
            if items and room < 0:
                break
            indices.append(index)
            items.append(voxels)
        names = tuple(self.source.names[index] for index in indices)
        return NamedBatch(tuple(indices), names, collate(items, self.device))

    def describe(self, batch: NamedBatch) -> str:
        return ", ".join(batch.names)

    def loss(
        self, batch: NamedBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        return weighted_sum(self.decode(batch, generator)[1], self.weights)

    def decode(
        self, batch: NamedBatch, generator: torch.Generator
    ) -> tuple[Result, dict[str, Tensor]]:
        """What the decoder makes of a batch, rows as those of the batch, and its losses."""
        encoded = self._encode(batch.voxels)
        latent = _sampled(encoded, generator)
        if self.latent_noise > 0:
            latent = _disturbed(latent, self.latent_noise, generator)
        decoded = self.decoder(latent, encoded.pyramid)
        parts = self._compare(decoded, batch.voxels)
        parts["kl"] = kl_loss(encoded.mean.feats, encoded.logvar.feats)
        return decoded, parts

    @torch.no_grad()
    def fit_read_out(self, random: np.random.Generator) -> None:
        """Give the decoder's output layer what reads most out of its first features, in place."""
        inputs: list[Tensor] = []
        targets: list[Tensor] = []
        hook = self.decoder.output_layer.register_forward_pre_hook(
            lambda _, given: inputs.append(given[0])
        )
        with hook:
            for _ in range(FITTED_BATCHES):
                voxels = self.batch(random).voxels
                encoded = self._encode(voxels)
                self.decoder(encoded.mean, encoded.pyramid)
                targets.append(self._targets(voxels))
        fit_read_out(self.decoder.output_layer, torch.cat(inputs), torch.cat(targets))

    @abstractmethod
    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Truth beside reconstruction of an asset at the finest resolution."""

    @abstractmethod
    def _encode(self, voxels: VoxelBatch) -> Encoded: ...

    @abstractmethod
    def _compare(self, decoded: Result, voxels: VoxelBatch) -> dict[str, Tensor]: ...

    @abstractmethod
    def _targets(self, voxels: VoxelBatch) -> Tensor:
        """(N, C) what the first C outputs of the decoder should be, before any activation."""

    def _an_asset(self, random: np.random.Generator) -> tuple[Voxels, int]:
        resolution = max(self.resolutions)
        return self.source.voxels(
            int(random.integers(len(self.source.names))), resolution
        ), resolution


class ShapeVaeTask(ScVaeTask[ShapeEncoder, ShapeDecoder, DecodedShape]):
    """The shape VAE, stage 1."""

    kind = "shape"
    usual_weights = SHAPE_WEIGHTS

    def _encode(self, voxels: VoxelBatch) -> Encoded:
        return encode_shape(self.encoder, voxels)

    def _compare(self, decoded: DecodedShape, voxels: VoxelBatch) -> dict[str, Tensor]:
        return shape_losses(decoded, voxels.dual_vertices, voxels.intersected)

    def _targets(self, voxels: VoxelBatch) -> Tensor:
        margin = self.decoder.voxel_margin
        inside = (voxels.dual_vertices + margin) / (1 + 2 * margin)
        edges = (voxels.intersected.float() * 2 - 1) * CERTAIN
        return torch.cat([torch.logit(inside, eps=NEARLY), edges], dim=1)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Truth beside reconstruction of an asset at the finest resolution."""
        voxels, resolution = self._an_asset(random)
        made = reconstruct_shape(self.encoder, self.decoder, voxels, resolution)
        truth = OVoxels.plain(ovoxels_of(voxels, resolution).grid)
        return {"shape": side_by_side([truth.surface(), made.surface()])}


class MaterialVaeTask(ScVaeTask[MaterialEncoder, MaterialDecoder, DecodedMaterial]):
    """The material VAE, stage 1."""

    kind = "material"
    usual_weights = MATERIAL_WEIGHTS

    def _encode(self, voxels: VoxelBatch) -> Encoded:
        return encode_material(self.encoder, voxels)

    def _compare(self, decoded: DecodedMaterial, voxels: VoxelBatch) -> dict[str, Tensor]:
        return material_losses(decoded, voxels.materials)

    def _targets(self, voxels: VoxelBatch) -> Tensor:
        return voxels.materials * 2 - 1

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Truth beside reconstruction of an asset at the finest resolution, on its own voxels."""
        voxels, resolution = self._an_asset(random)
        truth = ovoxels_of(voxels, resolution)
        materials = reconstruct_material(self.encoder, self.decoder, voxels)
        made = replace(truth, materials=materials)
        return {"material": side_by_side([opaque_surface(truth), opaque_surface(made)])}


def _sampled(encoded: Encoded, generator: torch.Generator) -> SparseTensor:
    mean, logvar = encoded.mean.feats, encoded.logvar.feats
    return encoded.mean.replace(sample_posterior(mean, logvar, generator))


def _disturbed(latent: SparseTensor, most: float, generator: torch.Generator) -> SparseTensor:
    """With noise of 0 to ``most`` standard deviations of the channel, a level for each item."""
    feats, items = latent.feats, latent.topology.batch_size
    levels = torch.rand(items, 1, generator=generator, device=generator.device) * most
    level = latent.topology.expand(levels.to(feats.device))
    spread = feats.detach().std(dim=0)
    return latent.replace(feats + level * spread * noise_like(feats, generator))
