"""The auto-encoders learn a few shapes; batches and losses are what they say."""

import numpy as np
import pytest
import torch

from engine.networks.structure_vae import (
    StructureDecoder,
    StructureDecoderConfig,
    StructureEncoder,
    StructureEncoderConfig,
)
from engine.training.data.dataset import Voxels
from engine.training.tasks.ovoxel_losses import SHAPE_WEIGHTS
from engine.training.tasks.sc_vae import MaterialVaeTask, ShapeVaeTask, block_of
from engine.training.tasks.structure_vae import StructureVaeTask, occupancy
from tests.training.shapes import ShapeSource, material_vae, shape_vae


def train(task, steps, rate=2e-3):
    """Parts of the loss at every step of plain AdamW."""
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=rate, weight_decay=0)
    history = []
    for step in range(steps):
        batch = task.batch(np.random.default_rng(step))
        loss, parts = task.loss(batch, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(parts | {"all": float(loss.detach())})
    return history


def falls(history, name, to, last=5):
    """Whether the mean of the last steps is below a share of the first step's."""
    return np.mean([parts[name] for parts in history[-last:]]) < to * history[0][name]


def shape_task(**more):
    return ShapeVaeTask(*shape_vae(), ShapeSource(), resolutions=(16,), most_voxels=4000, **more)


def test_the_shape_vae_learns():
    history = train(shape_task(weights={**SHAPE_WEIGHTS, "vertices": 1.0}), 40)
    assert falls(history, "edges", 0.9)
    assert falls(history, "pruning", 0.5)
    assert falls(history, "vertices", 0.8)


def test_a_decoder_can_be_shown_noise_on_latents():
    """Up to the share that was asked for, a level for each item, nothing at zero."""
    seen = []
    for share in (0.0, 0.5):
        task = shape_task(latent_noise=share)
        batch = task.batch(np.random.default_rng(0))
        task.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        with torch.no_grad():
            task.decode(batch, torch.Generator().manual_seed(0))
    plain, noisy = seen
    spread = plain.feats.std(dim=0)
    levels = [
        float(((noisy.feats[rows] - plain.feats[rows]) / spread).std())
        for rows in plain.topology.slices
    ]
    assert len(set(levels)) == len(levels) > 1
    assert all(0 < level < 0.6 for level in levels)


def test_the_material_vae_learns():
    task = MaterialVaeTask(*material_vae(), ShapeSource(), resolutions=(16,), most_voxels=4000)
    assert falls(train(task, 40), "materials", 0.4)


def structure_task():
    torch.manual_seed(0)
    encoder = StructureEncoderConfig(1, 4, 1, [8, 16], 1)
    decoder = StructureDecoderConfig(1, 4, 1, [16, 8], 1)
    return StructureVaeTask(
        StructureEncoder(encoder),
        StructureDecoder(decoder),
        ShapeSource(),
        resolution=16,
        grid_size=8,
        batch_size=4,
    )


def test_the_structure_vae_learns():
    history = train(structure_task(), 40)
    assert falls(history, "occupancy", 0.3)
    assert falls(history, "dice", 0.3)


def test_every_parameter_but_the_split_weight_learns():
    task = shape_task()
    train(task, 2)  # branches that start at zero let gradients through from the second step on
    head = task.decoder.output_layer.weight.grad
    assert head is not None and bool((head[6] == 0).all()) and bool((head[:6] != 0).any(1).all())
    for name, parameter in task.networks.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name


@pytest.mark.parametrize("most", [1, 1500, 10**6])
def test_batches_are_drawn_by_voxels(most: int):
    task = shape_task()
    task.most_voxels = most
    for seed in range(5):
        batch = task.batch(np.random.default_rng(seed))
        assert len(set(batch.indices)) == len(batch.indices)
        assert len(batch.voxels.topology) <= most or len(batch.indices) == 1
        assert most < 10**6 or len(batch.indices) == len(task.source.names)


def test_a_block_is_whole_latent_cells_around_a_voxel():
    random = np.random.default_rng(0)
    coords = np.unique(random.integers(0, 128, (3000, 3)), axis=0).astype(np.uint16)
    numbers = np.arange(len(coords) * 3).reshape(-1, 3)
    voxels = Voxels(coords, numbers, numbers > 5, numbers.repeat(2, axis=1))
    for _ in range(20):
        block = block_of(voxels, 32, random)
        assert 0 < len(block.coords) < len(coords) and block.coords.max() < 32
        rows = block.dual_vertices[:, 0] // 3
        offset = coords[rows].astype(int) - block.coords
        assert (offset == offset[0]).all() and (offset % 16 == 0).all()
        inside = ((coords >= offset[0]) & (coords < offset[0] + 32)).all(axis=1)
        assert len(block.coords) == inside.sum()
        assert (block.materials[:, 0] == block.dual_vertices[:, 0]).all()


def test_a_batch_follows_from_its_random_numbers_alone():
    task = shape_task()
    one, same = task.batch(np.random.default_rng(3)), task.batch(np.random.default_rng(3))
    assert one.names == same.names and one.names
    assert task.describe(one) == ", ".join(one.names)
    assert torch.equal(one.voxels.topology.coords, same.voxels.topology.coords)
    losses = [task.loss(one, torch.Generator().manual_seed(s))[0].item() for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_occupancy_is_a_max_pool():
    coords = np.array([(0, 1, 3), (1, 0, 2), (7, 7, 7)], np.uint16)
    grid = occupancy([coords, coords[:1]], 8, 4)
    assert grid.shape == (2, 1, 4, 4, 4)
    assert np.argwhere(grid[0, 0]).tolist() == [[0, 0, 1], [3, 3, 3]]
    assert np.argwhere(grid[1, 0]).tolist() == [[0, 0, 1]]
    with pytest.raises(ValueError, match="no cells"):
        occupancy([coords], 8, 3)
