"""The first import of the wheels that talk to the engine, and a sentence where it goes wrong.

Blender unpacks the wheels of all extensions into one folder, where the newest of each wins
(report 9), and what is in memory outlives the files that it came from. So after an update of this
extension, or the installation of another one, a running Blender may have one version in memory and
the other on its disk, or (on Windows, where a loaded library cannot be removed) half of each
(report 7).
"""

import contextlib
import importlib
import importlib.metadata
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..protocol.errors import EngineError
from .language import said, whole

WHEELS = {"zmq": ("pyzmq", (25, 0)), "msgpack": ("msgpack", (1, 0))}
"""Module -> name of its wheel, oldest version that serves. There is no newest one: both have kept
what we use for years, and a wrong answer is noticed when the engine is greeted."""
EXTENSION = Path(__file__).resolve().parents[1]
RESTART = "Save your work and restart Blender."
REINSTALL = (
    "Restart Blender. If that does not help, remove Maquette in Preferences, Get Extensions, and "
    "install it again."
)


def check_wheels(extension: Path = EXTENSION) -> None:
    """Load the wheels, and make sure that they serve. Costs 0.1 s the first time.

    Args:
        extension: folder of this extension; those of others lie beside it.

    Raises:
        EngineError: ``wheels_mixed``, ``wheels_missing``: Blender has to be restarted;
            ``wheels_unusable``: one cannot be loaded, or lacks what we need; other extensions that
            bring it too are named.
    """
    importlib.invalidate_caches()
    for module, (wheel, oldest) in WHEELS.items():
        problem = _problem(module, oldest)
        in_memory, on_disk = version_of(module), _version_on_disk(wheel)
        if not on_disk:
            _have_them_unpacked(extension)
        if in_memory and in_memory != on_disk:
            now = (
                said("{version} is installed", version=on_disk)
                if on_disk
                else said("its files are gone")
            )
            raise EngineError(
                "wheels_mixed",
                said(
                    "{wheel} was replaced while Blender was using it ({loaded} is loaded, {now}).",
                    wheel=wheel,
                    loaded=in_memory,
                    now=now,
                ),
                RESTART,
            )
        if problem and not on_disk:
            raise EngineError(
                "wheels_missing",
                said("Blender has not unpacked {wheel}, which Maquette needs.", wheel=wheel),
                RESTART,
            )
        if problem:
            others = " and ".join(sorted(set(_others(extension, wheel))))
            raise EngineError(
                "wheels_unusable",
                said(
                    "{wheel} {version} cannot be used: {problem}.",
                    wheel=wheel,
                    version=on_disk,
                    problem=said(problem),
                ),
                whole(
                    said(
                        "The extension {others} brings {wheel} too: update or remove it.",
                        others=others,
                        wheel=wheel,
                    ),
                    RESTART,
                )
                if others
                else REINSTALL,
            )


def version_of(module: str) -> str:
    """Of a wheel that is loaded; empty if it is not, or does not say."""
    found = sys.modules.get(module)
    return str(getattr(found, "__version__", ""))


def _problem(name: str, oldest: tuple[int, int]) -> str:
    """Why a module does not serve, as the end of a sentence; empty: it does."""
    try:
        module: Any = importlib.import_module(name)
        serves = _SERVE[name](module)
    except Exception as error:  # noqa: BLE001 - a broken package may raise anything
        return str(error) or type(error).__name__
    if _numbers(version_of(name)) < oldest:
        return "it is too old"
    return "" if serves else "it lacks what Maquette needs"


def _zmq_serves(zmq: Any) -> bool:
    importlib.import_module("zmq.utils.z85")
    importlib.import_module("zmq.utils.monitor")
    return bool(zmq.has("curve"))


def _msgpack_serves(msgpack: Any) -> bool:
    return msgpack.unpackb(msgpack.packb({"a": [b"b", 1.5]})) == {"a": [b"b", 1.5]}


_SERVE = {"zmq": _zmq_serves, "msgpack": _msgpack_serves}


def _version_on_disk(wheel: str) -> str:
    try:
        return importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _have_them_unpacked(extension: Path) -> None:
    """Let Blender unpack the wheels at its next start.

    It does so only when a manifest changed, so that after a failure, such as a library that was in
    use, it would never try again by itself.
    """
    with contextlib.suppress(OSError):
        os.utime(extension / "blender_manifest.toml")


def _others(extension: Path, wheel: str) -> Iterator[str]:
    """Names of the other extensions here that bring a wheel."""
    for file in sorted(extension.parent.parent.glob("*/*/blender_manifest.toml")):
        if file.parent.samefile(extension):
            continue
        try:
            manifest = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        brought = [Path(str(name)).name for name in manifest.get("wheels", [])]
        if any(name.startswith(f"{wheel}-") for name in brought):
            yield str(manifest.get("name", file.parent.name))
