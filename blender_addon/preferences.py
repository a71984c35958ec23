"""The preferences: one line says how the engine is, with a verb for what is wrong."""

from typing import Any

from bpy.props import BoolProperty
from bpy.types import AddonPreferences


class MaquettePreferences(AddonPreferences):
    """What belongs to this machine."""

    bl_idname = __package__ or "maquette"

    show_in_status_bar: BoolProperty(  # type: ignore[valid-type]
        name="Jobs in the Status Bar",
        description="Show the running job, and how a job has ended, at the right end of the "
        "status bar",
        default=True,
    )

    def draw(self, context: Any) -> None:
        from .bl import text, tick
        from .operators import engine as operators
        from .ui import engine, first_run

        layout, snapshot = self.layout, tick.snapshot()
        width = int(context.region.width - 80 * context.preferences.system.ui_scale)
        box = layout.box().column()
        engine.status_line(box, context, snapshot.engine, width)
        engine.draw_pairing(layout, context, snapshot.engine, width)
        if snapshot.engine.state == "absent":
            first_run.draw_costs(box.split(factor=0.6), snapshot.setup)
            engine.draw_online(box, context, width)
        if snapshot.weights is not None:
            engine.draw_weights(layout.box().column(), context, snapshot.weights, width)
        elif snapshot.checkpoint is not None and snapshot.checkpoint.small:
            engine.draw_only_small(layout.box().column(), context, width)
        row = layout.row(align=True)
        row.operator("maquette.use_folder", text="Engine in a Folder…", icon="FILE_FOLDER")
        row.operator("maquette.use_remote", text="Engine of Another Machine…", icon="LINKED")
        row.operator("maquette.copy_diagnosis", icon="COPYDOWN")
        text.say(layout, context, operators.why_not_remote(), icon="INFO", width=width)
        if snapshot.engine.state != "absent":
            first_run.draw_update(layout, context, snapshot.setup)
            row = layout.row(align=True)
            if snapshot.engine.own_folder:
                row.operator("maquette.use_own", icon="HOME")
            elif not snapshot.engine.remote:
                row.operator(
                    "maquette.set_up", text="Set Up the Engine Again", icon="FILE_REFRESH"
                ).fresh = True
        layout.prop(self, "show_in_status_bar")
        if snapshot.engine.versions:
            text.say(layout, context, snapshot.engine.versions, width=width, dim=True)


CLASSES = (MaquettePreferences,)


def preferences(context: Any) -> Any:
    """The preferences, or None where the extension is not enabled as one."""
    addon = context.preferences.addons.get(__package__)
    return addon.preferences if addon else None
