"""Stands in for blender_addon/registration.py in test zips of a tree that has none yet."""

import bpy


class MAQUETTE_OT_nothing(bpy.types.Operator):
    """Does nothing, slowly"""

    bl_idname = "maquette.nothing"
    bl_label = "Nothing"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}


def _tick() -> float:
    return 0.05


def register() -> None:
    bpy.utils.register_class(MAQUETTE_OT_nothing)
    bpy.app.timers.register(_tick, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.utils.unregister_class(MAQUETTE_OT_nothing)
