"""The weights on this disk: which are there, getting them, checking them, removing them.

A plain folder that can be moved: ``<folder>/<owner>/<repository>/<file>``. A repository's folder is
a checkpoint for ``load_checkpoint``, which finds repositories beside it by itself, or for
``DinoV3.load`` and ``RembgMatte(weights_folder=...)``.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from engine.host.command import command
from engine.weights.fetch import fetch, part_path, parts_of, sha256_of
from engine.weights.hub import REPOSITORY, Origin
from engine.weights.weight import Weight, WeightFile
from protocol.errors import EngineError

RESERVE = 1 << 30
"""Bytes of the disk that downloads leave free."""


@dataclass(frozen=True)
class Progress:
    """How far a download or a check is, in bytes.

    Attributes:
        file: name of the file.
        done, size: of this file.
        total_done, total: of all files.
    """

    file: str
    done: int
    size: int
    total_done: int
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Finding:
    """What a check says about a file: ``ok``, ``unknown`` (no hash is published), ``missing``, or
    ``corrupt``."""

    weight: Weight
    file: WeightFile
    path: Path
    state: str


class Store:
    """Weights in a folder.

    Args:
        folder: need not exist yet.
        origin: where downloads come from.
        offline: refuse to download.
    """

    def __init__(
        self, folder: Path, *, origin: Origin | None = None, offline: bool = False
    ) -> None:
        self.folder = folder
        self.origin = origin or Origin()
        self.offline = offline

    def folder_of(self, repository: str) -> Path:
        """Where the files of a repository (owner/repository) are, or would be."""
        return self.folder / repository

    def checkpoint(self, folder_or_hub_id: str) -> str:
        """The folder of a repository that was downloaded, else what was given."""
        if REPOSITORY.fullmatch(folder_or_hub_id) and not Path(folder_or_hub_id).is_dir():
            here = self.folder_of(folder_or_hub_id)
            if (here / "pipeline.json").is_file() or (here / "config.json").is_file():
                return str(here)
        return folder_or_hub_id

    def path(self, weight: Weight, file: WeightFile) -> Path:
        return self.folder_of(weight.repository) / file.name

    def state(self, weight: Weight) -> str:
        """``present``, ``partial`` or ``absent``, by the files' sizes alone.

        A file of a wrong size, and one that is being downloaded, make it partial.
        """
        if not self.missing(weight):
            return "present"
        return "partial" if self.files_of([weight]) else "absent"

    def download(
        self, weights: Iterable[Weight], on_progress: OnProgress = lambda progress: None
    ) -> list[Path]:
        """Get what is missing; what has arrived stays, whatever happens.

        Returns:
            The files that were downloaded.

        Raises:
            EngineError: ``weights_offline``; ``disk_full``, before anything is downloaded where
                it can be known; ``weights_busy``: another download is running; ``unwritable``; and
                what ``fetch`` raises.
        """
        missing = [(weight, file) for weight in weights for file in self.missing(weight)]
        if not missing:
            return []
        if self.offline:
            names = ", ".join(dict.fromkeys(weight.name for weight, _ in missing))
            raise EngineError(
                "weights_offline",
                f"Not on this disk: {names}; and you are working offline.",
                "Go online once to download them, or copy them to the folder that this shows: "
                f"{command('models', 'path')}",
            )
        self._check_space(missing)
        total = sum(file.bytes for _, file in missing)
        before, fetched = 0, []
        targets = [self.path(weight, file) for weight, file in missing]
        with self._locked(targets):
            for weight, file in missing:
                target = self.path(weight, file)
                self._make(target.parent)

                def report(done: int, file: WeightFile = file, before: int = before) -> None:
                    on_progress(Progress(file.name, done, file.bytes, before + done, total))

                fetch(weight, file, target, self.origin, report)
                before += file.bytes
                fetched.append(target)
        return fetched

    def verify(
        self, weights: Iterable[Weight], on_progress: OnProgress = lambda progress: None
    ) -> list[Finding]:
        """Compare every file with its published size and SHA-256."""
        files = [(weight, file) for weight in weights for file in weight.files]
        total, before = sum(file.bytes for _, file in files), 0
        findings: list[Finding] = []
        for weight, file in files:
            path = self.path(weight, file)

            def report(done: int, file: WeightFile = file, before: int = before) -> None:
                on_progress(Progress(file.name, done, file.bytes, before + done, total))

            findings.append(Finding(weight, file, path, _state_of(file, path, report)))
            before += file.bytes
        return findings

    def remove(self, weights: Iterable[Weight]) -> int:
        """Delete the files of weights, partial ones too, and folders that are empty then.

        Returns:
            Bytes that were freed. Files that are in no catalogue are left alone.

        Raises:
            EngineError: ``unwritable``.
        """
        freed = 0
        for path in self.files_of(weights):
            try:
                size = path.stat().st_size
                path.unlink()
            except OSError as error:
                raise EngineError(
                    "unwritable",
                    f"Cannot remove {path}: {error.strerror or error}.",
                    "Close the programs that use it, and check that you may write there.",
                ) from error
            freed += size
            _remove_empty(path.parent, self.folder)
        return freed

    def files_of(self, weights: Iterable[Weight]) -> list[Path]:
        """The files of weights that are on disk, partial ones too."""
        targets = [self.path(weight, file) for weight in weights for file in weight.files]
        whole = [target for target in targets if target.is_file()]
        return whole + [part for target in targets for part in parts_of(target)]

    def missing(self, weight: Weight) -> list[WeightFile]:
        """The files that a download would get."""
        return [file for file in weight.files if not _has_size(file, self.path(weight, file))]

    def _check_space(self, missing: list[tuple[Weight, WeightFile]]) -> None:
        here = 0
        for weight, file in missing:
            part = part_path(self.path(weight, file), file.sha256)
            here += part.stat().st_size if part.is_file() else 0
        wanted = sum(file.bytes for _, file in missing) - here
        existing = next(p for p in (self.folder, *self.folder.absolute().parents) if p.is_dir())
        free = shutil.disk_usage(existing).free
        if free < wanted + RESERVE:
            raise EngineError(
                "disk_full",
                f"{wanted / 1e9:.1f} GB are to be downloaded to {self.folder}, and "
                f"{free / 1e9:.1f} GB are free there.",
                f"Free some space ({RESERVE / 1e9:.0f} GB more than the download), or set another "
                "folder as models.folder in config.toml.",
            )

    @contextmanager
    def _locked(self, targets: list[Path]) -> Iterator[None]:
        """Two downloads into one partial file would ruin it.

        Folders of the targets that are empty in the end go, and the lock's file.
        """
        new = not self.folder.exists()
        self._make(self.folder)
        lock = FileLock(self.folder / ".download.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise EngineError(
                "weights_busy",
                f"Another download into {self.folder} is running.",
                "Wait until it is done, or stop it.",
            ) from error
        try:
            yield
        finally:
            for target in targets:
                if target.parent.is_dir():
                    _remove_empty(target.parent, self.folder)
            # While the lock is held, so that it is nobody else's file. Windows forbids it.
            with suppress(OSError):
                Path(lock.lock_file).unlink()
            lock.release()
            if new and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(
                "unwritable",
                f"Cannot make the folder {folder}: {error.strerror or error}.",
                "Set a folder that you may write to as models.folder in config.toml.",
            ) from error


def _has_size(file: WeightFile, path: Path) -> bool:
    return path.is_file() and (not file.exact or path.stat().st_size == file.bytes)


def _state_of(file: WeightFile, path: Path, on_bytes: Callable[[int], None]) -> str:
    if not path.is_file():
        return "missing"
    if not _has_size(file, path):
        return "corrupt"
    if file.sha256 is None:
        return "unknown"
    return "ok" if sha256_of(path, on_bytes) == file.sha256 else "corrupt"


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and root in folder.parents and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
