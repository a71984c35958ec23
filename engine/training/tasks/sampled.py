"""Decoders learn to make the true asset of the latents that the flows sample.

A decoder that has only seen latents of its encoder is ragged on a flow's. The voxels of the truth
are the target, on the cells that were sampled: where such a cell holds nothing the decoder learns
to prune it, and what lies outside of all of them is not asked for. The flows stay what they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from engine.networks.sc_vae import Pyramid, ScVaeDecoder
from engine.sparse import SparseTensor, Subdivision, Topology
from engine.training.data.dataset import VoxelBatch, Voxels, collate
from engine.training.tasks.ovoxel_losses import weighted_sum
from engine.training.tasks.sc_vae import VoxelSource, corner_of, cut

Sampled = Mapping[int, Mapping[str, tuple[np.ndarray, np.ndarray]]]
"""Resolution -> name of the asset -> cells (N, 3) and latent (N, C)."""
Compare = Callable[[Any, VoxelBatch], dict[str, Tensor]]


class SampledBatch(NamedTuple):
    """
    Args:
        names: of the assets.
        latent: sampled, on the cells that were sampled.
        pyramid: from these cells to the voxels of the truth that lie in them.
        voxels: these voxels, in the order of the pyramid's finest level.
    """

    names: list[str]
    latent: SparseTensor
    pyramid: Pyramid
    voxels: VoxelBatch


class SampledDecoderTask:
    """A decoder on sampled latents; a ``Task`` of the training loop.

    Args:
        name: of the decoder in checkpoints.
        decoder: float32.
        source: the data set.
        sampled: at the resolutions to train at, all of which are as likely.
        compare: the losses of what it decoded, whose rows are those of the voxels.
        most_voxels: a batch holds at most about so many.
        block: of grids larger than this only a random cube of so many voxels an axis is taken.
        weights: of the losses.
        device: of networks and batches.
    """

    def __init__(
        self,
        name: str,
        decoder: ScVaeDecoder,
        source: VoxelSource,
        sampled: Sampled,
        compare: Compare,
        *,
        most_voxels: int,
        block: int,
        weights: Mapping[str, float],
        device: torch.device | str = "cpu",
    ) -> None:
        self.decoder, self.source, self.sampled, self.compare = decoder, source, sampled, compare
        self.networks = nn.ModuleDict({name: decoder}).to(device)
        self.most_voxels, self.block, self.weights = most_voxels, block, dict(weights)
        self.device = torch.device(device)
        self._levels = len(decoder.config.model_channels) - 1
        self._index = {name: index for index, name in enumerate(source.names)}

    def batch(self, random: np.random.Generator) -> SampledBatch:
        """Assets at one of the resolutions."""
        resolution = int(random.choice(sorted(self.sampled)))
        latents = self.sampled[resolution]
        names: list[str] = []
        items: list[tuple[np.ndarray, np.ndarray, Voxels]] = []
        room = self.most_voxels
        for name in random.permutation(list(latents)).tolist():
            cells, feats = latents[name]
            voxels = self.source.voxels(self._index[name], resolution)
            if self.block < resolution:
                corner = corner_of(voxels, self.block, random)
                voxels = cut(voxels, corner, self.block)
                low, side = corner >> self._levels, self.block >> self._levels
                inside = ((cells >= low) & (cells < low + side)).all(axis=1)
                cells, feats = cells[inside] - low, feats[inside]
            room -= len(voxels.coords)
            if items and room < 0:
                break
            if len(cells):
                names.append(name)
                items.append((cells, feats, voxels))
        truth = collate([voxels for _, _, voxels in items], self.device)
        cells = _topology([cells for cells, _, _ in items], self.device)
        feats = np.concatenate([feats for _, feats, _ in items]).astype(np.float32)
        pyramid, rows = pyramid_to(cells, truth.topology.coords, self._levels)
        voxels = VoxelBatch(
            pyramid[-1].children, truth.dual_vertices[rows],
            truth.intersected[rows], truth.materials[rows],
        )  # fmt: skip
        latent = SparseTensor(cells, torch.from_numpy(feats).to(self.device))
        return SampledBatch(names, latent, pyramid, voxels)

    def loss(
        self, batch: SampledBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Nothing is drawn: the samples are there."""
        del generator
        decoded = self.decoder(batch.latent, batch.pyramid)
        return weighted_sum(self.compare(decoded, batch.voxels), self.weights)

    def describe(self, batch: SampledBatch) -> str:
        return ", ".join(batch.names)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        del random
        return {}


def pyramid_to(cells: Topology, voxels: Tensor, levels: int) -> tuple[Pyramid, Tensor]:
    """The subdivisions that lead from cells to the voxels inside of them.

    Args:
        cells: some of which may hold no voxel.
        voxels: (N, 4) int32 batch, x, y, z on a grid finer by 2^levels, none twice.
        levels: at least 1.

    Returns:
        The pyramid, and for each row of its finest level (M,) int64 the row of the voxel.
    """
    links: list[Subdivision] = []
    at = cells
    for level in reversed(range(levels)):
        children = voxels.clone()
        children[:, 1:] >>= level
        parents = children.clone()
        parents[:, 1:] >>= 1
        rows = _rows_of(parents, at.coords)
        there = rows >= 0
        bits = children[there, 1:] & 1
        mask = torch.zeros(len(at), 8, dtype=torch.bool, device=voxels.device)
        mask[rows[there], (bits[:, 0] + 2 * bits[:, 1] + 4 * bits[:, 2]).long()] = True
        links.append(at.subdivide(mask))
        at = links[-1].children
    return tuple(links), _rows_of(at.coords, voxels)


def _rows_of(wanted: Tensor, coords: Tensor) -> Tensor:
    """(N,) int64 row of each wanted place in coords, -1 where it is not."""
    there, order = _keys(coords).sort()
    keys = _keys(wanted)
    at = torch.searchsorted(there, keys).clamp(max=max(len(there) - 1, 0))
    return (
        torch.where(there[at] == keys, order[at], -1) if len(there) else torch.full_like(keys, -1)
    )


def _keys(coords: Tensor) -> Tensor:
    item, x, y, z = coords.long().unbind(dim=1)
    return ((item << 16 | x) << 16 | y) << 16 | z


def _topology(cells: list[np.ndarray], device: torch.device) -> Topology:
    items = np.repeat(np.arange(len(cells)), [len(each) for each in cells])[:, None]
    coords = np.concatenate([items, np.concatenate(cells)], axis=1).astype(np.int32)
    return Topology(torch.from_numpy(coords).to(device), len(cells))
