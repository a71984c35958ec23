"""Reconstruction, sample pictures, latents of a data folder and the networks of the ablation."""

import numpy as np
import torch

from benchmarks.shortcuts_left_out import without_shortcuts
from engine.networks.structure_vae import StructureEncoder, StructureEncoderConfig
from engine.training.data.dataset import Dataset, collate
from engine.training.data.encode import encode_structures, encode_voxels
from engine.training.data.latents import LatentStore
from engine.training.metrics import voxel_agreement
from engine.training.reconstruct import ovoxels_of, reconstruct_material, reconstruct_shape
from engine.training.tasks.ovoxel_losses import SHAPE_WEIGHTS
from engine.training.tasks.sc_vae import MaterialVaeTask, ShapeVaeTask
from engine.training.tasks.structure_vae import occupancy
from tests.training.folders import build_toys
from tests.training.shapes import ShapeSource, material_vae, shape_vae
from tests.training.tasks.test_vae_tasks import falls, structure_task, train


def test_a_trained_vae_gives_a_shape_back():
    source = ShapeSource(1)
    task = ShapeVaeTask(
        *shape_vae(),
        source,
        resolutions=(16,),
        most_voxels=4000,
        weights={**SHAPE_WEIGHTS, "vertices": 1.0, "edges": 1.0, "pruning": 1.0},
    )
    train(task, 150, rate=5e-3)
    truth = source.voxels(0, 16)
    made = reconstruct_shape(task.encoder, task.decoder, truth, 16)
    grid, split = made.grid, made.split_weight
    assert split is not None
    assert min(voxel_agreement(grid.coords, truth.coords)) > 0.9
    assert split.shape == (len(grid.coords), 1) and bool((split > 0).all())
    assert (np.diff(np.ravel_multi_index(tuple(grid.coords.T), (16, 16, 16))) > 0).all()
    assert grid.intersected.shape == (len(grid.coords), 3)
    picture = task.pictures(np.random.default_rng(0))["shape"]
    left, right = np.split(picture.astype(float), 2, axis=1)
    assert picture.shape == (192, 384, 3) and picture.dtype == np.uint8
    assert np.std(left) > 10 and np.mean(np.abs(left - right)) < 0.5 * np.std(left)


def test_materials_come_back_on_the_same_voxels():
    source = ShapeSource(1)
    task = MaterialVaeTask(*material_vae(), source, resolutions=(16,), most_voxels=4000)
    train(task, 60, rate=5e-3)
    truth = source.voxels(0, 16)
    made = reconstruct_material(task.encoder, task.decoder, truth)
    assert made.shape == truth.materials.shape
    assert np.abs(made - truth.materials / 255).mean() < 0.08
    assert task.pictures(np.random.default_rng(0))["material"].std() > 10


def test_structure_pictures_show_truth_above_results():
    task = structure_task()
    picture = task.pictures(np.random.default_rng(0))["structure"]
    assert picture.shape == (2 * 48, 4 * 48, 3) and picture.dtype == np.uint8
    cells = np.asarray(task.batch(np.random.default_rng(0)).occupied[0, 0], dtype=bool)
    upper = picture[:48, :48, 0][3::6, 3::6]
    assert np.array_equal(upper != 40, np.flipud(cells.any(axis=1).T))


def test_a_grid_of_stored_voxels():
    voxels = ShapeSource(1).voxels(0, 16)
    grid = ovoxels_of(voxels, 16).grid
    assert grid.grid_size == 16 and np.array_equal(grid.coords, voxels.coords)
    assert grid.dual_vertices.max() <= 1 and grid.intersected.dtype == bool


def test_latents_of_a_data_folder(tmp_path):
    build_toys(tmp_path)
    data = Dataset(tmp_path)
    store = LatentStore(tmp_path, "test")
    shape, _ = shape_vae()
    material, _ = material_vae()
    torch.manual_seed(0)
    structure = StructureEncoder(StructureEncoderConfig(1, 4, 1, [8, 16], 1))
    told: list[tuple[int, int]] = []
    count = len(data)
    encode_voxels([data], shape, store, 16, most_voxels=500, on_progress=lambda *n: told.append(n))
    encode_voxels([data], material, store, 16, most_voxels=500)
    encode_structures([data], structure, store, 16, 8)
    assert told[-1] == (count, count) and told == sorted(told)
    shapes, textures = store.read("shape_16"), store.read("texture_16")
    structures = store.read("structure_16")
    assert shapes.names == textures.names == structures.names == data.names
    for index in range(count):
        voxels = data.voxels(index, 16)
        batch = collate([voxels])
        alone = shape(batch.topology, batch.dual_vertices, batch.intersected).mean
        coords, feats = shapes.of(index)
        assert np.array_equal(coords, alone.coords[:, 1:])
        assert np.abs(feats - alone.feats.detach().numpy()).max() < 0.02  # bfloat16
        assert np.array_equal(coords, textures.of(index)[0])
        dense, values = structures.of(index)
        occupied = torch.from_numpy(occupancy([voxels.coords], 16, 8)).float()
        mean = structure(occupied)[0][0].detach().numpy()
        assert np.abs(values - mean[:, *dense.astype(int).T].T).max() < 0.01


def test_networks_without_shortcuts():
    plain, usual = shape_vae(), shape_vae()
    for network in plain:
        without_shortcuts(network)
    for one, other in zip(plain, usual, strict=True):
        names = {name: tensor.shape for name, tensor in other.state_dict().items()}
        assert {name: tensor.shape for name, tensor in one.state_dict().items()} == names
    # A cell's own value reaches the latent only through convolutions: none, when these are zero.
    voxels = collate([ShapeSource(1).voxels(0, 16)])
    latents = []
    for encoder, _ in (plain, usual):
        for name, parameter in encoder.named_parameters():
            if ".conv" in name:
                torch.nn.init.zeros_(parameter)
        with torch.no_grad():
            latent = encoder(voxels.topology, voxels.dual_vertices, voxels.intersected).mean
        latents.append(latent.feats)
    spread = [float(feats.std(dim=0).max()) for feats in latents]
    assert spread[0] < 1e-6 < spread[1]
    task = ShapeVaeTask(*shape_vae(), ShapeSource(), resolutions=(16,), most_voxels=4000)
    for network in (task.encoder, task.decoder):
        without_shortcuts(network)
    assert falls(train(task, 30), "pruning", 0.9)
