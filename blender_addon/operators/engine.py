"""Verbs of the engine: set up, start, stop, another one, diagnosis."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Operator

from ..core.language import said
from .acting import attempt, open_folder, refuse, session_as_it_is


def process() -> Any:
    """The engine's process, as ``engine_process`` has it."""
    from ..bl import tick

    return tick.engine()


class MAQUETTE_OT_set_up(Operator):
    """Install the engine beside Blender; Blender stays free meanwhile"""

    bl_idname = "maquette.set_up"
    bl_label = "Set Up the Engine"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import tick

        setup = tick.snapshot().setup
        return refuse(cls, "It is being set up." if setup.running else setup.why_not)

    agreed: BoolProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]
    fresh: BoolProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]
    extra: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    @classmethod
    def description(cls, _context: Any, properties: Any) -> str:
        if properties.fresh:
            return "Install the engine again from the start; results and weights stay"
        if properties.extra:
            return "Add to the engine what it needs for this; the engine starts again afterwards"
        return cls.__doc__ or ""

    def execute(self, _context: Any) -> set[str]:
        wanted = {"agreed": self.agreed, "fresh": self.fresh, "extra": self.extra}
        return attempt(self, lambda: process().set_up(**wanted))


class MAQUETTE_OT_dismiss_set_up(Operator):
    """Show no longer how setting up has ended"""

    bl_idname = "maquette.dismiss_set_up"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().dismiss_set_up())


class MAQUETTE_OT_discard_set_up(Operator):
    """Delete what a set-up that was not finished has downloaded"""

    bl_idname = "maquette.discard_set_up"
    bl_label = "Delete the Downloads"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import tick

        setup = tick.snapshot().setup
        why_not = "It is being set up." if setup.running else ""
        return refuse(cls, why_not or ("" if setup.resumable else "There are no downloads."))

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().discard_set_up())


class MAQUETTE_OT_cancel_set_up(Operator):
    """Stop setting up; what is downloaded is kept for the next time"""

    bl_idname = "maquette.cancel_set_up"
    bl_label = "Cancel Setting Up"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().cancel_set_up())


class MAQUETTE_OT_engine_start(Operator):
    """Start the engine; a job starts it too"""

    bl_idname = "maquette.engine_start"
    bl_label = "Start"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().start())


class MAQUETTE_OT_engine_stop(Operator):
    """Stop the engine; the running job is interrupted and can be resumed"""

    bl_idname = "maquette.engine_stop"
    bl_label = "Stop"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import tick

        runs = tick.snapshot().engine.state == "ready"
        return refuse(cls, "" if runs else "The engine does not run.")

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().shutdown_engine())


class MAQUETTE_OT_engine_restart(Operator):
    """Start the engine again; the job that ran can be resumed then"""

    bl_idname = "maquette.engine_restart"
    bl_label = "Restart the Engine"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().restart())


class MAQUETTE_OT_release_memory(Operator):
    """Give the memory of the graphics card back, for rendering; the next job loads it again"""

    bl_idname = "maquette.release_memory"
    bl_label = "Release Memory"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import tick
        from ..core import refusals

        return refuse(cls, refusals.why_not_release(tick.snapshot()))

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().release_memory())


class MAQUETTE_OT_use_folder(Operator):
    """Use an engine that is installed on this machine"""

    bl_idname = "maquette.use_folder"
    bl_label = "Use This Folder"  # stands on the button of the file browser

    directory: StringProperty(
        name="Folder",
        description="In which the engine is installed",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"},
    )  # type: ignore[valid-type]

    def invoke(self, context: Any, _event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().use_folder(Path(bpy.path.abspath(self.directory))))


def why_not_remote() -> str:
    """Why no other machine can be used, whatever is entered; where the switch is all that lacks,
    the dialog has it."""
    from ..bl import network
    from ..core.online import why_not_online

    return why_not_online("overridden") if network.access() == "overridden" else ""


