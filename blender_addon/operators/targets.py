"""Where results go, as ``core.deliveries.Target``: names and numbers, no reference to bpy."""

from typing import Any

from ..core.deliveries import Purpose, Target


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


def of(context: Any, thing: Any, purpose: Purpose, *, sent_in_world: bool = False) -> Target:
    """An object that is changed.

    Args:
        sent_in_world: its mesh was sent as it stands in the world.
    """
    from ..bl import open_file

    chosen = context.scene.maquette
    rows = [number for row in thing.matrix_world for number in row] if sent_in_world else []
    return Target(
        purpose=purpose,
        file=open_file.key(),
        scene=context.scene.session_uid,
        object=thing.session_uid,
        object_name=thing.name,
        matrix=tuple(rows),
        keep_uvs=chosen.texture_method == "keep",
        all_users=chosen.all_users,
        block_in=False,
    )
