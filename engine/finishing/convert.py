"""Mesh files to O-Voxel files and back."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from engine.export.mesh_file import SUFFIXES, save_mesh
from engine.finishing.given_mesh import dual_grid_of
from engine.host.files import check_place
from engine.mesh import Mesh, drop_unused_vertices
from engine.ovoxel import sample_materials
from engine.ovoxel.checks import MAX_GRID_SIZE
from engine.ovoxel.ovoxel_file import OVoxels, load_ovoxels, save_ovoxels
from engine.ovoxel.placement import Placement, fit_unit_cube
from engine.readers.load import load_mesh
from engine.report import Report, percent
from protocol.errors import EngineError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversion:
    """What a conversion dealt with.

    Args:
        vertices, faces: of the mesh that was read or written.
        voxels: of the grid that was written or read.
        grid_size: cells per axis.
        placement: where the mesh stands outside of the unit cube.
    """

    vertices: int
    faces: int
    voxels: int
    grid_size: int
    placement: Placement


def mesh_file_to_ovoxels(
    source: Path,
    target: Path,
    report: Report,
    *,
    resolution: int = 512,
    require_textures: bool = False,
) -> Conversion:
    """Convert a mesh file to a .vxz file of ``resolution``^3 cells (1 to 4096).

    Args:
        require_textures: as in ``load_mesh``.

    Raises:
        EngineError: ``grid_size``, ``grid_empty``, and what reading, fitting and writing raise.
    """
    if not 1 <= resolution <= MAX_GRID_SIZE:
        raise EngineError(
            "grid_size",
            f"A resolution of {resolution} is not possible.",
            f"Choose one from 1 to {MAX_GRID_SIZE}; 512 and 1024 are usual.",
        )
    check_place(target)
    report.expect(("reading", "voxels", "materials", "writing"))
    with report.stage("reading"):
        mesh = load_mesh(source, require_textures=require_textures, tell=report.note)
    placement = fit_unit_cube(mesh.vertices, mesh.faces)
    mesh = replace(mesh, vertices=placement.to_unit(mesh.vertices))
    ovoxels = mesh_to_ovoxels(mesh, placement, resolution, report)
    with report.stage("writing"):
        save_ovoxels(target, ovoxels)
    return Conversion(
        len(mesh.vertices), len(mesh.faces), len(ovoxels.grid.coords), resolution, placement
    )


def mesh_to_ovoxels(mesh: Mesh, placement: Placement, resolution: int, report: Report) -> OVoxels:
    """O-Voxels of a mesh that lies in the unit cube already, with its materials.

    Args:
        mesh: in the unit cube.
        placement: how it came there.

    Raises:
        EngineError: ``grid_empty``, and what ``mesh_to_dual_grid`` and ``sample_materials`` raise.
    """
    with report.stage("voxels", 100) as step:
        grid = dual_grid_of(mesh, resolution, percent(step))
    with report.stage("materials", 100) as step:
        materials = sample_materials(mesh, grid, on_progress=percent(step))
    return OVoxels(grid, materials, placement)


def ovoxels_to_mesh_file(source: Path, target: Path, report: Report) -> Conversion:
    """Convert a .vxz file to a mesh with vertex colours at the place where the mesh once stood.

    Raises:
        EngineError: ``mesh_format``, and what reading and writing raise.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise EngineError(
            "mesh_format",
            f"O-Voxels cannot be written as {target.name}.",
            f"Use one of {', '.join(SUFFIXES)}.",
        )
    check_place(target)
    report.expect(("reading", "surface", "writing"))
    with report.stage("reading"):
        ovoxels = load_ovoxels(source)
    with report.stage("surface"):
        mesh = drop_unused_vertices(ovoxels.surface())
    with report.stage("writing"):
        save_mesh(mesh, target)
    return Conversion(
        len(mesh.vertices),
        len(mesh.faces),
        len(ovoxels.grid.coords),
        ovoxels.grid.grid_size,
        ovoxels.placement,
    )
