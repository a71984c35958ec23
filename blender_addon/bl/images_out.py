"""Images in Blender as pictures for the engine: the bytes of their files where these are what is
seen, else their pixels.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..core.language import said
from ..core.pictures import LARGEST_SIDE, PictureIn
from ..protocol.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_ROWS = 2048
"""A side that is enough for every network; larger pixels are averaged before they travel."""
_READABLE = ((b"\x89PNG", 0), (b"\xff\xd8\xff", 0), (b"WEBP", 8))
_REFUSED = {
    "MOVIE": ("is a movie.", "Save the frame that you want as a picture and choose that."),
    "SEQUENCE": ("is a sequence of pictures.", "Open the one that you want as a single image."),
}


def picture(image: Any | None) -> PictureIn:
    """What a data-block shows: file, packed, painted, generated, float, first tile of a UDIM.

    Raises:
        EngineError: ``image_unusable``, with what is wrong and the remedy.
    """
    if image is None:
        raise EngineError("image_unusable", "No image is chosen.", "Choose one.")
    if image.type == "RENDER_RESULT":
        from . import capture

        return capture.last_render(bpy.context)
    if image.source in _REFUSED:
        what, hint = _REFUSED[image.source]
        raise EngineError("image_unusable", f"{image.name} {what}", hint)
    title = _title(image)
    if image.source == "FILE" and not image.is_dirty:
        data, path = _file_of(image)
        if any(data[at : at + len(sign)] == sign for sign, at in _READABLE):
            return PictureIn(title=title, data=data, path=path)
    rows = rows_of(image)
    height, width = rows.shape[:2]
    return PictureIn(title=title, rows=rows.tobytes(), width=width, height=height)


def rows_of(image: Any) -> "NDArray[np.uint8]":
    """(H, W, 4) sRGB-encoded pixels with straight alpha, rows from the top, made smaller by a
    whole number if they are many.

    Raises:
        EngineError: ``image_unusable``.
    """
    width, height = image.size
    if not width or not height:
        raise EngineError(
            "image_unusable",
            said(
                "{name} has no pixels: its file is damaged or of an unknown kind.", name=image.name
            ),
            "Choose another image, or save it again as PNG.",
        )
    if max(width, height) > LARGEST_SIDE:
        raise EngineError(
            "image_unusable",
            said(
                "{name} has {width} x {height} pixels, and {most} a side are the most.",
                name=image.name,
                width=width,
                height=height,
                most=LARGEST_SIDE,
            ),
            "Scale it by Image > Resize.",
        )
    channels = image.channels
    flat = np.empty(width * height * channels, np.float32)
    image.pixels.foreach_get(flat)
    pixels = flat.reshape(height, width, channels)[::-1]
    step = -(-max(width, height) // LARGEST_ROWS)
    if step > 1:
        pixels = _smaller(pixels, step)
    # A render or a viewer node has no colour space; Blender warns when it is asked for one.
    scene = image.source == "VIEWER"
    linear = image.is_float and (scene or image.colorspace_settings.name != "Non-Color")
    return encoded(pixels, linear=linear)


def encoded(pixels: "NDArray[np.float32]", *, linear: bool) -> "NDArray[np.uint8]":
    """RGBA bytes of pixels with 1 to 4 channels.

    Args:
        linear: they are linear with alpha multiplied in; else encoded and straight.
    """
    height, width, channels = pixels.shape
    rgba = np.ones((height, width, 4), np.float32)
    if channels < 3:
        rgba[..., :3] = pixels[..., :1]
    else:
        rgba[..., :3] = pixels[..., :3]
    if channels in (2, 4):
        rgba[..., 3] = pixels[..., channels - 1]
    np.nan_to_num(rgba, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    if linear:
        alpha = rgba[..., 3:]
        color = np.divide(rgba[..., :3], alpha, out=np.zeros_like(rgba[..., :3]), where=alpha > 0)
        color = np.clip(color, 0, 1)
        rgba[..., :3] = np.where(
            color <= 0.0031308, color * 12.92, 1.055 * color ** (1 / 2.4) - 0.055
        )
    return (np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8)


def _smaller(pixels: "NDArray[np.float32]", step: int) -> "NDArray[np.float32]":
    height, width = (max(1, side // step) for side in pixels.shape[:2])
    cut = pixels[: height * step, : width * step]
    return cut.reshape(height, cut.shape[0] // height, width, cut.shape[1] // width, -1).mean(
        (1, 3)
    )


def _file_of(image: Any) -> tuple[bytes, str]:
    """The bytes of an image's file and its path; empty where its pixels are still in memory."""
    if image.packed_file is not None:
        return bytes(image.packed_file.data), ""
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        if image.has_data:
            return b"", ""
        raise EngineError(
            "image_unusable",
            said(
                "The file of {name} cannot be read: {path} ({why}).",
                name=image.name,
                path=path,
                why=error.strerror or error,
            ),
            "Find it by File > External Data > Find Missing Files, or choose another image.",
        ) from error


def _title(image: Any) -> str:
    """The name without a suffix, for the object."""
    name = image.name
    stem = name.rsplit(".", 1)[0] if "." in name else name
    return stem or name
