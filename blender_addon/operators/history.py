"""Verbs of the history."""

from typing import Any

from bpy.props import BoolProperty, EnumProperty, IntProperty
from bpy.types import Operator

from ..core.language import OWN, said
from ..protocol.errors import EngineError
from . import targets
from .acting import attempt, open_folder, refuse, session, session_as_it_is
from .generating import OfJob


def search(window: Any) -> None:
    """Ask the engine's store for results by letters of their name, and by their picture."""
    try:
        session_as_it_is().history(filter=window.history_search, picture=window.history_picture)
    except EngineError:
        return  # the panel says how the engine is, and shows the rows that are here


class MAQUETTE_OT_history_choose(OfJob, Operator):
    """Show what can be done with this result"""

    bl_idname = "maquette.history_choose"
    bl_label = "Choose Result"

    @classmethod
    def description(cls, _context: Any, properties: Any) -> str:
        """Its whole name, which its button may have no room for."""
        from ..bl import tick

        rows = tick.snapshot().history
        name = next((row.title for row in rows if row.id == properties.job), "")
        told = said("Show what can be done with this result")
        return f"{name}\n{told}" if name else told

    def execute(self, context: Any) -> set[str]:
        window = context.window_manager.maquette
        window.history_chosen = "" if window.history_chosen == self.job else self.job
        return {"FINISHED"}


class MAQUETTE_OT_history_turn(Operator):
    """Turn the page"""

    bl_idname = "maquette.history_turn"
    bl_label = "Turn the Page"
    bl_options = {"INTERNAL"}

    by: IntProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick
        from ..core.gallery import PAGE, shown

        window, snapshot = context.window_manager.maquette, tick.snapshot()
        rows = len(shown(snapshot.history, window.history_search, window.history_picture))
        wanted = window.history_page + self.by
        if snapshot.history_more and (wanted + 1) * PAGE >= rows:
            done = attempt(self, lambda: session_as_it_is().history(more=True))
            if done != {"FINISHED"}:
                return done
        window.history_page = max(0, min(wanted, max(0, rows - 1) // PAGE))
        return {"FINISHED"}


class MAQUETTE_OT_history_same_picture(Operator):
    """Show only results of the chosen result's picture; once more shows all again"""

    bl_idname = "maquette.history_same_picture"
    bl_label = "Of the Same Picture"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        window = context.window_manager.maquette
        has = window.history_picture or _picture(window.history_chosen)
        return refuse(cls, "" if has else "Choose a result first: those of its picture are shown.")

    def execute(self, context: Any) -> set[str]:
        window = context.window_manager.maquette
        window.history_picture = "" if window.history_picture else _picture(window.history_chosen)
        window.history_page = 0
        search(window)
        return {"FINISHED"}


def _picture(job: str) -> str:
    from ..bl import tick

    return next((row.picture for row in tick.snapshot().history if row.id == job), "")


class MAQUETTE_OT_history_insert(OfJob, Operator):
    """Put this result into the scene, at the 3D cursor"""

    bl_idname = "maquette.history_insert"
    bl_label = "Insert"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: session().insert(self.job, targets.at_cursor(context)))


class MAQUETTE_OT_history_vary(OfJob, Operator):
    """Make another object of the same picture, with another seed"""

    bl_idname = "maquette.history_vary"
    bl_label = "Vary"

    def execute(self, context: Any) -> set[str]:
        import random

        seed, target = random.randrange(1_000_000), targets.at_cursor(context)
        return attempt(self, lambda: session().again(self.job, target, seed=seed))


def _qualities(_self: Any, _context: Any) -> list[tuple[str, str, str]]:
    from ..bl import tick
    from ..properties import QUALITIES

    checkpoint = tick.snapshot().checkpoint
    names = [quality.name for quality in checkpoint.qualities] if checkpoint else []
    # Blender keeps no reference to these strings, so we do.
    _qualities.kept = [row for row in QUALITIES if row[0] in names]  # type: ignore[attr-defined]
    return _qualities.kept  # type: ignore[attr-defined]


class MAQUETTE_OT_history_quality(OfJob, Operator):
    """Make it again in another quality, with the same seed"""

    bl_idname = "maquette.history_quality"
    bl_label = "Same at Quality"

    quality: EnumProperty(name="Quality", description="That the new object gets", items=_qualities)  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        target = targets.at_cursor(context)
        return attempt(self, lambda: session().again(self.job, target, quality=self.quality))


class MAQUETTE_OT_history_folder(OfJob, Operator):
    """Open the folder of this result"""

    bl_idname = "maquette.history_folder"
    bl_label = "Open Folder"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: open_folder(session_as_it_is().folder_of(self.job)))


class MAQUETTE_OT_history_pin(OfJob, Operator):
    """Keep this result whatever the store's limit says"""

    bl_idname = "maquette.history_pin"
    bl_label = "Pin"
    bl_translation_context = OWN

    pin: BoolProperty(default=True, options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session().pin(self.job, self.pin))


class MAQUETTE_OT_history_delete(OfJob, Operator):
    """Delete this result from the store; objects in scenes stay"""

    bl_idname = "maquette.history_delete"
    bl_label = "Delete Result"

    def invoke(self, context: Any, event: Any) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Delete this result?",
            message="It cannot be inserted or finished again. Objects in scenes stay.",
            confirm_text="Delete",
        )

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session().delete(self.job))


CLASSES = (
    MAQUETTE_OT_history_choose,
    MAQUETTE_OT_history_turn,
    MAQUETTE_OT_history_same_picture,
    MAQUETTE_OT_history_insert,
    MAQUETTE_OT_history_vary,
    MAQUETTE_OT_history_quality,
    MAQUETTE_OT_history_folder,
    MAQUETTE_OT_history_pin,
    MAQUETTE_OT_history_delete,
)
