"""Where a checkpoint's files are: in a folder, in a folder beside it, or in a hub repository."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
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

from engine.errors import EngineError
from engine.models.manifest import pinned_revision

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class NotHere(EngineError):
    """A file cannot be had from this place; another place may have it."""


@dataclass(frozen=True)
class Folder:
    """A checkpoint on this disk.

    Names of the form owner/repository/path that are not in the folder are looked for in folders
    beside it, ``../repository``, ``../owner/repository`` and ``../../owner/repository``.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def file(self, name: str) -> Path:
        """The file of that (checked) name.

        Raises:
            NotHere: ``file_missing``.
        """
        path = self.path / check_name(name)
        if path.is_file():
            return path
        raise NotHere(
            "file_missing",
            f"{name} is not in the checkpoint {self.path}.",
            "Download the checkpoint again, or choose the folder that holds pipeline.json.",
        )


@dataclass(frozen=True)
class Repository:
    """A checkpoint on the Hugging Face hub, downloaded into its cache file by file.

    Args:
        name: owner/repository.
        revision: commit, tag or branch; None: the one that this package was made for, where there
            is one, else the newest.
        offline: use the cache only.
        cache: the cache's folder; None: huggingface_hub's own.
    """

    name: str
    revision: str | None = None
    offline: bool = False
    cache: Path | None = None

    def __str__(self) -> str:
        return self.name

    def file(self, name: str) -> Path:
        """A local copy of the file of that (checked) name.

        Raises:
            NotHere: ``file_missing``: the repository has no such file, or ``hub_offline``.
            EngineError: ``hub_gated``, ``hub_not_found`` or ``hub_failed``.
        """
        check_name(name)
        with explained(self.name, name, offline=self.offline):
            return Path(
                huggingface_hub.hf_hub_download(
                    self.name,
                    name,
                    revision=self.revision or pinned_revision(self.name),
                    cache_dir=self.cache,
                    local_files_only=self.offline,
                )
            )


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
            "Go online once to download it, or give a folder with the files.",
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
            f"The repository {repository} is gated: its owner wants you to accept terms first.",
            f"Accept them at https://huggingface.co/{repository} and sign in with "
            "'hf auth login', or give a folder with the files.",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise EngineError(
            "hub_not_found",
            f"There is no repository {repository} on the hub in that revision, or it is private.",
            "Check the name, or sign in with 'hf auth login' if it is yours.",
        ) from error
    except (HTTPError, OSError) as error:
        raise EngineError(
            "hub_failed",
            f"Downloading {name} from {repository} failed: {_line(error)}.",
            "Check the connection and the free space, and try again; what has arrived is kept.",
        ) from error


Source = Folder | Repository


def source(
    folder_or_hub_id: str | Path, *, offline: bool = False, cache: Path | None = None
) -> Source:
    """A folder where there is one, else the hub repository of that name.

    Raises:
        EngineError: ``checkpoint_unknown`` when it is neither.
    """
    path = Path(folder_or_hub_id)
    try:
        path = path.expanduser()
        found = path.is_dir()
    except (RuntimeError, ValueError, OSError):  # ~nobody, a zero byte, a name that is too long
        found = False
    if found:
        return Folder(path)
    if isinstance(folder_or_hub_id, str) and REPOSITORY.fullmatch(folder_or_hub_id):
        return Repository(folder_or_hub_id, offline=offline, cache=cache)
    raise EngineError(
        "checkpoint_unknown",
        f"{folder_or_hub_id} is neither a folder nor the name of a hub repository.",
        "Give the folder that holds pipeline.json, or a name such as microsoft/TRELLIS.2-4B.",
    )


def sources_of(
    name: str, home: Source, *, offline: bool, cache: Path | None
) -> list[tuple[Source, str]]:
    """Where a name in ``home``'s pipeline.json may be, in order: (source, name there)."""
    check_name(name)
    places: list[tuple[Source, str]] = [(home, name)]
    parts = name.split("/", 2)
    if len(parts) < 3:
        return places
    owner, repository, inside = parts
    if isinstance(home, Folder):
        beside = home.path.resolve().parent
        apart = beside.parent / owner / repository
        folders = (beside / repository, beside / owner / repository, apart)
        places += [(Folder(path), inside) for path in folders if path.is_dir()]
    places.append((Repository(f"{owner}/{repository}", offline=offline, cache=cache), inside))
    return places


def check_name(name: str) -> str:
    """The name itself, if it can only lead into the checkpoint.

    Raises:
        EngineError: ``path_escapes`` for a name that could lead elsewhere: absolute, with a drive,
            a backslash, or with ``..``.
    """
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or re.search(r"[\\:\x00-\x1f]", name) or parts[0] == "~":
        raise EngineError(
            "path_escapes",
            f"The name {name!r} leads out of the checkpoint.",
            "Names are relative, with forward slashes; do not use this checkpoint if you do not "
            "know who made it.",
        )
    return name


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
