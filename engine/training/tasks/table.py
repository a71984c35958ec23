"""Which task a configuration means: one table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.checkpoints.pipeline import Normalization
from engine.checkpoints.tensors import load_tensors, read_what_fits
from engine.networks.flow import FlowTransformer
from engine.networks.latent_flow import LatentFlow
from engine.networks.material_vae import MaterialDecoder, MaterialEncoder
from engine.networks.sc_vae import ScVaeDecoder, ScVaeEncoder
from engine.networks.shape_vae import ShapeDecoder, ShapeEncoder
from engine.networks.small_encoder import SmallEncoder
from engine.networks.structure_flow import StructureFlow
from engine.networks.structure_vae import StructureDecoder, StructureEncoder
from engine.systems.trellis2.networks import build_network
from engine.training.config import TrainConfig
from engine.training.data.dataset import Dataset
from engine.training.data.flow_levels import cells_level, structure_level
from engine.training.data.latents import LatentStore, PackedLatents
from engine.training.data.tokens import read_tokens, tokens_of
from engine.training.loop import train
from engine.training.pretrained import trunk_weights
from engine.training.publish import CKPTS, network_of, save_network
from engine.training.tasks.flow_matching import initialise_flow
from engine.training.tasks.flow_tasks import (
    Cells,
    Level,
    ShapeFlowTask,
    StructureFlowTask,
    TextureFlowTask,
)
from engine.training.tasks.image_encoder import EncoderTask
from engine.training.tasks.rendered_tasks import RenderedMaterialTask, RenderedShapeTask
from engine.training.tasks.sc_vae import MaterialVaeTask, ScVaeTask, ShapeVaeTask
from engine.training.tasks.sc_vae_start import initialise_as_mean, initialise_sc_vae
from engine.training.tasks.structure_vae import StructureVaeTask
from engine.training.tasks.task import Task
from engine.training.tasks.text_encoder import TextTask
from protocol.errors import EngineError

CACHE_BYTES = 8 << 30
"""Of voxels that are kept in memory; a data folder of 3,000 toys at 128^3 takes half of it."""

Network = TypeVar("Network", bound=nn.Module)
Options = Mapping[str, Any]
Maker = Callable[[nn.ModuleDict, Path, torch.device, Options], Task]


def make_task(config: TrainConfig, data: Path, device: torch.device) -> Task:
    """The task that a configuration means, with first weights from its seed or its start.

    Args:
        config: of the training: names the task and its options.
        data: a data folder; flows also need its latents (``encode``).
        device: of networks and batches.

    Raises:
        EngineError: ``train_config`` for a task or options that do not fit; ``network_*``;
            ``dataset_*`` and ``latents_*``; ``tensor*`` for a start that does not fit.
    """
    make = TASKS.get(config.task)
    if make is None:
        raise _wrong(f"the task {config.task!r} is not known; known are {', '.join(TASKS)}")
    if config.frozen and (config.start is None or set(config.frozen) == config.networks.keys()):
        raise _wrong('"frozen" networks need a "start", and one beside them that learns')
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        networks = nn.ModuleDict(
            {
                name: build_network(network.name, network.args, device="cpu")
                for name, network in config.networks.items()
            }
        )
        for network in networks.values():
            if isinstance(network, FlowTransformer):
                initialise_flow(network, torch.Generator().manual_seed(config.seed))
                network.checkpointing = config.gradient_checkpointing
            if isinstance(network, ScVaeEncoder | ScVaeDecoder):
                initialise_sc_vae(network)
            if config.quick_start and isinstance(network, MaterialEncoder | MaterialDecoder):
                initialise_as_mean(network)
        if config.start is not None:
            for name, network in networks.items():
                _start_from(network, Path(config.start) / CKPTS / f"{name}.safetensors")
        new = {*networks.state_dict()} if config.start is None else set()
        if config.warm_start is not None:
            for name, network in networks.items():
                fitting = _what_fits(network, Path(config.warm_start), name)
                network.load_state_dict(fitting, strict=False)
                new -= {f"{name}.{key}" for key in fitting}
        for name, network in networks.items():
            if isinstance(network, SmallEncoder) and network.trunk is not None:
                if any(key.startswith(f"{name}.trunk.") for key in new):
                    network.trunk.load_state_dict(trunk_weights())
                network.trunk.requires_grad_(False)
        for name in config.frozen:
            networks[name].requires_grad_(False)
        try:
            task = make(networks.to(device), data, device, config.options)
        except (TypeError, KeyError, ValueError) as error:
            raise _wrong(
                f'"options" or "networks" do not fit the task {config.task}: {error}'
            ) from error
    if new and isinstance(task, ScVaeTask):
        task.fit_read_out(np.random.default_rng(config.seed))
    return task


def train_networks(
    config: TrainConfig,
    data: Path,
    folder: Path,
    checkpoint: Path,
    *,
    device: torch.device,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, log: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train what a configuration says, and put the networks into a checkpoint's folder.

    Args:
        config, data, device: as ``make_task`` takes them.
        folder: of the training, see ``train``; so are ``on_step`` and ``stop``.
        checkpoint: gets the averages of the networks, under the names of the configuration.

    Returns:
        False where it was stopped before the last step; the checkpoint is then as it was.

    Raises:
        EngineError: what ``make_task``, ``train`` and ``save_network`` raise.
    """
    done = config.steps

    def count(step: int, log: dict[str, float]) -> None:
        nonlocal done
        done = step
        on_step(step, log)

    task = make_task(config, data, device)
    average = train(task, config, folder, device=device, on_step=count, stop=stop)
    if done < config.steps:
        return False
    for name, network in config.networks.items():
        save_network(checkpoint, name, network, network_of(average, name))
    return True


