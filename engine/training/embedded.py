"""The small model that ships, from nothing: toys, encoders, latents, flows, checkpoint.

Every step is skipped where its result is already there, and resumes where it was stopped.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.host.files import write_bytes_atomic
from engine.networks.material_vae import MaterialEncoder
from engine.networks.shape_vae import ShapeEncoder
from engine.networks.small_encoder import SmallEncoder
from engine.networks.structure_vae import StructureDecoder, StructureEncoder
from engine.systems.trellis2.networks import load_network
from engine.training.config import TrainConfig, read_config
from engine.training.data.build import build
from engine.training.data.dataset import Dataset
from engine.training.data.encode import encode_structures, encode_voxels
from engine.training.data.latents import LatentStore
from engine.training.data.make_asset import BuildSettings
from engine.training.data.sources import find_sources
from engine.training.data.tokens import encode_pictures
from engine.training.publish import (
    CKPTS,
    Pipelines,
    save_network,
    save_pipelines,
    ship,
)
from engine.training.tasks.structure_vae import occupancy
from engine.training.tasks.table import CACHE_BYTES, norm_of, train_networks
from engine.training.tasks.unit_spread import give_unit_spread
from engine.weights.fetch import sha256_of
from protocol.errors import EngineError
from protocol.finishes import FinishAdvice
from protocol.samplers import SamplerParams

TOYS = "toybox:0-2959"
SETTINGS = BuildSettings((64, 128), 6, 144)
STRUCTURE_GRID = 16
ENCODED = {64: 1500, 128: 1300}
"""So many training assets are encoded at each resolution, the first by name: on two cores encoding
all of them would take longer than training the flows."""
LATENTS = "embedded"
FROM_CHECKPOINT = frozenset({"shape_decoder"})
"""Stages that start from networks that are in the checkpoint already."""
AUTO_ENCODERS = ("image_encoder", "structure_vae", "shape_vae", "shape_decoder", "material_vae")
ENCODERS = ("image_encoder", "structure_encoder", "shape_encoder", "material_encoder")
FLOWS = ("structure_flow", "shape_flow", "texture_flow")

STRUCTURE_SAMPLER = SamplerParams(steps=12, guidance_strength=2.0, rescale_t=3.0)
SHAPE_SAMPLER = SamplerParams(steps=1, guidance_strength=1.0, rescale_t=3.0)
TEXTURE_SAMPLER = SamplerParams(steps=1, guidance_strength=1.0, rescale_t=3.0)
"""Chosen on held-out toys that the evaluation does not see (docs/decisions/0034-one-step.md)."""

QUALITIES = {"high": str(max(SETTINGS.resolutions))}
"""The cascade to 192^3 is worse than ``standard`` (docs/decisions/0034-one-step.md)."""

FINISHING = FinishAdvice(closed=True, resolution=64, faces=30_000)
"""Chosen by eye, see docs/decisions/0032-small-model-closed.md."""


Watch = Callable[[str, int, int], None]
"""Told how far a stage is: its name, steps done, of how many; may raise to stop between steps."""


def _nobody(stage: str, done: int, total: int) -> None:
    del stage, done, total


@dataclass(frozen=True)
class Paths:
    """Where things are.

    Args:
        configs: the folder of the configurations, one per stage.
        data: the data folder.
        out: gets a folder per stage and the checkpoint.
    """

    configs: Path
    data: Path
    out: Path

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint"

    @property
    def shipped(self) -> Path:
        return self.out / "embedded"

    def config(self, stage: str) -> TrainConfig:
        return read_config(self.configs / f"{stage}.json")


def train_embedded(
    paths: Paths,
    *,
    device: torch.device,
    watch: Watch = _nobody,
    stop: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Train everything, and put what ships into the folder "embedded" of ``paths.out``.

    Args:
        paths: where configurations, data and results lie.
        device: of the training.
        watch: told how far each stage is; see ``Watch``.
        stop: asked after every step of a training.

    Returns:
        That folder, or None where it was stopped.

    Raises:
        EngineError: what the stages raise.
    """
    build(
        find_sources(TOYS, None), paths.data, SETTINGS,
        on_progress=lambda done, total, *_: watch("data", done, total),
    )  # fmt: skip
    if stop():
        return None
    for stage in AUTO_ENCODERS:
        if not train_stage(paths, stage, device=device, watch=watch, stop=stop):
            return None
    if not encode_all(paths, device=device, watch=watch, stop=stop):
        return None
    for stage in FLOWS:
        if not train_stage(paths, stage, device=device, watch=watch, stop=stop):
            return None
    write_pipelines(paths)
    ship(paths.checkpoint, paths.shipped)
    return paths.shipped


