"""The convex hull that goes along with a result, for collisions."""

from collections.abc import Sequence

from engine.export.gltf import NamedMesh
from engine.export.hull import collision_hull
from engine.finishing.own_faces import objects_of
from engine.report import Report
from protocol.finishes import Finish


def with_hull(
    meshes: Sequence[NamedMesh], settings: Finish, report: Report
) -> tuple[NamedMesh, ...]:
    """The meshes, and on demand a hull around the first; a note says where there can be none.

    Engines find a hull by the name of a mesh, so it has that of the first object: UCX_crate.

    Args:
        meshes: at least one, the finest level of detail first; all of their vertices are used.
    """
    if not settings.collision_hull:
        return tuple(meshes)
    hull = collision_hull(meshes[0].mesh.vertices)
    if hull is None:
        report.note("The shape is flat, so it has no collision hull.")
        return tuple(meshes)
    first = objects_of(meshes[0], len(settings.lod_shares))[0]
    return (*meshes, NamedMesh(f"UCX_{first.name}", hull, bare=True))
