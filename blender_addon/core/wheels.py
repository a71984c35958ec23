"""Whether the wheels that talk to the engine fit each other and this extension.

All extensions of a repository share one folder of wheels, and Blender keeps the newest of each
(report 9). After an update a module of the old wheel may still be loaded (report 7).
"""

import importlib
import importlib.metadata
import re
import sys

from ..protocol.errors import EngineError

WHEELS = {"zmq": ("pyzmq", (25, 0)), "msgpack": ("msgpack", (1, 0))}
"""Module -> name of its wheel, oldest version that serves. There is no newest one: both have kept
what we use for years, and a wrong answer is noticed when the engine is greeted."""
RESTART = "Save your work and restart Blender."


def check_wheels() -> None:
    """Load the wheels.

    Raises:
        EngineError: ``wheels_missing``, ``wheels_mixed``, ``wheels_old``: naming the wheel, and
            where it was loaded from.
    """
    loaded_before = {module for module in WHEELS if module in sys.modules}
    for module, (wheel, oldest) in WHEELS.items():
        try:
            found = importlib.import_module(module)
        except (ImportError, AttributeError, OSError) as error:
            if loaded_before:
                raise _mixed(wheel, str(error)) from error
            raise EngineError(
                "wheels_missing",
                f"{wheel}, which this extension brings along, cannot be loaded: {error}.",
                "Install the extension again with the zip for this system, then restart Blender.",
            ) from error
        version = version_of(module)
        on_disk = _version_on_disk(wheel)
        if module in loaded_before and on_disk and _numbers(on_disk) != _numbers(version):
            raise _mixed(wheel, f"{version} is loaded, and {on_disk} is installed")
        if _numbers(version)[:2] < oldest:
            place = getattr(found, "__file__", None) or "an unknown place"
            raise EngineError(
                "wheels_old",
                f"Another extension brought {wheel} {version}, which is too old: {place}.",
                f"Update the extension that needs it, or remove it. {RESTART}",
            )


def version_of(module: str) -> str:
    """Of a wheel that is loaded; empty if it is not, or does not say."""
    found = sys.modules.get(module)
    version = getattr(found, "__version__", None) or getattr(found, "version", "")
    if isinstance(version, tuple):
        return ".".join(map(str, version))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(version)


def _version_on_disk(wheel: str) -> str:
    try:
        return importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _mixed(wheel: str, why: str) -> EngineError:
    return EngineError(
        "wheels_mixed",
        f"An update has replaced {wheel} while Blender was using it ({why}).",
        RESTART,
    )
