"""A mesh that is ready for use but for its flaws: it stays what it is, cleaned."""

from dataclasses import replace
from typing import Any

import numpy as np

from engine.export.gltf import NamedMesh
from engine.finishing.finish import GIVEN, Finished
from engine.finishing.standing import stand
from engine.mesh import Material, Mesh, some_faces
from engine.meshing.clean import is_degenerate
from engine.meshing.duplicates import is_repeated
from engine.meshing.report import report_mesh
from engine.meshing.weld import weld_positions
from engine.report import Report
from protocol.errors import EngineError
from protocol.finishes import FinishChoice

_IN_ORDER = 0.005
"""A mesh with a greater share of edges that are not as they should be is reported."""


def can_stay(mesh: Mesh, choice: FinishChoice) -> bool:
    """Whether a mesh is what was asked for already. It loses no detail that a normal map had to
    keep, but one that is asked for, or occlusion, wants textures of its own."""
    settings = choice.settled()
    new_textures = choice.normal_map or choice.occlusion
    return (
        len(mesh.faces) <= settings.faces
        and settings.has_one_mesh
        and not (settings.closed or settings.quads or new_textures)
    )


def keep_mesh(mesh: Mesh, choice: FinishChoice, name: str, report: Report) -> Finished:
    """Drop faces without area and repeated ones; all else stays: vertices, UVs, normals, materials
    with their pictures, and objects with their names.

    Args:
        mesh: in object space.
        choice: what does not apply to a mesh that stays is told.
        name: of an object that has none.

    Raises:
        EngineError: ``mesh_empty`` where no face has an area.
    """
    with report.stage("clean"):
        kept, new_index = weld_positions(mesh.vertices)
        points, faces = mesh.vertices[kept], new_index[mesh.faces].astype(np.int32)
        size = float(np.ptp(points, axis=0).max())
        bad = is_degenerate(points, faces, 1e-9 * size)
        repeated = np.zeros(len(faces), dtype=bool)
        repeated[~bad] = is_repeated(faces[~bad], len(points))
        gone = bad | repeated
        if gone.all():
            raise EngineError(
                "mesh_empty",
                "No face of the mesh has an area.",
                "Check how it was made or exported.",
            )
        if gone.any():
            mesh, faces = some_faces(mesh, ~gone), faces[~gone]
            report.note(
                f"{int(gone.sum()):,} faces without an area or on top of others were removed."
            )
        _tell_disorder(points, faces, report)
        if choice.texture_size is not None and _sizes(mesh):
            report.note("Its textures stay as they are; --texture is for those of --rebuild.")
    settings = choice.settled()
    mesh = stand([NamedMesh(name, mesh)], settings.height, settings.origin)[0].mesh
    objects = _objects(mesh, name)
    used = "object" if len(objects) == 1 else "objects"
    report.note(
        f"The mesh has {len(mesh.faces):,} faces, no more than were asked for: "
        f"{len(objects):,} {used}, materials and UVs stay as they are. "
        "--rebuild makes it new from O-Voxels."
    )
    return Finished(tuple(objects), {"levels": [_level(each.mesh) for each in objects]}, mesh)


def _tell_disorder(points: np.ndarray, faces: np.ndarray, report: Report) -> None:
    """A sentence where too many edges are not those of a clean surface."""
    found = report_mesh(points, faces)
    edges = (3 * found.faces + found.open_edges) // 2
    words = [
        f"{count:,} {what}"
        for count, what in (
            (found.non_manifold_edges, "have three or more faces"),
            (found.flipped_edges, "have faces that look to opposite sides"),
        )
        if count > _IN_ORDER * edges
    ]
    if words:
        report.note(
            f"The mesh has faults: of about {edges:,} edges {' and '.join(words)}. "
            "It is kept; --rebuild makes one clean surface of it."
        )


def _objects(mesh: Mesh, name: str) -> list[NamedMesh]:
    """Each object by itself, under a name of its own."""
    if mesh.face_object is None:
        return [NamedMesh(next(iter(mesh.objects), name), mesh)]
    meshes: list[NamedMesh] = []
    taken: set[str] = set()
    for number, given in enumerate(mesh.objects):
        chosen = mesh.face_object == number
        if not chosen.any():
            continue
        own, count = given, 1
        while own in taken:
            own, count = f"{given}.{count:03d}", count + 1
        taken.add(own)
        one = some_faces(mesh, chosen)
        meshes.append(NamedMesh(own, replace(one, objects=(own,), face_object=None)))
    return meshes


def _level(mesh: Mesh) -> dict[str, Any]:
    """As ``finish`` tells it of a level."""
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
