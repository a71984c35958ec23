"""A checkpoint opened as what its own file says that it is, and its networks made ready to run."""

from pathlib import Path

import torch

from engine.checkpoints.checkpoint import Checkpoint
from engine.checkpoints.pipeline import read_pipeline
from engine.residency.models import Models
from engine.systems.matte_network import matte_network
from engine.systems.table import system_of_pipeline
from engine.weights.hub import Origin, source
from engine.weights.store import Store


def load_checkpoint(
    folder_or_hub_id: str | Path,
    *,
    device: torch.device | str = "cpu",
    torso_dtype: torch.dtype | None = None,
    offline: bool = False,
    cache: Path | None = None,
    origin: Origin | None = None,
) -> Checkpoint:
    """Open a checkpoint of any system; networks are loaded when asked for.

    Args:
        folder_or_hub_id: a folder with a ``pipeline.json``, or a hub repository's name.
        device: where networks go.
        torso_dtype: bfloat16 or float16 for the wide middle of every network; None: float32.
        offline: never ask the hub, use its cache only.
        cache: the hub cache's folder; None: huggingface_hub's own.
        origin: which hub is asked, and mirrors; None: huggingface.co.

    Raises:
        EngineError: ``checkpoint_unknown``, ``system_unknown``, ``file_missing``,
            ``pipeline_invalid``, ``hub_*``.
    """
    home = source(folder_or_hub_id, offline=offline, cache=cache, origin=origin)
    system = system_of_pipeline(read_pipeline(home.file("pipeline.json")).name)
    return Checkpoint(
        home,
        system.networks(),
        device=device,
        torso_dtype=torso_dtype,
        offline=offline,
        cache=cache,
        origin=origin,
    )


def open_models(
    place: str | Path,
    store: Store,
    *,
    device: torch.device | str = "cpu",
    budget: int | None = None,
) -> Models:
    """The networks of a checkpoint, with the picture encoder and the matte that are in the store.

    Args:
        place: a folder or a hub repository's name, as ``load_checkpoint`` takes it.
        store: also says which hub may be asked, and whether.
        device: where the networks run.
        budget: bytes that weights and working memory may take; None: what is free.

    Raises:
        EngineError: as ``load_checkpoint``, and what the system's ``image_encoder`` raises.
    """
    checkpoint = load_checkpoint(place, offline=store.offline, origin=store.origin)
    system = system_of_pipeline(checkpoint.generation.name)
    return Models(
        checkpoint,
        device=device,
        budget=budget,
        encoder=system.image_encoder(checkpoint, store),
        matte=matte_network(store),
    )
