"""Entries in Blender's own menus, the status bar, and what can be dropped on the viewport."""

from typing import Any

import bpy
from bpy.types import FileHandler, Menu

from ..operators.sources import SUFFIXES
from . import status_bar
from .sidebar import is_set_up


class MAQUETTE_MT_object(Menu):
    """All verbs: the search of F3 finds what stands in a menu, and nothing else."""

    bl_label = "Maquette"

    def draw(self, _context: Any) -> None:
        layout = self.layout
        layout.operator("maquette.retexture", icon="SHADING_TEXTURE")
        layout.operator("maquette.upscale", icon="MOD_MULTIRES")
        layout.operator("maquette.keep_look", text="Keep New Look", icon="CHECKMARK")
        layout.operator("maquette.discard_look", text="Discard New Look", icon="X")
        layout.operator("maquette.make_local", icon="LIBRARY_DATA_OVERRIDE")
        layout.separator()
        layout.operator("maquette.finish", icon="FILE_REFRESH")
        layout.operator("maquette.game_ready", icon="MOD_DECIM")
        layout.operator("maquette.recipe_repeat", icon="FILE_REFRESH")
        layout.operator("maquette.recipe_copy", icon="COPYDOWN")
        layout.separator()
        layout.menu("MAQUETTE_MT_sources", text="Choose Picture", icon="FILE_IMAGE")
        layout.operator("maquette.paint_mask", icon="BRUSH_DATA")
        layout.operator("maquette.use_mask", icon="CHECKMARK")
        layout.operator("maquette.generate", icon="SHADERFX")
        layout.operator("maquette.cancel_all", icon="X")
        layout.separator()
        layout.menu("MAQUETTE_MT_engine", icon="PREFERENCES")


class MAQUETTE_MT_engine(Menu):
    """Verbs of the engine."""

    bl_label = "Engine"

    def draw(self, _context: Any) -> None:
        layout = self.layout
        if is_set_up():
            layout.operator("maquette.engine_start", text="Start the Engine", icon="PLAY")
            layout.operator("maquette.engine_stop", text="Stop the Engine", icon="SNAP_FACE")
            layout.operator("maquette.engine_restart", icon="FILE_REFRESH")
            layout.operator("maquette.release_memory", icon="MEMORY")
            layout.operator("maquette.list_weights", text="List Weights", icon="PRESET")
            layout.operator("maquette.download_weights", icon="IMPORT")
        else:
            layout.operator("maquette.set_up", icon="IMPORT")
            layout.operator("maquette.use_folder", text="Choose Its Folder…", icon="FILE_FOLDER")
        layout.operator("maquette.use_remote", icon="LINKED")
        layout.separator()
        layout.operator("maquette.open_engine_folder", icon="FILE_FOLDER")
        layout.operator("maquette.copy_diagnosis", icon="COPYDOWN")
        layout.operator("maquette.open_preferences", icon="PREFERENCES")


class MAQUETTE_FH_picture(FileHandler):
    """Pictures that are dropped on the 3D viewport."""

    bl_idname = "MAQUETTE_FH_picture"
    bl_label = "Maquette"
    bl_import_operator = "maquette.drop_picture"
    bl_file_extensions = SUFFIXES

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


def draw_object_menu(menu: Any, _context: Any) -> None:
    """At the end of the Object menu and of its context menu."""
    menu.layout.separator()
    menu.layout.menu("MAQUETTE_MT_object", icon="SHADERFX")


def draw_add_menu(menu: Any, _context: Any) -> None:
    """At the end of the menu Add."""
    menu.layout.operator("maquette.open_picture", text="3D Object from Picture…", icon="SHADERFX")


def draw_image_menu(menu: Any, _context: Any) -> None:
    """At the end of the Image editor's menu Image."""
    menu.layout.separator()
    menu.layout.operator("maquette.editor_picture", icon="SHADERFX")


def draw_image_header(header: Any, context: Any) -> None:
    """At the end of the Image editor's header, while the mask is painted in it."""
    from ..bl import matte

    if matte.is_mask(context.space_data.image):
        header.layout.operator("maquette.use_mask", icon="CHECKMARK")


CLASSES = (MAQUETTE_MT_object, MAQUETTE_MT_engine, MAQUETTE_FH_picture)
ENTRIES = (
    ("VIEW3D_MT_object", draw_object_menu),
    ("VIEW3D_MT_object_context_menu", draw_object_menu),
    ("VIEW3D_MT_add", draw_add_menu),
    ("IMAGE_MT_image", draw_image_menu),
    ("IMAGE_HT_header", draw_image_header),
    ("STATUSBAR_HT_header", status_bar.draw),
)


def attach() -> None:
    """Append the entries."""
    for name, draw in ENTRIES:
        getattr(bpy.types, name).append(draw)


def detach() -> None:
    """Take them away."""
    for name, draw in ENTRIES:
        getattr(bpy.types, name).remove(draw)
