"""Verbs of own presets: all choices of the panel Generate under a name."""

from functools import lru_cache
from typing import Any

from bpy.props import StringProperty
from bpy.types import Operator

from .acting import attempt, refuse

NAMES = (
    "quality",
    "variants",
    "own_faces",
    "texture_size",
    "surface",
    "height",
    "as_asset",
    "block_in",
    "matte",
    "threshold",
    "grow",
)


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The names of all presets; read from disk once, and after each change."""
    from ..bl import tick
    from ..core import presets

    return tuple(presets.names(tick.user_folder()))


def values(chosen: Any) -> dict[str, Any]:
    """The choices as plain values."""
    found: dict[str, Any] = {name: getattr(chosen, name) for name in NAMES}
    for number in range(6):
        stage = chosen.stage(number)
        if stage.changed:
            found[f"stage_{number}"] = [stage.own_steps, stage.own_guidance]
    return found


def apply(chosen: Any, found: dict[str, Any]) -> None:
    """Set the choices; what a preset does not know is as it is at first."""
    for name in NAMES:
        chosen.property_unset(name)
        if name in found:
            try:
                setattr(chosen, name, found[name])
            except (TypeError, ValueError):
                continue  # of another version: the choice is as it is at first
    for number in range(6):
        stage = chosen.stage(number)
        steps, guidance = found.get(f"stage_{number}", (0, -1.0))
        stage.own_steps, stage.own_guidance = int(steps), float(guidance)


class MAQUETTE_OT_preset_save(Operator):
    """Save the choices of this panel under a name"""

    bl_idname = "maquette.preset_save"
    bl_label = "Save Preset…"

    name: StringProperty(name="Name", description="Of the preset")  # type: ignore[valid-type]

    def invoke(self, context: Any, _event: Any) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, confirm_text="Save")

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick
        from ..core import presets

        def save() -> None:
            presets.save(tick.user_folder(), self.name, values(context.scene.maquette))

        done = attempt(self, save)
        names.cache_clear()
        return done


class MAQUETTE_OT_preset_use(Operator):
    """Set all choices as this preset has them"""

    bl_idname = "maquette.preset_use"
    bl_label = "Use Preset"
    bl_options = {"UNDO", "INTERNAL"}

    name: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick
        from ..core import presets

        def use() -> None:
            apply(context.scene.maquette, presets.load(tick.user_folder(), self.name))

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
        from ..bl import tick
        from ..core import presets

        done = attempt(self, lambda: presets.delete(tick.user_folder(), self.name))
        names.cache_clear()
        return done


CLASSES = (MAQUETTE_OT_preset_save, MAQUETTE_OT_preset_use, MAQUETTE_OT_preset_delete)
