"""The engine: how it is, its memory, start and stop, weights."""

from typing import Any

from bpy.types import Panel

from ..bl import network, text, tick
from ..core import costs
from ..core.language import said
from ..core.online import why_no_download
from ..core.refusals import gate_sentence
from ..operators.engine import why_not_remote
from .sidebar import VERBS, Sidebar, repair

ICONS = {
    "absent": "ERROR",
    "installing": "SORTTIME",
    "stopped": "RADIOBUT_OFF",
    "starting": "SORTTIME",
    "ready": "CHECKMARK",
    "gone": "ERROR",
    "refused": "ERROR",
}
HEADINGS = {
    "installing": "Setting Up",
    "stopped": "Asleep",
    "starting": "Starting",
    "gone": "Not Answering",
    "refused": "Does Not Fit",
}
"""What stands in the heading, for whoever has folded the panel."""
STATES = {
    "absent": "No engine is set up",
    "installing": "Setting up",
    "stopped": "Asleep: a job wakes it",
    "starting": "Starting",
    "ready": "Ready",
    "gone": "Does not answer",
    "refused": "Does not fit",
}
WIDE = 460
"""Pixels at 100 % from which a line and its button stand side by side."""


def status_line(layout: Any, context: Any, engine: Any, width: int | None = None) -> None:
    """One line: what is, and the button that repairs it."""
    sentence = engine.sentence or STATES[engine.state]
    bad = engine.state in ("absent", "gone", "refused")
    icon = ICONS[engine.state]
    if width is not None and engine.verb in VERBS:
        row = layout.split(factor=0.68)
        text.say(row.column(), context, sentence, icon=icon, alert=bad, width=int(width * 0.6))
        operator, label, icon = VERBS[engine.verb]
        row.operator(operator, text=label, icon=icon)
    else:
        text.say(layout, context, sentence, icon=icon, alert=bad, width=width)
    if engine.hint:
        text.say(layout, context, engine.hint, icon="BLANK1", width=width)


def draw_pairing(layout: Any, context: Any, engine: Any, width: int | None = None) -> None:
    """That another machine is asked, or why it did not let us in; nothing else is lost by that."""
    if not engine.pairing:
        return
    box = layout.box().column()
    boxes = 1 if width is None else 0
    if not engine.paired_in_vain:
        text.say(box, context, engine.pairing, icon="SORTTIME", boxes=boxes, width=width)
        return
    if engine.sentence != engine.pairing:
        say = {"boxes": boxes, "width": width}
        text.say(box, context, engine.pairing, icon="ERROR", alert=True, **say)
        text.say(box, context, engine.pairing_hint, icon="BLANK1", **say)
    row = box.row(align=True)
    row.operator("maquette.use_remote", text="Pair Again…", icon="LINKED")
    row.operator("maquette.dismiss_pairing", text="", icon="X")


class MAQUETTE_PT_engine(Sidebar, Panel):
    """How it is, and its verbs."""

    bl_label = "Engine"
    bl_order = 5
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: Any) -> None:
        state = tick.snapshot().engine.state
        if state in HEADINGS:
            self.layout.label(text=HEADINGS[state])
        else:
            self.layout.label(icon=ICONS[state])

    def draw(self, context: Any) -> None:
        layout, engine = self.layout, tick.snapshot().engine
        status_line(layout, context, engine)
        if engine.verb == "update":
            repair(layout, context, engine.verb)
        draw_pairing(layout, context, engine)
        if engine.remote and engine.state == "ready":
            text.say(layout, context, engine.place, icon="LINKED")
        if engine.device:
            text.say(layout, context, engine.device, icon="SYSTEM")
        if engine.memory_total:
            used = engine.memory_used or 0
            layout.progress(
                factor=min(1.0, used / engine.memory_total),
                type="BAR",
                text=said(
                    "{used} of {total}",
                    used=costs.bytes_in_words(used),
                    total=costs.bytes_in_words(engine.memory_total),
                ),
                translate=False,
            )
        draw_verbs(layout, context, engine)


def draw_verbs(layout: Any, context: Any, engine: Any) -> None:
    """Start, stop, memory, another engine, diagnosis."""
    column = layout.column(align=True)
    if engine.state in ("stopped", "gone") and not engine.remote:
        column.operator("maquette.engine_start", icon="PLAY")
    if engine.state == "ready":
        column.operator("maquette.release_memory", icon="MEMORY")
        if not engine.remote:
            column.operator("maquette.engine_stop", icon="SNAP_FACE")
    column = layout.column(align=True)
    if engine.remote:
        column.operator("maquette.forget_remote", icon="UNLINKED")
    else:
        column.operator("maquette.use_remote", icon="LINKED")
        text.say(column, context, why_not_remote(), icon="INFO")
    if engine.own_folder:
        column.operator("maquette.use_own", icon="HOME")
    column.operator("maquette.copy_diagnosis", icon="COPYDOWN")
    column.operator("maquette.open_preferences", text="Preferences…", icon="PREFERENCES")


