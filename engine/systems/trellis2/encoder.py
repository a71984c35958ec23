"""Where the picture encoder of a TRELLIS.2 checkpoint is found."""

from pathlib import Path

from engine.checkpoints.checkpoint import Checkpoint
from engine.checkpoints.image_encoders import IMAGE_ENCODER, EncoderSource, encoder_of, is_dinov3
from engine.host.command import command
from engine.systems.trellis2.weights import weights
from engine.weights.store import Store
from protocol.errors import EngineError


def encoder_from(checkpoint: Checkpoint, store: Store) -> EncoderSource | None:
    """The encoder that a checkpoint names; None: it has one among its networks.

    Raises:
        EngineError: ``weights_partial``, ``image_encoder_unknown``.
    """
    folder = _downloaded(checkpoint, store)
    return encoder_of(checkpoint, folder=folder, offline=store.offline, origin=store.origin)


def _downloaded(checkpoint: Checkpoint, store: Store) -> Path | None:
    """Where DINOv3 was downloaded to; None where it was not, or another encoder is asked for.

    Raises:
        EngineError: ``weights_partial``.
    """
    component = checkpoint.generation.image_encoder
    own = IMAGE_ENCODER in checkpoint.models
    if own or component is None or not is_dinov3(component.name):
        return None
    weight = next(weight for weight in weights() if weight.name == IMAGE_ENCODER)
    state = store.state(weight)
    if state == "partial":
        raise EngineError(
            "weights_partial",
            f"The download of {weight.repository} is not complete.",
            f"Run: {command('models', 'download', weight.name)}",
        )
    return store.folder_of(weight.repository) if state == "present" else None
