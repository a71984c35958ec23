"""Sentences about the disk."""

from pathlib import Path

from ..protocol.errors import EngineError


def disk_full(folder: Path, need: int = 0) -> EngineError:
    """
    Args:
        folder: whose disk it is.
        need: bytes that must be free; 0: unknown.
    """
    room = f"Make {need / 1e9:.1f} GB free" if need else "Make room"
    return EngineError(
        "disk_full",
        f"The disk of {folder} is full.",
        f"{room}, or set MAQUETTE_HOME to a folder on another disk; then try again, what was "
        "downloaded is kept.",
    )


def unwritable(folder: Path, error: OSError) -> EngineError:
    """For a folder that cannot be written."""
    return EngineError(
        "unwritable",
        f"Cannot write into {folder}: {error.strerror or error}.",
        "Correct the permissions, or set MAQUETTE_HOME to a folder of yours and restart Blender.",
    )
