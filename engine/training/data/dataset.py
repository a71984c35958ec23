"""A data folder to train on: O-Voxels and pictures, and batches of them."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.host.command import command
from engine.ovoxel.ovoxel_file import load_ovoxels
from engine.sparse.topology import Topology
from engine.training.data.index import ASSETS, open_index
from engine.training.data.more_views import more_views
from protocol.errors import EngineError

Value = TypeVar("Value")

CACHE_BYTES = 2 << 30


class Voxels(NamedTuple):
    """The O-Voxels of an asset as they are stored. Not to be written to: they are kept.

    Args:
        coords: (N, 3) uint16 cells, sorted by x, y, z.
        dual_vertices: (N, 3) uint8, 255 is the far side of the voxel.
        intersected: (N, 3) bool.
        materials: (N, 6) uint8 base colour (sRGB) r, g, b, metallic, roughness, alpha; 255 is 1.
    """

    coords: np.ndarray
    dual_vertices: np.ndarray
    intersected: np.ndarray
    materials: np.ndarray

    def dual(self) -> np.ndarray:
        """(N, 3) float32 dual vertices in [0, 1]."""
        return self.dual_vertices.astype(np.float32) / 255

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)


class VoxelBatch(NamedTuple):
    """The O-Voxels of several assets, rows asset by asset.

    Args:
        topology: N cells.
        dual_vertices: (N, 3) float32 in [0, 1].
        intersected: (N, 3) bool.
        materials: (N, 6) float32 in [0, 1], columns as in ``Voxels``.
    """

    topology: Topology
    dual_vertices: Tensor
    intersected: Tensor
    materials: Tensor


def collate(voxels: Sequence[Voxels], device: torch.device | str = "cpu") -> VoxelBatch:
    """A batch of assets; the rows of each keep their order.

    Args:
        voxels: of one resolution, at least one asset.
        device: where the tensors shall be.
    """
    counts = [len(each.coords) for each in voxels]
    coords = np.empty((sum(counts), 4), np.int32)
    coords[:, 0] = np.repeat(np.arange(len(voxels)), counts)
    coords[:, 1:] = np.concatenate([each.coords for each in voxels])

    def joined(arrays: list[np.ndarray]) -> Tensor:
        # Bytes go to the device and become floats there: a quarter of the transfer.
        return torch.from_numpy(np.concatenate(arrays)).to(device)

    return VoxelBatch(
        Topology(torch.from_numpy(coords).to(device), len(voxels)),
        joined([each.dual_vertices for each in voxels]).float() / 255,
        joined([each.intersected for each in voxels]),
        joined([each.materials for each in voxels]).float() / 255,
    )


class Dataset:
    """The assets of one split of a data folder that ``maquette data build`` made.

    Everything is read when it is first asked for and then kept in memory (pictures as files, which
    decode in a fraction of a millisecond) until ``cache_bytes`` are reached; after that the rest is
    read again each time. Nothing is dropped for something else: assets are drawn at random, so none
    is likelier to come again than another.

    Args:
        folder: the data folder.
        split: train or held_out.
        cache_bytes: for voxels and pictures together.

    Attributes:
        names, families, sources: of each asset, in the order of the names.
        resolutions: grid sizes, ascending.
        views: pictures of each asset, those of ``engine.training.data.more_views`` included.

    Raises:
        EngineError: ``dataset_missing``, ``dataset_busy``, ``dataset_damaged``, ``dataset_empty``.
    """

    def __init__(
        self, folder: Path | str, split: str = "train", *, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.folder = Path(folder)
        self.split = split
        with open_index(self.folder) as index:
            settings = index.settings()
            entries = [e for e in index.entries().values() if e.ok and e.split == split]
        if not entries:
            raise EngineError(
                "dataset_empty",
                f"{self.folder} has no assets of the split {split}.",
                f"Build some: {command('data', 'build', '--help')}",
            )
        self.names = tuple(entry.name for entry in entries)
        self.families = tuple(entry.family for entry in entries)
        self.sources = tuple(entry.source for entry in entries)
        self.resolutions: tuple[int, ...] = tuple(settings["resolutions"])
        self.views: int = settings["views"] + more_views(self.folder)
        self._counts = [entry.voxels for entry in entries]
        self._cameras = [entry.cameras for entry in entries]
        self._kept: dict[tuple[str, int, int], Any] = {}
        self._room = cache_bytes

    def __len__(self) -> int:
        return len(self.names)

    def voxel_count(self, index: int, resolution: int) -> int:
        """How many voxels an asset has, out of the index: to fill batches evenly."""
        return self._counts[index][resolution]

    def voxels(self, index: int, resolution: int) -> Voxels:
        """The O-Voxels of an asset at one of ``resolutions``.

        Raises:
            EngineError: ``dataset_resolution``, and what ``load_ovoxels`` raises.
        """
        if resolution not in self.resolutions:
            raise EngineError(
                "dataset_resolution",
                f"{self.folder} was not built at the resolution {resolution}, only at "
                f"{', '.join(map(str, self.resolutions))}.",
                f"Build a data folder with --resolution {resolution}.",
            )
        path = self._place(index) / f"{resolution}.vxz"
        key = ("voxels", index, resolution)
        return self._keep(key, lambda: _read_voxels(path), lambda voxels: voxels.nbytes)

    def picture(self, index: int, view: int) -> np.ndarray:
        """(H, W, 4) uint8 sRGB picture of an asset, alpha straight. Not to be written to.

        Raises:
            EngineError: ``dataset_damaged``.
        """
        path = self._place(index) / f"view_{view}.png"
        data = self._keep(("picture", index, view), lambda: _read_file(path), len)
        return _decode_picture(data, path)

    def camera(self, index: int, view: int) -> dict[str, object]:
        """Where a picture of the index was taken from, as ``data.views`` describes it."""
        return dict(self._cameras[index][view])

    def _place(self, index: int) -> Path:
        return self.folder / ASSETS / self.names[index]

    def _keep(
        self, key: tuple[str, int, int], read: Callable[[], Value], size: Callable[[Value], int]
    ) -> Value:
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        value = read()
        if size(value) <= self._room:
            self._room -= size(value)
            self._kept[key] = value
        return value


def _read_voxels(path: Path) -> Voxels:
    ovoxels = load_ovoxels(path)
    grid = ovoxels.grid
    return Voxels(
        grid.coords.astype(np.uint16),
        np.rint(grid.dual_vertices * 255).astype(np.uint8),
        grid.intersected,
        np.rint(ovoxels.materials * 255).astype(np.uint8),
    )


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or error) from error


def _decode_picture(data: bytes, path: Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError) as error:  # how Pillow says that a PNG is broken
        raise _damaged(path, error) from error
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        raise _damaged(path, "no RGBA picture")
    return pixels


def _damaged(path: Path, why: object) -> EngineError:
    return EngineError(
        "dataset_damaged",
        f"{path} is missing or damaged ({' '.join(str(why).split())[:120]}).",
        "Restore it from a copy, or build the data folder again.",
    )
