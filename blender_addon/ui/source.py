"""The picture: where it comes from, how it looks cut out, what may go wrong with it."""

from typing import Any

from bpy.types import Menu, Panel

from ..bl import text, thumbnails, tick
from ..core import costs, machine
from ..core.language import said
from ..core.plan import WORDS
from ..core.refusals import why_not_finder
from . import engine
from .sidebar import Sidebar

PREVIEW = 8.0
"""Lines that the preview of the picture is high."""
SOURCES = (
    ("maquette.paste_picture", "Clipboard", "PASTEDOWN"),
    ("maquette.image_picture", "Image…", "IMAGE_DATA"),
    ("maquette.render_picture", "Last Render", "RENDER_RESULT"),
    ("maquette.viewport_picture", "Viewport", "VIEW3D"),
    ("maquette.camera_picture", "Camera View", "CAMERA_DATA"),
)


def draw(layout: Any, context: Any, snapshot: Any) -> None:
    """The chosen picture, or the ways to choose one."""
    if snapshot.picture.of_words:
        draw_words(layout, context, snapshot)
    elif snapshot.picture.title:
        draw_picture(layout, context, snapshot)
    else:
        draw_choices(layout, context, snapshot)


def draw_choices(layout: Any, context: Any, snapshot: Any) -> None:
    """Nothing is chosen yet."""
    column = layout.column()
    text.say(column, context, "Choose a picture of one object, or drop it on the viewport.")
    row = column.row()
    row.scale_y = 1.4
    row.operator("maquette.open_picture", text="Open Picture…", icon="FILE_IMAGE")
    grid = column.grid_flow(columns=2, even_columns=True, align=True, row_major=True)
    for operator, label, icon in SOURCES:
        grid.operator(operator, text=label, icon=icon)
    grid.operator("maquette.example_picture", text="Example", icon="MONKEY")
    checkpoint = snapshot.checkpoint
    if checkpoint and checkpoint.words:
        column.operator("maquette.use_words", icon="TEXT")
    if checkpoint and checkpoint.words_missing and not snapshot.setup.running:
        draw_words_missing(column, context, snapshot)


def draw_words_missing(column: Any, context: Any, snapshot: Any) -> None:
    """The networks know words, but the engine lacks what reads them."""
    if snapshot.engine.remote or snapshot.engine.own_folder:  # not ours to change
        text.say(column, context, snapshot.checkpoint.words_missing, icon="INFO")
        return
    size = costs.bytes_in_words(machine.cost_of_words())
    text.say(column, context, said("Text needs {size} more.", size=size), icon="INFO")
    column.operator("maquette.set_up", text="Download What Reads Text", icon="IMPORT").extra = WORDS
    text.say(column, context, snapshot.setup.why_not, icon="INFO")


def draw_words(layout: Any, context: Any, snapshot: Any) -> None:
    """The field for words in the place of a picture."""
    box = layout.box().column()
    row = box.row(align=True)
    row.label(text="Text", icon="TEXT")
    row.menu("MAQUETTE_MT_sources", text="", icon="FILE_IMAGE")
    row.operator("maquette.clear_picture", text="", icon="X")
    if snapshot.checkpoint and snapshot.checkpoint.words_missing:
        draw_words_missing(box, context, snapshot)
        return
    box.prop(context.window_manager.maquette, "prompt", text="")
    text.say(
        box, context,
        "Say in English what the object is and how it looks, such as: a red mushroom with white "
        "dots",
        boxes=1, dim=True,
    )  # fmt: skip


def draw_picture(layout: Any, context: Any, snapshot: Any) -> None:
    """The picture with its matte, its name, and the notes beside it."""
    picture = snapshot.picture
    box = layout.box().column()
    row = box.row(align=True)
    width = text.room(context, boxes=1) - int(60 * context.preferences.system.ui_scale)
    row.label(text=text.short(context, picture.title, width), translate=False)
    row.menu("MAQUETTE_MT_sources", text="", icon="FILE_IMAGE")
    row.operator("maquette.clear_picture", text="", icon="X")
    if picture.count > 1:
        draw_several(box, context, picture)
    window = context.window_manager.maquette
    original = window.show_original or bool(picture.problem)
    icon = thumbnails.picture_icon(original) if picture.readable else 0
    if icon:
        box.template_icon(icon_value=icon, scale=PREVIEW)
    if picture.cut_out:
        row = box.row(align=True)
        row.prop(window, "show_original", text="Cut Out", toggle=True, invert_checkbox=True)
        row.prop(window, "show_original", text="Original", toggle=True)
    if picture.checking:
        text.say(box, context, "Looking at the picture…", icon="SORTTIME", boxes=1)
    if picture.problem:
        text.problem(box, context, picture.problem, picture.hint, boxes=1)
    if picture.wants_network:
        draw_finder(box, context, snapshot)
    for number, note in enumerate(picture.notes):
        icon = "ERROR" if number < picture.warnings else "CHECKMARK"
        text.say(box, context, note, icon=icon, boxes=1)


