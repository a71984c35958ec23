"""From raw O-Voxels to an asset one can use: clean, simplify, unwrap, bake."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.export.gltf import ImageFormat, NamedMesh
from engine.export.hull import collision_hull
from engine.export.mesh_file import save_mesh, save_scene
from engine.export.presets import Preset
from engine.finishing.baking.bake import Baked, bake, check_materials
from engine.mesh import Mesh
from engine.meshing.alpha import GLASS, LEAST_SHARE
from engine.meshing.clean import CleanResult, CleanSettings, clean_mesh
from engine.meshing.remesh import remesh
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import UnwrapSettings, unwrap_mesh, uvs_are_valid
from engine.meshing.weld import weld_positions
from engine.ovoxel import DualGrid, dual_grid_to_mesh
from engine.ovoxel.placement import Placement
from engine.report import Report, percent
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.assets.asset import Asset

_SMALLEST_OF_LEVELS = 256
_HOLE_IN_VOXELS = 12
"""A hole or flap of a few quads is small on any grid, however coarse."""

_FAR = 1e4
"""Sizes away from the origin at which float32 (24 bits) is good to a 1,700th of the size only."""


@dataclass(frozen=True)
class FinishJob:
    """What is to be finished, and for what.

    Args:
        grid: the O-Voxels.
        materials: (N, 6) float32 of each voxel; what lies beyond [0, 1] is clamped.
        preset: faces, textures, levels of detail, hull.
        placement: from object space to the unit cube.
        name: of the object.
        given_mesh: a mesh in object space that is only to be textured: its vertices, faces and,
            if they are valid, UVs stay; neither cleaned nor simplified.
        closed: remesh to a closed surface before simplifying; not with a given mesh.
        keep_inner: keep parts that nobody outside can see.
        split_weight: (N, 1) float32 of each voxel, how quads are cut; None for equal halves.
    """

    grid: DualGrid
    materials: np.ndarray
    preset: Preset
    placement: Placement = field(default_factory=Placement)
    name: str = "asset"
    given_mesh: Mesh | None = None
    closed: bool = False
    keep_inner: bool = False
    split_weight: np.ndarray | None = None

    @classmethod
    def of(cls, asset: "Asset", preset: Preset, name: str = "asset") -> "FinishJob":
        """How a pipeline's result is finished."""
        return cls(
            asset.grid,
            asset.materials,
            preset,
            asset.placement,
            name,
            given_mesh=asset.given_mesh,
            split_weight=asset.split_weight,
        )

    @cached_property
    def surface(self) -> Mesh:
        """The unsimplified mesh in the unit cube of ``grid``, a vertex for each voxel in order."""
        return dual_grid_to_mesh(self.grid, self.split_weight, orient=True)


@dataclass(frozen=True)
class Finished:
    """Meshes in object space, ready to be written, and what was done.

    Args:
        meshes: the asset; with levels of detail ``_LOD0``, ``_LOD1``, ...; then the hull ``UCX_``.
        log: what was asked for beside the preset, reports before and after, and each step's
            figures, as JSON values for the recipe.
    """

    meshes: tuple[NamedMesh, ...]
    log: dict[str, Any]

    def save(self, path: str | Path, *, image_format: ImageFormat = "png") -> None:
        """Write a .glb file with all meshes, or a .obj file with the first one.

        Raises:
            EngineError: what ``save_scene`` and ``save_mesh`` raise.
        """
        if Path(path).suffix.lower() == ".glb":
            save_scene(self.meshes, path, image_format=image_format)
        else:
            save_mesh(self.meshes[0].mesh, path)


def finishing_stages(preset: Preset, *, closed: bool = False) -> tuple[str, ...]:
    """The stages of ``finish``, in order."""
    remeshing = ("remesh",) if closed else ()
    return ("clean", *remeshing, *("simplify", "unwrap", "bake") * len(preset.lod_shares))


