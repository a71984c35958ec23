"""Latents and tokens of a data folder by the encoders of one checkpoint."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from engine.host.files import write_bytes_atomic
from engine.networks.material_vae import MaterialEncoder
from engine.networks.shape_vae import ShapeEncoder
from engine.networks.small_encoder import SmallEncoder
from engine.networks.structure_vae import StructureEncoder
from engine.networks.text_encoder import TextEncoder
from engine.systems.trellis2.networks import load_network
from engine.training.data.dataset import Dataset
from engine.training.data.encode import encode_structures, encode_voxels
from engine.training.data.latents import LatentStore
from engine.training.data.tokens import encode_pictures
from engine.training.data.words import TEXT_TOKENS, encode_captions, encode_words, has_captions
from engine.training.publish import CKPTS
from engine.training.recipe import LATENTS, STRUCTURE_GRID, Paths, Recipe, Watch, nobody
from engine.training.tasks.table import CACHE_BYTES
from engine.weights.fetch import sha256_of
from protocol.errors import EngineError

VOXEL_ENCODERS = ("structure_encoder", "shape_encoder", "material_encoder")


def encode_assets(
    paths: Paths,
    recipe: Recipe,
    *,
    device: torch.device,
    watch: Watch = nobody,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Latents of the training assets, by the checkpoint's structure, shape and material encoders.

    Args:
        stop: asked before each kind of latents.

    Returns:
        False where it was stopped.

    Raises:
        EngineError: ``latents_other``, and what loading, reading and writing raise.
    """
    store = LatentStore(paths.data, LATENTS)
    _check_encoders(store, paths.checkpoint, VOXEL_ENCODERS)
    datasets = [Dataset(paths.data, cache_bytes=CACHE_BYTES)]

    def told(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: watch(stage, done, total)

    def network(name: str) -> nn.Module:
        return load_network(paths.checkpoint / CKPTS / name, device=device)

    low = min(recipe.settings.resolutions)
    if not store.has(f"structure_{low}"):
        if stop():
            return False
        encoder = network("structure_encoder")
        assert isinstance(encoder, StructureEncoder)
        encode_structures(
            datasets, encoder, store, low, STRUCTURE_GRID, on_progress=told("encode structures")
        )
    for resolution in recipe.settings.resolutions:
        for kind, name in (("shape", "shape_encoder"), ("texture", "material_encoder")):
            if store.has(f"{kind}_{resolution}"):
                continue
            if stop():
                return False
            encoder = network(name)
            assert isinstance(encoder, ShapeEncoder | MaterialEncoder)
            encode_voxels(
                datasets, encoder, store, resolution,
                on_progress=told(f"encode {kind}s {resolution}"),
            )  # fmt: skip
    return True


def encode_views(
    paths: Paths,
    *,
    device: torch.device,
    watch: Watch = nobody,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Tokens of the training assets' pictures, by the checkpoint's picture encoder.

    Args:
        stop: asked before each view.

    Result and errors are those of ``encode_assets``.
    """
    store = LatentStore(paths.data, LATENTS)
    _check_encoders(store, paths.checkpoint, ("image_encoder",))
    dataset = Dataset(paths.data, cache_bytes=CACHE_BYTES)
    encoder = load_network(paths.checkpoint / CKPTS / "image_encoder", device=device)
    assert isinstance(encoder, SmallEncoder)
    for view in range(dataset.views):
        if store.has(f"tokens_{view}"):
            continue
        if stop():
            return False
        encode_pictures(
            [dataset], encoder, store, view,
            on_progress=lambda done, total: watch("encode pictures", done, total),
        )  # fmt: skip
    return True


def learn_words(
    paths: Paths,
    train: Callable[[], bool],
    *,
    device: torch.device,
    watch: Watch = nobody,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Captions of the training assets, a text encoder, and what it says of them.

    Args:
        train: trains the text encoder; False where it was stopped.
        stop: asked before the captions are encoded, and before the tokens.

    Result and errors are those of ``encode_assets``; ``sentences_missing`` besides.
    """
    store = LatentStore(paths.data, LATENTS)
    dataset = Dataset(paths.data, cache_bytes=CACHE_BYTES)
    if not has_captions(store):
        if stop():
            return False
        encode_captions(
            dataset, store, on_progress=lambda done, total: watch("captions", done, total)
        )
    if not train():
        return False
    _check_encoders(store, paths.checkpoint, ("text_encoder",))
    if not store.has(TEXT_TOKENS):
        if stop():
            return False
        encoder = load_network(paths.checkpoint / CKPTS / "text_encoder", device=device)
        assert isinstance(encoder, TextEncoder)
        encode_words(
            dataset, encoder, store, on_progress=lambda done, total: watch("words", done, total)
        )
    return True


def _check_encoders(store: LatentStore, checkpoint: Path, names: Sequence[str]) -> None:
    """Latents are of one checkpoint; those of another would train flows that fit no decoder.

    Raises:
        EngineError: ``latents_other``.
    """
    mark = store.folder / "encoders.json"
    encoders = {name: sha256_of(checkpoint / CKPTS / f"{name}.safetensors") for name in names}
    marked = json.loads(mark.read_bytes()) if mark.exists() else {}
    if not marked.keys() & encoders.keys():
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(mark, json.dumps(marked | encoders, indent=1).encode())
    elif {name: marked.get(name) for name in names} != encoders:
        raise EngineError(
            "latents_other",
            f"The latents in {store.folder} are not by the encoders of {checkpoint}.",
            "Remove that folder to encode again, and the trainings of flows that began with it.",
        )
