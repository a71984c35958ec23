"""Picture files of every kind to eight bits a channel.

Decisions: of an animation the first frame is taken and the log says so. Rotation noted in EXIF is
applied to pictures for people. What becomes of colours, depth and transparency is said in
``engine/images/pixels.py``.
"""

import io
import logging
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from engine.images.pixels import mend_transparency, refuse_wide, to_bytes, unlikely_png
from engine.images.signatures import what_it_is
from protocol.errors import EngineError

log = logging.getLogger(__name__)

# What cameras, scanners and drawing programs write. PostScript and the like are left out since
# Pillow hands them to other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "ICO")
MAX_PIXELS = 80_000_000
"""A larger picture is refused before it is decoded: 80 megapixels are 320 MB as RGBA."""
MAX_TEXTURE_PIXELS = 16384 * 16384
"""The same for the textures of a mesh."""
# Pillow warns above this, and of pictures of 89 megapixels otherwise.
Image.MAX_IMAGE_PIXELS = MAX_TEXTURE_PIXELS

# Everything Pillow's decoders are known to raise on damaged files. Warnings are among it, since a
# process may turn them into errors.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError)
_DAMAGE += (struct.error, zlib.error, OverflowError, RuntimeError, UserWarning)
_BOMB = (Image.DecompressionBombWarning, Image.DecompressionBombError)


def read_image(source: bytes | str | Path) -> Image.Image:
    """A picture as upright RGBA, mode "RGBA", eight bits, straight (not premultiplied) alpha.

    Args:
        source: the bytes of a picture file, or where it is.

    Raises:
        EngineError: ``image_missing`` when there is no such file, ``image_unreadable`` when it is
            damaged or in an unknown format, ``image_too_large`` above ``MAX_PIXELS``,
            ``image_depth`` for floating-point and 32-bit pictures.
    """
    name = "The picture" if isinstance(source, bytes) else f"The picture {source}"
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    return decode(data, name, upright=True, alpha=True, by_profile=True, most_pixels=MAX_PIXELS)


def decode(
    data: bytes,
    name: str,
    *,
    upright: bool,
    alpha: bool | None,
    by_profile: bool,
    most_pixels: int,
) -> Image.Image:
    """A picture as mode "RGBA" with straight alpha, or "RGB", eight bits a channel.

    Args:
        data: of a picture file.
        name: of the picture, to begin a message with.
        upright: whether the rotation that EXIF notes is applied.
        alpha: whether the alpha is kept; None: where the picture has one.
        by_profile: see ``to_bytes``.
        most_pixels: a larger picture is refused before it is decoded.

    Raises:
        EngineError: as ``read_image``, without ``image_missing``.
    """
    if not data:
        raise _unreadable(f"{name} is empty.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > most_pixels:
                raise _too_large(name, most_pixels)
            if image.format == "PNG" and unlikely_png(image, data):
                raise _unreadable(f"{name} is damaged: most of its pixels are missing.")
            if getattr(image, "is_animated", False) and image.format != "MPO":
                log.info("%s is an animation; its first frame is used.", name)
            refuse_wide(image, name)
            mend_transparency(image, data)
            image.load()
            alpha = image.has_transparency_data if alpha is None else alpha
            placed = _upright(image, name) if upright else image
            return to_bytes(placed, name, image.format, alpha=alpha, by_profile=by_profile)
    except _BOMB as error:
        raise _too_large(name, most_pixels) from error
    except UnidentifiedImageError as error:
        raise _unreadable(f"{name} {what_it_is(data)}.") from error
    except _DAMAGE as error:
        raise _unreadable(f"{name} is damaged ({error}).") from error


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise EngineError(
            "image_missing",
            f"The picture {str(path)!r} cannot be opened: {reason}.",
            "Choose a picture file that exists and that you may read.",
        ) from error


def _unreadable(message: str) -> EngineError:
    return EngineError("image_unreadable", message, "Save it again as PNG or JPEG.")


def _too_large(name: str, most_pixels: int) -> EngineError:
    return EngineError(
        "image_too_large",
        f"{name} has more than {most_pixels // 1_000_000} megapixels.",
        "Scale it down; 1024 pixels a side are enough.",
    )


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE as error:
        log.warning("%s has EXIF data that cannot be read (%s); it is not rotated.", name, error)
        return image
