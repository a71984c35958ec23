"""What engine is installed in a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ..protocol.errors import EngineError
from .places import Places, python_in, site_packages

RECORD = "set-up.json"
"""In an environment that we made: what was installed."""


@dataclass(frozen=True)
class Installed:
    """An engine on this machine.

    Attributes:
        python: of its environment.
        version: of the engine; empty: unknown.
        wheel: ``plan.wheel_identity`` of the wheel that it came from; empty: not set up by us.
        notes: of the set-up, for the user.
        packages: ``Package.identity`` by name.
        extras: of the engine that were asked for.
    """

    python: Path
    version: str
    wheel: str = ""
    notes: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    extras: frozenset[str] = frozenset()


def own_engine(places: Places) -> Installed | None:
    """The one that was set up here; None: there is none.

    Between the two renames that bring a new one, the old one counts.
    """
    for folder in (places.engine, places.old):
        python = python_in(folder)
        if python.exists() and (version := _version(folder)) is not None:
            record = _record(folder / RECORD)
            return Installed(
                python,
                version,
                str(record.get("wheel", "")),
                tuple(map(str, record.get("notes", ()))),
                dict(record.get("packages", {})),
                frozenset(map(str, record.get("extras", ()))),
            )
    return None


def engine_in(folder: Path) -> Installed:
    """The engine of a folder that the user names: an environment, or a checkout with a .venv.

    Raises:
        EngineError: ``no_engine_there``.
    """
    for place in (folder / ".venv", folder, folder / "engine"):
        python = python_in(place)
        if python.exists():
            version = _version(place)
            if version is not None:
                return Installed(python, version)
            raise EngineError(
                "no_engine_there",
                f"The Python of {place} has no Maquette.",
                f"Install it there ({python} -m pip install maquette), or choose another folder.",
            )
    raise EngineError(
        "no_engine_there",
        # Short: Blender shows it in the status bar, where the end would be cut off.
        f"There is no Maquette engine in {folder.name or folder}.",
        "Choose the folder that it is installed in.",
    )


def _version(environment: Path) -> str | None:
    """Of the engine in an environment; None: it has none."""
    for folder in site_packages(environment):
        for found in folder.glob("maquette-*.dist-info"):
            return found.name.removeprefix("maquette-").removesuffix(".dist-info")
    return None


def _record(file: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
