"""O-Voxels in .vxz files: geometry, materials and where the mesh stood."""

import logging
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.ovoxel.grid import UNIT_CUBE, Aabb, DualGrid
from engine.ovoxel.ovoxels import MATERIAL_COLUMNS, PLAIN, OVoxels
from engine.ovoxel.placement import Placement
from engine.ovoxel.vxz import VxzFile, read_vxz, write_vxz
from protocol.errors import EngineError

log = logging.getLogger(__name__)

# Our entries in the file's header lie under one key, which other readers ignore.
HEADER_KEY = "maquette"
HEADER_VERSION = 1

LARGEST_GRID = 1 << 21
MOST_BYTES = 8 << 30  # a box of 4096^3 has 100 million voxels


def save_ovoxels(path: str | Path, ovoxels: OVoxels) -> None:
    """Write O-Voxels as the reference stores them, and our header; all or nothing.

    Dual vertices are truncated to 8 bits, as in the reference's data sets; materials are rounded.

    Raises:
        EngineError: ``vxz_empty`` without voxels, ``unwritable``.
    """
    grid, placement = ovoxels.grid, ovoxels.placement
    flags = grid.intersected.astype(np.uint8) @ np.array([1, 2, 4], np.uint8)
    materials = _in_bytes(ovoxels.materials)
    attributes = {
        "dual_vertices": (np.clip(grid.dual_vertices, 0, 1) * 255).astype(np.uint8),
        "intersected": flags[:, None],
        **{name: materials[:, columns] for name, columns in MATERIAL_COLUMNS.items()},
    }
    header = {
        "version": HEADER_VERSION,
        "grid_size": grid.grid_size,
        "aabb": [list(corner) for corner in grid.aabb],
        "placement": {"scale": placement.scale, "centre": list(placement.centre)},
        "crc32": _checksum(grid.coords, attributes, _order(grid.coords)),
    }
    write_vxz(path, grid.coords, attributes, extra={HEADER_KEY: header})


def rounded_materials(materials: np.ndarray) -> np.ndarray:
    """(N, 6) float32 as ``load_ovoxels`` would give them back."""
    return _in_bytes(materials) / np.float32(255)


def _in_bytes(materials: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(materials, 0, 1) * 255).astype(np.uint8)


def _order(coords: np.ndarray) -> np.ndarray:
    """(N,) int64 rows by x, y, z."""
    return np.lexsort(coords.T[::-1])


def _checksum(coords: np.ndarray, attributes: Mapping[str, np.ndarray], order: np.ndarray) -> int:
    """CRC-32 of all values in an order: the format itself would not notice a flipped bit."""
    crc = zlib.crc32(coords[order].astype("<i4").tobytes())
    for name in sorted(attributes):
        crc = zlib.crc32(attributes[name][order].tobytes(), crc)
    return crc


def load_ovoxels(path: str | Path) -> OVoxels:
    """Read O-Voxels, ours or the reference's.

    The reference's files do not say their grid size, box or place. The grid size is then the
    smallest power of two that holds all voxels (a warning says so) and the box the unit cube.
    Materials that are absent are white, rough and opaque (a warning says so).

    Raises:
        EngineError: ``vxz_unreadable``, ``vxz_damaged``, ``vxz_too_large`` from the container;
            ``ovoxel_attributes`` when there is no geometry in it, ``ovoxel_header`` when our
            entries contradict the voxels or themselves.
    """
    path = Path(path)
    file = read_vxz(path, max_bytes=MOST_BYTES)
    grid_size, aabb, placement = _read_header(path, file)
    # The file orders voxels by chunk and curve, a grid by x, y, z.
    order = _order(file.coords)
    crc = (file.header.get(HEADER_KEY) or {}).get("crc32")
    if crc is not None and crc != _checksum(file.coords, file.attributes, order):
        raise EngineError(
            "vxz_damaged",
            f"{path} was altered: its values do not fit its checksum.",
            "Convert the mesh again, or copy the file anew.",
        )
    flags = _attribute(path, file, "intersected", 1)[order]
    if flags.max() > 7:
        raise _wrong_attribute(path, "intersected", "has other bits than the three axes")
    grid = DualGrid(
        coords=file.coords[order],
        dual_vertices=_attribute(path, file, "dual_vertices", 3)[order].astype(np.float32) / 255,
        intersected=(flags & np.array([1, 2, 4], np.uint8)) > 0,
        grid_size=grid_size,
        aabb=aabb,
    )
    return OVoxels(grid, _materials(path, file)[order], placement)


def _materials(path: Path, file: VxzFile) -> np.ndarray:
    materials = np.tile(PLAIN, (len(file.coords), 1))
    for name, columns in MATERIAL_COLUMNS.items():
        if name in file.attributes:
            channels = columns.stop - columns.start
            materials[:, columns] = _attribute(path, file, name, channels) / np.float32(255)
        else:
            log.warning("%s has no %s; a default is used", path.name, name)
    return materials


def _attribute(path: Path, file: VxzFile, name: str, channels: int) -> np.ndarray:
    values = file.attributes.get(name)
    if values is None:
        raise _wrong_attribute(path, name, "is missing")
    if values.shape[1] != channels:
        raise _wrong_attribute(path, name, f"has {values.shape[1]} channels, not {channels}")
    return values


def _read_header(path: Path, file: VxzFile) -> tuple[int, Aabb, Placement]:
    needed = int(file.coords.max()) + 1
    given = file.header.get(HEADER_KEY)
    if given is None:
        grid_size = 1 << (needed - 1).bit_length()
        log.warning("%s does not say its grid size; taking %d", path.name, grid_size)
        return grid_size, UNIT_CUBE, Placement()
    try:
        grid_size = given["grid_size"]
        (x0, y0, z0), (x1, y1, z1) = (map(float, corner) for corner in given["aabb"])
        scale = float(given["placement"]["scale"])
        x, y, z = map(float, given["placement"]["centre"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _wrong_header(path, "is not complete") from error
    if type(grid_size) is not int or not needed <= grid_size <= LARGEST_GRID:
        raise _wrong_header(path, f"says the grid size {grid_size!r} but voxels reach {needed}")
    numbers: list[Any] = [x0, y0, z0, x1, y1, z1, scale, x, y, z]
    if not (all(map(math.isfinite, numbers)) and x0 < x1 and y0 < y1 and z0 < z1 and scale > 0):
        raise _wrong_header(path, "has a box or a placement that is none")
    return grid_size, ((x0, y0, z0), (x1, y1, z1)), Placement(scale, (x, y, z))


def _wrong_header(path: Path, what: str) -> EngineError:
    return EngineError(
        "ovoxel_header",
        f"The header of {path.name} {what}.",
        "The file was altered; convert the mesh again.",
    )


def _wrong_attribute(path: Path, name: str, what: str) -> EngineError:
    return EngineError(
        "ovoxel_attributes",
        f"{path.name} is no O-Voxel file: its attribute {name} {what}.",
        "Use a .vxz file that holds dual_vertices (3 channels) and intersected (1 channel).",
    )
