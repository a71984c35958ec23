"""The full-size configurations: networks as published, and one training step of each, cut down.

The flows keep their published width with a single block; the auto-encoders lose blocks and width.
"""

import gc
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.checkpoints.pipeline import Normalization
from engine.systems.trellis2.networks import NETWORKS, build_network
from engine.training.config import NetworkConfig, TrainConfig, read_config
from engine.training.tasks.flow_matching import initialise_flow
from engine.training.tasks.flow_tasks import (
    Cells,
    Level,
    ShapeFlowTask,
    StructureFlowTask,
    TextureFlowTask,
)
from engine.training.tasks.sc_vae import MaterialVaeTask, ShapeVaeTask
from engine.training.tasks.structure_vae import StructureVaeTask
from engine.training.tasks.task import Task
from engine.weights.manifest import manifests
from tests.training.shapes import ShapeSource

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "trellis2").glob("*.json"))
NORM = Normalization((0.5,) * 32, (2.0,) * 32)
# The structure's encoder is no part of a published checkpoint that generation needs.
WITHOUT_MANIFEST = {"SparseStructureEncoder"}


@pytest.fixture(autouse=True)
def _freed() -> Iterator[None]:
    yield
    gc.collect()


def test_every_network_of_the_pipeline_has_a_configuration():
    configs = [read_config(path) for path in CONFIGS]
    assert {config.task for config in configs} == {path.stem for path in CONFIGS}
    classes = {network.name for config in configs for network in config.networks.values()}
    assert classes == NETWORKS.keys() - {
        *("ElasticSLatFlowModel", "SmallImageEncoder", "SmallTextEncoder")
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_networks_are_as_published(path: Path):
    published = [n for m in manifests().values() for n in m.networks.values()]
    for network in read_config(path).networks.values():
        if network.name in WITHOUT_MANIFEST:
            continue
        same = [
            facts
            for facts in published
            if facts.name == network.name
            and all(facts.args.get(key) == value for key, value in network.args.items())
        ]
        assert same, f"{network.name} is published with other arguments"
        got = sum(p.numel() for p in build_network(network.name, network.args).parameters())
        assert got == sum(prod(tensor.shape) for tensor in same[0].tensors.values())


def _built(network: NetworkConfig, **changes: Any) -> Any:
    """A network with torch's own first weights."""
    kind = NETWORKS[network.name]
    described = build_network(network.name, {**network.args, **changes})
    assert isinstance(described, kind.network if isinstance(kind.network, type) else nn.Module)
    return kind.network(described.config)


def _level(latent: Callable[[int], Any]) -> list[Level[Any]]:
    tokens = np.random.default_rng(0).standard_normal((3, 1024)).astype(np.float16)
    return [Level(["asset"], latent, lambda asset, view: tokens, views=1, batch_size=2)]


def _cells(asset: int) -> Cells:
    random = np.random.default_rng(asset)
    coords = np.stack(np.unravel_index([5, 9, 70000], (64, 64, 64)), axis=1)
    shape, texture = random.standard_normal((2, 3, 32)).astype(np.float16)
    return Cells(coords, shape, texture)


def _flow_task(config: TrainConfig) -> Task:
    (network,) = config.networks.values()
    # A smaller grid for the dense one: its width, which is what has to fit, stays.
    changes = {"resolution": 2} if config.task == "structure_flow" else {}
    flow = _built(network, num_blocks=1, **changes)
    initialise_flow(flow, torch.Generator().manual_seed(0))
    flow.checkpointing = config.gradient_checkpointing
    if config.task == "structure_flow":
        return StructureFlowTask(flow, _level(lambda asset: np.ones((8, 2, 2, 2), np.float16)))
    if config.task == "shape_flow":
        return ShapeFlowTask(flow, _level(_cells), shape_norm=NORM)
    return TextureFlowTask(flow, _level(_cells), shape_norm=NORM, texture_norm=NORM)


def _cut(config: TrainConfig) -> tuple[Any, Any]:
    """Encoder and decoder with an eighth of the width and at most one block a level."""
    torch.manual_seed(0)
    networks: list[Any] = []
    for network in config.networks.values():
        key = "channels" if "channels" in network.args else "model_channels"
        changes: dict[str, Any] = {key: [width // 8 for width in network.args[key]]}
        if "num_blocks" in network.args:
            changes["num_blocks"] = [min(count, 1) for count in network.args["num_blocks"]]
        networks.append(_built(network, **changes))
    encoder, decoder = networks
    return encoder, decoder


def _vae_task(config: TrainConfig) -> Task:
    if config.task == "structure_vae":
        options = {**config.options, "resolution": 16, "grid_size": 16, "batch_size": 2}
        return StructureVaeTask(*_cut(config), ShapeSource(), **options)
    options = {**config.options, "resolutions": (16,), "most_voxels": 1000}
    kind = ShapeVaeTask if config.task == "shape_vae" else MaterialVaeTask
    return kind(*_cut(config), ShapeSource(), **options)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_one_training_step(path: Path):
    config = read_config(path)
    task = _flow_task(config) if config.task.endswith("flow") else _vae_task(config)
    assert task.networks.keys() == config.networks.keys()
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=config.lr, betas=config.betas)
    loss, _ = task.loss(task.batch(np.random.default_rng(0)), torch.Generator().manual_seed(0))
    loss.backward()
    head = next(reversed(list(task.networks.parameters())))
    before = head.detach().clone()
    optimizer.step()
    assert np.isfinite(float(loss.detach()))
    assert not torch.equal(head, before)
