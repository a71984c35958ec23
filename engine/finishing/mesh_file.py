"""A mesh file that is finished with its own faces: kept where few enough, else reduced."""

from dataclasses import replace
from typing import Any

from engine.export.gltf import NamedMesh
from engine.finishing.baking.from_mesh import MeshSource
from engine.finishing.finish import (
    GIVEN,
    Finished,
    baked_mesh,
    level_log,
    placed,
    texture_size_of,
    unwrapped_mesh,
)
from engine.finishing.hull import with_hull
from engine.finishing.own_faces import OwnFaces, count_objects, level_name, tidy, wound_alike
from engine.finishing.standing import stand
from engine.finishing.targets import targets_of, tell_target
from engine.mesh import Material, Mesh
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import uvs_are_valid
from engine.ovoxel.placement import fit_unit_cube
from engine.report import Report
from protocol.finishes import Finish, FinishChoice


def finish_mesh(
    mesh: Mesh, choice: FinishChoice, settings: Finish, name: str, report: Report
) -> Finished:
    """Finish a mesh without rebuilding it from O-Voxels.

    Where it has few enough faces all stays as it is: vertices, UVs, normals, materials with their
    pictures, and objects with their names. Else it is simplified as a whole, so that faces go where
    they show least; objects and names stay, and all materials are baked, each object from its own,
    into textures that all objects share. The same holds for each level of detail by itself.

    Args:
        mesh: in object space.
        choice: what the user said; textures are baked for a mesh of few faces only on demand.
        settings: what that comes to for the file that is written; not closed.
        name: of an object that has none.

    Raises:
        Cancelled: through ``report.cancel``, between stages and while baking.
        EngineError: ``mesh_empty`` where no face has an area, and what baking raises.
    """
    with report.stage("clean"):
        own = tidy(mesh, report)
    targets = targets_of(settings, len(own.faces))
    keeps = targets[0] >= len(own.faces) and not _wants_textures(choice, settings)
    levels = [(own.mesh, _kept_log(own.mesh))] if keeps else []
    if len(levels) < len(targets):
        levels += _reduced(own, targets, len(levels), choice, settings, name, report)
    meshes = [
        NamedMesh(level_name(name, level, len(targets)), one, level=level)
        for level, (one, _) in enumerate(levels)
    ]
    _tell(own.mesh, meshes[0].mesh, keeps, choice, settings, report)
    log = {"cleaned_faces": len(own.faces), "levels": [entry for _, entry in levels]}
    return Finished(stand(with_hull(meshes, settings, report), settings, report), log)


def _wants_textures(choice: FinishChoice, settings: Finish) -> bool:
    """Whether new textures are baked for a mesh that keeps its faces. It loses no detail that a
    normal map had to keep, but one that is asked for, or occlusion, wants textures of its own."""
    return settings.textured and bool(choice.normal_map or choice.occlusion)


def _reduced(
    own: OwnFaces,
    targets: list[int],
    first: int,
    choice: FinishChoice,
    settings: Finish,
    name: str,
    report: Report,
) -> list[tuple[Mesh, dict[str, Any]]]:
    """The levels from ``first`` on, in object space, and their entries in the log."""
    own = wound_alike(own)
    placement = fit_unit_cube(own.points, own.faces)
    unit = replace(own.mesh, vertices=placement.to_unit(own.mesh.vertices))
    points, faces, objects = placement.to_unit(own.points), own.faces, own.point_object
    source = None
    if settings.textured:
        with report.stage("detail"):
            source = MeshSource(unit, points, faces, occlusion=settings.occlusion)
    has_maps = any(material.normal_texture for material in unit.materials)
    levels: list[tuple[Mesh, dict[str, Any]]] = []
    for level in range(first, len(targets)):
        with report.stage("simplify"):
            simple = simplify_mesh(points, faces, targets[level])
            tell_target(simple, targets[level], level, settings.closed, report)
        points, faces, objects = simple.vertices, simple.faces, objects[simple.source]
        mesh, normal_map = unit, settings.normal_map
        if len(faces) < len(unit.faces):
            of_face = None if unit.face_object is None else objects[faces[:, 0]]
            mesh = Mesh(points, faces, objects=unit.objects, face_object=of_face)
        elif choice.normal_map is None:
            normal_map = has_maps
        if source is None:
            entry: dict[str, Any] = {"after": report_mesh(mesh.vertices, mesh.faces).to_dict()}
            levels.append((placed(mesh, placement), entry))
            continue
        size, method = texture_size_of(settings, level), GIVEN
        if not uvs_are_valid(mesh.uvs):
            mesh, method = unwrapped_mesh(mesh, size, report)
        own_name = level_name(name, level, len(targets))
        baked = baked_mesh(mesh, source, report, size=size, normal_map=normal_map, name=own_name)
        levels.append((placed(baked.mesh, placement), level_log(baked, size, method)))
    return levels


def _tell(
    before: Mesh, after: Mesh, kept: bool, choice: FinishChoice, settings: Finish, report: Report
) -> None:
    """What became of the faces, the objects and the materials."""
    count = count_objects(before)
    if not settings.textured:  # a file for printing, which holds triangles alone
        _tell_of_shape(before, after, count, kept, report)
        return
    objects = "object" if count == 1 else "objects"
    if kept:
        if choice.texture_size is not None and _sizes(before):
            report.note("Its textures stay as they are; --texture is for new ones.")
        report.note(
            f"The mesh has {len(before.faces):,} faces, no more than were asked for: "
            f"{count:,} {objects}, materials and UVs stay as they are. "
            "--rebuild makes it new from O-Voxels."
        )
        return
    left = count_objects(after)
    stay = f"its {objects} stay" if count > 1 else "its object stays"
    if left < count:
        stay = f"{left:,} of its {count:,} objects are left"
    materials = max(1, len(before.materials))
    baked = "its materials are" if materials > 1 else "its material is"
    report.note(
        f"The mesh's {len(before.faces):,} faces became {len(after.faces):,}; {stay}, and {baked} "
        "baked into new textures. --rebuild makes it new from O-Voxels."
    )


def _tell_of_shape(before: Mesh, after: Mesh, count: int, kept: bool, report: Report) -> None:
    """What became of the faces where the file holds one object without materials and UVs."""
    faces = f"The mesh's {len(before.faces):,} faces became {len(after.faces):,}"
    if kept:
        faces = f"The mesh has {len(before.faces):,} faces, which stay"
    plain = replace(Material(), name="")
    has_look = before.colors is not None or any(
        material.textures or replace(material, name="") != plain for material in before.materials
    )
    lost = ["its materials"] * has_look + ["its UVs"] * (before.uvs is not None)
    words = [f"its {count:,} objects are one"] * (count > 1)
    words += [f"{' and '.join(lost)} are not in the file"] * bool(lost)
    report.note(f"{'; '.join([faces, ' and '.join(words)] if words else [faces])}.")


def _kept_log(mesh: Mesh) -> dict[str, Any]:
    """As ``level_log`` tells it of a level that was baked."""
    modes = {material.alpha_mode for material in mesh.materials or (Material(),)}
    return {
        "texture_size": max(_sizes(mesh), default=0),
        "unwrap": GIVEN,
        "alpha_mode": next((mode for mode in ("blend", "mask") if mode in modes), "opaque"),
        "lost_texels": 0,
        "after": report_mesh(mesh.vertices, mesh.faces, mesh.uvs).to_dict(),
    }


def _sizes(mesh: Mesh) -> list[int]:
    """Of the pictures of a mesh, their longer sides."""
    return [
        max(texture.pixels.shape[:2])
        for material in mesh.materials
        for texture in material.textures
    ]
