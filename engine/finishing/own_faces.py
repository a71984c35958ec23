"""The faces that a mesh file has: tidied, welded within each object, and taken apart again."""

from dataclasses import dataclass, replace

import numpy as np

from engine.export.gltf import NamedMesh
from engine.mesh import Mesh, drop_unused_vertices, some_faces
from engine.meshing.clean import is_degenerate
from engine.meshing.duplicates import is_repeated
from engine.meshing.edges import parts_of
from engine.meshing.orient import orient_faces
from engine.meshing.report import report_mesh
from engine.meshing.rows import unique_rows
from engine.meshing.weld import weld_positions
from engine.report import Report
from protocol.errors import EngineError

_IN_ORDER = 0.005
"""A mesh with a greater share of edges that are not as they should be is reported."""


@dataclass(frozen=True)
class OwnFaces:
    """A mesh without faces that show nothing, and the same faces over welded points.

    Args:
        mesh: as it was given, but for faces without area and repeated ones.
        points: (W, 3) in object space, each position of an object once.
        faces: (F, 3) int32 into ``points``.
        point_object: (W,) int32 which object each point is of.
    """

    mesh: Mesh
    points: np.ndarray
    faces: np.ndarray
    point_object: np.ndarray


def tidy(mesh: Mesh, report: Report) -> OwnFaces:
    """Leave out faces without area, repeated ones and vertices that no face shows, and tell the
    faces and other disorder.

    Raises:
        EngineError: ``mesh_empty`` where no face has an area.
    """
    mesh = drop_unused_vertices(mesh)
    points, faces, point_object = _weld(mesh)
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
        mesh = some_faces(mesh, ~gone)
        points, faces, point_object = _weld(mesh)
        report.note(f"{int(gone.sum()):,} faces without an area or on top of others were removed.")
    _tell_disorder(points, faces, report)
    return OwnFaces(mesh, points, faces, point_object)


def _weld(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, faces and objects of points, as ``OwnFaces`` has them."""
    of_vertex = np.zeros(len(mesh.vertices), np.int32)
    kept, new_index = weld_positions(mesh.vertices)
    if mesh.face_object is not None:
        of_vertex[mesh.faces] = mesh.face_object[:, None]
        kept, new_index = unique_rows(new_index, of_vertex)
    return mesh.vertices[kept], new_index[mesh.faces].astype(np.int32), of_vertex[kept]


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
            f"The mesh has faults: of about {edges:,} edges {' and '.join(words)}; "
            "--rebuild makes one clean surface of it."
        )


def wound_alike(own: OwnFaces) -> OwnFaces:
    """The same with neighbours that agree on their front, as most faces of each part have it."""
    turned = (orient_faces(own.points, own.faces) != own.faces).any(axis=1)
    if not turned.any():
        return own
    part, count = parts_of(own.faces, len(own.points))
    most = np.bincount(part, turned, count) > np.bincount(part, ~turned, count)
    turned ^= most[part]
    mesh = own.mesh
    per_corner = ("faces", "uvs", "normals", "tangents")
    given = {name: getattr(mesh, name) for name in per_corner}
    swapped = {name: _swapped(x, turned) for name, x in given.items() if x is not None}
    if mesh.normals is not None:
        swapped["normals"][turned] *= -1
    if mesh.tangents is not None:
        # The sign times normal x tangent is where V grows, which no turn changes.
        swapped["tangents"][turned, :, 3] *= -1
    return replace(own, mesh=replace(mesh, **swapped), faces=_swapped(own.faces, turned))


def _swapped(corners: np.ndarray, turned: np.ndarray) -> np.ndarray:
    corners = corners.copy()
    corners[turned] = corners[turned][:, [0, 2, 1]]
    return corners


def count_objects(mesh: Mesh) -> int:
    """Objects that have a face."""
    return 1 if mesh.face_object is None else len(np.unique(mesh.face_object))


def level_name(name: str, level: int, levels: int) -> str:
    """What a level of detail is called, where there are several."""
    return f"{name}_LOD{level}" if levels > 1 else name


def objects_of(named: NamedMesh, levels: int) -> list[NamedMesh]:
    """Each object of a mesh by itself, under a name of its own; one that has none keeps the mesh's.

    Args:
        levels: of detail in all; of several each name says its own.
    """
    mesh = named.mesh
    if mesh.face_object is None:
        own = level_name(mesh.objects[0], named.level, levels) if mesh.objects else named.name
        return [replace(named, name=own)]
    meshes: list[NamedMesh] = []
    taken: set[str] = set()
    for number, given in enumerate(mesh.objects):
        # Every object takes its name, so that one that is gone from a level renames no other.
        own, count = given, 1
        while own in taken:
            own, count = f"{given}.{count:03d}", count + 1
        taken.add(own)
        chosen = mesh.face_object == number
        if not chosen.any():
            continue
        one = some_faces(mesh, chosen)
        one = replace(one, objects=(own,), face_object=None)
        meshes.append(replace(named, name=level_name(own, named.level, levels), mesh=one))
    return meshes
