"""A mesh of the scene as the engine takes it: evaluated, in triangles, as it stands in the world.

What comes back are UVs of the corners that were sent; ``Sent.loop`` says to which loops of the
user's own mesh they belong. The user's object is only read.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..core.language import said
from ..protocol.errors import EngineError
from .uv_check import problem_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..protocol.wire import Shaped

MOST_UV_MAPS = 8
_LOOP = "maquette_loop"
_KEEP_LOOPS = {
    *("MIRROR", "ARRAY", "ARMATURE", "CAST", "CURVE", "DISPLACE", "HOOK", "LAPLACIANDEFORM"),
    *("LATTICE", "MESH_DEFORM", "SHRINKWRAP", "SIMPLE_DEFORM", "SMOOTH", "CORRECTIVE_SMOOTH"),
    *("LAPLACIANSMOOTH", "SURFACE_DEFORM", "WARP", "WAVE", "WEIGHTED_NORMAL", "NORMAL_EDIT"),
    *("UV_PROJECT", "UV_WARP", "VERTEX_WEIGHT_EDIT", "VERTEX_WEIGHT_MIX"),
    *("VERTEX_WEIGHT_PROXIMITY", "MESH_SEQUENCE_CACHE", "MESH_CACHE", "CLOTH", "SOFT_BODY"),
}
"""Modifiers after which every loop still is a loop of the mesh, or a copy of one."""


@dataclass(frozen=True)
class Sent:
    """What goes out.

    Attributes:
        position: (V, 3) float32, turned, scaled and mirrored as in the world, not moved.
        corner_vert: (3 F,) int32.
        corner_uv: (3 F, 2) float32; None: the engine makes UVs.
        face_polygon: (F,) int32 the face of the mesh that each triangle is a piece of: new UVs must
            not cut it.
        loop: (3 F,) the loop of the user's mesh that each corner is, or a copy of; None where
            modifiers make others: then the object's own UVs are kept.
        uv_map: name of the UV map that is used; empty: a new one.
        matrix: 4 rows of 4, of the object in the world.
        bounds: lowest and highest corner of the evaluated mesh, in the space of the object.
        modifiers: names of those that are in it.
        sentence: which UVs will be used, for the user.
    """

    position: "NDArray[np.float32]"
    corner_vert: "NDArray[np.int32]"
    corner_uv: "NDArray[np.float32] | None"
    face_polygon: "NDArray[np.int32]"
    loop: "NDArray[np.int32] | None"
    uv_map: str
    matrix: tuple[float, ...]
    bounds: tuple[float, ...]
    modifiers: tuple[str, ...]
    sentence: str

    def attached(self) -> "dict[str, Shaped]":
        """The arrays as ``protocol.parts.MESH_ARRAYS`` names them."""
        from ..protocol.wire import Shaped

        arrays: dict[str, NDArray[Any]] = {
            "position": self.position,
            "corner_vert": self.corner_vert,
            "face_polygon": self.face_polygon,
        }
        if self.corner_uv is not None:
            arrays["corner_uv"] = self.corner_uv
        return {
            name: Shaped(
                np.ascontiguousarray(value).reshape(-1).view(np.uint8).data,
                "int32" if value.dtype == np.int32 else "float32",
                value.shape,
            )
            for name, value in arrays.items()
        }


def why_not(thing: Any | None) -> str:
    """Why a mesh cannot get new materials, in a sentence with the remedy, or empty."""
    if thing is None or thing.type != "MESH":
        return "Select a mesh object; other kinds become one by Object > Convert > Mesh."
    if why := not_local(thing):
        return why
    if not thing.data.polygons and not thing.modifiers and thing.mode != "EDIT":
        return said("{name} has no faces.", name=thing.name)
    return ""


def not_local(thing: Any) -> str:
    """That an object belongs to another file, in a sentence with the remedy, or empty."""
    if thing.override_library is not None:
        return said("{name} is a library override; make it local first.", name=thing.name)
    if thing.library is not None or thing.data.library is not None:
        return said("{name} comes from another file; make it local first.", name=thing.name)
    return ""


def make_local(thing: Any) -> Any:
    """Make a linked or overridden object, and its mesh, the file's own; the object to use now."""
    local = thing.make_local()
    if local.data.library is not None or local.data.override_library is not None:
        local.data.make_local()
    return local


