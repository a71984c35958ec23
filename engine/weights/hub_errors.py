"""The ways in which a file or model of the hub cannot be had, each a sentence with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage] - of whatever transport the hub uses
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from engine.host.command import command, python_command
from engine.weights.hub_names import DINOV3, KNOWN_MIRRORS
from protocol.errors import EngineError

_ELSEWHERE = (
    f"name a mirror such as {KNOWN_MIRRORS[DINOV3]} or a folder with a copy (the DINOv3 License "
    "applies)"
)

SIGN_IN = python_command("-m", "huggingface_hub.cli.hf", "auth", "login")


class NotHere(EngineError):
    """A file cannot be had from this place; another place may have it."""


@contextmanager
def explained(repository: str, name: str, *, offline: bool = False) -> Iterator[None]:
    """Turn what the hub raises inside of the block, about a file, into an EngineError.

    Raises:
        NotHere: ``file_missing`` or ``hub_offline``.
        EngineError: ``hub_gated``, ``hub_not_found`` or ``hub_failed``.
    """
    try:
        yield
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        why = "you are working offline" if offline else "the hub cannot be reached"
        raise NotHere(
            "hub_offline",
            f"{name} of {repository} is not on this disk, and {why}.",
            "Go online once to download it (the published weights: "
            f"{command('models', 'download', 'standard')}), or give a folder with the files, such "
            "as --checkpoint FOLDER.",
        ) from error
    except EntryNotFoundError as error:
        raise NotHere(
            "file_missing",
            f"The repository {repository} has no file {name}.",
            "Choose a repository that is laid out as microsoft/TRELLIS.2-4B.",
        ) from error
    except GatedRepoError as error:
        raise EngineError(
            "hub_gated",
            f"The repository {repository} is gated: its owner asks you to accept terms first.",
            f"Accept them at https://huggingface.co/{repository} and sign in ({SIGN_IN}), or give "
            "a folder with the files.",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise EngineError(
            "hub_not_found",
            f"There is no repository {repository} on the hub in that revision, or it is private.",
            f"Check the name, or sign in ({SIGN_IN}) if it is yours.",
        ) from error
    except (HTTPError, OSError) as error:
        raise EngineError(
            "hub_failed",
            f"Downloading {name} from {repository} failed: {_line(error)}.",
            "Check the connection and the free space, and try again; what has arrived is kept.",
        ) from error


@contextmanager
def explain_loading(name: str) -> Iterator[None]:
    """Turn what transformers and the hub raise inside of the block into an EngineError.

    Args:
        name: the folder or hub id that is being loaded.
    """
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
        # "Not in the cache" is checked before "no such repository": offline, it may exist.
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


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
