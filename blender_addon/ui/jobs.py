"""Jobs: what runs, what waits, what failed."""

from typing import Any

from bpy.types import Panel

from ..bl import text, tick
from ..core import costs
from ..core.language import said
from ..core.snapshot import ENDED_BADLY
from . import first_run, words
from .sidebar import Sidebar, card

MOST_FAILED = 3
ACTIVE = ("sending", "running", "fetching", "waiting")
STATES = {
    "sending": "Sending the picture",
    "queued": "Waiting for its turn",
    "fetching": "Fetching the result",
    "waiting": "Ready to be placed",
    "interrupted": "The engine ended while this job ran.",
}
KINDS = {
    "generate": "SHADERFX",
    "texture": "SHADING_TEXTURE",
    "upscale": "MOD_MULTIRES",
    "finish": "MOD_DECIM",
}


class MAQUETTE_PT_now(Sidebar, Panel):
    """What happens now and what went wrong: above all else, and gone where there is nothing.

    It has a header: Blender lists the tab of a panel without one before its own, so that ours would
    jump there and back. It is also why Generate, which stays, has the same order as this.
    """

    bl_label = "Now"
    bl_order = 0

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and is_news(tick.snapshot())

    def draw(self, context: Any) -> None:
        layout, snapshot = self.layout, tick.snapshot()
        first_run.draw_update(layout, context, snapshot.setup)
        draw_engine_trouble(layout, context, snapshot.engine)
        draw_active(layout, context, snapshot)


def is_news(snapshot: Any) -> bool:
    """Whether there is anything to tell."""
    setup = snapshot.setup
    return bool(
        snapshot.message
        or snapshot.engine.state in ("gone", "refused", "starting")
        or any(job.state in (*ACTIVE, *ENDED_BADLY) for job in snapshot.jobs)
        or setup.running
        or setup.problem
    )


def draw_engine_trouble(layout: Any, context: Any, engine: Any) -> None:
    """An engine that is gone, of another version, or on its way."""
    if engine.state in ("gone", "refused"):
        card(layout, context, engine.sentence, engine.hint, engine.verb)
    elif engine.state == "starting":
        text.say(layout, context, engine.sentence or "The engine is starting.", icon="SORTTIME")


def draw_active(layout: Any, context: Any, snapshot: Any) -> None:
    """What runs and what failed, each in a box of its own, and what ended last."""
    for job in snapshot.jobs:
        if job.state in ACTIVE:
            draw_running(layout, context, job, known_notes(snapshot))
    failed = [job for job in snapshot.jobs if job.state in ENDED_BADLY]
    for job in failed[-MOST_FAILED:]:
        draw_failed(layout, context, job)
    news = snapshot.news
    if not has_line(snapshot):
        return
    text.say(layout, context, snapshot.message, icon=news_icon(news))
    if news and news.verb == "insert":
        news_verb(layout, news)
    elif news and news.verb == "show":
        draw_show_materials(layout, context)


def has_line(snapshot: Any) -> bool:
    """Whether the news have a line of their own, with their verb, and not a box of their job."""
    news = snapshot.news
    in_a_box = any(job.state in ACTIVE for job in snapshot.jobs) or (
        news and news.state in ENDED_BADLY
    )
    return bool(snapshot.message) and not in_a_box


def news_icon(news: Any) -> str:
    """Before the sentence of news about a job, or of what is about none (None)."""
    if news is None or news.state == "cancelled":
        return "INFO"
    return "CHECKMARK" if news.state == "done" else "ERROR"


def news_verb(layout: Any, news: Any) -> None:
    """The button for what can be done about a job, in the same words everywhere."""
    if news.verb == "show":
        layout.operator("maquette.show_result", icon="ZOOM_SELECTED").object = news.object
    elif news.verb == "insert":
        layout.operator("maquette.history_insert", icon="IMPORT").job = news.job
    elif news.verb == "cancel":
        layout.operator("maquette.cancel", icon="X").job = news.job
    elif news.verb:
        label = "Resume" if news.verb == "resume" else "Try Again"
        layout.operator("maquette.retry", text=label, icon="FILE_REFRESH").job = news.job


def shows_materials(snapshot: Any) -> bool:
    """Whether the news offer ``draw_show_materials`` already, above all other panels."""
    news = snapshot.news
    return has_line(snapshot) and bool(news) and news.verb == "show"


