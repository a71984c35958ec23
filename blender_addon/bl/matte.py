"""The matte of the chosen picture, painted by hand: an image with the matte as its alpha, in an
Image editor in Paint mode.
"""

from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..protocol.errors import EngineError
from . import images_out, open_file, thumbnails

if TYPE_CHECKING:
    from ..core.session import Session

NAME = "Maquette Mask"
MASK = "maquette_mask"
"""Custom property of the image: one that was saved unused is removed when its file is opened."""
SMALLEST = 300
"""Pixels at 100 % that a side of an Image editor has to have to be painted in."""
_uid = 0
_brush: tuple[str, str] | None = None
"""Name of the brush that erases, and how it blended before."""


def paint(context: Any, session: "Session") -> Any:
    """Show the cut-out for painting; the new image. Where the engine could not make one, the whole
    picture.

    Erase Alpha removes, Add Alpha brings back.

    Raises:
        EngineError: ``cut_out_missing``, ``image_unusable``.
    """
    global _uid, _brush
    width, height, rows = _first(session)
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
            _brush = brush.name, brush.blend
            brush.blend = "ERASE_ALPHA"
    return image


def is_here() -> bool:
    """Whether there is a mask that could be used. Saving the file makes a painted one clean, so
    that nobody can tell it from one that was not painted on."""
    return open_file.by_uid(bpy.data.images, _uid) is not None


def is_mask(image: Any | None) -> bool:
    """Whether an image is the mask that is being painted."""
    return image is not None and bool(_uid) and image.session_uid == _uid


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


def _first(session: "Session") -> tuple[int, int, bytes]:
    """What is painted on: width, height, RGBA8 rows, top first."""
    if session.chosen.cut_out is not None:
        return session.chosen.cut_out
    picture = session.chosen.picture
    if picture is None:
        raise EngineError(
            "cut_out_missing", "There is no cut-out yet.", "Choose a picture and wait a moment."
        )
    if picture.rows:
        return picture.width, picture.height, bytes(picture.rows)
    image = bpy.data.images.load(str(thumbnails.file_of(picture)))
    try:
        rows = images_out.rows_of(image)
    finally:
        bpy.data.images.remove(image)
    return rows.shape[1], rows.shape[0], rows.tobytes()


def _remove() -> None:
    global _uid, _brush
    image = open_file.by_uid(bpy.data.images, _uid)
    if image is not None:
        bpy.data.images.remove(image)
    if _brush is not None:
        name, blend = _brush
        brush = bpy.context.tool_settings.image_paint.brush
        if brush is not None and brush.name == name:
            brush.blend = blend
    _uid, _brush = 0, None


def _editor(context: Any) -> Any | None:
    """An Image editor: one that is open and large enough, or a new window."""
    least = SMALLEST * context.preferences.system.ui_scale
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and min(area.width, area.height) >= least:
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
