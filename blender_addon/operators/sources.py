"""Verbs that choose a picture, and those that correct its matte."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty
from bpy.types import Operator, OperatorFileListElement

from ..core.language import said
from ..properties import is_a_picture
from ..protocol.errors import EngineError
from . import matte
from .acting import attempt, refuse, session, session_as_it_is, why_no_viewport

SUFFIXES = ".png;.jpg;.jpeg;.webp;.bmp;.tif;.tiff;.avif"
EXAMPLE = Path(__file__).parents[1] / "ui" / "mushroom.png"
last_folder: Path | None = None
"""Of the last picture file that was chosen since Blender started."""


def choose(operator: Any, make: Any) -> set[str]:
    """Make a picture of the source and choose it, with the matte as the sliders stand."""

    def choose_it() -> None:
        picture = make()
        bpy.context.window_manager.maquette.show_original = False  # its matte is looked at first
        session().chosen.choose(picture, matte=matte.of(bpy.context.scene.maquette))

    return attempt(operator, choose_it)


def show_tab(context: Any) -> None:
    """Open the sidebar of the viewport at our tab, where the picture is seen."""
    area = context.area
    if area is None or area.type != "VIEW_3D":
        areas = context.screen.areas if context.screen else ()
        area = next((one for one in areas if one.type == "VIEW_3D"), None)
    if area is None:
        return
    area.spaces.active.show_region_ui = True
    for region in area.regions:
        if region.type == "UI":
            try:
                region.active_panel_category = "Maquette"
            except (AttributeError, TypeError):
                return  # the region was never drawn: its tabs are not known yet
            region.tag_redraw()


class Files:
    """One file or several, as file browsers and drops give them."""

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE", "HIDDEN"})  # type: ignore
    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})  # type: ignore
    files: CollectionProperty(  # type: ignore[valid-type]
        type=OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"}
    )

    def paths(self) -> list[Path]:
        """The files, each once."""
        names = [file.name for file in self.files if file.name]
        if self.directory and names:
            return [Path(bpy.path.abspath(self.directory)) / name for name in names]
        return [Path(bpy.path.abspath(self.filepath))] if self.filepath else []


def take_files(operator: Any, context: Any, paths: list[Path]) -> set[str]:
    """One picture is chosen, or several, which are looked at one after another."""
    from ..core.pictures import read_picture

    if not paths:
        operator.report({"ERROR"}, said("No file was chosen."))
        return {"CANCELLED"}
    global last_folder
    last_folder = paths[0].parent
    show_tab(context)
    if len(paths) == 1:
        return choose(operator, lambda: read_picture(paths[0]))

    pictures, unread = [], []
    for path in paths:
        try:
            pictures.append(read_picture(path))
        except EngineError as error:
            unread.append(error.message)
    if unread:
        operator.report({"WARNING" if pictures else "ERROR"}, "\n".join(unread))
    if not pictures:
        return {"CANCELLED"}
    corrections = matte.of(context.scene.maquette)
    return attempt(operator, lambda: session().chosen.choose(*pictures, matte=corrections))


class MAQUETTE_OT_open_picture(Files, Operator):
    """Choose a picture file; of several, each becomes an object"""

    bl_idname = "maquette.open_picture"
    bl_label = "Use Picture"  # stands on the button of the file browser

    filter_glob: StringProperty(  # type: ignore[valid-type]
        default="*" + SUFFIXES.replace(";", ";*"), options={"HIDDEN"}
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: Any, _event: Any) -> set[str]:
        if not self.directory and last_folder is not None and last_folder.is_dir():
            self.directory = str(last_folder)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        return take_files(self, context, self.paths())


class MAQUETTE_OT_drop_picture(Files, Operator):
    """Make a 3D object of the picture that was dropped"""

    bl_idname = "maquette.drop_picture"
    bl_label = "Make a 3D Object"
    bl_options = {"INTERNAL"}

    def execute(self, context: Any) -> set[str]:
        paths = [path for path in self.paths() if path.suffix.lower() in SUFFIXES.split(";")]
        return take_files(self, context, paths)


class MAQUETTE_OT_paste_picture(Operator):
    """Use the picture in the clipboard"""

    bl_idname = "maquette.paste_picture"
    bl_label = "Picture from Clipboard"

    def execute(self, _context: Any) -> set[str]:
        from ..bl import clipboard

        return choose(self, clipboard.picture)


class MAQUETTE_OT_image_picture(Operator):
    """Use an image of this file"""

    bl_idname = "maquette.image_picture"
    bl_label = "Picture from Image"

    image: StringProperty(
        name="Image", description="Name of an image of this file", options={"SKIP_SAVE"}
    )  # type: ignore

    @classmethod
    def poll(cls, _context: Any) -> bool:
        found = any(is_a_picture(image) for image in bpy.data.images)
        return refuse(cls, "" if found else "This file has no image. Open a picture file instead.")

    def invoke(self, context: Any, _event: Any) -> set[str]:
        shown = context.window_manager.maquette
        if shown.image is None:
            shown.image = next(image for image in bpy.data.images if is_a_picture(image))
        return context.window_manager.invoke_props_dialog(
            self, width=260, title="Picture from Image", confirm_text="Use"
        )

    def draw(self, context: Any) -> None:
        # Blender's own choice of an image: its preview, and all others' at a click.
        self.layout.template_ID_preview(
            context.window_manager.maquette, "image", rows=3, cols=5, hide_buttons=True
        )

    def execute(self, context: Any) -> set[str]:
        from ..bl import images_out

        shown = context.window_manager.maquette
        image = bpy.data.images.get(self.image) if self.image else shown.image
        shown.image = None  # else the file keeps an image for it
        if image is None:
            self.report({"ERROR"}, said("That image is gone. Choose another one."))
            return {"CANCELLED"}
        return choose(self, lambda: images_out.picture(image))


class MAQUETTE_OT_editor_picture(Operator):
    """Make a 3D object of the image in this editor"""

    bl_idname = "maquette.editor_picture"
    bl_label = "Make a 3D Object"

    @classmethod
    def poll(cls, context: Any) -> bool:
        space = context.space_data
        image = space.image if space is not None and space.type == "IMAGE_EDITOR" else None
        return refuse(cls, "" if image else "The editor shows no image. Open one in it first.")

    def execute(self, context: Any) -> set[str]:
        from ..bl import capture, images_out

        image = context.space_data.image
        if image.type == "RENDER_RESULT":
            done = choose(self, lambda: capture.last_render(context))
        else:
            done = choose(self, lambda: images_out.picture(image))
        if done == {"FINISHED"}:
            show_tab(context)
            self.report(
                {"INFO"}, said("The picture is chosen: see the tab Maquette in the 3D viewport.")
            )
        return done


class MAQUETTE_OT_render_picture(Operator):
    """Use the last render"""

    bl_idname = "maquette.render_picture"
    bl_label = "Picture from Last Render"

    def execute(self, context: Any) -> set[str]:
        from ..bl import capture

        return choose(self, lambda: capture.last_render(context))


class MAQUETTE_OT_viewport_picture(Operator):
    """Use what this viewport shows"""

    bl_idname = "maquette.viewport_picture"
    bl_label = "Picture from Viewport"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return refuse(cls, why_no_viewport(context))

    def execute(self, context: Any) -> set[str]:
        from ..bl import capture

        return choose(self, lambda: capture.viewport(context))


class MAQUETTE_OT_camera_picture(Operator):
    """Use what the scene's camera sees in this viewport's shading"""

    bl_idname = "maquette.camera_picture"
    bl_label = "Picture from Camera View"

    @classmethod
    def poll(cls, context: Any) -> bool:
        no_camera = "" if context.scene.camera else "The scene has no camera. Add one."
        return refuse(cls, why_no_viewport(context) or no_camera)

    def execute(self, context: Any) -> set[str]:
        from ..bl import capture

        return choose(self, lambda: capture.camera_view(context))


class MAQUETTE_OT_example_picture(Operator):
    """Try it with a picture of a toy that the small model knows"""

    bl_idname = "maquette.example_picture"
    bl_label = "Example Picture"

    def execute(self, _context: Any) -> set[str]:
        from ..core.pictures import read_picture

        return choose(self, lambda: read_picture(EXAMPLE))


class MAQUETTE_OT_clear_picture(Operator):
    """Choose no picture"""

    bl_idname = "maquette.clear_picture"
    bl_label = "Clear Picture"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().chosen.choose())


CLASSES = (
    MAQUETTE_OT_open_picture,
    MAQUETTE_OT_drop_picture,
    MAQUETTE_OT_paste_picture,
    MAQUETTE_OT_image_picture,
    MAQUETTE_OT_editor_picture,
    MAQUETTE_OT_render_picture,
    MAQUETTE_OT_viewport_picture,
    MAQUETTE_OT_camera_picture,
    MAQUETTE_OT_example_picture,
    MAQUETTE_OT_clear_picture,
)
