"""The new look of an object: a material, and UVs where new ones were made. Nothing else changes.

The slots of the *object* get the material, and those of its mesh keep what they had: so another
object with the same mesh looks as before, the old look is one choice away (``looks``), and neither
modifiers nor vertices are touched. A preview stands beside the object first.
"""

import json
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..core.deliveries import Delivery, Placed
from ..core.language import said
from ..protocol.errors import EngineError
from . import build, edits, elbow_room, looks, materials, mesh_out, open_file, recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

UV_NAME = "Maquette"
PREVIEW = "maquette_preview"
"""Custom property of a preview: JSON with what ``keep`` needs."""
ORIGINAL = "maquette_original"
"""Custom property of a preview: a pointer to its object."""


def arrive(delivery: Delivery, scene: Any, thing: Any) -> Placed:
    """Show a new look beside an object, or give it to the object at once."""
    target = delivery.target
    arrays = build.arrays_of(delivery.parts["finished"])
    try:
        sent = _still_fits(
            thing, arrays["position"], arrays["corner_vert"], arrays["corner_uv"], target.keep_uvs
        )
        uvs = _loop_uvs(thing, sent, arrays["corner_uv"])
    except EngineError as error:
        return Placed(
            outcome="lost",
            sentence=said(
                "The new look of {name} waits in the history: {error}", name=thing.name, error=error
            ),
        )
    uv_map = sent.uv_map or _free_name(thing.data)
    name = f"{thing.name} Look"
    material = materials.textured_material(name, delivery.job, delivery.parts["textures"], uv_map)
    story = recipe.of_delivery(delivery)
    if not target.preview:
        _give(thing, material, uv_map, uvs, story, all_users=target.all_users)
        return _placed(thing, said("{name} has its new look.", name=thing.name))
    flat = _flat_faces(thing.data, sent)
    if flat is not None:
        # The engine's normals would hide how the object is shaded, and both could not be compared.
        arrays = {name: array for name, array in arrays.items() if name != "corner_normal"}
    preview = _beside(thing, arrays, material, uv_map, scene)
    if flat is not None and len(preview.data.polygons) == len(flat):
        made = preview.data.attributes.new("sharp_face", "BOOLEAN", "FACE")
        made.data.foreach_set("value", flat)
        preview.data.update()
    preview[ORIGINAL] = thing
    preview[PREVIEW] = json.dumps(
        {
            "name": thing.name,
            "keep_uvs": target.keep_uvs,
            "uv_map": uv_map,
            "all_users": target.all_users,
            "recipe": story,
        }
    )
    return _placed(
        preview,
        said("The new look of {name} stands beside it: keep or discard it.", name=thing.name),
    )


def previews() -> list[Any]:
    """All previews in the file."""
    return [thing for thing in bpy.data.objects if PREVIEW in thing]


def preview_of(thing: Any | None) -> Any | None:
    """The preview that an object is, or has beside it."""
    if thing is None or PREVIEW in thing:
        return thing
    return next((p for p in previews() if _original(p) == thing), None)


def holds(uid: int, job: str) -> bool:
    """Whether an object, by ``session_uid``, has the result of a job, or is the preview of one."""
    thing = open_file.by_uid(bpy.data.objects, uid)
    return thing is not None and (PREVIEW in thing or recipe.job_of(thing) == job)


