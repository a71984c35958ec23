"""A mesh that the user brings: read, checked, fitted into the unit cube, made into O-Voxels."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.mesh import Mesh
from engine.meshing.edges import face_areas
from engine.meshing.weld import weld_positions
from engine.ovoxel import DualGrid, mesh_to_dual_grid, sample_materials
from engine.ovoxel.ovoxels import OVoxels
from engine.ovoxel.placement import fit_unit_cube
from engine.readers.load import load_mesh
from engine.report import Report, percent
from protocol.errors import EngineError
from protocol.finishes import FinishChoice

MOST_FACES = 8_000_000
NO_AREA = 1e-12
"""In the unit cube, where coordinates are good to about 1e-7."""


@dataclass(frozen=True)
class VoxelisedMesh:
    """O-Voxels of a mesh that is to be rebuilt, closed or to become quads.

    Args:
        mesh: in object space.
        may_grow: whether more faces than those of the mesh may come out unasked.
    """

    voxels: OVoxels
    mesh: Mesh
    may_grow: bool


def open_mesh(
    source: Mesh | Path,
    *,
    require_textures: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Mesh:
    """The mesh itself, or the one in a file.

    Args:
        require_textures, tell: as in ``load_mesh``.

    Raises:
        EngineError: ``mesh_too_large``, ``mesh_empty``, and what ``load_mesh`` raises.
    """
    if isinstance(source, Mesh):
        mesh = source
    else:
        mesh = load_mesh(source, require_textures=require_textures, tell=tell)
    if len(mesh.faces) == 0:
        raise EngineError("mesh_empty", "The mesh has no faces.", "Give a mesh with triangles.")
    if len(mesh.faces) > MOST_FACES:
        raise EngineError(
            "mesh_too_large",
            f"The mesh has {len(mesh.faces):,} faces; more than {MOST_FACES:,} are refused.",
            "Reduce it first, for example with Blender's Decimate modifier.",
        )
    return mesh


def check_faces_stay(choice: FinishChoice) -> None:
    """Refuse a choice of faces for a mesh that was given and is only textured.

    Raises:
        EngineError: ``given_mesh``.
    """
    if choice.faces is not None or choice.quads is not None or choice.keep_inner:
        raise EngineError(
            "given_mesh",
            "The asset is a mesh that was textured: its faces stay as they are.",
            "Leave out --faces, --quads and --keep-inner, or finish the mesh's own file.",
        )


def tell_unused(options: dict[str, bool], why: str, report: Report) -> None:
    """Say which of the options that were given change nothing."""
    given = [option for option, is_given in options.items() if is_given]
    if given:
        report.note(f"Not used here: {', '.join(given)}. {why}")


def voxelise(mesh: Mesh, resolution: int, report: Report) -> OVoxels:
    """Plain O-Voxels of a mesh in object space, which is also how the networks see shapes.

    Raises:
        Cancelled: between slabs.
        EngineError: ``grid_empty``, ``mesh_flat``, ``mesh_not_finite``, ``mesh_index``.
    """
    placement = fit_unit_cube(mesh.vertices, mesh.faces)
    unit = replace(mesh, vertices=placement.to_unit(mesh.vertices))
    with report.stage("voxels", 100) as step:
        grid = dual_grid_of(unit, resolution, percent(step))
    return OVoxels.plain(grid, placement)


def rebuilt(mesh: Mesh, resolution: int, report: Report) -> OVoxels:
    """O-Voxels with the materials of a mesh, made to be finished.

    Raises:
        Cancelled, EngineError: as ``voxelise``.
    """
    voxels = voxelise(mesh, resolution, report)
    report.note(
        f"The mesh ({len(mesh.faces):,} faces) is rebuilt from O-Voxels of {resolution}^3: "
        "it becomes one object with new UVs and textures, and what is finer than a voxel is lost."
    )
    with report.stage("materials"):
        unit = replace(mesh, vertices=voxels.placement.to_unit(mesh.vertices))
        return replace(voxels, materials=sample_materials(unit, voxels.grid))


def dual_grid_of(mesh: Mesh, resolution: int, on_progress: Callable[[int, int], None]) -> DualGrid:
    """O-Voxels of a mesh that lies in the unit cube already.

    Raises:
        EngineError: ``grid_empty``, ``mesh_flat``, ``mesh_not_finite``, ``mesh_index``.
    """
    # Files repeat vertices at UV seams; welded, a seam does not count as an open border.
    kept, new_index = weld_positions(mesh.vertices)
    grid = mesh_to_dual_grid(
        mesh.vertices[kept],
        new_index[mesh.faces],
        grid_size=resolution,
        on_progress=on_progress,
    )
    if len(grid.coords) == 0:
        if not (face_areas(mesh.vertices, mesh.faces) > NO_AREA).any():
            raise EngineError(
                "mesh_flat",
                "No face of the mesh has an area: the corners of each lie on one line.",
                "Check how it was made or exported.",
            )
        raise EngineError(
            "grid_empty",
            f"At a resolution of {resolution} the surface of the mesh crosses no grid edge.",
            "Choose a higher resolution.",
        )
    return grid


def mesh_key(mesh: Mesh) -> str:
    """SHA-256 of vertices and faces."""
    digest = hashlib.sha256(np.ascontiguousarray(mesh.vertices, np.float32).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, np.int32).tobytes())
    return digest.hexdigest()
