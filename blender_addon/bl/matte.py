"""The matte of the chosen picture, painted by hand: an image with the matte as its alpha, in an
Image editor in Paint mode.
"""

from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..protocol.errors import EngineError
from . import images_out, open_file

if TYPE_CHECKING:
    from ..core.session import Session

NAME = "Maquette Mask"
MASK = "maquette_mask"
"""Custom property of the image: one that was saved unused is removed when its file is opened."""
_uid = 0


def paint(context: Any, session: "Session") -> Any:
    """Show the cut-out for painting; the new image.

    Erase Alpha removes, Add Alpha brings back.

    Raises:
        EngineError: ``cut_out_missing``.
    """
    global _uid
    if session.chosen.cut_out is None:
        raise EngineError(
            "cut_out_missing", "There is no cut-out yet.", "Choose a picture and wait a moment."
        )
    width, height, rows = session.chosen.cut_out
    _remove()
    image = bpy.data.images.new(NAME, width, height, alpha=True)
    image.alpha_mode = "CHANNEL_PACKED"  # what is transparent keeps its colour
    pixels = np.frombuffer(rows, np.uint8).reshape(height, width, 4)[::-1].astype(np.float32)
    image.pixels.foreach_set((pixels / 255).reshape(-1))
    image.pack()  # undo of the first stroke needs what was before
    image[MASK] = True
    _uid = image.session_uid
    area = _editor(context)
    if area is not None:
        space = area.spaces.active
        space.image = image
        space.ui_mode = "PAINT"
        brush = context.tool_settings.image_paint.brush
        if brush is not None:
            brush.blend = "ERASE_ALPHA"
    return image


def is_painted() -> bool:
    """Whether something was painted that could be used."""
    image = open_file.by_uid(bpy.data.images, _uid)
    return image is not None and image.is_dirty


def use(session: "Session") -> None:
    """Take the alpha that was painted as the matte.

    Raises:
        EngineError: ``mask_missing``, and as ``Chosen.use_mask``.
    """
    image = open_file.by_uid(bpy.data.images, _uid)
    if image is None:
        raise EngineError("mask_missing", "The painted mask was removed.", "Paint it again.")
    rows = images_out.rows_of(image)
    height, width = rows.shape[:2]
    session.chosen.use_mask(width, height, rows.tobytes())
    _remove()


def file_opened() -> None:
    """Another file is open: its picture is another one, so a mask in it is of no use."""
    global _uid
    _uid = 0
    for image in [image for image in bpy.data.images if MASK in image]:
        bpy.data.images.remove(image)


def _remove() -> None:
    global _uid
    image = open_file.by_uid(bpy.data.images, _uid)
    if image is not None:
        bpy.data.images.remove(image)
    _uid = 0


def _editor(context: Any) -> Any | None:
    """An Image editor: one that is open, or a new window."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                return area
    if bpy.app.background:
        return None
    before = set(context.window_manager.windows)
    bpy.ops.wm.window_new()
    new = [window for window in context.window_manager.windows if window not in before]
    if not new:
        return None
    area = new[0].screen.areas[0]
    area.type = "IMAGE_EDITOR"
    return area