def _start_from(network: nn.Module, path: Path) -> None:
    load_tensors(network, path)
    network.requires_grad_(True).train()
    for parameter in network.parameters():
        parameter.data = parameter.data.clone()  # it may be a mapping of the file


def _what_fits(network: nn.Module, checkpoint: Path, name: str) -> Mapping[str, Tensor]:
    path = checkpoint / CKPTS / f"{name}.safetensors"
    return read_what_fits(network, path) if path.is_file() else {}


def _image_encoder(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    return EncoderTask(networks, _dataset(data), device, **options)


def _text_encoder(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    store = LatentStore(data, options["latents"])
    more = {name: value for name, value in options.items() if name != "latents"}
    return TextTask(networks, _dataset(data), store, device, **more)


def _structure_vae(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    encoder = _network(networks, "structure_encoder", StructureEncoder)
    decoder = _network(networks, "structure_decoder", StructureDecoder)
    return StructureVaeTask(encoder, decoder, _dataset(data), device=device, **options)


def _shape_vae(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> ShapeVaeTask:
    encoder = _network(networks, "shape_encoder", ShapeEncoder)
    decoder = _network(networks, "shape_decoder", ShapeDecoder)
    return ShapeVaeTask(encoder, decoder, _dataset(data), device=device, **options)


def _material_vae(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> MaterialVaeTask:
    encoder = _network(networks, "material_encoder", MaterialEncoder)
    decoder = _network(networks, "material_decoder", MaterialDecoder)
    return MaterialVaeTask(encoder, decoder, _dataset(data), device=device, **options)


def _shape_vae_rendered(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    stage1, rendered = _by_stage(options)
    return RenderedShapeTask(_shape_vae(networks, data, device, stage1), **rendered)


def _material_vae_rendered(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    stage1, rendered = _by_stage(options)
    return RenderedMaterialTask(_material_vae(networks, data, device, stage1), **rendered)


def _by_stage(options: Options) -> tuple[Options, Options]:
    stage1 = {name: value for name, value in options.items() if name != "rendered"}
    return stage1, options.get("rendered", {})


def _structure_flow(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    dataset, store = _dataset(data), LatentStore(data, options["latents"])
    tokens = read_tokens(store, dataset.views)
    level = structure_level(
        store.read(f"structure_{options['resolution']}"), dataset.names,
        tokens_of(tokens, dataset.names),
        views=len(tokens), batch_size=options["batch_size"],
    )  # fmt: skip
    flow = _network(networks, "structure_flow", StructureFlow)
    return StructureFlowTask(flow, [level], device=device, times=_times(options))


def _shape_flow(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    dataset, store = _dataset(data), LatentStore(data, options["latents"])
    return ShapeFlowTask(
        _network(networks, "shape_flow", LatentFlow),
        _cells_levels(store, dataset, options, textured=False),
        shape_norm=norm_of(store, dataset, "shape"), device=device, times=_times(options),
    )  # fmt: skip


def _texture_flow(
    networks: nn.ModuleDict, data: Path, device: torch.device, options: Options
) -> Task:
    dataset, store = _dataset(data), LatentStore(data, options["latents"])
    return TextureFlowTask(
        _network(networks, "texture_flow", LatentFlow),
        _cells_levels(store, dataset, options, textured=True),
        shape_norm=norm_of(store, dataset, "shape"),
        texture_norm=norm_of(store, dataset, "texture"), device=device, times=_times(options),
    )  # fmt: skip


def _times(options: Options) -> tuple[float, float] | None:
    if options.get("times") is None:
        return None
    mean, std = options["times"]
    return float(mean), float(std)


def _cells_levels(
    store: LatentStore, dataset: Dataset, options: Options, *, textured: bool
) -> list[Level[Cells]]:
    """The assets of a data set that have latents of a resolution, which need not be all."""
    tokens = read_tokens(store, dataset.views)  # gigabytes, which the levels share
    return [
        _cells_level(store, dataset, tokens, level, textured=textured)
        for level in options["levels"]
    ]


def _cells_level(
    store: LatentStore,
    dataset: Dataset,
    tokens: Sequence[PackedLatents],
    options: Options,
    *,
    textured: bool,
) -> Level[Cells]:
    resolution = options["resolution"]
    shape = store.read(f"shape_{resolution}")
    texture = store.read(f"texture_{resolution}") if textured else None
    names = _encoded(dataset, shape)
    return cells_level(
        shape, texture, names, tokens_of(tokens, names),
        views=len(tokens), batch_size=options["batch_size"], weight=options["weight"],
    )  # fmt: skip


def _encoded(dataset: Dataset, latents: PackedLatents) -> list[str]:
    there = set(latents.names)
    return [name for name in dataset.names if name in there]


def norm_of(store: LatentStore, dataset: Dataset, kind: str) -> Normalization:
    """Statistics of the latents of a data set's assets at its finest resolution, where it has any.

    Args:
        kind: shape or texture.

    Raises:
        EngineError: ``latents_missing``.
    """
    latents = store.read(f"{kind}_{max(dataset.resolutions)}")
    mean, std = latents.statistics(latents.indices(_encoded(dataset, latents)))
    std = np.maximum(std, 1e-3)
    return Normalization(tuple(mean.tolist()), tuple(std.tolist()))


def _network(networks: nn.ModuleDict, name: str, kind: type[Network]) -> Network:
    network = networks[name]
    if not isinstance(network, kind):
        raise TypeError(f"{name} is not a {kind.__name__}")
    return network


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
    "text_encoder": _text_encoder,
    "structure_vae": _structure_vae,
    "shape_vae": _shape_vae,
    "material_vae": _material_vae,
    "shape_vae_rendered": _shape_vae_rendered,
    "material_vae_rendered": _material_vae_rendered,
    "structure_flow": _structure_flow,
    "shape_flow": _shape_flow,
    "texture_flow": _texture_flow,
}
