"""Presets of the user's own: a JSON file each, in the extension's user folder."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from ..protocol.errors import EngineError
from .language import said
from .settings import FinishSettings, GenerateSettings, StageSettings, check

LONGEST_NAME = 60
VERSION = 1
NOT_KEPT = ("seed", "checkpoint", "batch")
"""What belongs to one picture or one machine."""


@dataclass(frozen=True)
class Unreadable:
    """A file that is no preset any more; it stays where it is.

    Args:
        file: its name.
        sentence: for the user.
    """

    file: str
    sentence: str


class Presets:
    """The presets in a folder.

    Args:
        folder: is made when the first preset is saved.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> tuple[str, ...]:
        """Names, in alphabetical order."""
        return tuple(sorted(self._read()[0], key=str.casefold))

    def unreadable(self) -> tuple[Unreadable, ...]:
        """Files that cannot be read, with a sentence each."""
        return self._read()[1]

    def load(self, name: str) -> GenerateSettings:
        """The settings of a preset; the seed is the usual one.

        Raises:
            EngineError: ``preset_missing``, ``preset_unreadable``.
        """
        found, unreadable = self._read()
        if name in found:
            return found[name][1]
        for broken in unreadable:
            if broken.file == _file_name(name):
                raise EngineError("preset_unreadable", broken.sentence, "Save it again.")
        raise EngineError(
            "preset_missing",
            said("There is no preset called {name}.", name=name),
            "Choose another one.",
        )

    def save(self, name: str, settings: GenerateSettings, *, replace: bool = True) -> str:
        """Keep settings under a name.

        Args:
            replace: a preset of that name may be there already. A file that cannot be read is
                never replaced but set aside.

        Returns:
            The name as it was kept.

        Raises:
            EngineError: ``preset_name``, ``preset_exists``, ``preset_unwritable``.
        """
        name = " ".join(name.split())[:LONGEST_NAME]
        if not re.search(r"\w", name):
            raise EngineError("preset_name", "The preset has no name.", "Type one.")
        found, unreadable = self._read()
        if name in found and not replace:
            raise EngineError(
                "preset_exists",
                said("There is a preset called {name}.", name=name),
                "Choose another name.",
            )
        file = found[name][0] if name in found else self._folder / _file_name(name)
        values = {k: v for k, v in asdict(settings).items() if k not in NOT_KEPT}
        content = {"version": VERSION, "name": name, "settings": values}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if file.name in {broken.file for broken in unreadable}:
                os.replace(file, file.with_suffix(".unreadable"))
            _write(file, json.dumps(content, ensure_ascii=False, indent=1))
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        return name

    def delete(self, name: str) -> None:
        """Remove a preset; one that is not there is no error.

        Raises:
            EngineError: ``preset_unwritable``.
        """
        found, _ = self._read()
        try:
            if name in found:
                found[name][0].unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def _read(self) -> tuple[dict[str, tuple[Path, GenerateSettings]], tuple[Unreadable, ...]]:
        found: dict[str, tuple[Path, GenerateSettings]] = {}
        broken: list[Unreadable] = []
        try:
            files = sorted(self._folder.glob("*.json"))
        except OSError:
            files = []
        for file in files:
            try:
                content: Any = json.loads(file.read_text(encoding="utf-8"))
                name = content["name"]
                if not isinstance(name, str):
                    raise TypeError("its name is not a text")
                found[name] = (file, _settings(content["settings"]))
            except (OSError, ValueError, TypeError, KeyError, RecursionError, EngineError) as error:
                sentence = said(
                    "The preset in the file {name} cannot be read ({error}).",
                    name=file.name,
                    error=error,
                )
                broken.append(Unreadable(file.name, sentence))
        return found, tuple(broken)


def _settings(values: Mapping[str, Any]) -> GenerateSettings:
    """Entries of later versions are ignored; what is out of range is an error now."""
    known = _known(GenerateSettings, values)
    stages = cast("Mapping[str, Mapping[str, Any]]", known.pop("stages", {}))
    known["stages"] = {
        name: StageSettings(**_known(StageSettings, stage)) for name, stage in stages.items()
    }
    if known.get("finish") is not None:
        known["finish"] = FinishSettings(**_known(FinishSettings, known["finish"]))
    settings = GenerateSettings(**known)
    check(settings)
    return settings


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)} - set(NOT_KEPT)
    return {name: value for name, value in values.items() if name in names}


def _file_name(name: str) -> str:
    """One that every file system takes; names that differ in capital letters get different ones."""
    plain = re.sub(r"[^\w-]+", "_", name).strip("_") or "preset"
    return f"{plain[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.parent, prefix=".", delete=False
    ) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.replace(stream.name, file)
    except OSError:
        os.unlink(stream.name)
        raise


def _unwritable(folder: Path, error: OSError) -> EngineError:
    return EngineError(
        "preset_unwritable",
        said(
            "The preset cannot be kept in {folder}: {why}.",
            folder=folder,
            why=error.strerror or error,
        ),
        "Make room on that disk, or allow writing there.",
    )