class MAQUETTE_OT_use_remote(Operator):
    """Use the engine of another machine"""

    bl_idname = "maquette.use_remote"
    bl_label = "Use Another Machine…"
    bl_options = set()  # not REGISTER: the Info editor would show the code

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return refuse(cls, why_not_remote())

    code: StringProperty(  # type: ignore[valid-type]
        name="Pairing Code",
        description="The line that the command maquette pair on that machine prints; "
        "it is good once",
        subtype="PASSWORD",
        options={"SKIP_SAVE"},
    )
    address: StringProperty(  # type: ignore[valid-type]
        name="Address",
        description="Empty: the one in the code. Another one where that machine is reached by it "
        "from here, such as studio:50123",
    )

    def invoke(self, context: Any, _event: Any) -> set[str]:
        return context.window_manager.invoke_props_dialog(
            self, width=380, title="Use the Engine of Another Machine", confirm_text="Pair"
        )

    def draw(self, context: Any) -> None:
        from ..bl import text

        layout = self.layout
        scale = context.preferences.system.ui_scale
        text.say(
            layout, context,
            "On the other machine, run: maquette pair. It prints one line: copy it into Pairing "
            "Code. An address is needed only where the one in the code does not lead there. "
            "Pictures and results travel encrypted.",
            width=int(350 * scale),
        )  # fmt: skip
        column = layout.column()
        column.use_property_split = True
        column.prop(self, "code")
        column.prop(self, "address")
        if not bpy.app.online_access:
            text.say(
                layout, context, "Blender's online access is off, so no other machine is reached.",
                icon="ERROR", alert=True, width=int(330 * scale),
            )  # fmt: skip
            layout.operator("maquette.allow_online", icon="INTERNET")

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().use_remote(self.address, self.code))


class MAQUETTE_OT_dismiss_pairing(Operator):
    """Show no longer that the other machine did not answer"""

    bl_idname = "maquette.dismiss_pairing"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().dismiss_pairing())


class MAQUETTE_OT_use_own(Operator):
    """Use the engine that the extension sets up, not the one in another folder"""

    bl_idname = "maquette.use_own"
    bl_label = "Use the Own Engine"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().use_own())


class MAQUETTE_OT_forget_remote(Operator):
    """Use the engine of this machine again; the other one then needs a new pairing code"""

    bl_idname = "maquette.forget_remote"
    bl_label = "Use This Machine"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: process().forget_remote())


class MAQUETTE_OT_allow_online(Operator):
    """Switch on Blender's own setting that lets extensions use the network"""

    bl_idname = "maquette.allow_online"
    bl_label = "Allow Online Access"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return refuse(
            cls,
            "Blender was started with --offline-mode. Start it without."
            if bpy.app.online_access_override
            else "",
        )

    def execute(self, context: Any) -> set[str]:
        context.preferences.system.use_online_access = True
        return {"FINISHED"}


class MAQUETTE_OT_copy_diagnosis(Operator):
    """Copy versions, machine, states and the end of the log; no picture, no secret"""

    bl_idname = "maquette.copy_diagnosis"
    bl_label = "Copy Diagnosis"

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick
        from ..core.diagnosis import diagnosis

        others = {"blender": bpy.app.version_string, "online": str(bpy.app.online_access)}
        context.window_manager.clipboard = diagnosis(tick.snapshot(), others)
        self.report({"INFO"}, said("The diagnosis is in the clipboard."))
        return {"FINISHED"}


class MAQUETTE_OT_copy_log(Operator):
    """Copy the log of the set-up"""

    bl_idname = "maquette.copy_log"
    bl_label = "Copy Log"
    bl_options = {"INTERNAL"}

    def execute(self, context: Any) -> set[str]:
        from ..bl import tick
        from ..core.diagnosis import shared_log

        context.window_manager.clipboard = shared_log(tick.snapshot())
        self.report({"INFO"}, said("The log is in the clipboard."))
        return {"FINISHED"}


class MAQUETTE_OT_open_engine_folder(Operator):
    """Open the folder in which the engine keeps results and weights"""

    bl_idname = "maquette.open_engine_folder"
    bl_label = "Open the Engine's Folder"

    def execute(self, _context: Any) -> set[str]:
        from ..engine_process import home

        return attempt(self, lambda: open_folder(home()))


class MAQUETTE_OT_open_preferences(Operator):
    """Open the preferences of Maquette"""

    bl_idname = "maquette.open_preferences"
    bl_label = "Maquette Preferences"

    def execute(self, _context: Any) -> set[str]:
        from ..registration import PACKAGE

        bpy.ops.preferences.addon_show(module=PACKAGE)
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_set_up,
    MAQUETTE_OT_cancel_set_up,
    MAQUETTE_OT_dismiss_set_up,
    MAQUETTE_OT_discard_set_up,
    MAQUETTE_OT_engine_start,
    MAQUETTE_OT_engine_stop,
    MAQUETTE_OT_engine_restart,
    MAQUETTE_OT_release_memory,
    MAQUETTE_OT_use_folder,
    MAQUETTE_OT_use_remote,
    MAQUETTE_OT_dismiss_pairing,
    MAQUETTE_OT_use_own,
    MAQUETTE_OT_forget_remote,
    MAQUETTE_OT_allow_online,
    MAQUETTE_OT_copy_diagnosis,
    MAQUETTE_OT_copy_log,
    MAQUETTE_OT_open_engine_folder,
    MAQUETTE_OT_open_preferences,
)
