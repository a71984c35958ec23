"""Sentences about the disk."""

import errno
import shutil
from contextlib import suppress
from pathlib import Path

from ..protocol.errors import EngineError

FULL = "disk_full"
HARDLY_ANY = 2_000_000
"""Bytes below which whatever failed is held to have failed for want of room."""


def is_full(folder: Path) -> bool:
    """Whether hardly anything can be written there: a program that could write nothing could not
    say so either."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free < HARDLY_ANY
    return False


def lacks_room(error: OSError) -> bool:
    """Whether it was for want of room on the disk, or of a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "winerror", 0) == 112


def disk_full(folder: Path, need: int = 0) -> EngineError:
    """
    Args:
        folder: whose disk it is.
        need: bytes that must be free; 0: unknown.
    """
    room = f"Make {need / 1e9:.1f} GB free" if need else "Make room"
    return EngineError(
        FULL,
        f"The disk of {folder} is full.",
        f"{room}, or set MAQUETTE_HOME to a folder on another disk; then try again, what was "
        "downloaded is kept.",
    )


def unwritable(folder: Path, error: OSError) -> EngineError:
    """For a folder that cannot be written; ``disk_full`` where that is why."""
    if lacks_room(error):
        return disk_full(folder)
    return EngineError(
        "unwritable",
        f"Cannot write into {folder}: {error.strerror or error}.",
        "Correct the permissions, or set MAQUETTE_HOME to a folder of yours and restart Blender.",
    )
