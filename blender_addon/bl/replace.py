"""Another mesh and materials in an object that exists: what comes next of a generation, an upscale,
or another finish. Transform, parent, modifiers, selection and the user's own slots stay.
"""

from collections.abc import Sequence
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..core.deliveries import Delivery
from ..core.language import said
from . import contents, edits, looks, materials, mesh_out, recipe
from .build import Fit

LEVEL = "maquette_level"
"""Custom property of objects that are levels of detail or the hull of their parent."""


def why_not(thing: Any | None) -> str:
    """Why the mesh of an object cannot be replaced, in a sentence with the remedy, or empty."""
    if thing is None or thing.type != "MESH":
        return "Select a mesh object first."
    return mesh_out.not_local(thing)


def what_is_lost(thing: Any) -> list[str]:
    """What of the user's own work a new mesh cannot keep, in words for a warning."""
    mesh = thing.data
    lost = {
        "shape keys": mesh.shape_keys is not None,
        "vertex groups": bool(thing.vertex_groups),
        "UV maps": len(mesh.uv_layers) > 1,
    }
    return [said(words) for words, there in lost.items() if there]


def looks_lost(thing: Any) -> str:
    """That the looks of an object go with its old mesh, or empty."""
    names = [look.name for look in looks.of(thing)]
    if not names:
        return ""
    return said(
        "The new mesh brings its own look: {original}, {looks} go with the old mesh.",
        original=said("Original"),
        looks=", ".join(names),
    )


def modifiers_in(thing: Any, *, as_it_is: bool = False) -> tuple[str, ...]:
    """Names of the modifiers that will be part of the new mesh of an object, and are switched off
    when it comes.

    Args:
        as_it_is: the mesh is sent, although it has a stored result.
    """
    if recipe.job_of(thing) and not as_it_is:
        before = recipe.sent_of(thing).get("modifiers", ())
        return tuple(name for name in mesh_out.shown_modifiers(thing) if name in before)
    return mesh_out.shown_modifiers(thing)


def in_place(delivery: Delivery, thing: Any) -> contents.Contents:
    """Put a delivery into an object, where its old mesh was and as large.

    Modifiers that were in the mesh when it was sent are switched off: they are in the new one.
    """
    target = delivery.target
    old = np.reshape(target.bounds, (2, 3)) if target.bounds else _bounds(thing.data)
    turn = None
    if target.matrix:  # it was sent as it stood in the world
        turn = np.linalg.inv(np.reshape(target.matrix, (4, 4))[:3, :3])
    new = contents.main_of(delivery, thing.name, lambda points: fitting(points, old), turn)
    for user in swap(thing, new, delivery, all_users=target.all_users):
        for name in target.modifiers:
            if modifier := user.modifiers.get(name):
                modifier.show_viewport = modifier.show_render = False
    return new


def swap(thing: Any, new: contents.Contents, delivery: Delivery, *, all_users: bool) -> list[Any]:
    """Give an object new contents and the recipe. Looks that it was given before are of its old
    mesh and are forgotten.

    Args:
        all_users: give them to all objects that share its mesh.

    Returns:
        The objects that have them.
    """
    old = thing.data
    before = list(old.materials)
    place = _own_slot(before)
    for number, material in enumerate(before):
        new.mesh.materials.append(new.material if number == place else material)
    if place == len(before):
        new.mesh.materials.append(new.material)
    if place:
        index = new.mesh.attributes.new("material_index", "INT", "FACE")
        index.data.foreach_set("value", np.full(len(new.mesh.polygons), place, np.int32))
    name = old.name
    users = [o for o in bpy.data.objects if o.data == old] if all_users else [thing]
    for user in users:
        looks.forget(user)
        user.data = new.mesh
        user.material_slots[place].link = "DATA"
        recipe.give(user, recipe.of_delivery(delivery))
    remove_unused(old, before)
    new.mesh.name = name
    edits.remember(new.mesh)
    if new.material is not None and delivery.stage != "structure":
        materials.name_after(new.material, thing.name)
    return users


def add_levels(thing: Any, delivery: Delivery, fit: Fit) -> None:
    """Levels of detail and the hull as hidden children, instead of those of before."""
    for child in list(thing.children):
        if LEVEL in child:
            mesh = child.data
            slots = [slot.material for slot in child.material_slots]
            bpy.data.objects.remove(child)
            remove_unused(mesh, slots)
    for name, level in contents.levels_of(delivery, thing.name, fit):
        child = bpy.data.objects.new(name, level.mesh)
        if level.material is not None:
            level.mesh.materials.append(level.material)
        else:
            child.display_type = "WIRE"
        child[LEVEL] = True
        child.hide_viewport = child.hide_render = True
        child.parent = thing
        for collection in thing.users_collection:
            collection.objects.link(child)


def fitting(points: Any, old: Any) -> Fit:
    """A fit of points onto bounds: base on base, as large along the longest side.

    Args:
        points: (N, 3).
        old: (2, 3) lowest and highest corner.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    axis = int(np.argmax(high - low))
    scale = float((old[1] - old[0])[axis] / max(float((high - low)[axis]), 1e-12))
    if scale <= 0:
        return Fit()
    new_base = np.array([*((low + high) / 2)[:2], low[2]])
    old_base = np.array([*((old[0] + old[1]) / 2)[:2], old[0][2]])
    origin = new_base - old_base / scale
    return Fit(scale, (float(origin[0]), float(origin[1]), float(origin[2])))


def _own_slot(before: Sequence[Any]) -> int:
    """The slot whose material is ours, the only empty one, or a new one at the end."""
    for number, material in enumerate(before):
        if materials.is_ours(material):
            return number
    return 0 if list(before) == [None] else len(before)


def remove_unused(mesh: Any, slots: Sequence[Any]) -> None:
    """Remove a mesh and materials of ours where nothing uses them any more."""
    if not mesh.users:
        bpy.data.meshes.remove(mesh)
    for material in set(slots):
        if material is not None:
            materials.remove_unused(material)


def _bounds(mesh: Any) -> Any:
    """(2, 3) float64 lowest and highest corner of a mesh."""
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.attributes["position"].data.foreach_get("vector", points)
    rows = points.reshape(-1, 3)
    return np.stack([rows.min(axis=0), rows.max(axis=0)]).astype(np.float64)