def draw_finder(box: Any, context: Any, snapshot: Any) -> None:
    """The button that downloads the network that finds objects, and how far that is."""
    if snapshot.weights is not None and snapshot.weights.running:
        engine.draw_download(box, context, snapshot.weights, None)
        return
    if snapshot.weights is not None and snapshot.weights.problem:
        text.problem(box, context, snapshot.weights.problem, snapshot.weights.hint, boxes=1)
    row = box.row()
    row.scale_y = 1.2
    row.operator("maquette.download_finder", icon="IMPORT")
    if why_not := why_not_finder(snapshot):
        text.say(box, context, why_not, icon="INFO", boxes=1)
    else:
        engine.draw_online(box, context)


def draw_several(box: Any, context: Any, picture: Any) -> None:
    """Which of several pictures this is, arrows to the others, and whether it is used."""
    row = box.row(align=True)
    back = row.row(align=True)
    back.enabled = picture.place > 0
    back.operator("maquette.step_picture", text="", icon="TRIA_LEFT").by = -1
    middle = row.row()
    middle.alignment = "CENTER"
    told = said("{number} of {count}", number=picture.place + 1, count=picture.count)
    middle.label(text=told, translate=False)
    on = row.row(align=True)
    on.enabled = picture.place < picture.count - 1
    on.operator("maquette.step_picture", text="", icon="TRIA_RIGHT").by = 1
    row.separator()
    row.operator("maquette.leave_out", depress=picture.left_out).out = not picture.left_out
    for told in several_words(picture):
        text.say(box, context, told, icon="DOT", boxes=1, dim=True)


def several_words(picture: Any) -> list[str]:
    """What is to be known of all of them."""
    used = said("Objects are made from {count} pictures.", count=picture.made)
    told = [used] if 0 < picture.made < picture.count else []
    for count, sentence in (
        (picture.noted, said("With warnings: {count}")),
        (picture.unusable, said("Cannot be used: {count}")),
        (picture.unseen, said("Not looked at yet: {count}")),
    ):
        told += [sentence.format(count=count)] if count else []
    return told


class MAQUETTE_MT_sources(Menu):
    """Where a picture can come from."""

    bl_label = "Choose Another Picture"

    def draw(self, _context: Any) -> None:
        layout = self.layout
        layout.operator("maquette.open_picture", text="Open Picture…", icon="FILE_IMAGE")
        layout.separator()
        for operator, _, icon in SOURCES:
            layout.operator(operator, icon=icon)  # its whole name, which F3 looks for
        layout.separator()
        layout.operator("maquette.example_picture", icon="MONKEY")
        checkpoint = tick.snapshot().checkpoint
        if checkpoint and checkpoint.words:
            layout.operator("maquette.use_words", icon="TEXT")


class MAQUETTE_PT_cut_out(Sidebar, Panel):
    """Corrections of the matte."""

    bl_label = "Adjust Cut-Out"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    @classmethod
    def poll(cls, context: Any) -> bool:
        picture = tick.snapshot().picture
        cut = bool(picture.title) and not picture.of_words and picture.maskable
        return super().poll(context) and cut

    def draw(self, context: Any) -> None:
        layout, chosen = self.layout, context.scene.maquette
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(chosen, "matte")
        column.prop(chosen, "threshold")
        column.prop(chosen, "grow")
        layout.separator(factor=0.5)
        row = layout.row(align=True)
        row.operator("maquette.paint_mask", icon="BRUSH_DATA")
        row.operator("maquette.use_mask", icon="CHECKMARK")


CLASSES = (MAQUETTE_MT_sources,)
