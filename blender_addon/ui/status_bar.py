"""The status bar, which is seen wherever one works: the running job, and what has just ended with
the verb that belongs to it.
"""

from typing import Any

import bpy

from ..bl import text, tick
from ..core.snapshot import ENDED_BADLY
from . import jobs

WIDTH = 360
"""Pixels at 100 % of the sentence about what has ended."""


def draw(header: Any, context: Any) -> None:
    """At the right end of the status bar."""
    if not _wanted(context):
        return
    snapshot = tick.snapshot()
    if snapshot.banner is not None:
        draw_banner(header.layout, context, snapshot.banner)
    running = next((job for job in snapshot.jobs if job.state in jobs.ACTIVE), None)
    if running is not None:
        draw_running(header.layout, context, running)


def redraw() -> None:
    """Draw it again, in all windows, where Blender may have dropped our entry.

    It does so whenever a text is set there, as by its own installation of extensions: what stood
    there at the first text ever is what stands there after each. The bar is in no list of areas,
    and a text of ours would take away that of a modal operator; but it is drawn again when it hears
    of another view layer.
    """
    bar = bpy.types.STATUSBAR_HT_header
    if draw not in getattr(bar.draw, "_draw_funcs", ()):
        bar.append(draw)
    bpy.msgbus.publish_rna(key=(bpy.types.Window, "view_layer"))


def draw_banner(layout: Any, context: Any, banner: Any) -> None:
    """One line about what has ended, its verb, and a cross."""
    row = layout.row(align=True)
    line = row.row()
    line.alert = banner.state in ENDED_BADLY
    width = int(WIDTH * context.preferences.system.ui_scale)
    line.label(
        text=text.short(context, banner.sentence, width),
        icon=jobs.news_icon(banner),
        translate=False,
    )
    jobs.news_verb(row, banner)
    row.operator("maquette.dismiss_banner", text="", icon="X")


def draw_running(layout: Any, context: Any, job: Any) -> None:
    """The job with its bar and its cross; one that waits says what for."""
    row = layout.row(align=True)
    row.ui_units_x = 14
    told = f"{job.title}: {jobs.bar_words(job)}"
    if job.waiting_for:
        told = text.short(context, job.waiting_for, int(240 * context.preferences.system.ui_scale))
    row.progress(factor=job.fraction, type="BAR", text=told, translate=False)
    row.operator("maquette.cancel", text="", icon="X").job = job.id


def _wanted(context: Any) -> bool:
    from ..preferences import preferences

    chosen = preferences(context)
    return chosen is None or chosen.show_in_status_bar
