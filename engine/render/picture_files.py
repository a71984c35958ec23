"""Which files pictures are written to; the renderer and who looks before ask here."""

import re
from pathlib import Path

STILLS = (".png", ".jpg", ".jpeg")
FILMS = (".webp", ".gif", ".mp4")
MOST_FRAMES = 720


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
