"""One asset of a data folder: its O-Voxels and pictures, made in a worker process."""

import io
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.finishing.convert import mesh_to_ovoxels
from engine.host.files import unwritable
from engine.mesh import Mesh
from engine.ovoxel.grid import UNIT_CUBE
from engine.ovoxel.ovoxel_file import OVoxels, load_ovoxels, save_ovoxels
from engine.ovoxel.placement import Placement, fit_unit_cube
from engine.readers.load import load_mesh
from engine.render.asset import mesh_of_ovoxels
from engine.report import Report
from engine.training.data.index import ASSETS, Entry
from engine.training.data.sources import VOXELS, Source
from engine.training.data.views import picture_of, random_view
from engine.training.toybox import make_toy
from protocol.errors import EngineError

log = logging.getLogger(__name__)

UNFINISHED = "unfinished"
"""Folder of assets that are being written."""

_VIEWS_STREAM = 6
"""Sets the random numbers of the views apart from those that shape the toy of the same seed."""


@dataclass(frozen=True)
class BuildSettings:
    """What every asset of a data folder has.

    Args:
        resolutions: grid sizes, ascending.
        views: pictures of each asset.
        picture: pixels per side.
        require_textures: as in ``load_mesh``; no property of assets, so builds may differ in it.
    """

    resolutions: tuple[int, ...]
    views: int
    picture: int
    require_textures: bool = False


@dataclass(frozen=True)
class Made:
    """What became of an asset.

    Args:
        entry: for the index.
        stop: why nothing further can be built, such as a full disk; the entry does not count then.
    """

    entry: Entry
    stop: EngineError | None = None


def make_asset(source: Source, settings: BuildSettings, folder: Path) -> Made:
    """Make an asset and put it into ``folder``, whole or not at all.

    What is wrong with the source ends up in the entry's reason; it never raises for that.
    """
    entry = Entry(source.name, source.origin, source.family, source.split)
    try:
        mesh, placement, family, given = _read(source, settings)
        entry = replace(entry, family=family)
        voxels = {r: _voxels(mesh, placement, r, given) for r in settings.resolutions}
        pictures, cameras = _pictures(mesh, source.seed, settings)
    except EngineError as error:
        return Made(replace(entry, reason=error.message))
    except Exception as error:
        # One strange file must not end a build of thousands.
        log.exception("%s could not be made", source.origin)
        return Made(replace(entry, reason=f"It cannot be made ({type(error).__name__}: {error})."))
    try:
        _write(folder, source.name, voxels, pictures)
    except OSError as error:
        return Made(entry, stop=unwritable(folder / ASSETS / source.name, error))
    except EngineError as error:
        return Made(entry, stop=error)
    counts = {resolution: len(each.grid.coords) for resolution, each in voxels.items()}
    return Made(replace(entry, voxels=counts, cameras=tuple(cameras)))


def _read(source: Source, settings: BuildSettings) -> tuple[Mesh, Placement, str, OVoxels | None]:
    """The mesh in the unit cube, how it came there, its family, and voxels that are there already.

    Toys lie in the unit cube as they are made, and stay as they are.
    """
    if source.path is None:
        toy = make_toy(source.seed)
        return toy.mesh, Placement(), toy.family, None
    if source.path.suffix.lower() == VOXELS:
        given = _fitting_voxels(source.path, max(settings.resolutions))
        return mesh_of_ovoxels(given), given.placement, source.family, given
    mesh = load_mesh(source.path, require_textures=settings.require_textures)
    placement = fit_unit_cube(mesh.vertices, mesh.faces)
    mesh = replace(mesh, vertices=placement.to_unit(mesh.vertices))
    return mesh, placement, source.family, None


def _fitting_voxels(path: Path, finest: int) -> OVoxels:
    given = load_ovoxels(path)
    if given.grid.grid_size < finest or given.grid.aabb != UNIT_CUBE:
        raise EngineError(
            "source_resolution",
            f"{path.name} is a grid of {given.grid.grid_size}^3, which {finest}^3 over the unit "
            "cube cannot be made from.",
            "Convert its mesh again at a higher resolution.",
        )
    return given


def _voxels(mesh: Mesh, placement: Placement, resolution: int, given: OVoxels | None) -> OVoxels:
    if given is not None and given.grid.grid_size == resolution:
        return given
    return mesh_to_ovoxels(mesh, placement, resolution, Report())


def _pictures(
    mesh: Mesh, seed: int, settings: BuildSettings
) -> tuple[list[bytes], list[dict[str, Any]]]:
    random = np.random.default_rng([seed, _VIEWS_STREAM])
    pictures: list[bytes] = []
    cameras: list[dict[str, Any]] = []
    for _ in range(settings.views):
        view = random_view(random)
        pixels = picture_of(mesh, view, settings.picture)
        file = io.BytesIO()
        # Lossless WebP is no smaller at this speed, and slower to decode: 0.19 ms against 0.15.
        Image.fromarray(pixels).save(file, "png", compress_level=1)
        pictures.append(file.getvalue())
        cameras.append(asdict(view))
    return pictures, cameras


def _write(
    folder: Path, name: str, voxels: Mapping[int, OVoxels], pictures: Sequence[bytes]
) -> None:
    """Into a folder apart, which then gets its place: an asset is there with all of its files."""
    room, place = folder / UNFINISHED / name, folder / ASSETS / name
    room.mkdir(parents=True)
    try:
        for resolution, each in voxels.items():
            save_ovoxels(room / f"{resolution}.vxz", each)
        for number, picture in enumerate(pictures):
            (room / f"view_{number}.png").write_bytes(picture)
        place.parent.mkdir(exist_ok=True)
        if place.exists():  # written, but stopped before the index heard of it
            shutil.rmtree(place)
        room.rename(place)
    finally:
        shutil.rmtree(room, ignore_errors=True)
