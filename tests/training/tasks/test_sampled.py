"""Decoders on sampled latents: the pyramid leads from sampled cells to the truth inside of them."""

from typing import Any

import numpy as np
import torch

from engine.sparse import SparseTensor, Topology
from engine.training.data.dataset import VoxelBatch
from engine.training.tasks.ovoxel_losses import shape_losses
from engine.training.tasks.sampled import SampledDecoderTask, pyramid_to
from engine.training.tasks.sc_vae_start import initialise_sc_vae
from tests.training.shapes import ShapeSource, shape_vae


def test_a_pyramid_leads_to_the_voxels_inside_the_cells() -> None:
    cells = Topology(torch.tensor([(0, 0, 0, 0), (0, 1, 0, 0), (1, 0, 1, 0)], dtype=torch.int32))
    voxels = torch.tensor(
        [(0, 3, 2, 1), (0, 0, 1, 3), (0, 0, 4, 0), (1, 0, 7, 2), (1, 0, 6, 2)], dtype=torch.int32
    )
    pyramid, rows = pyramid_to(cells, voxels, 2)
    assert [len(link.parents) for link in pyramid] == [3, 3]
    # The second cell holds nothing, and the third voxel lies in no cell.
    assert not pyramid[0].mask[1].any() and sorted(rows.tolist()) == [0, 1, 3, 4]
    assert torch.equal(pyramid[-1].children.coords, voxels[rows])


def test_a_pyramid_to_nothing_is_empty() -> None:
    cells = Topology(torch.zeros(1, 4, dtype=torch.int32))
    pyramid, rows = pyramid_to(cells, torch.full((2, 4), 9, dtype=torch.int32), 2)
    assert not pyramid[0].mask.any() and len(pyramid[-1].children) == 0 == len(rows)


def compare(decoded: Any, voxels: VoxelBatch) -> dict[str, torch.Tensor]:
    return shape_losses(decoded, voxels.dual_vertices, voxels.intersected)


def test_a_decoder_learns_the_truth_of_other_latents() -> None:
    """Its latents are random but belong to their asset, so that there is something to learn."""
    source, random = ShapeSource(2), np.random.default_rng(0)
    latents = {}
    for index, name in enumerate(source.names):
        cells = np.unique(source.voxels(index, 32).coords // 4, axis=0).astype(np.uint8)
        empty = np.array([(7, 7, 7)], np.uint8)  # a cell too many
        cells = np.concatenate([cells, empty])
        latents[name] = cells, random.standard_normal((len(cells), 8)).astype(np.float16)
    _, decoder = shape_vae()
    initialise_sc_vae(decoder)
    weights = {"vertices": 1.0, "edges": 0.5, "pruning": 0.7}
    task = SampledDecoderTask(
        "shape_decoder", decoder, source, {32: latents}, compare,
        most_voxels=10_000, block=32, weights=weights,
    )  # fmt: skip
    batch = task.batch(random)
    assert isinstance(batch.latent, SparseTensor) and len(batch.latent) > len(batch.names)
    optimiser = torch.optim.AdamW(task.networks.parameters(), lr=2e-3)
    losses = []
    for step in range(40):
        loss, _ = task.loss(task.batch(np.random.default_rng(step)), torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.6 * losses[0]


def test_a_block_is_cut_from_latent_and_voxels_alike() -> None:
    source = ShapeSource(2)
    latents = {
        name: (cells := np.unique(source.voxels(i, 64).coords // 4, axis=0).astype(np.uint8),
               np.zeros((len(cells), 8), np.float16))
        for i, name in enumerate(source.names)
    }  # fmt: skip
    task = SampledDecoderTask(
        "shape_decoder", shape_vae()[1], source, {64: latents}, compare,
        most_voxels=3000, block=32, weights={},
    )  # fmt: skip
    for seed in range(5):
        batch = task.batch(np.random.default_rng(seed))
        assert int(batch.latent.coords[:, 1:].max()) < 8
        # Cells are those of the truth here: each of them leads to a voxel, and all are reached.
        assert all(bool(link.mask.any(dim=1).all()) for link in batch.pyramid)
        cells = batch.voxels.topology.coords.clone()
        cells[:, 1:] //= 4
        assert len(cells.unique(dim=0)) == len(batch.latent)
