"""A small model by its recipe: toys, encoders, latents, flows, checkpoint.

Every step is skipped where its result is already there, and resumes where it was stopped.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.host.files import write_bytes_atomic
from engine.networks.structure_vae import StructureDecoder, StructureEncoder
from engine.systems.trellis2.networks import load_network
from engine.training.config import TrainConfig
from engine.training.data.build import build
from engine.training.data.dataset import Dataset
from engine.training.data.latents import LatentStore
from engine.training.data.more_views import add_views
from engine.training.data.sources import find_sources
from engine.training.encode_all import encode_assets, encode_views, learn_words
from engine.training.evaluate import reconstruction
from engine.training.publish import CKPTS, Pipelines, save_network, save_pipelines, ship
from engine.training.recipe import LATENTS, STRUCTURE_GRID, Bar, Paths, Recipe, Watch, nobody
from engine.training.tasks.structure_vae import occupancy
from engine.training.tasks.table import CACHE_BYTES, norm_of, train_networks
from engine.training.tasks.unit_spread import give_unit_spread
from engine.weights.fetch import sha256_of

DONE = "done.json"
MEASURED = 32
"""Held-out assets that an auto-encoder is measured on between its rounds."""


def train_embedded(
    paths: Paths,
    recipe: Recipe,
    *,
    device: torch.device,
    watch: Watch = nobody,
    stop: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Train everything, and put what ships into the folder "embedded" of ``paths.out``.

    Args:
        paths: where configurations, data and results lie.
        recipe: what is done.
        device: of the training.
        watch: told how far each stage is; see ``Watch``.
        stop: asked after every step of a training.

    Returns:
        That folder, or None where it was stopped.

    Raises:
        EngineError: what the stages raise.
    """
    if not _build_data(paths, recipe, watch=watch, stop=stop):
        return None
    _keep_first_weights(paths)
    for stage in recipe.auto_encoders:
        if not _train_rounds(paths, recipe, stage, device=device, watch=watch, stop=stop):
            return None
    if not encode_assets(paths, recipe, device=device, watch=watch, stop=stop):
        return None
    # What pictures have to do with comes last: the rest is of use whatever they look like.
    if not _add_views(paths, recipe, watch=watch, stop=stop):
        return None
    if not _train_rounds(paths, recipe, "image_encoder", device=device, watch=watch, stop=stop):
        return None
    if not encode_views(paths, device=device, watch=watch, stop=stop):
        return None
    if recipe.words:
        learned = learn_words(
            paths,
            lambda: train_stage(
                paths, recipe, "text_encoder", device=device, watch=watch, stop=stop
            ),
            device=device, watch=watch, stop=stop,
        )  # fmt: skip
        if not learned:
            return None
    for stage in recipe.flows:
        if not train_stage(paths, recipe, stage, device=device, watch=watch, stop=stop):
            return None
    write_pipelines(paths, recipe)
    ship(paths.checkpoint, paths.shipped)
    return paths.shipped


def _keep_first_weights(paths: Paths) -> None:
    """Copy them, whole or not at all."""
    if not paths.first.exists():
        unfinished = paths.first.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(paths.ships, unfinished)
        unfinished.rename(paths.first)


class _Stopped(Exception):
    """Leaves a build between two assets."""


def _build_data(paths: Paths, recipe: Recipe, *, watch: Watch, stop: Callable[[], bool]) -> bool:
    """What is missing of the data folder; False where it was stopped."""

    def told(done: int, total: int, failed: int) -> None:
        del failed
        watch("data", done, total)
        if stop():
            raise _Stopped

    began = time.process_time()
    try:
        build(find_sources(recipe.toys, None), paths.data, recipe.settings, on_progress=told)
    except _Stopped:
        return False
    finally:
        _add_costs(paths, "data", time.process_time() - began)
    return not stop()


def _add_views(paths: Paths, recipe: Recipe, *, watch: Watch, stop: Callable[[], bool]) -> bool:
    """More pictures of the toys; False where it was stopped."""

    def told(done: int, total: int) -> None:
        watch("more pictures", done, total)
        if stop():
            raise _Stopped

    if recipe.more_views == 0:
        return True
    began = time.process_time()
    try:
        add_views(paths.data, recipe.more_views, on_progress=told)
    except _Stopped:
        return False
    finally:
        _add_costs(paths, "more_views", time.process_time() - began)
    return not stop()


