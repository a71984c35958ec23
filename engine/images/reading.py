"""Picture files to upright RGBA with eight bits a channel in sRGB.

Decisions: rotation noted in EXIF is applied. An embedded ICC profile is converted to sRGB (phones
write Display P3, and the colours become base colour); a profile that is sRGB already or cannot
be read is ignored, so the pixels of an sRGB picture never change. Sixteen bits are scaled to
eight, not clipped. Of an animation the first frame is taken and the log says so.
"""

import io
import logging
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from protocol.errors import EngineError

log = logging.getLogger(__name__)

# What cameras, scanners and drawing programs write. PostScript and the like are left out since
# Pillow hands them to other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "ICO")
MAX_PIXELS = 80_000_000
"""A larger picture is refused before it is decoded: 80 megapixels are 320 MB as RGBA."""

# Everything Pillow's decoders are known to raise on damaged files. Warnings are among it, since a
# process may turn them into errors.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError)
_DAMAGE += (struct.error, zlib.error, OverflowError, RuntimeError, UserWarning)
_BITS_PER_SAMPLE = 258
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
    if not data:
        raise _unreadable(f"{name} is empty.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name)
            if getattr(image, "is_animated", False) and image.format != "MPO":
                log.info("%s is an animation; its first frame is used.", name)
            if image.mode.startswith("I") and max(_bits_per_sample(image)) > 16:
                raise _depth(name)
            image.load()
            return _to_rgba(_upright(image, name), name)
    except _BOMB as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise _unreadable(f"{name} is not in a known format.") from error
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


def _too_large(name: str) -> EngineError:
    return EngineError(
        "image_too_large",
        f"{name} has more than {MAX_PIXELS // 1_000_000} megapixels.",
        "Scale it down; 1024 pixels a side are enough.",
    )


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE as error:
        log.warning("%s has EXIF data that cannot be read (%s); it is not rotated.", name, error)
        return image


def _to_rgba(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image, name)
    if image.mode == "F":
        raise _depth(name)
    profile = _foreign_profile(image, name)
    if profile is None:
        return image.convert("RGBA")
    if image.mode in ("CMYK", "LAB"):
        return _to_srgb(image, profile, name).convert("RGBA")
    # Alpha is not a colour: it bypasses the conversion.
    rgba = image.convert("RGBA")
    converted = _to_srgb(rgba.convert("RGB"), profile, name).convert("RGBA")
    converted.putalpha(rgba.getchannel("A"))
    return converted


def _from_16_bit(image: Image.Image, name: str) -> Image.Image:
    """Grey of 16 bits: 0..65535 to 0..255, rounded."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise _depth(name)
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    rgba = grey.convert("RGBA")
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        rgba.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return rgba


def _bits_per_sample(image: Image.Image) -> tuple[int, ...]:
    """As a TIFF states it; other formats have 16 bits at most."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, 16)
    return bits if isinstance(bits, tuple) else (int(bits),)


def _depth(name: str) -> EngineError:
    return EngineError(
        "image_depth",
        f"{name} has floating-point or 32-bit pixels, whose white level is not known.",
        "Save it as PNG with 8 or 16 bits.",
    )


def _foreign_profile(image: Image.Image, name: str) -> ImageCms.ImageCmsProfile | None:
    """The embedded colour profile, when there is one that is not sRGB and fits the picture."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        description = ImageCms.getProfileDescription(profile)
        # Pillow's annotation of this attribute is mistaken.
        details: Any = profile.profile
        space = details.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError) as error:
        log.warning("%s has a colour profile that cannot be read (%s).", name, error)
        return None
    if "srgb" in description.lower():
        return None
    wanted = {"CMYK": "CMYK", "LAB": "Lab"}.get(image.mode, "RGB")
    return profile if space == wanted else None


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile, name: str) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(
            image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except ImageCms.PyCMSError as error:
        log.warning("%s has a colour profile that cannot be applied (%s).", name, error)
        return image
    return image if converted is None else converted
