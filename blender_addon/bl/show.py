"""An object brought before the user's eyes: selected, and in the middle of the viewport."""

from typing import Any

import bpy  # pyright: ignore[reportMissingImports]
from mathutils import Vector  # pyright: ignore[reportMissingImports]

from ..core.language import said
from ..protocol.errors import EngineError
from . import open_file

MARGIN = 1.5
"""Times its size that is seen around it."""


def show(context: Any, uid: int) -> None:
    """Show an object in the first 3D viewport of the window. In another mode than Object mode the
    selection is the mode's and stays.

    Args:
        uid: its ``session_uid``.

    Raises:
        EngineError: ``object_gone``, ``object_elsewhere``.
    """
    thing = open_file.by_uid(bpy.data.objects, uid)
    if thing is None:
        raise EngineError(
            "object_gone", "The object was deleted.", "Insert the result from the history."
        )
    if thing.name not in context.view_layer.objects:
        raise EngineError(
            "object_elsewhere",
            said(
                "{name} is in another scene or in a collection that is excluded.", name=thing.name
            ),
            "Change to that scene, or include the collection.",
        )
    if context.mode == "OBJECT":
        for other in context.selected_objects:
            other.select_set(False)
        thing.select_set(True)
        context.view_layer.objects.active = thing
    for area in context.window.screen.areas if context.window else ():
        if area.type == "VIEW_3D":
            _frame(area.spaces.active.region_3d, thing)
            area.tag_redraw()
            return


def _frame(view: Any, thing: Any) -> None:
    corners = [thing.matrix_world @ Vector(corner) for corner in thing.bound_box]
    middle = sum(corners, Vector()) / len(corners)
    if view.view_perspective == "CAMERA":
        view.view_perspective = "PERSP"
    view.view_location = middle
    view.view_distance = MARGIN * max(0.01, 2 * max((c - middle).length for c in corners))
