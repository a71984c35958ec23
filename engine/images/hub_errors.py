"""The many ways in which a model cannot be had, each as one sentence with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import EngineError
from engine.models.catalogue import DINOV3, KNOWN_MIRRORS

_ELSEWHERE = (
    f"name a mirror such as {KNOWN_MIRRORS[DINOV3]} or a folder with a copy (the DINOv3 License "
    "applies)"
)


@contextmanager
def explain_loading(name: str) -> Iterator[None]:
    """Turn what transformers and the hub raise inside of the block into an EngineError.

    Args:
        name: the folder or hub id that is being loaded.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        # Of a broken config.json transformers raises nearly anything, by its version.
        kinds = tuple(type(link) for link in _chain(error))
        if Path(name).is_dir():
            raise _unloadable(name, error) from error
        if any(issubclass(kind, GatedRepoError) for kind in kinds):
            raise EngineError(
                "image_encoder_gated",
                f"{name} is given out only to people who accepted its licence.",
                f"Ask for access at https://huggingface.co/{name} and log in, or {_ELSEWHERE}.",
            ) from error
        # The hub's "not in the cache" is asked before "no such repository": offline, nobody knows.
        offline = (OfflineModeIsEnabled, LocalEntryNotFoundError, ConnectionError, TimeoutError)
        if any(issubclass(kind, offline) for kind in kinds):
            raise EngineError(
                "image_encoder_offline",
                f"{name} is not on this machine and the hub cannot be reached.",
                f"Go online once to download it, or {_ELSEWHERE}.",
            ) from error
        if any(issubclass(kind, RepositoryNotFoundError | HFValidationError) for kind in kinds):
            raise EngineError(
                "image_encoder_missing",
                f"{name} is neither a folder nor a model on the hub.",
                f"Correct the name, or {_ELSEWHERE}.",
            ) from error
        raise _unloadable(name, error) from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _unloadable(name: str, error: Exception) -> EngineError:
    reason = " ".join(str(error).split())
    return EngineError(
        "image_encoder_invalid",
        f"The image encoder {name} cannot be loaded: {reason[:300]}",
        f"It needs a readable config.json and model.safetensors in the layout of {DINOV3}.",
    )
