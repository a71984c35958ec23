"""Where results go, as ``core.deliveries.Target``: names and numbers, no reference to bpy."""

from typing import TYPE_CHECKING, Any

from ..core.deliveries import Purpose, Target

if TYPE_CHECKING:
    from ..bl.mesh_out import Sent


def at_cursor(context: Any) -> Target:
    """A new object on the 3D cursor, as the scene's choices want it."""
    from ..bl import open_file, place

    chosen = context.scene.maquette
    return Target(
        file=open_file.key(),
        scene=context.scene.session_uid,
        matrix=place.at_cursor(context.scene),
        height=chosen.height,
        as_asset=chosen.as_asset,
        block_in=chosen.block_in,
    )


def of(context: Any, thing: Any, purpose: Purpose, sent: "Sent | None" = None) -> Target:
    """An object that is changed.

    Args:
        sent: its mesh; None: the source is the stored result that made its shape.
    """
    from ..bl import open_file, recipe

    chosen = context.scene.maquette
    if sent is None:
        before = recipe.sent_of(thing)
    else:
        before = {"matrix": sent.matrix, "bounds": sent.bounds, "modifiers": sent.modifiers}
    return Target(
        purpose=purpose,
        file=open_file.key(),
        scene=context.scene.session_uid,
        object=thing.session_uid,
        object_name=thing.name,
        matrix=before.get("matrix", ()),
        bounds=before.get("bounds", ()),
        modifiers=before.get("modifiers", ()),
        keep_uvs=chosen.texture_method == "keep",
        all_users=chosen.all_users,
        block_in=False,
    )
