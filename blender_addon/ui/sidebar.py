"""What the panels of the sidebar share."""

from typing import Any

from ..bl import text, tick

VERBS = {
    "set_up": ("maquette.set_up", "Set Up the Engine", "IMPORT"),
    "start": ("maquette.engine_start", "Start the Engine", "PLAY"),
    "restart": ("maquette.engine_restart", "Restart the Engine", "FILE_REFRESH"),
    "retry": ("maquette.engine_restart", "Try Again", "FILE_REFRESH"),
    "update": ("maquette.set_up", "Update the Engine", "IMPORT"),
    "pair": ("maquette.use_remote", "Pair Again…", "LINKED"),
    "download": ("maquette.download_weights", "Download Weights…", "IMPORT"),
    "free_disk": ("maquette.open_engine_folder", "Show the Folder", "FILE_FOLDER"),
}
"""Of a verb of the snapshot: the operator, the words on its button, the icon."""


class Sidebar:
    """A panel of the tab Maquette in the 3D viewport."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        """There is an engine: until then the tab shows how to get one, and nothing else."""
        return is_set_up()


def is_set_up() -> bool:
    """Whether there is an engine that this Blender can use or start."""
    return tick.snapshot().engine.state not in ("absent", "installing")


def repair(layout: Any, context: Any, verb: str, *, boxes: int = 0, scale: float = 1.0) -> None:
    """Draw the button of a verb of the snapshot, and why it cannot be pressed; nothing for none.

    Args:
        boxes: as for ``text.say``.
    """
    if verb in VERBS:
        operator, words, icon = VERBS[verb]
        row = layout.row()
        row.scale_y = scale
        row.operator(operator, text=words, icon=icon)
        if operator == "maquette.set_up":
            text.say(layout, context, tick.snapshot().setup.why_not, icon="INFO", boxes=boxes)


def card(layout: Any, context: Any, what: str, hint: str, verb: str) -> None:
    """A box that says what is wrong, what helps, and has its button."""
    box = layout.box().column()
    text.problem(box, context, what, hint, boxes=1)
    repair(box, context, verb, boxes=1, scale=1.2)
