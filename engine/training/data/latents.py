"""Latents of a data folder: what the frozen encoders made of its assets, packed by kind.

All latents of a kind lie in one safetensors file, asset after asset: read with one big read, and
kept in memory as a whole, since latents are small. Encoders differ, so each checkpoint has a folder
of its own.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from engine.host.files import atomic_path
from protocol.errors import EngineError

LATENTS = "latents"


@dataclass(frozen=True)
class PackedLatents:
    """Latents of one kind of many assets, row after row.

    Args:
        names: of the assets.
        offsets: (len(names) + 1,) int64: asset i has the rows offsets[i] to offsets[i + 1].
        coords: (M, 3) uint8 cells of the latent grid; a dense latent has all of its cells.
        feats: (M, C) float16.
    """

    names: tuple[str, ...]
    offsets: np.ndarray
    coords: np.ndarray
    feats: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, index: int) -> slice:
        """The rows of an asset."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def of(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Coords (N, 3) uint8 and feats (N, C) float16 of an asset, without a copy."""
        rows = self.rows(index)
        return self.coords[rows], self.feats[rows]

    def indices(self, names: Iterable[str]) -> np.ndarray:
        """(n,) int64 where the assets of these names are, in the order of the names.

        Raises:
            EngineError: ``latents_missing``.
        """
        place = {name: index for index, name in enumerate(self.names)}
        wanted = list(names)
        absent = [name for name in wanted if name not in place]
        if absent:
            raise EngineError(
                "latents_missing",
                f"{len(absent)} of {len(wanted)} assets have no latents, such as {absent[0]}.",
                "Encode the data folder again: it has grown since.",
            )
        return np.array([place[name] for name in wanted], np.int64)

    def statistics(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel over all rows of some assets.

        To normalise latents before a flow sees them; over the train split, so that nothing of the
        held-out one gets in.

        Returns:
            Two (C,) float32; deviations are those of the population.

        Raises:
            ValueError: these assets have no rows.
        """
        count, channels = 0, self.feats.shape[1]
        total, squares = np.zeros(channels), np.zeros(channels)
        # Around the first row, or the squares of far-off means would drown the deviations.
        middle = self.feats[:1].astype(np.float64)
        for index in indices:
            feats = self.feats[self.rows(index)].astype(np.float64) - middle
            count += len(feats)
            total += feats.sum(axis=0)
            squares += (feats**2).sum(axis=0)
        if count == 0:
            raise ValueError("no latents to take statistics of")
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return (mean + middle[0]).astype(np.float32), std.astype(np.float32)


class LatentStore:
    """The latents that one checkpoint's encoders made of a data folder.

    Args:
        folder: the data folder.
        checkpoint: letters, digits, ``.``, ``-`` and ``_`` that tell encoders apart.
    """

    def __init__(self, folder: Path | str, checkpoint: str) -> None:
        _check_name(checkpoint)
        self.folder = Path(folder) / LATENTS / checkpoint

    def has(self, kind: str) -> bool:
        """Whether latents of a kind are here."""
        return self._path(kind).is_file()

    def write(
        self,
        kind: str,
        names: Sequence[str],
        coords: Sequence[np.ndarray],
        feats: Sequence[np.ndarray],
    ) -> None:
        """Replace all latents of a kind, all or nothing.

        Args:
            kind: such as structure_64, shape_64 or texture_128.
            names: of the assets, distinct, at least one.
            coords: (N, 3) integers in 0..255 of each asset.
            feats: (N, C) finite floats of each, stored as float16.

        Raises:
            ValueError: shapes or ranges do not fit.
            EngineError: ``unwritable``, ``disk_full``.
        """
        packed = _packed(names, coords, feats)
        tensors = {"coords": packed.coords, "feats": packed.feats, "offsets": packed.offsets}
        path = self._path(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            try:
                save_file(tensors, temporary, metadata={"names": json.dumps(names)})
            except SafetensorError as error:
                raise OSError(str(error)) from error

    def read(self, kind: str) -> PackedLatents:
        """All latents of a kind.

        Raises:
            EngineError: ``latents_missing``, ``latents_damaged``.
        """
        path = self._path(kind)
        if not path.is_file():
            raise EngineError(
                "latents_missing",
                f"{self.folder} has no latents of the kind {kind}.",
                "Encode the data folder with this checkpoint first.",
            )
        try:
            with safe_open(path, framework="numpy") as file:
                names = tuple(json.loads(file.metadata()["names"]))
                offsets, coords, feats = map(file.get_tensor, ("offsets", "coords", "feats"))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise EngineError(
                "latents_damaged",
                f"{path} is damaged ({' '.join(str(error).split())[:120]}).",
                "Encode the data folder again.",
            ) from error
        return PackedLatents(names, offsets, coords, feats)

    def _path(self, kind: str) -> Path:
        _check_name(kind)
        return self.folder / f"{kind}.safetensors"


def _packed(
    names: Sequence[str], coords: Sequence[np.ndarray], feats: Sequence[np.ndarray]
) -> PackedLatents:
    if not names or len(set(names)) != len(names):
        raise ValueError("latents need distinct names, at least one")
    for name, cells, values in zip(names, coords, feats, strict=True):
        if cells.shape != (len(values), 3) or values.ndim != 2:
            raise ValueError(f"{name} has coords {cells.shape} for feats {values.shape}")
        if cells.size and not (cells.min() >= 0 and cells.max() <= 255):
            raise ValueError(f"{name} has coords outside of 0 to 255")
    packed = np.concatenate([np.asarray(values, np.float32) for values in feats])
    # Also where a value is beyond the range of float16.
    if not (np.abs(packed) <= np.finfo(np.float16).max).all():
        raise ValueError("some latents are not finite as float16")
    return PackedLatents(
        tuple(names),
        np.cumsum([0, *(len(cells) for cells in coords)]).astype(np.int64),
        # In C order, whatever that of the parts was: safetensors writes memory as it lies.
        np.ascontiguousarray(np.concatenate([cells.astype(np.uint8) for cells in coords])),
        np.ascontiguousarray(packed.astype(np.float16)),
    )


def _check_name(name: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{name!r} cannot be the name of a file")
