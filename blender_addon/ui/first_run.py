"""The first run: what setting up costs, its button, and what it does while it runs."""

from typing import Any

from bpy.app.translations import pgettext_iface as translated
from bpy.types import Panel

from ..bl import network, text, tick
from ..core import costs
from .sidebar import Sidebar, is_set_up

LOG_LINES = 6


class MAQUETTE_PT_first_run(Sidebar, Panel):
    """The only panel until there is an engine."""

    bl_label = "Set Up Maquette"
    bl_order = 0

    @classmethod
    def poll(cls, context: Any) -> bool:
        return not is_set_up()

    def draw(self, context: Any) -> None:
        setup = tick.snapshot().setup
        if setup.running:
            draw_progress(self.layout, context, setup)
        else:
            draw_offer(self.layout, context, setup)


def draw_offer(layout: Any, context: Any, setup: Any) -> None:
    """What the engine is, what it costs on this machine, and the button."""
    column = layout.column()
    if setup.problem:
        box = column.box().column()
        text.problem(box, context, setup.problem, setup.hint, boxes=1)
        column.separator()
    else:
        text.say(
            column, context,
            "Maquette makes 3D objects from pictures, on your own machine. "
            "Its engine runs beside Blender and is set up once.",
        )  # fmt: skip
        column.separator()
    draw_costs(column, setup)
    column.separator()
    row = column.row()
    row.scale_y = 1.8
    again = "Continue Setting Up" if setup.resumable or setup.asks else "Set Up the Engine"
    row.operator("maquette.set_up", text=again, icon="IMPORT").agreed = setup.asks
    if setup.resumable:
        column.operator("maquette.discard_set_up", icon="TRASH")
    if setup.why_not:
        text.say(column, context, setup.why_not, icon="ERROR")
        if network.access() == "off":
            column.operator("maquette.allow_online", icon="INTERNET")
    column.separator()
    text.say(
        column, context,
        "A small model comes with it: try it at once, without another download. It knows simple "
        "toys; for pictures of anything, the published weights can be downloaded afterwards.",
        icon="INFO",
    )  # fmt: skip


def draw_update(layout: Any, context: Any, setup: Any) -> None:
    """A newer engine that is being set up beside one that works, or how that has ended."""
    if setup.running:
        draw_progress(layout.box(), context, setup)
        return
    if not setup.problem:
        return
    box = layout.box().column()
    row = box.row()
    text.say(row.column(), context, setup.problem, icon="ERROR", boxes=2, alert=True)
    row.operator("maquette.dismiss_set_up", text="", icon="X", emboss=False)
    text.say(box, context, setup.hint, icon="BLANK1", boxes=1)
    again = "Continue" if setup.asks else "Try Again"
    box.operator("maquette.set_up", text=again, icon="IMPORT").agreed = setup.asks
    text.say(box, context, setup.why_not, icon="INFO", boxes=1)


def draw_costs(layout: Any, setup: Any) -> None:
    """Bytes to download, bytes on the disk, minutes."""
    column = layout.column(align=True)
    rows = (
        ("Download", setup.download, costs.bytes_in_words, "IMPORT"),
        ("On disk", setup.disk, costs.bytes_in_words, "DISK_DRIVE"),
        ("Time at 50 Mbit/s", 60 * setup.minutes, costs.seconds_in_words, "TIME"),
    )
    for label, amount, in_words, icon in rows:
        if amount:
            value = in_words(amount)
            row = column.split(factor=0.66)
            row.label(text=label, icon=icon)
            right = row.row()
            right.alignment = "RIGHT"
            right.label(text=translated("about {value}").format(value=value), translate=False)


def draw_progress(layout: Any, context: Any, setup: Any) -> None:
    """The step, bytes, a bar with its cross, the last lines of the log."""
    column = layout.column()
    text.say(column, context, setup.step or "Setting up the engine")
    row = column.row(align=True)
    row.progress(factor=setup.fraction, type="BAR", text=f"{setup.fraction:.0%}", translate=False)
    row.operator("maquette.cancel_set_up", text="", icon="X")
    if setup.bytes_total:
        done = translated("{done} of {total}").format(
            done=costs.bytes_in_words(setup.bytes_done),
            total=costs.bytes_in_words(setup.bytes_total),
        )
        text.say(column, context, done, dim=True)
    elif setup.bytes_done:
        text.say(column, context, costs.bytes_in_words(setup.bytes_done), dim=True)
    if setup.note:
        text.say(column, context, setup.note, icon="INFO")
    column.separator()
    text.say(
        column, context,
        "Work on: Blender stays free. What was cut off continues where it stopped.",
        icon="INFO",
    )  # fmt: skip
    if setup.log:
        draw_log(column, context, setup.log)


def draw_log(layout: Any, context: Any, log: tuple[str, ...]) -> None:
    """The last lines of the log, folded under a heading of their own."""
    header, body = layout.panel("MAQUETTE_setup_log", default_closed=False)
    header.label(text="Log")
    header.operator("maquette.copy_log", text="", icon="COPYDOWN", emboss=False)
    if body is None:
        return
    column = body.column(align=True)
    width, size = text.room(context), text.points(context)
    wrapped = [line for entry in log[-LOG_LINES:] for line in text.lines(entry, width, size)]
    column.scale_y = 0.8
    column.active = False
    for line in wrapped[-LOG_LINES:]:
        column.label(text=line, translate=False)


class MAQUETTE_PT_other_engine(Sidebar, Panel):
    """An engine that is there already: in a folder, or on another machine."""

    bl_label = "Use Another Engine"
    bl_parent_id = "MAQUETTE_PT_first_run"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return not is_set_up() and not tick.snapshot().setup.running

    def draw(self, context: Any) -> None:
        column = self.layout.column()
        text.say(column, context, "On another machine, such as one with a bigger graphics card:")
        column.operator("maquette.use_remote", icon="LINKED")
        column.separator()
        text.say(column, context, "Installed on this machine before:")
        column.operator("maquette.use_folder", text="Choose Its Folder…", icon="FILE_FOLDER")


CLASSES = (MAQUETTE_PT_first_run, MAQUETTE_PT_other_engine)
