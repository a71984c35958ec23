"""Disk space and logs: a quota for results, leftovers, files that do not grow for ever."""

import logging
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.service.job_queue import sources
from engine.service.records import JobRecord
from engine.service.store import OPEN, Store

log = logging.getLogger(__name__)

LOG_BYTES, LOG_FILES = 2 << 20, 3
_GONE = ".deleted"


def folder_bytes(folder: Path) -> int:
    """Of all files in it."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(root, name)).st_size
    return total


def over_quota(store: Store, quota: int) -> list[JobRecord]:
    """Jobs whose results have to go: the oldest that are not pinned and that nobody waits for."""
    total = store.unpinned_bytes()
    if total <= quota:
        return []
    ended = store.jobs(states=("done", "failed", "cancelled"))
    needed = {source for record in store.jobs(states=OPEN) for source in sources(record)}
    needed |= {record.retry_of for record in store.jobs(states=OPEN)}
    chosen: list[JobRecord] = []
    for record in reversed(ended[1:]):  # never the newest, however large it is
        if total <= quota:
            break
        if not record.pinned and record.id not in needed:
            chosen.append(record)
            total -= record.bytes
    return chosen


def discard(store: Store, jobs: Iterable[str]) -> list[Path]:
    """Remove jobs from the store; their folders are renamed at once and can be removed later.

    Returns:
        The folders, for ``remove_folders``.
    """
    folders: list[Path] = []
    for job in jobs:
        folder = store.folder(job)
        gone = folder.with_suffix(_GONE)
        store.delete(job)
        with suppress(OSError):
            folder.rename(gone)
            folders.append(gone)
    return folders


def remove_folders(folders: Iterable[Path]) -> None:
    """This may take a while: for another thread."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def leftovers(store: Store) -> list[Path]:
    """Folders of a service that was killed: deleted but not gone, or of jobs that never came in.

    A folder of results is never among them, even if the store has lost its job.
    """
    found: list[Path] = []
    with suppress(OSError):
        for path in store.folder("").iterdir():
            if path.suffix == _GONE:
                found.append(path)
            elif re.fullmatch("[0-9a-f]{32}", path.name) and not store.has(path.name):
                names = {entry.name for entry in path.iterdir()}
                if names <= {"inputs"}:
                    found.append(path)
    return found


def log_to(folder: Path, *, debug: bool = False) -> logging.Handler:
    """Log into rotating files, three of 2 MiB. No picture, token or path of a picture is logged
    at the default level.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        folder / "service.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("engine.service")
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.addHandler(handler)
    root.propagate = False
    return handler
