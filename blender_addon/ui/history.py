"""All results as a gallery: search, insert, vary, keep, throw away."""

from typing import Any

from bpy.types import Panel

from ..bl import text, thumbnails, tick
from ..core import costs
from ..core.gallery import BETWEEN, PAGE, facts, packed, shown
from ..core.language import OWN, said
from . import words
from .jobs import KINDS
from .sidebar import Sidebar

COLUMNS = 3
THUMBNAIL = 3.4


class MAQUETTE_PT_history(Sidebar, Panel):
    """The gallery."""

    bl_label = "History"
    bl_translation_context = OWN  # Blender's own word is for a log
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, snapshot = self.layout, tick.snapshot()
        window = context.window_manager.maquette
        rows = shown(snapshot.history, window.history_search, window.history_picture)
        draw_offered(layout, context, snapshot)
        draw_search(layout, window)
        if not rows and snapshot.engine.state != "ready":
            text.say(layout, context, "Results show when the engine runs.", icon="INFO")
            layout.operator("maquette.engine_start", icon="PLAY")
            return
        if not rows:
            nothing = (
                "No result has these words in its name or in what was done."
                if window.history_search or window.history_picture
                else "Nothing was made yet. All results stay here, whatever file they were made in."
            )
            text.say(layout, context, nothing, icon="INFO")
            return
        first = min(window.history_page * PAGE, (len(rows) - 1) // PAGE * PAGE)
        page = rows[first : first + PAGE]
        draw_grid(layout, context, page, window)
        draw_pager(layout, snapshot, rows, first)
        chosen = next((row for row in rows if row.id == window.history_chosen), None)
        if chosen is not None:
            draw_chosen(layout, context, chosen)


def draw_offered(layout: Any, context: Any, snapshot: Any) -> None:
    """Results that wait since nobody could place them: their object was deleted, their file was
    closed, Blender crashed."""
    offered = [row for row in snapshot.history if row.offered]
    if not offered:
        return
    box = layout.box().column()
    told = said("Made, but in no scene yet: {count}", count=len(offered))
    text.say(box, context, told, icon="FILE_TICK", boxes=1)
    scale = context.preferences.system.ui_scale
    width = text.room(context, icon=True, boxes=1) - int(70 * scale)
    for row in offered[:3]:
        line = box.row(align=True)
        line.label(
            text=text.short(context, row.title, width), icon_value=thumbnails.icon(row.id),
            translate=False,
        )  # fmt: skip
        line.operator("maquette.history_insert", text="Insert").job = row.id
        line.operator("maquette.dismiss", text="", icon="X").job = row.id
        draw_facts(box, context, row, width)


def draw_facts(layout: Any, context: Any, row: Any, width: int) -> None:
    """What tells a result from others of its picture, in lines of at most so many pixels."""
    size = text.points(context)
    column = layout.column(align=True)
    column.scale_y, column.active = 0.7, False
    told = facts(row, words.moment(row.created))
    for line in packed(told, lambda line: len(text.lines(line, width, size)) == 1):
        column.label(text=line, translate=False)


def draw_search(layout: Any, window: Any) -> None:
    """Search by name; by the picture when that was asked for."""
    row = layout.row(align=True)
    row.prop(window, "history_search", text="", icon="VIEWZOOM")
    filtered = row.row(align=True)
    filtered.operator(
        "maquette.history_same_picture",
        text="",
        icon="FILTER",
        depress=bool(window.history_picture),
    )


def draw_grid(layout: Any, context: Any, page: list[Any], window: Any) -> None:
    """Thumbnails with their names, which choose, and what tells them apart."""
    grid = layout.grid_flow(columns=COLUMNS, even_columns=True, row_major=True)
    width = int(text.room(context) / COLUMNS - 10 * context.preferences.system.ui_scale)
    for row in page:
        cell = grid.column(align=True)
        icon = thumbnails.icon(row.id)
        if icon:
            cell.template_icon(icon_value=icon, scale=THUMBNAIL)
        else:
            blank = cell.column()
            blank.scale_y = THUMBNAIL
            blank.label(icon=KINDS.get(row.kind, "OBJECT_DATA"))
        cell.operator(
            "maquette.history_choose",
            text=text.short(context, row.title, width),
            depress=row.id == window.history_chosen,
            translate=False,
        ).job = row.id
        draw_facts(cell, context, row, width)


def draw_pager(layout: Any, snapshot: Any, rows: list[Any], first: int) -> None:
    """Which results these are of how many, and arrows."""
    if len(rows) <= PAGE and not snapshot.history_more:
        return
    last = min(first + PAGE, len(rows))
    more = "+" if snapshot.history_more else ""
    row = layout.row(align=True)
    back = row.row(align=True)
    back.enabled = first > 0
    back.operator("maquette.history_turn", text="", icon="TRIA_LEFT").by = -1
    middle = row.row()
    middle.alignment = "CENTER"
    middle.label(text=f"{first + 1}-{last} / {len(rows)}{more}", translate=False)
    on = row.row(align=True)
    on.enabled = last < len(rows) or snapshot.history_more
    on.operator("maquette.history_turn", text="", icon="TRIA_RIGHT").by = 1


def draw_chosen(layout: Any, context: Any, chosen: Any) -> None:
    """The chosen result and its verbs."""
    box = layout.box().column()
    width = text.room(context, icon=True, boxes=1) - int(40 * context.preferences.system.ui_scale)
    row = box.row(align=True)
    icon = KINDS.get(chosen.kind, "OBJECT_DATA")
    name = row.column(align=True)
    for number, line in enumerate(text.lines(chosen.title, width, text.points(context))):
        name.label(text=line, icon="BLANK1" if number else icon, translate=False)
    pin = row.operator(
        "maquette.history_pin",
        text="",
        icon="PINNED" if chosen.pinned else "UNPINNED",
        depress=chosen.pinned,
    )
    pin.job, pin.pin = chosen.id, not chosen.pinned
    row.operator("maquette.history_delete", text="", icon="TRASH").job = chosen.id
    told = [*facts(chosen, words.moment(chosen.created)), costs.bytes_in_words(chosen.bytes)]
    text.say(box, context, BETWEEN.join(told), boxes=1, dim=True)
    row = box.row()
    row.scale_y = 1.3
    row.operator("maquette.history_insert", icon="IMPORT").job = chosen.id
    column = box.column(align=True)
    column.operator("maquette.history_vary", icon="DUPLICATE").job = chosen.id
    column.operator_menu_enum(
        "maquette.history_quality", "quality", text="Same at Quality", icon="TRIA_UP"
    ).job = chosen.id
    column.operator("maquette.history_folder", icon="FILE_FOLDER").job = chosen.id


CLASSES = (MAQUETTE_PT_history,)
