"""Which picture encoder a checkpoint's ``image_cond_model`` means: one table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.checkpoints.checkpoint import Checkpoint
from engine.networks.dinov3 import PUBLISHED_ID, DinoV3
from engine.networks.image_encoder import ImageEncoder
from engine.weights.hub import Origin, Repository
from protocol.errors import EngineError

IMAGE_ENCODER = "image_encoder"
"""Our name for the picture encoder, which is no network of the published checkpoint. A checkpoint
that has a network of that name brings its own."""

Loader = Callable[..., ImageEncoder]


@dataclass(frozen=True)
class EncoderKind:
    """An encoder.

    Attributes:
        load: called with the published arguments, ``folder`` (weights that were downloaded, or
            None) and ``offline``.
        bytes: of its weights, before they are loaded.
    """

    load: Loader
    bytes: int


def _dinov3(
    *, model_name: str = PUBLISHED_ID, folder: Path | None, offline: bool, **_: Any
) -> ImageEncoder:
    return DinoV3.load(folder or model_name, local_files_only=offline)


ENCODERS: dict[str, EncoderKind] = {
    "DinoV3FeatureExtractor": EncoderKind(_dinov3, 1_212_559_808),
}


def is_dinov3(name: str) -> bool:
    """Whether a published class name means DINOv3."""
    return name in ENCODERS and ENCODERS[name].load is _dinov3


def encoder_kind(name: str) -> EncoderKind:
    """The encoder of a published class name.

    Raises:
        EngineError: ``image_encoder_unknown``.
    """
    kind = ENCODERS.get(name)
    if kind is None:
        raise EngineError(
            "image_encoder_unknown",
            f"The checkpoint wants the picture encoder {name!r}, which is not known here.",
            f"Known are {', '.join(sorted(ENCODERS))}; use a TRELLIS.2 checkpoint.",
        )
    return kind


@dataclass(frozen=True)
class EncoderSource:
    """A picture encoder that is not among the networks of the checkpoint.

    Attributes:
        bytes: of its weights.
        load: gives it, in host memory.
    """

    bytes: int
    load: Callable[[], ImageEncoder]


def encoder_of(
    checkpoint: Checkpoint,
    *,
    folder: Path | None = None,
    offline: bool = False,
    origin: Origin | None = None,
) -> EncoderSource | None:
    """The encoder that a checkpoint names; None: it has one among its networks.

    Args:
        folder: where the encoder's weights are, if they were downloaded.
        offline: never ask the hub.
        origin: which hub and mirrors are asked; None: huggingface.co.

    Raises:
        EngineError: ``image_encoder_unknown``; and ``image_encoder_*`` when it is loaded.
    """
    if IMAGE_ENCODER in checkpoint.models:
        return None
    component = checkpoint.generation.image_encoder
    if component is None:
        raise EngineError(
            "image_encoder_unknown",
            f"The checkpoint {checkpoint.home} names no picture encoder.",
            "Its pipeline.json must have an image_cond_model; download it again.",
        )
    kind, origin = encoder_kind(component.name), origin or Origin()

    def load() -> ImageEncoder:
        found = folder
        if found is None and is_dinov3(component.name) and origin != Origin():
            # transformers asks no other hub than its own.
            published = component.args.get("model_name", PUBLISHED_ID)
            home = Repository(str(published), offline=offline, origin=origin)
            home.file("config.json")
            found = home.file("model.safetensors").parent
        return kind.load(**component.args, folder=found, offline=offline)

    return EncoderSource(kind.bytes, load)
