"""The first import of the wheels zmq and msgpack, and a sentence where it goes wrong.

Blender unpacks the wheels of all extensions into one folder, where the newest of each wins, and
what is in memory outlives the files that it came from. So after an update of this extension, or the
installation of another one, a running Blender may have the one version in memory and the other on
its disk, or (on Windows, where a loaded library cannot be removed) half of each.
"""

import contextlib
import importlib
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..protocol.errors import EngineError
from ..protocol.limits import short

RESTART = "Save your work and restart Blender."
REINSTALL = (
    "Restart Blender. If that does not help, remove Maquette in Preferences, Get Extensions, and "
    "install it again."
)


def load(extension: Path) -> None:
    """Import the wheels, and make sure that they can be used. Costs 0.1 s the first time.

    Args:
        extension: folder of this extension; those of others lie beside it.

    Raises:
        EngineError: ``wheels_mixed``, ``wheels_missing``: Blender has to be restarted;
            ``wheels_unusable``: one cannot be imported, or is not what we need; other extensions
            that bring it too are named.
    """
    for name, package, works in (("zmq", "pyzmq", _zmq_works), ("msgpack", "msgpack", _packs)):
        _load(extension, name, package, works)


def _load(extension: Path, name: str, package: str, works: Callable[[Any], bool]) -> None:
    # Imported here, since it costs 30 ms: nothing of this is done when Blender starts.
    from importlib import metadata

    importlib.invalidate_caches()
    try:
        on_disk = metadata.version(package)
    except metadata.PackageNotFoundError:
        on_disk = ""
    try:
        module: ModuleType = importlib.import_module(name)
        usable = works(module)
        problem = "" if usable else "it lacks what Maquette needs"
    except Exception as error:  # noqa: BLE001 - a broken package may raise anything
        module, problem = ModuleType(name), short(error)
    in_memory = str(getattr(module, "__version__", ""))
    if not on_disk:
        _have_them_unpacked(extension)
    if in_memory and in_memory != on_disk:
        since = f"{on_disk} has been installed since" if on_disk else "its files have been replaced"
        raise EngineError(
            "wheels_mixed", f"Blender still works with {package} {in_memory}; {since}.", RESTART
        )
    if problem and not on_disk:
        raise EngineError(
            "wheels_missing", f"Blender has not unpacked {package}, which Maquette needs.", RESTART
        )
    if problem:
        others = sorted(set(_others(extension, package)))
        named = f"The extension {' and '.join(others)} brings {package} too: update or disable it."
        raise EngineError(
            "wheels_unusable",
            f"The package {package} {on_disk} cannot be used ({problem}).",
            f"{named} Then restart Blender." if others else REINSTALL,
        )


def _have_them_unpacked(extension: Path) -> None:
    """Let Blender unpack the wheels at its next start.

    It does so only when a manifest changed, so that after a failure, such as a library that was in
    use, it would never try again by itself.
    """
    with contextlib.suppress(OSError):
        os.utime(extension / "blender_manifest.toml")


def _zmq_works(zmq: Any) -> bool:
    importlib.import_module("zmq.utils.z85")
    importlib.import_module("zmq.utils.monitor")
    return bool(zmq.has("curve"))


def _packs(msgpack: Any) -> bool:
    return msgpack.unpackb(msgpack.packb({"a": [b"b", 1.5]})) == {"a": [b"b", 1.5]}


def _others(extension: Path, package: str) -> Iterator[str]:
    """Names of the other extensions here that bring a package."""
    for file in extension.parent.parent.glob("*/*/blender_manifest.toml"):
        if file.parent == extension:
            continue
        try:
            manifest = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        wheels = [Path(str(wheel)).name for wheel in manifest.get("wheels", [])]
        if any(wheel.startswith(f"{package}-") for wheel in wheels):
            yield str(manifest.get("name", file.parent.name))
