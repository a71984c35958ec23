"""The status bar, which is seen wherever one works: the running job, and what has just ended with
the verb that belongs to it.
"""

from typing import Any

from ..bl import text, tick
from ..core.language import said
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


def draw_banner(layout: Any, context: Any, banner: Any) -> None:
    """One line about what has ended, its verb, and a cross."""
    row = layout.row(align=True)
    line = row.row()
    line.alert = banner.state != "done"
    width = int(WIDTH * context.preferences.system.ui_scale)
    line.label(
        text=text.short(context, sentence(banner), width),
        icon="CHECKMARK" if banner.state == "done" else "ERROR",
        translate=False,
    )
    if banner.object:
        row.operator("maquette.show_result", icon="ZOOM_SELECTED").object = banner.object
    elif banner.state == "done":
        row.operator("maquette.history_insert", icon="IMPORT").job = banner.job
    else:
        again = "Resume" if banner.state == "interrupted" else "Try Again"
        row.operator("maquette.retry", text=again, icon="FILE_REFRESH").job = banner.job
    row.operator("maquette.dismiss_banner", text="", icon="X")


def sentence(banner: Any) -> str:
    """What has ended, and how."""
    if banner.state == "failed":
        return said("{title}: {problem}", title=banner.title, problem=banner.problem)
    if banner.state == "interrupted":
        return said("The engine ended while it made {title}.", title=banner.title)
    if banner.object:
        return said("{title} is in the scene.", title=banner.title)
    return said("{title} waits in the history.", title=banner.title)


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
