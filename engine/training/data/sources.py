"""What a data folder is built from: mesh files in a folder, or seeds of the toybox."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.readers.load import READERS
from engine.training.toybox import split_of
from protocol.errors import EngineError

Split = Literal["train", "held_out"]
VOXELS = ".vxz"
TOYBOX = "toybox:"
HELD_OUT_SHARE = 16
"""One file in so many is held out, where nobody said which."""


@dataclass(frozen=True)
class Source:
    """One asset to be.

    Args:
        name: of its folder; letters, digits, - and _.
        origin: where it comes from, for people and to tell equal names apart.
        family: empty for a toy, whose family its seed chooses.
        seed: of its views; of the toy too where there is no ``path``.
        path: of the file.
    """

    name: str
    origin: str
    family: str
    split: Split
    seed: int
    path: Path | None = None


def find_sources(wanted: str, split: Split | None = None) -> list[Source]:
    """The assets that a SRC names, by name.

    Args:
        wanted: a folder, whose .glb, .gltf, .obj, .ply, .stl and .vxz files count, or
            ``toybox:FIRST-LAST``.
        split: of all files; None draws by the file's name. Toys have their own.

    Raises:
        EngineError: ``source_seeds``, ``source_split``, ``source_missing``, ``source_empty``.
    """
    if not wanted.startswith(TOYBOX):
        return _files(Path(wanted), split)
    if split is not None:
        raise EngineError(
            "source_split",
            "The split of a toy follows from its seed.",
            "Leave out --split.",
        )
    first, last = _seeds(wanted)
    return [
        Source(f"toy-{seed:06d}", f"{TOYBOX}{seed}", "", split_of(seed), seed)
        for seed in range(first, last + 1)
    ]


def _seeds(wanted: str) -> tuple[int, int]:
    match = re.fullmatch(r"toybox:(\d{1,18})-(\d{1,18})", wanted)
    if match is None or int(match[1]) > int(match[2]):
        raise EngineError(
            "source_seeds",
            f"{wanted} names no range of seeds.",
            "Write the first and the last seed, such as toybox:0-3999.",
        )
    return int(match[1]), int(match[2])


def _files(folder: Path, split: Split | None) -> list[Source]:
    if not folder.is_dir():
        raise EngineError(
            "source_missing",
            f"There is no folder {folder}.",
            "Give a folder of mesh files, or seeds such as toybox:0-3999.",
        )
    paths = [p for p in folder.rglob("*") if p.suffix.lower() in (*READERS, VOXELS)]
    if not paths:
        raise EngineError(
            "source_empty",
            f"{folder} has no mesh files.",
            f"Put {', '.join(READERS)} or {VOXELS} files there.",
        )
    return sorted((_file(folder, path, split) for path in paths), key=lambda source: source.name)


def _file(folder: Path, path: Path, split: Split | None) -> Source:
    place = path.relative_to(folder)
    # Files of one name lie in several folders, and not every name is a good one for a folder.
    digest = hashlib.sha256(place.as_posix().encode()).digest()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)[:48]
    drawn: Split = "held_out" if digest[8] % HELD_OUT_SHARE == 0 else "train"
    return Source(
        name=f"{plain}-{digest[:4].hex()}",
        origin=str(path.absolute()),
        family=place.parts[0] if len(place.parts) > 1 else "",
        split=split or drawn,
        seed=int.from_bytes(digest[:4], "big"),
        path=path,
    )
