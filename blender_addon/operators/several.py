"""Verbs of several chosen pictures, and of words in their place."""

from typing import Any

from bpy.props import BoolProperty, IntProperty
from bpy.types import Operator

from . import matte
from .acting import attempt, refuse, session_as_it_is


class MAQUETTE_OT_step_picture(Operator):
    """Show another one of the chosen pictures"""

    bl_idname = "maquette.step_picture"
    bl_label = "Show Another Picture"
    bl_options = {"INTERNAL"}

    by: IntProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        chosen = session_as_it_is().chosen

        def step() -> None:
            chosen.show(chosen.view.place + self.by)
            matte.show(context.scene.maquette, chosen.matte)

        return attempt(self, step)


class MAQUETTE_OT_leave_out(Operator):
    """Make no object from this picture, or make one after all"""

    bl_idname = "maquette.leave_out"
    bl_label = "Leave Out"
    bl_options = {"INTERNAL"}

    out: BoolProperty(default=True, options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().chosen.leave_out(self.out))


class MAQUETTE_OT_use_words(Operator):
    """Say in words what the object looks like, instead of choosing a picture"""

    bl_idname = "maquette.use_words"
    bl_label = "Text"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import tick
        from ..core import refusals

        return refuse(cls, refusals.why_not_words(tick.snapshot()))

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().chosen.write(""))


CLASSES = (MAQUETTE_OT_step_picture, MAQUETTE_OT_leave_out, MAQUETTE_OT_use_words)
