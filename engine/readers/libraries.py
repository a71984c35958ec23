"""Libraries that some formats need and that are not always installed."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import EngineError

_BY_BLENDER = "open it in Blender and use File > Export > glTF 2.0."


@dataclass(frozen=True)
class Library:
    """The module that is imported, the package that has it, and how a user reads such a file."""

    module: str
    package: str
    remedy: str


_USD = Library("pxr", "usd-core", f"Install it with pip install 'maquette[usd]', or {_BY_BLENDER}")
_UFBX = Library(
    "ufbx",
    "ufbx",
    f"There is none for this Python on Windows yet: {_BY_BLENDER}"
    if sys.platform == "win32" and sys.version_info >= (3, 14)
    else f"Install it with pip install 'maquette[fbx]', or {_BY_BLENDER}",
)
_NEEDED = {".fbx": _UFBX, **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz"), _USD)}


def check_library(path: Path) -> None:
    """Refuse a file whose format needs a library that is not installed.

    Raises:
        EngineError: ``reader_missing``.
    """
    suffix = path.suffix.lower()
    library = _NEEDED.get(suffix)
    if library is not None and importlib.util.find_spec(library.module) is None:
        raise EngineError(
            "reader_missing",
            f"{path.name} cannot be read: {suffix} files need the package {library.package}, which "
            "is not installed.",
            library.remedy,
        )
