"""Results are never put, without a word, over what was made from something else.

What was written from which source stands in ``outputs.json`` of the home. A file that is there and
that this record does not know as a result of the same source stays: a number is added to the name.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from engine.assets.names import VOXELS, folder_of
from engine.commands.console import err
from engine.export.obj_names import files_beside
from engine.host.files import check_name, write_bytes_atomic
from engine.render.picture_files import picture_files
from protocol.errors import EngineError
from protocol.finishes import FinishChoice, level_files

RECORD = "outputs.json"
MOST_ENTRIES = 10_000
"""Of the record, which knows each frame of a turntable; the oldest go first, and are then taken for
files of somebody else."""

Source = Path | str
"""A file or folder, or a name for what is none, such as the id of a job."""
States = dict[str, list[int] | None]
"""Size and time of files and folders; None: it is not there."""


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
        self,
        targets: Sequence[Path],
        sources: Sequence[Sequence[Source]],
        *,
        folders: bool = False,
        choice: FinishChoice | None = None,
        frames: int = 1,
    ) -> Iterator[list[Path]]:
        """Where results may be written: the targets, or where these are taken numbered ones.

        What was written to them when the block ends, however it ends, is remembered.

        Args:
            sources: of each target.
            folders: whether the folder of an asset is written beside each.
            choice: how they are finished; it may give each level of detail a file.
            frames: files that a target with a # in its name has.

        Raises:
            EngineError: ``name_too_long``.
        """
        origins = [Origin.of(each) for each in sources]
        chosen: list[Path] = []

        def states(target: Path) -> States:
            return _states(target, folders, choice, frames)

        for target, origin in zip(targets, origins, strict=True):
            place, in_the_way = self._place(target, origin, states, chosen)
            chosen.append(place)
            if in_the_way is not None:
                result = (*level_files(choice, place), *picture_files(place, frames))[0]
                err.print(
                    f"{in_the_way} is there and was not made from this; the result is {result}. "
                    "To replace what is there: --force",
                    markup=False,
                )
        before = [states(target) for target in chosen]
        try:
            yield chosen
        finally:
            entries: dict[str, Any] = {}
            for target, origin, state in zip(chosen, origins, before, strict=True):
                for path, now in states(target).items():
                    if now is not None and now != state.get(path):
                        made = {"places": origin.places, "contents": origin.contents}
                        entries[path] = {"state": now, **made}
            self._remember(entries)

    def _place(
        self,
        target: Path,
        origin: Origin,
        states: Callable[[Path], States],
        claimed: list[Path],
    ) -> tuple[Path, Path | None]:
        """Where a result goes, and what keeps it from its target."""
        check_name(target)
        if self._force:
            return target, None
        record = self._read()

        def taken(place: Path) -> Path | None:
            """What is in the way, if something is."""
            check_name(place)
            if place in claimed:
                return place
            for path, state in states(place).items():
                entry = record.get(path, {})
                if state is not None and not (entry.get("state") == state and origin.made(entry)):
                    return place if path == str(place.absolute()) else Path(path)
            return None

        numbered = (target.with_name(f"{target.stem}_{n}{target.suffix}") for n in count(2))
        in_the_way = taken(target)
        if in_the_way is None:
            return target, None
        return next(place for place in numbered if taken(place) is None), in_the_way

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


def files_of(targets: Sequence[Path], choice: FinishChoice | None) -> list[Path]:
    """The targets, and the files beside them that levels of detail will have."""
    return [file for target in targets for file in (target, *level_files(choice, target))]


def _states(target: Path, folders: bool, choice: FinishChoice | None, frames: int) -> States:
    """Of what a result consists."""
    files = (*picture_files(target, frames), *level_files(choice, target))
    paths = [(path, path) for path in files]
    if target.suffix.lower() == ".obj":
        paths += [(path, path) for path in files_beside(target)]
    if folders:
        paths.append((folder_of(target), folder_of(target) / VOXELS))
    found: States = {}
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