def finish(job: FinishJob, report: Report) -> Finished:
    """Clean, simplify, unwrap and bake an asset; once more for each further level of detail.

    Raises:
        Cancelled: through ``report.cancel``, between stages and while baking.
        EngineError: at once ``face_target``, ``texture_size``, ``materials_shape``, ``given_mesh``;
            later ``mesh_empty`` when cleaning leaves nothing, and what baking raises.
    """
    _check(job)
    materials = np.clip(np.asarray(job.materials, np.float32), 0, 1)
    if job.given_mesh is not None:
        return _textured(job, job.given_mesh, materials, report)

    clean = _cleaned(job, materials[:, 5], report)
    log: dict[str, Any] = {
        "closed": job.closed,
        "keep_inner": job.keep_inner,
        "before": clean.before.to_dict(),
        "removed": clean.removed,
        "one_sided_parts": clean.one_sided_parts,
        "levels": [],
    }
    _warn_if_far(job.placement, report)
    vertices, faces, colors = clean.vertices, clean.faces, materials[clean.source][:, :3]
    if job.closed:
        with report.stage("remesh"):
            closed = remesh(vertices, faces, min(job.grid.grid_size, 512))
            vertices, faces, colors = closed.vertices, closed.faces, None
    log["cleaned_faces"] = len(faces)

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
        size = _texture_size(job.preset, level)
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


def _texture_size(preset: Preset, level: int) -> int:
    """Half as large for each level, but no smaller than a small one."""
    return max(preset.texture_size >> level, min(_SMALLEST_OF_LEVELS, preset.texture_size))


def _check(job: FinishJob) -> None:
    """Better to refuse now than after minutes of work."""
    job.preset.check()
    check_materials(job.grid, np.asarray(job.materials))
    if job.given_mesh is not None and job.closed:
        raise EngineError(
            "given_mesh",
            "A mesh that was given keeps its faces, so it cannot be made closed.",
            "Leave that out, or finish the mesh by itself.",
        )


def _cleaned(job: FinishJob, alpha: np.ndarray, report: Report) -> CleanResult:
    hole = max(CleanSettings.hole_perimeter, _HOLE_IN_VOXELS / job.grid.grid_size)
    settings = CleanSettings(hole_perimeter=hole, remove_inner=not job.keep_inner)
    with report.stage("clean"):
        see_through = alpha < GLASS
        if see_through.mean() < LEAST_SHARE:
            see_through = None
        vertices, faces = job.surface.vertices, job.surface.faces
        clean = clean_mesh(vertices, faces, settings, see_through=see_through)
    if clean.one_sided_parts:
        report.note(
            "1 part has only one side and keeps a seam."
            if clean.one_sided_parts == 1
            else f"{clean.one_sided_parts:,} parts have only one side and keep a seam."
        )
    if clean.removed.get("inner_parts"):
        parts = clean.removed["inner_parts"]
        report.note(
            f"{clean.removed['inner']:,} faces of {parts:,} part{'' if parts == 1 else 's'} that "
            "nobody outside can see were removed; keep_inner keeps them."
        )
    return clean


def _warn_if_far(placement: Placement, report: Report) -> None:
    away = placement.scale * max(abs(x) for x in placement.centre)
    if away > _FAR:
        report.note(
            f"The mesh lies {away:,.0f} times its size away from the origin, where 32-bit numbers "
            "cannot hold its detail: vertices fall together. Move it to the origin first."
        )


def _textured(job: FinishJob, given: Mesh, materials: np.ndarray, report: Report) -> Finished:
    """Textures for a mesh that stays as it is."""
    if not job.preset.has_one_mesh:
        report.note("A mesh that was given gets neither levels of detail nor a hull.")
    mesh = replace(
        given,
        vertices=job.placement.to_unit(given.vertices),
        materials=(),
        face_material=None,
        colors=None,
        metallic_roughness=None,
    )
    size, method = job.preset.texture_size, "given"
    with report.stage("check_uvs"):
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
            on_progress=percent(step),
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
