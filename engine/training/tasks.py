"""Which task a configuration means: one table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.errors import EngineError
from engine.models.flow import FlowTransformer
from engine.models.networks import build_network
from engine.models.pipeline import Normalization
from engine.training.config import TrainConfig
from engine.training.dataset import Dataset
from engine.training.encoder_task import EncoderTask
from engine.training.flow_levels import cells_level, structure_level
from engine.training.flow_tasks import ShapeFlowTask, StructureFlowTask, TextureFlowTask
from engine.training.latents import LatentStore
from engine.training.sc_vae_tasks import MaterialVaeTask, ShapeVaeTask
from engine.training.structure_vae_task import StructureVaeTask
from engine.training.task import Task
from engine.training.tokens import stored_tokens

CACHE_BYTES = 8 << 30
"""Of voxels that are kept in memory; a data folder of 3,000 toys at 128^3 takes half of it."""

Options = Mapping[str, Any]
Maker = Callable[[nn.ModuleDict, Path, torch.device, Options], Task]


def make_task(config: TrainConfig, data: Path, device: torch.device) -> Task:
    """The task that a configuration means, with first weights from its seed.

    Args:
        config: see there.
        data: a data folder; flows also need its latents (``encode``).
        device: of networks and batches.

    Raises:
        EngineError: ``train_config`` for a task or options that do not fit; ``network_*``;
            ``dataset_*`` and ``latents_*``.
    """
    make = TASKS.get(config.task)
    if make is None:
        raise _wrong(f"the task {config.task!r} is not known; known are {', '.join(TASKS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        networks = nn.ModuleDict(
            {
                name: build_network(network.name, network.args, device="cpu")
                for name, network in config.networks.items()
            }
        )
        for network in networks.values():
            _begin(network, config)
        try:
            return make(networks.to(device), data, device, config.options)
        except (TypeError, KeyError, ValueError) as error:
            raise _wrong(
                f'"options" or "networks" do not fit the task {config.task}: {error}'
            ) from error


def _begin(network: nn.Module, config: TrainConfig) -> None:
    """First weights, where those of the layers themselves will not do."""
    if isinstance(network, FlowTransformer):
        # Without this the first velocities are noise of their own (Peebles and Xie 2023).
        nn.init.zeros_(network.out_layer.weight)
        nn.init.zeros_(network.out_layer.bias)
        network.checkpointing = config.gradient_checkpointing


def _image_encoder(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    return EncoderTask(networks, Dataset(data, cache_bytes=CACHE_BYTES), device, **options)


def _structure_vae(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    encoder, decoder = networks["structure_encoder"], networks["structure_decoder"]
    return StructureVaeTask(encoder, decoder, _dataset(data), device=device, **options)  # pyright: ignore[reportArgumentType]


def _shape_vae(networks: nn.ModuleDict, data: Path, device: torch.device, options: Options) -> Task:
    encoder, decoder = networks["shape_encoder"], networks["shape_decoder"]
    return ShapeVaeTask(encoder, decoder, _dataset(data), device=device, **options)  # pyright: ignore[reportArgumentType]


def _material_vae(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    encoder, decoder = networks["material_encoder"], networks["material_decoder"]
    return MaterialVaeTask(encoder, decoder, _dataset(data), device=device, **options)  # pyright: ignore[reportArgumentType]


def _structure_flow(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    dataset, store = _dataset(data), LatentStore(data, options["latents"])
    latents = store.read(f"structure_{options['resolution']}")
    tokens = stored_tokens(store, dataset)
    level = structure_level(
        latents, dataset.names, tokens, views=dataset.views, batch_size=options["batch_size"]
    )
    return StructureFlowTask(networks["structure_flow"], [level],
                             device=device)  # fmt: skip


def _shape_flow(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    dataset, store = _dataset(data), LatentStore(data, options["latents"])
    tokens = stored_tokens(store, dataset)
    levels = [
        cells_level(
            store.read(f"shape_{level['resolution']}"), None, dataset.names, tokens,
            views=dataset.views, batch_size=level["batch_size"], weight=level["weight"],
        )
        for level in options["levels"]
    ]  # fmt: skip
    return ShapeFlowTask(
        networks["shape_flow"], levels, shape_norm=norm_of(store, dataset, "shape"),
        device=device,
    )  # fmt: skip


def _texture_flow(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    dataset, store = _dataset(data), LatentStore(data, options["latents"])
    tokens = stored_tokens(store, dataset)
    levels = [
        cells_level(
            store.read(f"shape_{level['resolution']}"),
            store.read(f"texture_{level['resolution']}"),
            dataset.names, tokens,
            views=dataset.views, batch_size=level["batch_size"], weight=level["weight"],
        )
        for level in options["levels"]
    ]  # fmt: skip
    return TextureFlowTask(
        networks["texture_flow"], levels,
        shape_norm=norm_of(store, dataset, "shape"),
        texture_norm=norm_of(store, dataset, "texture"),
        device=device,
    )  # fmt: skip


def norm_of(store: LatentStore, dataset: Dataset, kind: str) -> Normalization:
    """Statistics of the latents of a data set's assets at its finest resolution.

    Args:
        kind: shape or texture.

    Raises:
        EngineError: ``latents_missing``.
    """
    latents = store.read(f"{kind}_{max(dataset.resolutions)}")
    mean, std = latents.statistics(latents.indices(dataset.names))
    std = np.maximum(std, 1e-3)
    return Normalization(tuple(mean.tolist()), tuple(std.tolist()))


def _dataset(data: Path) -> Dataset:
    return Dataset(data, cache_bytes=CACHE_BYTES)


def _wrong(why: str) -> EngineError:
    return EngineError(
        "train_config",
        f"This configuration cannot be trained: {why}.",
        "Take one of configs/ as an example.",
    )


TASKS: Mapping[str, Maker] = {
    "image_encoder": _image_encoder,
    "structure_vae": _structure_vae,
    "shape_vae": _shape_vae,
    "material_vae": _material_vae,
    "structure_flow": _structure_flow,
    "shape_flow": _shape_flow,
    "texture_flow": _texture_flow,
}
