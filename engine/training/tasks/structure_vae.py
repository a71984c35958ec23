"""What is trained as the structure VAE: which cells of a coarse dense grid are occupied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.networks.structure_vae import StructureDecoder, StructureEncoder
from engine.training.tasks.ovoxel_losses import (
    STRUCTURE_WEIGHTS,
    dice_loss,
    kl_loss,
    sample_posterior,
    weighted_sum,
)
from engine.training.tasks.sc_vae import VoxelSource

CELL_PIXELS = 6
BACKGROUND = 40


@dataclass(frozen=True)
class StructureBatch:
    """
    Args:
        names: of the assets.
        occupied: (B, 1, G, G, G) float32 of 0 and 1.
    """

    names: tuple[str, ...]
    occupied: Tensor


def occupancy(coords: Sequence[np.ndarray], resolution: int, grid_size: int) -> np.ndarray:
    """Which cells of a coarser grid hold voxels (a max-pool).

    Args:
        coords: of each item (N, 3) integers below ``resolution``.
        resolution: cells per axis of the voxels, a multiple of ``grid_size``.
        grid_size: cells per axis of the result.

    Returns:
        (B, 1, G, G, G) bool.

    Raises:
        ValueError: sizes that do not divide.
    """
    if resolution % grid_size:
        raise ValueError(f"a grid of {resolution} cells has no cells of a grid of {grid_size}")
    result = np.zeros((len(coords), 1, grid_size, grid_size, grid_size), bool)
    for item, voxels in zip(result, coords, strict=True):
        x, y, z = voxels.astype(np.int64).T // (resolution // grid_size)
        item[0, x, y, z] = True
    return result


class StructureVaeTask:
    """The structure VAE by binary cross-entropy, dice and KL.

    Args:
        encoder, decoder: float32.
        source: the data set.
        resolution: of the voxels that occupancy is taken from.
        grid_size: of the occupancy.
        batch_size: assets in a batch.
        weights: of occupancy (binary cross-entropy), dice and kl.
        device: of networks and batches.
    """

    def __init__(
        self,
        encoder: StructureEncoder,
        decoder: StructureDecoder,
        source: VoxelSource,
        *,
        resolution: int,
        grid_size: int,
        batch_size: int,
        weights: Mapping[str, float] = STRUCTURE_WEIGHTS,
        device: torch.device | str = "cpu",
    ) -> None:
        self.encoder, self.decoder = encoder, decoder
        networks = {"structure_encoder": encoder, "structure_decoder": decoder}
        self.networks = nn.ModuleDict(networks).to(device)
        self.source = source
        self.resolution, self.grid_size = resolution, grid_size
        self.batch_size = batch_size
        self.weights = dict(weights)
        self.device = torch.device(device)

    def batch(self, random: np.random.Generator) -> StructureBatch:
        """Different assets, as long as there are enough."""
        count = len(self.source.names)
        indices = random.choice(count, self.batch_size, replace=count < self.batch_size).tolist()
        coords = [self.source.voxels(index, self.resolution).coords for index in indices]
        occupied = torch.from_numpy(occupancy(coords, self.resolution, self.grid_size))
        names = tuple(self.source.names[index] for index in indices)
        return StructureBatch(names, occupied.to(self.device, torch.float32))

    def loss(
        self, batch: StructureBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        mean, logvar = self.encoder(batch.occupied)
        logits = self.decoder(sample_posterior(mean, logvar, generator)).float()
        parts = {
            "occupancy": F.binary_cross_entropy_with_logits(logits, batch.occupied),
            "dice": dice_loss(logits, batch.occupied),
            "kl": kl_loss(mean, logvar),
        }
        return weighted_sum(parts, self.weights)

    def describe(self, batch: StructureBatch) -> str:
        return ", ".join(batch.names)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Occupied cells of four assets from the front, nearer ones brighter; results below."""
        occupied = self.batch(random).occupied[:4]
        with torch.inference_mode():
            made = self.decoder(self.encoder(occupied)[0]) > 0
        rows = [_front_views(grids.cpu().numpy()[:, 0] > 0) for grids in (occupied, made)]
        return {"structure": np.concatenate(rows)}


def _front_views(grids: np.ndarray) -> np.ndarray:
    """(N, G, G, G) bool to (H, N * H, 3) uint8, seen along +Y with Z up."""
    depth = np.where(grids.any(axis=2), grids.argmax(axis=2), -1)
    shade = np.where(depth < 0, BACKGROUND, 255 - depth * 150 // grids.shape[2]).astype(np.uint8)
    tiles = shade.transpose(0, 2, 1)[:, ::-1].repeat(CELL_PIXELS, 1).repeat(CELL_PIXELS, 2)
    return np.concatenate(list(tiles), axis=1)[..., None].repeat(3, axis=2)