def train_stage(
    paths: Paths,
    stage: str,
    *,
    device: torch.device,
    watch: Watch = _nobody,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train one stage and put its networks into the checkpoint; False where it was stopped.

    Raises:
        EngineError: what ``train_networks`` raises.
    """
    config = paths.config(stage)
    if stage in FROM_CHECKPOINT:
        config = replace(config, start=str(paths.checkpoint))
    if _is_done(paths, stage, config):
        return True
    finished = train_networks(
        config, paths.data, paths.out / stage, paths.checkpoint, device=device, stop=stop,
        on_step=lambda step, log: watch(stage, step, config.steps),
    )  # fmt: skip
    if not finished:
        return False
    if stage == "structure_vae":
        _give_unit_spread(paths, config, device)
    write_bytes_atomic(_done_mark(paths, stage), json.dumps(_done(paths, config)).encode())
    return True


def _give_unit_spread(paths: Paths, config: TrainConfig, device: torch.device) -> None:
    networks = {
        name: load_network(paths.checkpoint / CKPTS / name, device=device)
        for name in config.networks
    }
    encoder, decoder = networks["structure_encoder"], networks["structure_decoder"]
    assert isinstance(encoder, StructureEncoder) and isinstance(decoder, StructureDecoder)
    dataset, low = Dataset(paths.data, cache_bytes=CACHE_BYTES), min(SETTINGS.resolutions)
    coords = [dataset.voxels(index, low).coords for index in range(min(len(dataset), 256))]
    occupied = torch.from_numpy(occupancy(coords, low, STRUCTURE_GRID)).to(device, torch.float32)
    with torch.inference_mode():
        means = encoder(occupied)[0]
    give_unit_spread(encoder, decoder, means.clone())
    for name, network in networks.items():
        save_network(paths.checkpoint, name, config.networks[name], network.state_dict())


def encode_all(
    paths: Paths,
    *,
    device: torch.device,
    watch: Watch = _nobody,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Latents and tokens of the training assets, by the checkpoint's encoders.

    Args:
        stop: asked before each kind of latents.

    Returns:
        False where it was stopped.

    Raises:
        EngineError: ``latents_other``, and what loading, reading and writing raise.
    """
    store = LatentStore(paths.data, LATENTS)
    _check_encoders(store, paths.checkpoint)
    datasets = [Dataset(paths.data, cache_bytes=CACHE_BYTES)]

    def told(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: watch(stage, done, total)

    def network(name: str) -> nn.Module:
        return load_network(paths.checkpoint / CKPTS / name, device=device)

    low = min(SETTINGS.resolutions)
    if not all(store.has(f"tokens_{view}") for view in range(SETTINGS.views)):
        if stop():
            return False
        encoder = network("image_encoder")
        assert isinstance(encoder, SmallEncoder)
        encode_pictures(datasets, encoder, store, on_progress=told("encode pictures"))
    if not store.has(f"structure_{low}"):
        if stop():
            return False
        encoder = network("structure_encoder")
        assert isinstance(encoder, StructureEncoder)
        encode_structures(
            datasets, encoder, store, low, STRUCTURE_GRID, on_progress=told("encode structures")
        )
    for resolution, most in ENCODED.items():
        for kind, name in (("shape", "shape_encoder"), ("texture", "material_encoder")):
            if store.has(f"{kind}_{resolution}"):
                continue
            if stop():
                return False
            encoder = network(name)
            assert isinstance(encoder, ShapeEncoder | MaterialEncoder)
            encode_voxels(
                datasets, encoder, store, resolution,
                most_assets=most, on_progress=told(f"encode {kind}s {resolution}"),
            )  # fmt: skip
    return True


def _check_encoders(store: LatentStore, checkpoint: Path) -> None:
    """Latents are of one checkpoint; those of another would train flows that fit no decoder.

    Raises:
        EngineError: ``latents_other``.
    """
    mark = store.folder / "encoders.json"
    encoders = {name: sha256_of(checkpoint / CKPTS / f"{name}.safetensors") for name in ENCODERS}
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(mark, json.dumps(encoders, indent=1).encode())
    elif json.loads(mark.read_bytes()) != encoders:
        raise EngineError(
            "latents_other",
            f"The latents in {store.folder} are not by the encoders of {checkpoint}.",
            "Remove that folder to encode again, and the trainings of flows that began with it.",
        )


def write_pipelines(paths: Paths) -> None:
    """pipeline.json and texturing_pipeline.json of the trained networks.

    Raises:
        EngineError: ``latents_missing``; ``unwritable``.
    """
    store, dataset = LatentStore(paths.data, LATENTS), Dataset(paths.data)
    save_pipelines(
        paths.checkpoint,
        Pipelines(
            resolutions=SETTINGS.resolutions,
            default_type=str(max(SETTINGS.resolutions)),
            structure=STRUCTURE_SAMPLER,
            shape=SHAPE_SAMPLER,
            texture=TEXTURE_SAMPLER,
            shape_norm=norm_of(store, dataset, "shape"),
            texture_norm=norm_of(store, dataset, "texture"),
            finishing=FINISHING,
            qualities=QUALITIES,
        ),
    )


def _is_done(paths: Paths, stage: str, config: TrainConfig) -> bool:
    mark = _done_mark(paths, stage)
    return mark.exists() and json.loads(mark.read_text()) == _done(paths, config)


def _done(paths: Paths, config: TrainConfig) -> dict[str, Any]:
    """What a stage was made of: its configuration, and the networks that it took as they were."""
    files = {name: paths.checkpoint / CKPTS / f"{name}.safetensors" for name in config.frozen}
    frozen = {name: sha256_of(path) if path.exists() else "" for name, path in files.items()}
    return {"config": config.as_json(), "frozen": frozen}


def _done_mark(paths: Paths, stage: str) -> Path:
    return paths.out / stage / "done.json"
