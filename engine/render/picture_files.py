"""Which files pictures are written to, and which films are possible: known before work begins."""

import re
from pathlib import Path

from protocol.errors import EngineError
from protocol.limits import MOST_FRAMES

STILLS = (".png", ".jpg", ".jpeg")
FILMS = (".webp", ".gif", ".mp4")
SHORTEST, LONGEST = 0.05, 600.0
"""Seconds of a turntable."""


def check_pictures(path: Path, frames: int, seconds: float) -> None:
    """Refuse what cannot be written as a picture or a turntable.

    Raises:
        EngineError: ``picture_format``; ``picture_frames`` unless 1 <= frames <= 720 and
            0.05 <= seconds <= 600.
    """
    if path.suffix.lower() not in (*STILLS, *FILMS):
        raise EngineError(
            "picture_format",
            f"{path.name} has no suffix of a picture that can be written.",
            "Use .png or .jpg for a still, .webp, .gif or .mp4 for a turntable, or name_###.png "
            "for its frames.",
        )
    if not (1 <= frames <= MOST_FRAMES and SHORTEST <= seconds <= LONGEST):
        raise EngineError(
            "picture_frames",
            f"A turntable of {frames} frames in {seconds:g} seconds is not possible.",
            f"Choose 1 to {MOST_FRAMES} frames and {SHORTEST} to {LONGEST:g} seconds.",
        )


def is_turning(path: Path) -> bool:
    """Whether several pictures are taken: for a film, or for numbered stills."""
    return path.suffix.lower() in FILMS or _is_numbered(path)


def picture_files(path: Path, frames: int) -> list[Path]:
    """The files of a target; ``name_###.png`` becomes ``name_000.png``, ``name_001.png`` and so on.

    Each run of # in the name becomes the number, with so many places at least. A film is one file,
    whose # stay, and so is everything that is no still.
    """
    if not _is_numbered(path):
        return [path]
    return [path.with_name(_with_number(path.stem, n) + path.suffix) for n in range(frames)]


def _with_number(stem: str, number: int) -> str:
    return re.sub("#+", lambda places: f"{number:0{len(places[0])}d}", stem)


def _is_numbered(path: Path) -> bool:
    return path.suffix.lower() in STILLS and "#" in path.stem
