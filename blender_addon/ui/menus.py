"""Entries in Blender's own menus, the status bar, and what can be dropped on the viewport."""

from typing import Any

import bpy
from bpy.types import FileHandler, Menu

from ..operators.sources import SUFFIXES
from . import status_bar
from .sidebar import is_set_up


class MAQUETTE_MT_object(Menu):
    """Verbs of selected meshes."""

    bl_label = "Maquette"

    def draw(self, _context: Any) -> None:
        layout = self.layout
        layout.operator("maquette.retexture", icon="SHADING_TEXTURE")
        layout.operator("maquette.upscale", icon="MOD_MULTIRES")
        layout.separator()
        layout.operator("maquette.finish", icon="FILE_REFRESH")
        layout.operator("maquette.game_ready", icon="MOD_DECIM")


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
    if is_set_up():
        menu.layout.separator()
        menu.layout.menu("MAQUETTE_MT_object", icon="SHADERFX")


def draw_add_menu(menu: Any, _context: Any) -> None:
    """At the end of the menu Add."""
    menu.layout.operator("maquette.open_picture", text="3D Object from Picture…", icon="SHADERFX")


def draw_image_menu(menu: Any, _context: Any) -> None:
    """At the end of the Image editor's menu Image."""
    menu.layout.separator()
    menu.layout.operator("maquette.editor_picture", icon="SHADERFX")


CLASSES = (MAQUETTE_MT_object, MAQUETTE_FH_picture)
ENTRIES = (
    ("VIEW3D_MT_object", draw_object_menu),
    ("VIEW3D_MT_object_context_menu", draw_object_menu),
    ("VIEW3D_MT_add", draw_add_menu),
    ("IMAGE_MT_image", draw_image_menu),
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