def shown_modifiers(thing: Any) -> tuple[str, ...]:
    """Names of the modifiers that are part of an evaluated mesh."""
    return tuple(modifier.name for modifier in thing.modifiers if modifier.show_viewport)


def shape_of(thing: Any) -> Sent:
    """The evaluated mesh of an object, without UVs: for another mesh that comes in its place.

    Raises:
        EngineError: ``object_unusable``, ``mesh_empty``.
    """
    read, _, _ = _evaluated(thing)
    return _sent(thing, read, None, None, "", shown_modifiers(thing), "")


def gather(thing: Any, *, keep_uvs: bool = True, checked: bool = False) -> Sent:
    """The evaluated mesh of an object.

    Args:
        keep_uvs: use the object's own UVs if textures can be baked into them.
        checked: they were found fit for it before; they are not looked at again.

    Raises:
        EngineError: ``object_unusable`` with the sentence of ``why_not``; ``mesh_empty``,
            ``uv_maps_full``.
    """
    read, own, same = _evaluated(thing)
    shown_with = shown_modifiers(thing)
    problem = "are missing"
    if read.corner_uv is not None:
        problem = "" if checked else problem_of(_triangles(read.corner_uv))
    if keep_uvs and not problem:
        words = said("Its own UV map {own} is used.", own=own)
        return _sent(thing, read, read.corner_uv, None, own, shown_with, words)
    if len(thing.data.uv_layers) >= MOST_UV_MAPS:
        raise EngineError(
            "uv_maps_full",
            said(
                "{name} has {most} UV maps, the most that Blender can hold, and those of the "
                "active one {problem}.",
                name=thing.name,
                most=MOST_UV_MAPS,
                problem=said(problem or "are not to be used"),
            ),
            "Remove one, or make another one active.",
        )
    words = said("New UVs are made, in a UV map of their own.")
    if keep_uvs and own:
        words = said(
            "The UVs of {own} {problem}: new ones are made, in a UV map of their own.",
            own=own,
            problem=said(problem),
        )
    if same:
        return _sent(thing, read, None, read.loop, "", shown_with, words)
    traced = _traced(thing)
    if traced.left_out:
        names = ", ".join(traced.left_out)
        words += " " + said(
            "The mesh goes out without {names}, whose faces the UVs cannot be brought to.",
            names=names,
        )
    kept = tuple(name for name in shown_with if name not in traced.left_out)
    return _sent(thing, traced.read, None, traced.read.loop, "", kept, words)


def _evaluated(thing: Any) -> "tuple[_Read, str, bool]":
    """The evaluated mesh, the name of its active UV map or "", and whether it has the very loops
    of the object's own mesh.

    Raises:
        EngineError: ``object_unusable``, ``mesh_empty``.
    """
    if why := why_not(thing):
        raise EngineError("object_unusable", why, "")
    if thing.mode == "EDIT":
        thing.update_from_editmode()
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    try:
        read = _read(mesh, _world(thing))
        own = mesh.uv_layers.active.name if len(mesh.uv_layers) else ""
        same = _same_loops(mesh, thing.data)
    finally:
        shown.to_mesh_clear()
    if not len(read.corner_vert):
        raise EngineError(
            "mesh_empty", said("{name} has no faces.", name=thing.name), "Select another object."
        )
    return read, own, same


@dataclass(frozen=True)
class _Read:
    """Triangles of a mesh, and the loop of that mesh (or of the one it was traced to) of each."""

    position: "NDArray[np.float32]"
    corner_vert: "NDArray[np.int32]"
    corner_uv: "NDArray[np.float32] | None"
    polygon: "NDArray[np.int32]"
    loop: "NDArray[np.int32]"
    bounds: tuple[float, ...]


@dataclass(frozen=True)
class _Traced:
    read: _Read
    left_out: tuple[str, ...]