class MAQUETTE_PT_weights(Sidebar, Panel):
    """The published weights: list and sum first, then the download."""

    bl_label = "Weights"
    bl_parent_id = "MAQUETTE_PT_engine"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        weights = tick.snapshot().weights
        if weights is None:
            text.say(
                self.layout, context,
                "The published weights make objects of anything. The list says what they take "
                "before anything is downloaded.",
            )  # fmt: skip
            self.layout.operator("maquette.list_weights", icon="PRESET")
        else:
            draw_weights(self.layout, context, weights)


def draw_weights(layout: Any, context: Any, weights: Any, width: int | None = None) -> None:
    """The list with what is here and what is missing, the sum, the gate, the button."""
    scale = context.preferences.system.ui_scale
    wide = (width or text.room(context, icon=True)) - int(70 * scale)
    for row in weights.rows:
        line = layout.row()
        icon = "CHECKMARK" if not row.missing else ("LOCKED" if row.gated else "IMPORT")
        text.say(line.column(), context, row.purpose or row.name, icon=icon, width=wide)
        right = line.column()
        right.alignment = "RIGHT"
        right.scale_y = 0.8
        right.label(text=costs.bytes_in_words(row.bytes), translate=False)
    if weights.running:
        draw_download(layout, context, weights, width)
        return
    if weights.problem:
        text.say(layout, context, weights.problem, icon="ERROR", alert=True, width=width)
        text.say(layout, context, weights.hint, icon="BLANK1", width=width)
    if not weights.missing:
        text.say(layout, context, "All are here.", icon="CHECKMARK", width=width)
        return
    draw_gate(layout, context, weights, width)
    told = said(
        "{missing} to download; {free} are free in {folder}.",
        missing=costs.bytes_in_words(weights.missing),
        free=costs.bytes_in_words(weights.free),
        folder=weights.folder,
    )
    text.say(layout, context, told, icon="DISK_DRIVE", width=width)
    row = layout.row()
    row.scale_y = 1.4
    row.operator("maquette.download_weights", icon="IMPORT")
    draw_online(layout, context, width)


def draw_only_small(layout: Any, context: Any, width: int) -> None:
    """One line: the published weights are not in use, and the button that lists them."""
    row = layout.split(factor=0.68)
    said = "The small model is in use. The published weights are not on this machine."
    text.say(row.column(), context, said, icon="INFO", width=int(width * 0.6))
    row.operator("maquette.list_weights", text="List Weights", icon="PRESET")


def draw_gate(layout: Any, context: Any, weights: Any, width: int | None) -> None:
    """What is given to those only who ask its owner, and the two ways to it."""
    gated = [row for row in weights.rows if row.gated and row.missing]
    if not gated:
        return
    text.say(layout, context, gate_sentence(weights), icon="LOCKED", width=width)
    row = layout.row(align=True)
    row.operator("maquette.open_page", icon="URL").page = gated[0].page
    row.operator("maquette.use_copy", icon="LINKED")


def draw_download(layout: Any, context: Any, weights: Any, width: int | None) -> None:
    """The running download."""
    row = layout.row(align=True)
    part = weights.done / weights.missing if weights.missing else 0.0
    row.progress(factor=part, type="BAR", text=f"{part:.0%}", translate=False)
    row.operator("maquette.cancel_download", text="", icon="X")
    told = said(
        "{done} of {total}",
        done=costs.bytes_in_words(weights.done),
        total=costs.bytes_in_words(weights.missing),
    )
    text.say(layout, context, told, dim=True, width=width)
    text.say(layout, context, weights.file, dim=True, width=width)


def draw_online(layout: Any, context: Any, width: int | None = None) -> None:
    """Why nothing can be downloaded where Blender keeps extensions off the network, and its own
    switch."""
    access = network.access()
    text.say(layout, context, why_no_download(access), icon="ERROR", width=width)
    if access == "off":
        layout.operator("maquette.allow_online", icon="INTERNET")


CLASSES = (MAQUETTE_PT_engine, MAQUETTE_PT_weights)