def keep(preview: Any) -> Any:
    """Give the look of a preview to its object, and remove the preview; the object.

    The operator that calls it makes the undo step.

    Raises:
        EngineError: ``preview_orphan``, ``object_changed``, ``uv_maps_full``; the preview stays.
    """
    story = json.loads(preview[PREVIEW])
    thing = _original(preview)
    if thing is None:
        raise EngineError(
            "preview_orphan",
            said("{name} was deleted.", name=story["name"]),
            "Use the preview itself as an object, or discard it.",
        )
    if why := mesh_out.why_not(thing):
        raise EngineError("object_unusable", why, "")
    mesh = preview.data
    position = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.attributes["position"].data.foreach_get("vector", position)
    vert = np.empty(len(mesh.loops), np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", vert)
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.attributes[mesh.uv_layers.active.name].data.foreach_get("vector", uv)
    corner_uv = uv.reshape(-1, 2)
    sent = _still_fits(thing, position.reshape(-1, 3), vert, corner_uv, story["keep_uvs"])
    uvs = _loop_uvs(thing, sent, corner_uv)
    uv_map = sent.uv_map or _free_name(thing.data)
    material = preview.material_slots[0].material
    _rename_uv_map(material, story["uv_map"], uv_map)
    _give(thing, material, uv_map, uvs, story["recipe"], all_users=story["all_users"])
    _remove(preview)
    return thing


def discard(preview: Any) -> None:
    """Remove a preview and its look; the operator that calls it makes the undo step."""
    _remove(preview)


def _give(
    thing: Any,
    material: Any,
    uv_map: str,
    uvs: "NDArray[np.float32] | None",
    story: dict[str, Any],
    *,
    all_users: bool,
) -> None:
    mesh = thing.data
    if uvs is not None:
        active = mesh.uv_layers.active_index
        drawn = next((i for i, layer in enumerate(mesh.uv_layers) if layer.active_render), 0)
        name = build.set_uvs(mesh, uv_map, uvs)
        if name != uv_map:
            _rename_uv_map(material, uv_map, name)
        if len(mesh.uv_layers) > 1:  # other materials use the one that was active
            mesh.uv_layers.active_index = active
            mesh.uv_layers[drawn].active_render = True
    if not mesh.materials:
        mesh.materials.append(None)
    users = [o for o in bpy.data.objects if o.data == mesh] if all_users else [thing]
    for user in users:
        looks.add(user, material)
        recipe.give(user, story)
    if recipe.is_of_look(thing):
        edits.remember(mesh)  # the stored result has this shape


def _still_fits(
    thing: Any,
    position: "NDArray[Any]",
    corner_vert: "NDArray[Any]",
    corner_uv: "NDArray[Any]",
    keep_uvs: bool,
) -> mesh_out.Sent:
    """The mesh as it is sent now, if that is what the look was made for.

    Raises:
        EngineError: ``object_changed``, and as ``mesh_out.gather``.
    """
    # Where its own UVs came back, they were found fit when it was sent: a second look takes long.
    sent = mesh_out.gather(thing, keep_uvs=keep_uvs, checked=True)
    if not _are_alike(sent.corner_uv, corner_uv):
        sent = mesh_out.gather(thing, keep_uvs=keep_uvs)
    same = sent.position.shape == position.shape and np.array_equal(sent.corner_vert, corner_vert)
    if same and len(position):
        size = float(np.ptp(sent.position, axis=0).max())
        same = bool(np.abs(sent.position - position).max() <= 1e-4 * max(size, 1e-12))
    if not same:
        raise EngineError(
            "object_changed",
            said("{name} has another shape now than when it was sent.", name=thing.name),
            "Undo the change of its shape, or retexture it again.",
        )
    return sent


def _are_alike(own: "NDArray[Any] | None", came: "NDArray[Any]") -> bool:
    return own is not None and own.shape == came.shape and np.allclose(own, came, atol=1e-5)


def _loop_uvs(
    thing: Any, sent: mesh_out.Sent, corner_uv: "NDArray[np.float32]"
) -> "NDArray[np.float32] | None":
    """(L, 2) UVs of the loops of the object's mesh; None where its own UVs were used.

    Raises:
        EngineError: ``uvs_unusable``.
    """
    if sent.corner_uv is not None or sent.loop is None:
        if _are_alike(sent.corner_uv, corner_uv):
            return None
        raise EngineError(
            "uvs_unusable",
            said("The engine could not use the UVs of {name} and made others.", name=thing.name),
            "Retexture it again without its own UVs, or unwrap it first.",
        )
    uvs = np.zeros((len(thing.data.loops), 2), np.float32)
    # Of a loop that was sent several times the first copy counts, so write it last.
    uvs[sent.loop[::-1]] = corner_uv[::-1]
    firsts = np.full(len(uvs), -1, np.int64)
    corners = np.arange(len(sent.loop))
    firsts[sent.loop[::-1]] = corners[::-1]
    polygon = np.repeat(sent.face_polygon, 3)
    # Corners of that very face, not of a mirrored copy of it.
    of_first = polygon == polygon[firsts[sent.loop]]
    cut = of_first & (np.abs(uvs[sent.loop] - corner_uv).max(axis=1) > 1e-5)
    if cut.any():
        faces = len(np.unique(polygon[cut]))
        what = said("a face") if faces == 1 else said("{faces:,} faces", faces=faces)
        raise EngineError(
            "uvs_unusable",
            said(
                "The new UVs cut {what} of {name} with more than three corners.",
                what=what,
                name=thing.name,
            ),
            "Unwrap it first, such as by UV > Smart UV Project, and retexture it again.",
        )
    return uvs


def _beside(
    thing: Any, arrays: "dict[str, NDArray[Any]]", material: Any, uv_map: str, scene: Any
) -> Any:
    """The preview: what the engine made, beside the object and clear of others."""
    from mathutils import Matrix  # pyright: ignore[reportMissingImports]

    mesh = build.mesh_of_arrays(f"{thing.name} Preview", arrays, build.Fit(), exact=False)
    mesh.uv_layers[0].name = uv_map
    mesh.materials.append(material)
    preview = bpy.data.objects.new(f"{thing.name} Preview", mesh)
    preview.matrix_world = Matrix.Translation(thing.matrix_world.translation)
    around = elbow_room.box_of(preview)
    others = elbow_room.seen_meshes(scene, thing)
    # What the object itself stands in, such as a room or on a ground, is not in the way.
    free = [other for other in others if not elbow_room.shift(around, [elbow_room.box_of(other)])]
    # It is where its object is, as large, so that it has to leave its own place.
    elbow_room.step_aside(preview, [preview, *free])
    collections = [c for c in thing.users_collection if c.library is None]
    (collections[0] if collections else scene.collection).objects.link(preview)
    from .place import show_in_local_views

    show_in_local_views(preview)
    return preview


def _flat_faces(mesh: Any, sent: "mesh_out.Sent") -> "NDArray[np.bool_] | None":
    """(F,) of the triangles that were sent: which are shaded flat; None: modifiers say that."""
    count = int(sent.face_polygon.max(initial=-1)) + 1
    if sent.modifiers or count > len(mesh.polygons):
        return None
    flat = np.zeros(len(mesh.polygons), bool)
    attribute = mesh.attributes.get("sharp_face")
    if attribute is not None:
        attribute.data.foreach_get("value", flat)
    return flat[sent.face_polygon]


def _original(preview: Any) -> Any | None:
    """The object of a preview; None where it was deleted: then our pointer alone keeps it."""
    found = preview.get(ORIGINAL)
    return found if found is not None and found.users_scene else None


def _remove(preview: Any) -> None:
    from .replace import remove_unused

    mesh = preview.data
    slots = [slot.material for slot in preview.material_slots]
    bpy.data.objects.remove(preview)
    remove_unused(mesh, slots)


def _free_name(mesh: Any) -> str:
    """A name for a UV map, or other attribute, that the mesh does not have."""
    name, number = UV_NAME, 0
    while name in mesh.attributes:
        number += 1
        name = f"{UV_NAME}.{number:03d}"
    return name


def _rename_uv_map(material: Any, old: str, new: str) -> None:
    for node in material.node_tree.nodes:
        if getattr(node, "uv_map", None) == old:
            node.uv_map = new


def _placed(thing: Any, sentence: str) -> Placed:
    return Placed(
        outcome="placed", object=thing.session_uid, object_name=thing.name, sentence=sentence
    )