def draw_show_materials(layout: Any, context: Any) -> None:
    """Solid shading shows no textures: the button that changes it, where it is what is seen."""
    space = context.space_data  # none where nothing is drawn, such as without a window
    if space is not None and space.shading.type in ("SOLID", "WIREFRAME"):
        layout.operator("maquette.show_materials", icon="MATERIAL")


def known_notes(snapshot: Any) -> tuple[str, ...]:
    """What stands elsewhere in the panel already."""
    note = snapshot.checkpoint.note if snapshot.checkpoint else ""
    return (note, *snapshot.picture.notes)


def draw_running(layout: Any, context: Any, job: Any, known: tuple[str, ...] = ()) -> None:
    """A job with its bar, expected time and cross; its stage, step and elapsed time.

    Args:
        known: notes that are not said again.
    """
    box = layout.box().column()
    title_row(box, context, job, buttons=0)
    row = box.row(align=True)
    row.progress(factor=job.fraction, type="BAR", text=left_words(job), translate=False)
    row.operator("maquette.cancel", text="", icon="X").job = job.id
    if job.waiting_for:
        text.say(box, context, job.waiting_for, icon="PAUSE", boxes=1)
    else:
        told = " · ".join(part for part in (stage_words(job), words.clock(job.elapsed)) if part)
        text.say(box, context, told, boxes=1, dim=True)
    if job.gone:
        text.say(box, context, job.gone, icon="ERROR", boxes=1)
        box.operator("maquette.cancel", icon="X").job = job.id
    for note in dict.fromkeys(job.notes):  # one that was resumed has told some of them twice
        if note not in known:
            text.say(box, context, note, icon="INFO", boxes=1)


def title_row(layout: Any, context: Any, job: Any, *, buttons: int) -> Any:
    """The icon of its kind and its title, cut to what the buttons leave."""
    scale = context.preferences.system.ui_scale
    row = layout.row(align=True)
    width = text.room(context, icon=True, boxes=1) - int(20 * buttons * scale)
    title = text.short(context, job.target or job.title, width)
    row.label(text=title, icon=KINDS.get(job.kind, "OBJECT_DATA"), translate=False)
    return row


def stage_words(job: Any) -> str:
    """What it does now."""
    stage = said(job.stage or STATES.get(job.state, ""))
    if job.steps > 1:
        step = said("step {step} of {steps}", step=job.step, steps=job.steps)
        return f"{stage}, {step}" if stage else step
    return stage


def bar_words(job: Any) -> str:
    """What stands in the bar: percent."""
    return f"{int(job.fraction * 100)} %"


def left_words(job: Any) -> str:
    """Percent, and about how much is left where that is known."""
    if job.eta is None or job.waiting_for:
        return bar_words(job)
    left = said("about {left} left", left=costs.seconds_in_words(job.eta))
    return f"{bar_words(job)} · {left}"


def draw_failed(layout: Any, context: Any, job: Any) -> None:
    """Why it failed, what helps, and the buttons to try again."""
    box = layout.box().column()
    row = title_row(box, context, job, buttons=1)
    row.operator("maquette.dismiss", text="", icon="X", emboss=False).job = job.id
    text.problem(box, context, job.problem or STATES.get(job.state, ""), job.hint, boxes=1)
    row = box.row(align=True)
    again = "Resume" if job.state == "interrupted" else "Try Again"
    row.operator("maquette.retry", text=again, icon="FILE_REFRESH").job = job.id
    row.operator("maquette.retry_changed", text="Settings…", icon="PREFERENCES").job = job.id


class MAQUETTE_PT_queue(Sidebar, Panel):
    """What waits for its turn, in order."""

    bl_label = "Queue"
    bl_order = 2

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and any(j.state == "queued" for j in tick.snapshot().jobs)

    def draw(self, context: Any) -> None:
        waiting = [job for job in tick.snapshot().jobs if job.state == "queued"]
        column = self.layout.column(align=True)
        for number, job in enumerate(waiting):
            box = column.box()
            row = title_row(box, context, job, buttons=3)
            up = row.row(align=True)
            up.enabled = number > 0
            move = up.operator("maquette.move", text="", icon="TRIA_UP")
            move.job, move.by = job.id, -1
            down = row.row(align=True)
            down.enabled = number < len(waiting) - 1
            move = down.operator("maquette.move", text="", icon="TRIA_DOWN")
            move.job, move.by = job.id, 1
            row.operator("maquette.cancel", text="", icon="X").job = job.id


CLASSES = (MAQUETTE_PT_now, MAQUETTE_PT_queue)
