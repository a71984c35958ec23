"""Verbs that correct the matte."""

from typing import Any

from bpy.types import Operator

from ..protocol.errors import EngineError
from .acting import attempt, refuse, session, session_as_it_is


def of(chosen: Any) -> Any:
    """The corrections of the scene."""
    from ..core.candidate import Matte

    return Matte(chosen.matte, chosen.threshold, chosen.grow)


_showing = False
"""The sliders are being set to what a picture has, and ask for nothing."""


def correct(chosen: Any) -> None:
    """Ask for the matte again with the corrections of the scene."""
    from ..bl import tick

    picture = tick.snapshot().picture
    if picture.title and not picture.of_words and not _showing:
        try:
            session().chosen.correct(of(chosen))
        except EngineError:
            return  # the panel says how the engine is


def show(chosen: Any, matte: Any) -> None:
    """Set the sliders to the corrections of the picture that is shown."""
    from ..core.candidate import USUAL_THRESHOLD

    global _showing
    _showing = True
    try:
        chosen.matte, chosen.grow = matte.method, matte.grow
        chosen.threshold = USUAL_THRESHOLD if matte.threshold is None else matte.threshold
    finally:
        _showing = False


class MAQUETTE_OT_paint_mask(Operator):
    """Paint on the cut-out in an Image editor: erase what does not belong to the object"""

    bl_idname = "maquette.paint_mask"
    bl_label = "Paint Mask"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import tick

        picture = tick.snapshot().picture
        if not picture.maskable:
            return refuse(cls, "This picture cannot be cut out: choose another one.")
        can = picture.cut_out or (picture.title and not picture.checking)
        return refuse(cls, "" if can else "The cut-out is not here yet.")

    def execute(self, context: Any) -> set[str]:
        from ..bl import matte

        return attempt(self, lambda: matte.paint(context, session_as_it_is()))


class MAQUETTE_OT_use_mask(Operator):
    """Use the cut-out as it was painted"""

    bl_idname = "maquette.use_mask"
    bl_label = "Use Mask"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import matte

        return refuse(cls, "" if matte.is_here() else "Press Paint Mask first.")

    def execute(self, _context: Any) -> set[str]:
        from ..bl import matte

        return attempt(self, lambda: matte.use(session_as_it_is()), "The painted mask is used.")


CLASSES = (MAQUETTE_OT_paint_mask, MAQUETTE_OT_use_mask)
