"""Deliveries into the scene, each with exactly one undo step in the same tick.

Only data is changed, by the data API: nothing is selected or hidden, no mode is changed, and it
works without a 3D viewport.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]

from ..core.deliveries import Delivery, Placed
from ..core.language import said
from . import (
    asset,
    build,
    contents,
    edits,
    elbow_room,
    modes,
    open_file,
    recipe,
    replace,
    retexture,
)

COLLECTION = "Maquette"


def deliver(delivery: Delivery, *, undo: bool = True) -> Placed:
    """Put a delivery where it belongs, on the main thread.

    Args:
        undo: end with an undo step; without a window nobody needs one.
    """
    target = delivery.target
    if target.file != open_file.key():
        return _lost(delivery, "its file was closed")
    scene = open_file.by_uid(bpy.data.scenes, target.scene)
    if scene is None:
        return _lost(delivery, "its scene was deleted")
    thing = None
    if target.object or target.purpose != "new":
        if not open_file.there(target.object):
            return _deleted(delivery)
        thing = open_file.by_uid(bpy.data.objects, target.object)
    if words := modes.why_later(thing):
        return Placed(outcome="later", sentence=said("Waits until {words}.", words=words))
    if thing is not None and (why := replace.why_not(thing)):
        return Placed(
            outcome="lost",
            sentence=said(
                "{title} waits in the history. {why}", title=delivery.title, why=said(why)
            ),
        )
    with _undone_if_it_fails(undo):
        placed = _put(delivery, scene, thing)
    if undo and placed.outcome == "placed" and placed.object:
        bpy.ops.ed.undo_push(message=f"Maquette: {placed.object_name}")
    return placed


@contextmanager
def _undone_if_it_fails(undo: bool) -> Iterator[None]:
    """Where building fails half-way, what was made for it goes; what was changed can be undone."""
    kinds = ("objects", "meshes", "materials", "images")
    before = {kind: {block.session_uid for block in getattr(bpy.data, kind)} for kind in kinds}
    try:
        yield
    except Exception:
        for kind in kinds:
            blocks = getattr(bpy.data, kind)
            for block in [b for b in blocks if b.session_uid not in before[kind]]:
                if kind == "objects" or not block.users:
                    blocks.remove(block)
        if undo:
            bpy.ops.ed.undo_push(message="Maquette")
        raise


def at_cursor(scene: Any) -> tuple[float, ...]:
    """``Target.matrix`` for the 3D cursor, upright."""
    return upright(scene.cursor.location)


def upright(point: Any) -> tuple[float, ...]:
    """``Target.matrix`` for a point in the world, Z up."""
    x, y, z = point
    return (1.0, 0.0, 0.0, x, 0.0, 1.0, 0.0, y, 0.0, 0.0, 1.0, z, 0.0, 0.0, 0.0, 1.0)


def _put(delivery: Delivery, scene: Any, thing: Any | None) -> Placed:
    target = delivery.target
    if target.purpose == "retexture":
        if delivery.stage != "finished":
            return Placed(outcome="placed")  # it shows nothing that the object does not show
        return retexture.arrive(delivery, scene, thing)
    if thing is None:
        thing, fit = _new_object(delivery, scene)
        sentence = said("{name} is in the scene.", name=thing.name)
    elif target.purpose == "new":
        new = contents.main_of(
            delivery, thing.name, lambda points: build.standing(points, target.height)
        )
        replace.swap(thing, new, delivery, all_users=True)
        fit, sentence = new.fit, said("{name} is in the scene.", name=thing.name)
    else:
        fit = replace.in_place(delivery, thing).fit
        sentence = said("{name} has its new mesh.", name=thing.name)
    if delivery.stage == "finished":
        replace.add_levels(thing, delivery, fit)
        if target.as_asset:
            asset.mark(thing, delivery.parts.get("thumbnail"))
    return Placed(
        outcome="placed", object=thing.session_uid, object_name=thing.name, sentence=sentence
    )


def _new_object(delivery: Delivery, scene: Any) -> tuple[Any, build.Fit]:
    from mathutils import Matrix  # pyright: ignore[reportMissingImports]

    target = delivery.target
    name = delivery.title or "Maquette"
    new = contents.main_of(delivery, name, lambda points: build.standing(points, target.height))
    new.mesh.materials.append(new.material)
    edits.remember(new.mesh)
    thing = bpy.data.objects.new(name, new.mesh)
    if target.matrix:
        m = target.matrix
        thing.matrix_world = Matrix((m[0:4], m[4:8], m[8:12], m[12:16]))
    if not target.exact:
        seen = elbow_room.seen_meshes(scene, thing)
        ours = [other for other in seen if recipe.job_of(other)]
        elbow_room.stand_free(thing, ours, [other for other in seen if other not in ours])
    recipe.write(thing, recipe.of_delivery(delivery))
    collection_for(scene).objects.link(thing)
    show_in_local_views(thing)
    return thing, new.fit


def collection_for(scene: Any) -> Any:
    """The collection "Maquette" of a scene, made where there is none.

    Where it cannot be seen, the scene's own collection, which cannot be switched off.
    """
    own = next((c for c in scene.collection.children if c.name.startswith(COLLECTION)), None)
    if own is None:
        own = bpy.data.collections.new(COLLECTION)
        scene.collection.children.link(own)
        return own
    hidden = own.hide_viewport or own.library is not None
    for window in bpy.context.window_manager.windows:
        if window.scene == scene:
            layer = window.view_layer.layer_collection.children.get(own.name)
            hidden = hidden or layer is None or layer.exclude or layer.hide_viewport
    return scene.collection if hidden else own


def show_in_local_views(thing: Any) -> None:
    """What is new would be invisible in a viewport that shows some objects only."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and area.spaces.active.local_view is not None:
                # A view layer knows what is new after an update only.
                window.view_layer.update()
                thing.local_view_set(area.spaces.active, True)


def _deleted(delivery: Delivery) -> Placed:
    return Placed(
        outcome="lost",
        sentence=said(
            "{name} was deleted while its job ran: the result waits in the history.",
            name=delivery.target.object_name or delivery.title,
        ),
    )


def _lost(delivery: Delivery, why: str) -> Placed:
    return Placed(
        outcome="lost",
        sentence=said(
            "{title} waits in the history, since {why}.", title=delivery.title, why=said(why)
        ),
    )