def train_stage(
    paths: Paths,
    recipe: Recipe,
    stage: str,
    number: int = 1,
    *,
    device: torch.device,
    watch: Watch = nobody,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train one stage and put its networks into the checkpoint; False where it was stopped.

    Args:
        number: of the round; from the second on it starts from the checkpoint's networks.

    Raises:
        EngineError: what ``train_networks`` raises.
    """
    folder = _folder(paths, stage, number)
    config = _with_first_weights(paths, recipe, stage, number)
    if _is_done(paths, folder, config):
        return True
    began = time.process_time()
    finished = train_networks(
        config, paths.data, folder, paths.checkpoint, device=device, stop=stop,
        on_step=lambda step, log: watch(folder.name, step, config.steps),
    )  # fmt: skip
    _add_costs(paths, folder.name, time.process_time() - began)
    if not finished:
        return False
    if stage == "structure_vae":
        _give_unit_spread(paths, recipe, config, device)
    write_bytes_atomic(folder / DONE, json.dumps(_done(paths, config)).encode())
    return True


def _train_rounds(
    paths: Paths,
    recipe: Recipe,
    stage: str,
    *,
    device: torch.device,
    watch: Watch,
    stop: Callable[[], bool],
) -> bool:
    """Train a stage until it reaches its bar, if it has one; False where it was stopped."""
    bar = recipe.bars.get(stage, Bar(0.0, 1))
    for number in range(1, bar.rounds + 1):
        if not train_stage(paths, recipe, stage, number, device=device, watch=watch, stop=stop):
            return False
        if stage in recipe.bars and _figure(paths, stage, number, device) >= bar.least:
            break
    return True


def _figure(paths: Paths, stage: str, number: int, device: torch.device) -> float:
    """How good the checkpoint's auto-encoder is after a round, measured once."""
    file = _folder(paths, stage, number) / "figure.json"
    if not file.exists():
        encoder, decoder = (
            load_network(paths.checkpoint / CKPTS / name, device=device)
            for name in paths.config(stage).networks
        )
        held_out = Dataset(paths.data, "held_out")
        finest = max(held_out.resolutions)
        figure = np.mean([
            reconstruction(encoder, decoder, held_out.voxels(index, finest), finest)
            for index in range(min(MEASURED, len(held_out)))
        ]).item()  # fmt: skip
        write_bytes_atomic(file, json.dumps(figure).encode())
    return float(json.loads(file.read_bytes()))


def _with_first_weights(paths: Paths, recipe: Recipe, stage: str, number: int) -> TrainConfig:
    config = paths.config(stage)
    if number > 1:
        seed = config.seed + number - 1
        return replace(config, start=str(paths.checkpoint), quick_start=False, seed=seed)
    if stage in recipe.from_checkpoint:
        return replace(config, start=str(paths.checkpoint))
    if stage in recipe.warm:
        return replace(config, warm_start=str(paths.first))
    return config


def _add_costs(paths: Paths, name: str, seconds: float) -> None:
    """Processor seconds by stage, stops and resumptions added up, in costs.json."""
    paths.out.mkdir(parents=True, exist_ok=True)
    file = paths.out / "costs.json"
    costs = json.loads(file.read_bytes()) if file.exists() else {}
    costs[name] = costs.get(name, 0.0) + seconds
    write_bytes_atomic(file, (json.dumps(costs, indent=1) + "\n").encode())


def _give_unit_spread(
    paths: Paths, recipe: Recipe, config: TrainConfig, device: torch.device
) -> None:
    networks = {
        name: load_network(paths.checkpoint / CKPTS / name, device=device)
        for name in config.networks
    }
    encoder, decoder = networks["structure_encoder"], networks["structure_decoder"]
    assert isinstance(encoder, StructureEncoder) and isinstance(decoder, StructureDecoder)
    dataset, low = Dataset(paths.data, cache_bytes=CACHE_BYTES), min(recipe.settings.resolutions)
    coords = [dataset.voxels(index, low).coords for index in range(min(len(dataset), 256))]
    occupied = torch.from_numpy(occupancy(coords, low, STRUCTURE_GRID)).to(device, torch.float32)
    with torch.inference_mode():
        means = encoder(occupied)[0]
    give_unit_spread(encoder, decoder, means.clone())
    for name, network in networks.items():
        save_network(paths.checkpoint, name, config.networks[name], network.state_dict())


def write_pipelines(paths: Paths, recipe: Recipe) -> None:
    """pipeline.json and texturing_pipeline.json of the trained networks.

    Raises:
        EngineError: ``latents_missing``; ``unwritable``.
    """
    store, dataset = LatentStore(paths.data, LATENTS), Dataset(paths.data)
    save_pipelines(
        paths.checkpoint,
        Pipelines(
            resolutions=recipe.settings.resolutions,
            default_type=str(max(recipe.settings.resolutions)),
            structure=recipe.structure,
            shape=recipe.shape,
            texture=recipe.texture,
            shape_norm=norm_of(store, dataset, "shape"),
            texture_norm=norm_of(store, dataset, "texture"),
            finishing=recipe.finishing,
            qualities=recipe.qualities,
            words=recipe.words,
        ),
    )


def _folder(paths: Paths, stage: str, number: int) -> Path:
    return paths.out / (stage if number == 1 else f"{stage}_{number}")


def _is_done(paths: Paths, folder: Path, config: TrainConfig) -> bool:
    mark = folder / DONE
    return mark.exists() and json.loads(mark.read_text()) == _done(paths, config)


def _done(paths: Paths, config: TrainConfig) -> dict[str, Any]:
    """What a stage was made of: its configuration, and the networks that it took as they were."""
    files = {name: paths.checkpoint / CKPTS / f"{name}.safetensors" for name in config.frozen}
    frozen = {name: sha256_of(path) if path.exists() else "" for name, path in files.items()}
    return {"config": config.as_json(), "frozen": frozen}
