"""From raw O-Voxels to an asset one can use: clean, simplify, unwrap, bake."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.baking.alpha import LEAST_SHARE
from engine.baking.bake import Baked, bake
from engine.errors import EngineError
from engine.export.gltf import NamedMesh
from engine.export.hull import collision_hull
from engine.export.presets import Preset
from engine.mesh import Mesh
from engine.meshing.clean import CleanResult, CleanSettings, clean_mesh
from engine.meshing.remesh import remesh
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import UnwrapSettings, unwrap_mesh, uvs_are_valid
from engine.meshing.weld import weld_positions
from engine.ovoxel import DualGrid
from engine.ovoxel.placement import Placement
from engine.pipelines.report import Report

SMALLEST_TEXTURE = 256
_HOLE_IN_VOXELS = 12
"""A hole or flap of a few quads is small on any grid, however coarse."""

_GLASS = 0.9
"""Through voxels of less alpha one sees what is inside; the networks' noise stays above."""


@dataclass(frozen=True)
class FinishJob:
    """What is to be finished, and for what.

    Args:
        grid: the O-Voxels.
        materials: (N, 6) float32 of each voxel; what lies beyond [0, 1] is clamped.
        surface: the unsimplified mesh in the unit cube of ``grid``.
        preset: faces, textures, levels of detail, hull.
        placement: from object space to the unit cube.
        name: of the object.
        given_mesh: a mesh in object space that is only to be textured: its vertices, faces and,
            if they are valid, UVs stay; neither cleaned nor simplified.
        closed: remesh to a closed surface before simplifying.
    """

    grid: DualGrid
    materials: np.ndarray
    surface: Mesh
    preset: Preset
    placement: Placement = field(default_factory=Placement)
    name: str = "asset"
    given_mesh: Mesh | None = None
    closed: bool = False


@dataclass(frozen=True)
class Finished:
    """Meshes in object space, ready to be written, and what was done.

    Args:
        meshes: the asset; with levels of detail ``_LOD0``, ``_LOD1``, ...; then the hull ``UCX_``.
        log: reports before and after, and each step's figures, as JSON values for the recipe.
    """

    meshes: tuple[NamedMesh, ...]
    log: dict[str, Any]


def finish(job: FinishJob, report: Report) -> Finished:
    """Clean, simplify, unwrap and bake an asset; once more for each further level of detail.

    Raises:
        Cancelled: through ``report.cancel``, between stages and while baking.
        EngineError: ``mesh_empty`` when cleaning leaves nothing, ``face_target``, and what baking
            raises.
    """
    if job.preset.faces < 4:
        raise EngineError(
            "face_target",
            f"A mesh of {job.preset.faces} faces is not possible.",
            "Ask for at least 4 faces; 20000 to 200000 are usual.",
        )
    materials = np.clip(np.asarray(job.materials, np.float32), 0, 1)
    if job.given_mesh is not None:
        return _textured(job, job.given_mesh, materials, report)

    with report.stage("clean"):
        clean = _clean(job, materials[:, 5])
    log: dict[str, Any] = {
        "before": clean.before.to_dict(),
        "removed": clean.removed,
        "one_sided_parts": clean.one_sided_parts,
        "levels": [],
    }
    if clean.one_sided_parts:
        report.note(f"{clean.one_sided_parts} parts have only one side and keep a seam.")
    vertices, faces, colors = clean.vertices, clean.faces, materials[clean.source][:, :3]
    if job.closed:
        with report.stage("remesh"):
            closed = remesh(vertices, faces, min(job.grid.grid_size, 512))
            vertices, faces, colors = closed.vertices, closed.faces, None

    meshes: list[NamedMesh] = []
    shares = job.preset.lod_shares
    for level, share in enumerate(shares):
        with report.stage("simplify"):
            simple = simplify_mesh(
                vertices, faces, max(4, int(job.preset.faces * share)), colors=colors
            )
            if colors is not None:
                colors = colors[simple.source]
            # The next level starts from this one, which is as good and much faster.
            vertices, faces = simple.vertices, simple.faces
        size = max(job.preset.texture_size >> level, min(SMALLEST_TEXTURE, job.preset.texture_size))
        mesh, method = _unwrapped(Mesh(vertices, faces), size, report)
        baked = _baked(job, mesh, materials, size, report)
        suffix = f"_LOD{level}" if len(shares) > 1 else ""
        meshes.append(NamedMesh(job.name + suffix, _placed(baked.mesh, job.placement)))
        log["levels"].append(_level(baked, size, method))
    if job.preset.collision_hull:
        hull = collision_hull(meshes[0].mesh.vertices)
        if hull is not None:
            meshes.append(NamedMesh(f"UCX_{job.name}", hull, bare=True))
    return Finished(tuple(meshes), log)


