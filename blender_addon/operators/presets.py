"""Verbs of own presets: all choices of the panel Generate under a name."""

from functools import lru_cache
from typing import Any

from bpy.props import StringProperty
from bpy.types import Operator

from . import choices
from .acting import attempt, refuse


def store() -> Any:
    """The presets on disk."""
    from ..bl import tick
    from ..core.presets import Presets

    return Presets(tick.user_folder() / "presets")


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The names of all presets; read from disk once, and after each change."""
    return store().list()


@lru_cache(maxsize=1)
def unreadable() -> tuple[str, ...]:
    """A sentence for each file that is no preset any more; read as ``names``."""
    return tuple(broken.sentence for broken in store().unreadable())


class MAQUETTE_OT_preset_save(Operator):
    """Save the choices of this panel under a name"""

    bl_idname = "maquette.preset_save"
    bl_label = "Save Preset…"

    name: StringProperty(name="Name", description="Of the preset")  # type: ignore[valid-type]

    def invoke(self, context: Any, _event: Any) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, confirm_text="Save")

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick

        def save() -> None:
            settings = choices.generate(context.scene.maquette, tick.snapshot().checkpoint)
            store().save(self.name, settings)

        done = attempt(self, save)
        names.cache_clear()
        unreadable.cache_clear()
        return done


class MAQUETTE_OT_preset_use(Operator):
    """Set all choices as this preset has them"""

    bl_idname = "maquette.preset_use"
    bl_label = "Use Preset"
    bl_options = {"UNDO", "INTERNAL"}

    name: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick

        def use() -> None:
            settings = store().load(self.name)
            choices.apply(context.scene.maquette, settings, tick.snapshot().checkpoint)

        return attempt(self, use)


class MAQUETTE_OT_preset_delete(Operator):
    """Delete this preset"""

    bl_idname = "maquette.preset_delete"
    bl_label = "Delete Preset"
    bl_options = {"INTERNAL"}

    name: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return refuse(cls, "" if names() else "There is no preset.")

    def execute(self, _context: Any) -> set[str]:
        done = attempt(self, lambda: store().delete(self.name))
        names.cache_clear()
        unreadable.cache_clear()
        return done


CLASSES = (MAQUETTE_OT_preset_save, MAQUETTE_OT_preset_use, MAQUETTE_OT_preset_delete)