def _sent(
    thing: Any,
    read: _Read,
    uvs: Any,
    loop: Any,
    uv_map: str,
    modifiers: tuple[str, ...],
    sentence: str,
) -> Sent:
    return Sent(
        read.position,
        read.corner_vert,
        uvs,
        read.polygon,
        loop,
        uv_map=uv_map,
        matrix=tuple(number for row in thing.matrix_world for number in row),
        bounds=read.bounds,
        modifiers=modifiers,
        sentence=sentence,
    )


def _read(mesh: Any, world: "NDArray[np.float64]") -> _Read:
    """The triangles of a mesh, with the winding of the world."""
    position = np.empty(3 * len(mesh.vertices), np.float32)
    if len(mesh.vertices):
        mesh.attributes["position"].data.foreach_get("vector", position)
    mesh.calc_loop_triangles()
    loop = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("loops", loop)
    polygon = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("polygon_index", polygon)
    if np.linalg.det(world) < 0:
        loop = np.ascontiguousarray(loop.reshape(-1, 3)[:, (0, 2, 1)]).reshape(-1)
    vert = np.empty(len(mesh.loops), np.int32)
    if len(vert):
        mesh.attributes[".corner_vert"].data.foreach_get("value", vert)
    uv = None
    if len(mesh.uv_layers) and len(loop):
        flat = np.empty(2 * len(mesh.loops), np.float32)
        mesh.attributes[mesh.uv_layers.active.name].data.foreach_get("vector", flat)
        uv = flat.reshape(-1, 2)[loop]
    local = position.reshape(-1, 3)
    bounds: tuple[float, ...] = ()
    if len(local):
        bounds = (*map(float, local.min(axis=0)), *map(float, local.max(axis=0)))
    points = (local @ world.T).astype(np.float32)
    return _Read(np.ascontiguousarray(points), vert[loop], uv, polygon, loop, bounds)


def _world(thing: Any) -> "NDArray[np.float64]":
    """(3, 3) what an object's transform does to directions."""
    return np.array(thing.matrix_world.to_3x3(), np.float64)


def _triangles(corner_uv: "NDArray[np.float32]") -> "NDArray[np.float32]":
    return corner_uv.reshape(-1, 3, 2)


def _same_loops(shown: Any, own: Any) -> bool:
    """Whether the evaluated mesh has the very loops of the mesh, so that only points moved."""
    if len(shown.loops) != len(own.loops) or len(shown.polygons) != len(own.polygons):
        return False
    verts = [np.empty(len(own.loops), np.int32) for _ in range(2)]
    for mesh, values in zip((shown, own), verts, strict=True):
        mesh.loops.foreach_get("vertex_index", values)
    return bool((verts[0] == verts[1]).all())


def _traced(thing: Any) -> _Traced:
    """As it is without modifiers that make new loops, each corner with the loop it came from.

    A copy in the scene is evaluated, for the time of this function, and the object stays as it is.
    """
    mesh = thing.data.copy()
    copy = thing.copy()
    try:
        copy.data = mesh
        attribute = mesh.attributes.new(_LOOP, "INT", "CORNER")
        attribute.data.foreach_set("value", np.arange(len(mesh.loops), dtype=np.int32))
        left_out: list[str] = []
        for modifier in copy.modifiers:
            if modifier.show_viewport and modifier.type not in _KEEP_LOOPS:
                modifier.show_viewport = False
                left_out.append(modifier.name)
        bpy.context.scene.collection.objects.link(copy)
        copy.hide_viewport = False
        depsgraph = bpy.context.evaluated_depsgraph_get()
        shown = copy.evaluated_get(depsgraph)
        evaluated = shown.to_mesh()
        read = _read(evaluated, _world(thing))
        origin = np.empty(len(evaluated.loops), np.int32)
        evaluated.attributes[_LOOP].data.foreach_get("value", origin)
        shown.to_mesh_clear()
        return _Traced(
            replace(read, loop=origin[read.loop]),
            tuple(left_out),
        )
    finally:
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
