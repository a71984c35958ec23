"""Which picture encoder a checkpoint's ``image_cond_model`` means: one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.networks.dinov3 import PUBLISHED_ID, DinoV3
from engine.networks.image_encoder import ImageEncoder
from protocol.errors import EngineError

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


def load_encoder(
    name: str, args: Mapping[str, Any], *, folder: Path | None = None, offline: bool = False
) -> ImageEncoder:
    """Load the encoder of a published class name in host memory.

    Args:
        name, args: ``image_cond_model`` of ``pipeline.json``.
        folder: where its weights are, if they were downloaded.
        offline: never ask the hub.

    Raises:
        EngineError: ``image_encoder_*``.
    """
    return encoder_kind(name).load(**args, folder=folder, offline=offline)