def _clean(job: FinishJob, alpha: np.ndarray) -> CleanResult:
    hole = max(CleanSettings.hole_perimeter, _HOLE_IN_VOXELS / job.grid.grid_size)
    settings = CleanSettings(hole_perimeter=hole)
    see_through = alpha < _GLASS
    if see_through.mean() < LEAST_SHARE:
        see_through = None
    return clean_mesh(job.surface.vertices, job.surface.faces, settings, see_through=see_through)


def _textured(job: FinishJob, given: Mesh, materials: np.ndarray, report: Report) -> Finished:
    """Textures for a mesh that stays as it is."""
    mesh = replace(
        given,
        vertices=job.placement.to_unit(given.vertices),
        materials=(),
        face_material=None,
        colors=None,
        metallic_roughness=None,
    )
    size, method = job.preset.texture_size, "given"
    with report.stage("check UVs"):
        valid = uvs_are_valid(mesh.uvs)
    if not valid:
        if mesh.uvs is not None:
            report.note("The mesh's UVs overlap or leave the unit square; new ones are made.")
        mesh, method = _unwrapped(mesh, size, report)
    baked = _baked(job, mesh, materials, size, report)
    finished = replace(_placed(baked.mesh, job.placement), vertices=given.vertices)
    log = {"levels": [_level(baked, size, method)]}
    return Finished((NamedMesh(job.name, finished),), log)


def _unwrapped(mesh: Mesh, size: int, report: Report) -> tuple[Mesh, str]:
    """The mesh with new UVs of its corners, and how they were made; vertices stay."""
    with report.stage("unwrap"):
        # Vertices that a file repeats at its old seams are one for the new charts.
        kept, new_index = weld_positions(mesh.vertices)
        unwrapped = unwrap_mesh(
            mesh.vertices[kept], new_index[mesh.faces], UnwrapSettings(texture_size=size)
        )
    if unwrapped.method == "blocks":
        report.note("Unwrapping took too long; faces were laid out in blocks.")
    return replace(mesh, uvs=unwrapped.corner_uvs), unwrapped.method


def _baked(job: FinishJob, mesh: Mesh, materials: np.ndarray, size: int, report: Report) -> Baked:
    with report.stage("bake", 100) as step:
        baked = bake(
            mesh,
            job.grid,
            materials,
            source=job.surface,
            size=size,
            normal_map=job.preset.normal_map,
            name=job.name,
            on_progress=lambda done, total: step(100 * done // max(1, total)),
        )
    if baked.lost:
        report.note(f"{baked.lost:,} texels are too far from the O-Voxels; they are filled in.")
    return baked


def _placed(mesh: Mesh, placement: Placement) -> Mesh:
    """From the unit cube to object space; a placement only scales and moves, so normals stay."""
    return replace(mesh, vertices=placement.to_object(mesh.vertices))


def _level(baked: Baked, size: int, method: str) -> dict[str, Any]:
    mesh = baked.mesh
    return {
        "texture_size": size,
        "unwrap": method,
        "alpha_mode": baked.alpha_mode,
        "lost_texels": baked.lost,
        "after": report_mesh(mesh.vertices, mesh.faces, mesh.uvs).to_dict(),
    }
