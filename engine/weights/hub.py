"""Where a checkpoint's files are: in a folder, in a folder beside it, or in a hub repository."""

import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    HTTPError,  # pyright: ignore[reportPrivateImportUsage] - of whatever transport the hub uses
    LocalEntryNotFoundError,
)

from engine.settings import Settings
from engine.weights.hub_errors import NotHere, explained
from engine.weights.manifest import pinned_revision
from protocol.errors import EngineError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

HUB = "https://huggingface.co"
CONNECT_SECONDS = 3.0


@dataclass(frozen=True)
class Origin:
    """Where files of the hub come from.

    Attributes:
        endpoint: the hub's address; None: huggingface.co.
        mirrors: repository -> repository that is asked in its place.
    """

    endpoint: str | None = None
    mirrors: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Origin":
        """The hub and the mirrors that the user wants to be asked."""
        endpoint = settings.endpoint
        return cls(endpoint.rstrip("/") if endpoint else None, tuple(settings.mirrors.items()))

    def place(self, repository: str, revision: str | None) -> tuple[str, str | None]:
        """The repository that is asked in place of one, and its revision."""
        mirror = dict(self.mirrors).get(repository)
        # A copy has commits of its own; hashes or tensors tell whether it is one.
        return (mirror, "main") if mirror else (repository, revision)


def token_for(endpoint: str | None) -> bool | None:
    """The user's token is for the hub itself (None) and is shown to nobody else (False)."""
    return None if endpoint in (None, HUB) else False


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
        origin: the hub and the mirrors that are asked.
    """

    name: str
    revision: str | None = None
    offline: bool = False
    cache: Path | None = None
    origin: Origin = Origin()

    def __str__(self) -> str:
        return self.name

    def file(self, name: str) -> Path:
        """A local copy of the file of that (checked) name.

        Raises:
            NotHere: ``file_missing``: the repository has no such file, or ``hub_offline``.
            EngineError: ``hub_gated``, ``hub_not_found`` or ``hub_failed``.
        """
        check_name(name)
        pinned = self.revision or pinned_revision(self.name)
        asked, revision = self.origin.place(self.name, pinned)
        with explained(asked, name, offline=self.offline):
            if not self.offline:
                self._knock(asked, name, revision)
            return Path(
                huggingface_hub.hf_hub_download(
                    asked,
                    name,
                    revision=revision,
                    cache_dir=self.cache,
                    local_files_only=self.offline,
                    endpoint=self.origin.endpoint,
                    token=token_for(self.origin.endpoint),
                )
            )

    def _knock(self, asked: str, name: str, revision: str | None) -> None:
        """Fail at once where there is no network: a download would try for half a minute."""
        cached = huggingface_hub.try_to_load_from_cache(
            asked, name, cache_dir=self.cache, revision=revision
        )
        if isinstance(cached, str):
            return
        url = huggingface_hub.hf_hub_url(
            asked, name, revision=revision, endpoint=self.origin.endpoint
        )
        try:
            huggingface_hub.get_hf_file_metadata(
                url, token=token_for(self.origin.endpoint), timeout=CONNECT_SECONDS
            )
        except (HTTPError, OSError) as error:
            if getattr(error, "response", None) is not None:
                raise  # the hub answered
            raise LocalEntryNotFoundError("the hub cannot be reached") from error


Source = Folder | Repository


def source(
    folder_or_hub_id: str | Path,
    *,
    offline: bool = False,
    cache: Path | None = None,
    origin: Origin | None = None,
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
        return Repository(folder_or_hub_id, offline=offline, cache=cache, origin=origin or Origin())
    raise EngineError(
        "checkpoint_unknown",
        f"{folder_or_hub_id} is neither a folder nor the name of a hub repository.",
        "Give the folder that holds pipeline.json, or a name such as microsoft/TRELLIS.2-4B.",
    )


def sources_of(
    name: str,
    home: Source,
    *,
    offline: bool,
    cache: Path | None,
    origin: Origin | None = None,
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
    hub = Repository(
        f"{owner}/{repository}", offline=offline, cache=cache, origin=origin or Origin()
    )
    places.append((hub, inside))
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
