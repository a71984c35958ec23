"""From raw O-Voxels to an asset one can use, and its parts for meshes: unwrap, bake, save."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_levels, save_mesh, save_scene
from engine.finishing.baking.bake import Baked, BakeSource, bake
from engine.finishing.baking.detail import detail_of
from engine.finishing.baking.from_voxels import VoxelSource
from engine.finishing.hull import with_hull
from engine.finishing.own_faces import level_name, objects_of
from engine.finishing.reduced import first_surface, made_of, simplified
from engine.finishing.standing import is_moved, stand
from engine.finishing.targets import targets_of
from engine.mesh import Mesh
from engine.meshing.alpha import GLASS, LEAST_SHARE
from engine.meshing.clean import CleanResult, CleanSettings, clean_mesh
from engine.meshing.report import report_mesh
from engine.meshing.unwrap import UnwrapSettings, unwrap_mesh, uv_fault
from engine.meshing.weld import weld_positions
from engine.ovoxel.ovoxels import OVoxels
from engine.ovoxel.placement import Placement
from engine.report import Report, percent
from protocol.errors import EngineError
from protocol.finishes import Finish

_SMALLEST_OF_LEVELS = 256
_HOLE_IN_VOXELS = 12
"""A hole or flap of a few quads is small on any grid, however coarse."""

GIVEN = "given"
"""Stands for a way of unwrapping in logs."""


@dataclass(frozen=True)
class Finished:
    """Meshes in object space, ready to be written, and what was done.

    Args:
        meshes: the asset, all of its objects in one; with levels of detail ``_LOD0``, ``_LOD1``,
            ...; then the hull, named after the first object.
        log: reports before and after, and each step's figures, as JSON values for the recipe.
    """

    meshes: tuple[NamedMesh, ...]
    log: dict[str, Any]

    @property
    def mesh(self) -> Mesh:
        """All that is seen at once: the finest level."""
        return self.meshes[0].mesh

    def uvs_of(self, named: NamedMesh) -> Literal["", "given", "new"]:
        """Whether one of the meshes keeps the UVs with which it was given; "" where it has none."""
        if named.mesh.uvs is None:
            return ""
        return "given" if self.log["levels"][named.level]["unwrap"] == GIVEN else "new"

    @property
    def has_quads(self) -> bool:
        """Whether its triangles are pieces of quads that were made."""
        return "quads" in self.log["levels"][0]

    def save(self, path: Path, settings: Finish) -> tuple[Path, ...]:
        """Write a .glb file with all objects or one for each level of detail, or what is seen at
        once in another format; returns the files, what is seen first.

        Raises:
            EngineError: what ``save_scene`` and ``save_mesh`` raise.
        """
        if path.suffix.lower() != ".glb":
            save_mesh(self.mesh, path, keep_size=settings.has_size)
            return (path,)
        levels = len(self.log["levels"])
        objects = [each for named in self.meshes for each in objects_of(named, levels)]
        if levels > 1 and (files := settings.level_files(path)):
            save_levels(objects, files, image_format=settings.image_format)
            return files
        save_scene(objects, path, image_format=settings.image_format)
        return (path,)


def finishing_stages(settings: Finish, *, given_mesh: bool = False) -> tuple[str, ...]:
    """The stages of ``finish``, in order; ``given_mesh``: for a mesh that was textured."""
    if given_mesh:
        return ("check_uvs", "detail", "bake")
    remeshing = ("remesh",) if settings.closed else ()
    surface = ("simplify", "quads") if settings.quads else ("simplify",)
    if not settings.textured:
        return ("clean", *remeshing, *surface * len(settings.lod_shares))
    levels = (*surface, "unwrap", "bake") * len(settings.lod_shares)
    return ("clean", *remeshing, "detail", *levels)


def finish(
    voxels: OVoxels,
    settings: Finish,
    report: Report,
    *,
    name: str = "asset",
    given_mesh: Mesh | None = None,
    model: Mesh | None = None,
) -> Finished:
    """Clean, simplify, unwrap and bake an asset; once more for each further level of detail.

    Args:
        voxels: what is finished; materials beyond [0, 1] are clamped.
        settings: how.
        report: told about stages, steps and what the user should know.
        name: of the object.
        given_mesh: a mesh in object space that is only to be textured: its vertices, faces and,
            if they are valid, UVs stay; neither cleaned nor simplified.
        model: the mesh in object space of which the voxels were made, if it is known: it says where
            the front of sheets is.

    Raises:
        Cancelled: through ``report.cancel``, between stages and while baking.
        EngineError: at once ``given_mesh`` when that is to be closed; later ``mesh_empty`` when
            cleaning leaves nothing, and what baking raises.
    """
    if given_mesh is not None:
        return _textured(voxels, given_mesh, settings, name, report)

    clean = _cleaned(voxels, settings, report, model)
    log: dict[str, Any] = {
        "before": clean.before.to_dict(),
        "removed": clean.removed,
        "one_sided_parts": clean.one_sided_parts,
        "levels": [],
    }
    surface = first_surface(voxels, clean, settings, report)
    log["cleaned_faces"] = len(surface.faces)
    source = None
    if settings.textured:
        with report.stage("detail"):
            detail = detail_of(
                voxels.grid, surface.vertices, surface.faces, occlusion=settings.occlusion
            )
            source = VoxelSource(voxels, detail)
    meshes: list[NamedMesh] = []
    for level, target in enumerate(targets_of(settings, len(surface.faces))):
        # Each level starts from the one before, which is as good and much faster.
        surface = simplified(surface, clean, settings, level, target, report)
        mesh, entry = made_of(surface, settings, level, report)
        own = level_name(name, level, len(settings.lod_shares))
        if source is None:
            entry["after"] = report_mesh(mesh.vertices, mesh.faces).to_dict()
        else:
            size = texture_size_of(settings, level)
            mesh, method = unwrapped_mesh(mesh, size, report)
            baked = baked_mesh(
                mesh, source, report, size=size, normal_map=settings.normal_map, name=own
            )
            mesh = baked.mesh
            entry = level_log(baked, size, method) | entry
        meshes.append(NamedMesh(own, placed(mesh, voxels.placement), level=level))
        log["levels"].append(entry)
    return Finished(stand(with_hull(meshes, settings, report), settings, report), log)


def texture_size_of(settings: Finish, level: int) -> int:
    """Half as large for each level, but no smaller than a small one."""
    return max(settings.texture_size >> level, min(_SMALLEST_OF_LEVELS, settings.texture_size))


def _cleaned(voxels: OVoxels, settings: Finish, report: Report, model: Mesh | None) -> CleanResult:
    hole = max(CleanSettings.hole_perimeter, _HOLE_IN_VOXELS / voxels.grid.grid_size)
    limits = CleanSettings(hole_perimeter=hole, remove_inner=not settings.keep_inner)
    with report.stage("clean"):
        see_through = voxels.alpha < GLASS
        if see_through.mean() < LEAST_SHARE:
            see_through = None
        raw = voxels.grid_surface
        shape = None if model is None else (voxels.placement.to_unit(model.vertices), model.faces)
        clean = clean_mesh(raw.vertices, raw.faces, limits, see_through=see_through, model=shape)
    if clean.one_sided_parts and not settings.closed:  # a closed surface has an outside everywhere
        report.note(
            "1 part has only one side and keeps a seam."
            if clean.one_sided_parts == 1
            else f"{clean.one_sided_parts:,} parts have only one side and keep a seam.",
            detail=True,
        )
    if clean.removed.get("inner_parts"):
        parts = clean.removed["inner_parts"]
        report.note(
            f"{clean.removed['inner']:,} faces of {parts:,} part{'' if parts == 1 else 's'} that "
            "nobody outside can see were removed; --keep-inner keeps them."
        )
    return clean


def _textured(
    voxels: OVoxels, given: Mesh, settings: Finish, name: str, report: Report
) -> Finished:
    """Textures for a mesh that stays as it is."""
    if settings.closed:
        raise EngineError(
            "given_mesh",
            "A mesh that was given keeps its faces, so it cannot be made closed.",
            "Leave that out, or finish the mesh by itself.",
        )
    if not settings.has_one_mesh:
        report.note("A mesh that was given gets neither levels of detail nor a hull.")
    if is_moved(settings):
        report.note("A mesh that was given keeps its size and its place.")
    mesh = replace(
        given,
        vertices=voxels.placement.to_unit(given.vertices),
        materials=(),
        face_material=None,
        colors=None,
        metallic_roughness=None,
    )
    size, method = settings.texture_size, GIVEN
    with report.stage("check_uvs"):
        fault = uv_fault(mesh.uvs)
    if fault is not None:
        if mesh.uvs is not None:
            own = ""
            if np.isfinite(mesh.uvs).all():
                mesh, own = replace(mesh, second_uvs=mesh.uvs), " A .glb keeps its own beside them."
            report.note(f"The mesh's UVs {fault}; new ones are made.{own}")
        mesh, method = unwrapped_mesh(mesh, size, report)
    surface = voxels.grid_surface
    with report.stage("detail"):
        detail = detail_of(
            voxels.grid, surface.vertices, surface.faces, occlusion=settings.occlusion
        )
        source = VoxelSource(voxels, detail)
    baked = baked_mesh(mesh, source, report, size=size, normal_map=settings.normal_map, name=name)
    finished = replace(placed(baked.mesh, voxels.placement), vertices=given.vertices)
    log = {"levels": [level_log(baked, size, method)]}
    return Finished((NamedMesh(name, finished),), log)


def unwrapped_mesh(mesh: Mesh, size: int, report: Report) -> tuple[Mesh, str]:
    """The mesh with new UVs of its corners, and how they were made; vertices stay."""
    with report.stage("unwrap"):
        # Vertices that a file repeats at its old seams are one for the new charts.
        kept, new_index = weld_positions(mesh.vertices)
        unwrapped = unwrap_mesh(
            mesh.vertices[kept],
            new_index[mesh.faces],
            UnwrapSettings(texture_size=size),
            polygons=mesh.polygons,
        )
    if unwrapped.method == "blocks":
        why = "Unwrapping took too long" if unwrapped.out_of_time else "No face has an area"
        report.note(f"{why}; faces were laid out in blocks.")
    return replace(mesh, uvs=unwrapped.corner_uvs), unwrapped.method


def baked_mesh(
    mesh: Mesh, source: BakeSource, report: Report, *, size: int, normal_map: bool, name: str
) -> Baked:
    """A mesh of the unit cube with textures, as the stage "bake".

    Raises:
        Cancelled, EngineError: as ``bake``.
    """
    with report.stage("bake", 100) as step:
        baked = bake(
            mesh, source, size=size, normal_map=normal_map, name=name, on_progress=percent(step)
        )
    if baked.lost:
        report.note(f"{baked.lost:,} texels are too far from the surface; they are filled in.")
    return baked


def placed(mesh: Mesh, placement: Placement) -> Mesh:
    """From the unit cube to object space; a placement only scales and moves, so normals stay."""
    return replace(mesh, vertices=placement.to_object(mesh.vertices))


def level_log(baked: Baked, size: int, method: str) -> dict[str, Any]:
    """A level for the recipe: its textures, and what its mesh is like."""
    mesh = baked.mesh
    return {
        "texture_size": size,
        "unwrap": method,
        "alpha_mode": baked.alpha_mode,
        "lost_texels": baked.lost,
        "after": report_mesh(mesh.vertices, mesh.faces, mesh.uvs).to_dict(),
    }
