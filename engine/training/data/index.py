"""The index of a data folder: an SQLite file that says what was built, from what, and what failed.

An asset is ``ok`` only when all of its files are in place, so a reader needs to look at nothing
else. One process writes: the one that builds.
"""

import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.host.command import command
from engine.host.files import unwritable
from protocol.errors import EngineError

INDEX, ASSETS = "index.sqlite", "assets"
_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS assets (
    name TEXT PRIMARY KEY, source TEXT NOT NULL, family TEXT NOT NULL, split TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, voxels TEXT NOT NULL, cameras TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """An asset in the index.

    Args:
        name: also of its folder.
        source: what it was made from, for people.
        family: kind of thing; folders of files name it by their first subfolder.
        split: train or held_out.
        reason: why it failed, one sentence; empty when it is there.
        voxels: number of voxels by resolution.
        cameras: of each picture, as ``engine.training.data.views`` describes it.
    """

    name: str
    source: str
    family: str
    split: str
    reason: str = ""
    voxels: Mapping[int, int] = field(default_factory=dict)
    cameras: tuple[Mapping[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        return not self.reason


@contextmanager
def open_index(folder: Path, *, write: bool = False) -> Iterator["Index"]:
    """The index of a data folder; a writer excludes all others while it works.

    Raises:
        EngineError: ``dataset_missing``, ``dataset_busy``, ``dataset_damaged``, ``disk_full``.
    """
    path = folder / INDEX
    if not write and not path.is_file():
        raise EngineError(
            "dataset_missing",
            f"{folder} is not a data folder: it has no {INDEX}.",
            f"Build one: {command('data', 'build', '--help')}",
        )
    try:
        database = sqlite3.connect(path, timeout=1.0)
        try:
            if write:
                database.execute("PRAGMA locking_mode = EXCLUSIVE")
                database.executescript(_TABLES)
                database.execute("BEGIN EXCLUSIVE")
            yield Index(database)
            if write:
                database.commit()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise _index_error(path, error) from error


class Index:
    """Reads and writes the rows; see ``open_index``."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def settings(self) -> dict[str, Any]:
        """What the folder was built with; empty in a new one."""
        rows = self._database.execute("SELECT name, value FROM settings ORDER BY name")
        return {name: json.loads(value) for name, value in rows}

    def put_settings(self, settings: Mapping[str, Any]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)",
            [(name, json.dumps(value)) for name, value in settings.items()],
        )
        self._database.commit()

    def entries(self) -> dict[str, Entry]:
        """All assets, by name, in the order of their names."""
        rows = self._database.execute(
            "SELECT name, source, family, split, reason, voxels, cameras FROM assets ORDER BY name"
        )
        return {
            name: Entry(
                *(name, source, family, split, reason),
                voxels={int(key): count for key, count in json.loads(voxels).items()},
                cameras=tuple(json.loads(cameras)),
            )
            for name, source, family, split, reason, voxels, cameras in rows
        }

    def put(self, entries: Iterable[Entry]) -> None:
        """Add or replace assets, durably."""
        self._database.executemany(
            "INSERT OR REPLACE INTO assets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(entry.name, entry.source, entry.family, entry.split),
                    "ok" if entry.ok else "failed",
                    entry.reason,
                    json.dumps(dict(entry.voxels)),
                    json.dumps(list(entry.cameras)),
                )
                for entry in entries
            ],
        )
        self._database.commit()


def _index_error(path: Path, error: sqlite3.Error) -> EngineError:
    text = str(error)
    if "locked" in text:
        return EngineError(
            "dataset_busy",
            f"{path.parent} is being built by another process.",
            "Wait until it is done, or stop it.",
        )
    if "full" in text:
        return unwritable(path, OSError(errno.ENOSPC, text))
    return EngineError(
        "dataset_damaged",
        f"{path} cannot be used: {text}.",
        "Remove it and build again, or restore it from a copy.",
    )
