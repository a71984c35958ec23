"""Files that lie beside a .obj file; the writer and who looks before ask here."""

import glob
import hashlib
import os
import re
from pathlib import Path

ROLES = ("base_color", "alpha", "metallic", "roughness", "normal")
"""What pictures are of."""
_LONGEST = 200
"""Bytes of a stem, which leaves room for the longer endings of the files beside."""


def stem_beside(path: Path) -> str:
    """The stem of the files beside a .obj file; of a long one its beginning and a number for it."""
    stem = os.fsencode(path.stem)
    if len(stem) <= _LONGEST:
        return path.stem
    number = hashlib.blake2b(stem, digest_size=4).hexdigest()
    return f"{stem[: _LONGEST - 9].decode(errors='ignore')}_{number}"


def files_beside(path: Path) -> list[Path]:
    """Of a .obj file: its material library, and the pictures in its folder that may be its own.

    They lie beside the file itself, where ``path`` is a symbolic link to it.
    """
    path = Path(os.path.realpath(path))
    stem = stem_beside(path)
    own = re.compile(rf"{re.escape(stem)}_({'|'.join(ROLES)})(_\d+)?\.png", re.IGNORECASE)
    pictures = path.parent.glob(f"{glob.escape(stem)}_*.png")
    return [path.with_name(f"{stem}.mtl"), *sorted(p for p in pictures if own.fullmatch(p.name))]
