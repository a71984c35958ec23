"""Results are never put, without a word, over what was made from something else.

What was written from which source stands in ``outputs.json`` of the home. A file that is there and
that this record does not know as a result of the same source stays: a number is added to the name.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from engine.assets.names import VOXELS, folder_of
from engine.commands.console import err
from engine.host.files import check_name, write_bytes_atomic
from protocol.errors import EngineError

RECORD = "outputs.json"
MOST_ENTRIES = 2000
"""Of the record; the oldest go first, and are then taken for files of somebody else."""

Source = Path | str
"""A file or folder, or a name for what is none, such as the id of a job."""


@dataclass(frozen=True)
class Origin:
    """What a result is made from.

    Attributes:
        places: absolute paths, or names.
        contents: SHA-256 of files; of what is no file, its name.
    """

    places: list[str]
    contents: list[str]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> "Origin":
        places = [str(s.absolute()) if isinstance(s, Path) else s for s in sources]
        return cls(places, [_content(source) for source in sources])

    def made(self, entry: dict[str, Any]) -> bool:
        """Whether an entry of the record is of a result of this origin."""
        return entry.get("places") == self.places or entry.get("contents") == self.contents


class Outputs:
    """The record of a home.

    Args:
        home: folder of everything that Maquette keeps.
        force: whether whatever is there is replaced.
    """

    def __init__(self, home: Path, *, force: bool = False) -> None:
        self._file, self._force = home / RECORD, force

    @contextmanager
    def claimed(
        self, targets: Sequence[Path], sources: Sequence[Sequence[Source]], *, folders: bool = False
    ) -> Iterator[list[Path]]:
        """Where results may be written: the targets, or where these are taken numbered ones.

        What was written to them when the block ends, however it ends, is remembered.

        Args:
            sources: of each target.
            folders: whether the folder of an asset is written beside each.

        Raises:
            EngineError: ``name_too_long``.
        """
        origins = [Origin.of(each) for each in sources]
        chosen: list[Path] = []
        for target, origin in zip(targets, origins, strict=True):
            chosen.append(self._place(target, origin, folders, chosen))
        before = [_states(target, folders) for target in chosen]
        try:
            yield chosen
        finally:
            entries: dict[str, Any] = {}
            for target, origin, state in zip(chosen, origins, before, strict=True):
                for path, now in _states(target, folders).items():
                    if now is not None and now != state[path]:
                        made = {"places": origin.places, "contents": origin.contents}
                        entries[path] = {"state": now, **made}
            self._remember(entries)

    def _place(self, target: Path, origin: Origin, folders: bool, claimed: list[Path]) -> Path:
        check_name(target)
        if self._force:
            return target
        record = self._read()

        def free(place: Path) -> bool:
            check_name(place)
            return place not in claimed and all(
                state is None
                or ((entry := record.get(path, {})).get("state") == state and origin.made(entry))
                for path, state in _states(place, folders).items()
            )

        numbered = (target.with_name(f"{target.stem}_{n}{target.suffix}") for n in count(2))
        place = next(filter(free, chain([target], numbered)))
        if place != target:
            err.print(
                f"{target} is there and was not made from this; the result is {place}. "
                "To replace what is there: --force",
                markup=False,
            )
        return place

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _remember(self, entries: dict[str, Any]) -> None:
        if not entries:
            return
        record = {path: entry for path, entry in self._read().items() if path not in entries}
        record |= entries
        kept = dict(list(record.items())[-MOST_ENTRIES:])
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomic(self._file, json.dumps(kept).encode())
        except (OSError, EngineError):
            return  # next time a number is added, which loses nothing


def _states(target: Path, folders: bool) -> dict[str, list[int] | None]:
    """Size and time of what a result consists of; None: it is not there. Numbered pictures are
    known by the first."""
    first = target.with_name(re.sub("#+", lambda hashes: "0" * len(hashes[0]), target.name))
    paths = [(first, first)]
    if folders:
        paths.append((folder_of(target), folder_of(target) / VOXELS))
    found: dict[str, list[int] | None] = {}
    for path, looked_at in paths:
        try:
            status = looked_at.stat()
        except OSError:
            found[str(path.absolute())] = None
        else:
            found[str(path.absolute())] = [status.st_size, status.st_mtime_ns]
    return found


def _content(source: Source) -> str:
    if isinstance(source, str):
        return source
    file = source / VOXELS if source.is_dir() else source  # its recipe also says what came later
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return str(source)  # the verb itself says what is wrong with it
