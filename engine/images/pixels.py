"""A decoded picture to RGB or RGBA with eight bits a channel, in sRGB where colours are meant.

Decisions: sixteen bits are scaled to eight, not clipped. An embedded ICC profile is converted to
sRGB (phones write Display P3, and the colours become base colour); a profile that is sRGB already
or cannot be read is ignored, so the pixels of an sRGB picture never change. The gamma that a PNG
states counts when it says nothing better. Of numbers, such as normals, neither counts.
"""

import io
import logging
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from protocol.errors import EngineError

log = logging.getLogger(__name__)

SRGB_GAMMA = 1 / 2.2
"""What a PNG of an sRGB picture states, as the PNG specification advises."""

_BITS_PER_SAMPLE = 258
_NO_ALPHA_BY_HABIT = ("TGA", "BMP")
_PNG_BITS, _PNG_KIND = 24, 25
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE_MOST = 1032
"""Bytes that one byte of deflate can stand for."""


def mend_transparency(image: Image.Image, data: bytes) -> None:
    """Bring the transparent grey of a PNG with 2 or 4 bits to the eight bits of its pixels.

    Pillow scales the pixels but not the value of the tRNS chunk, so that another grey vanishes.

    Args:
        image: opened by Pillow, changed in place.
        data: the file that it was opened from.
    """
    value = image.info.get("transparency")
    if image.format == "PNG" and data[_PNG_KIND] == 0 and isinstance(value, int):
        image.info["transparency"] = value * {2: 85, 4: 17}.get(data[_PNG_BITS], 1)


def unlikely_png(image: Image.Image, data: bytes) -> bool:
    """Whether a PNG has more pixels than so many bytes can hold: Pillow leaves the others black."""
    bits = data[_PNG_BITS] * _PNG_CHANNELS.get(data[_PNG_KIND], 1)
    return image.width * image.height * bits > 8 * _DEFLATE_MOST * len(data)


def to_bytes(
    image: Image.Image, name: str, kind: str | None, *, alpha: bool, by_profile: bool
) -> Image.Image:
    """Any mode of Pillow to "RGBA" with straight alpha, or to "RGB".

    Args:
        image: decoded.
        name: of the picture, to begin a message with.
        kind: format of its file, as Pillow calls it.
        alpha: whether the alpha is kept; an opaque one is made up where there is none.
        by_profile: whether its profile or gamma says what its colours are in sRGB; else they are
            taken as they are, and floating-point ones as 0 to 1.

    Raises:
        EngineError: ``image_depth`` for 32-bit pictures, and floating-point ones by a profile.
    """
    mode = "RGBA" if alpha else "RGB"
    if by_profile:
        rgba = _in_srgb(image, name, kind)
        return rgba if alpha else rgba.convert(mode)
    if image.mode == "F":
        shares = np.clip(np.nan_to_num(np.asarray(image)), 0.0, 1.0)
        image = Image.fromarray(np.rint(shares * 255).astype(np.uint8))
    elif image.mode.startswith("I"):
        image = _from_16_bit(image, name)
    converted = image if image.mode == mode else image.convert(mode)
    return _without_empty_alpha(converted, kind) if alpha else converted


def _in_srgb(image: Image.Image, name: str, kind: str | None) -> Image.Image:
    """ "RGBA" by profile and gamma."""
    gamma = image.info.get("gamma")
    profile = _foreign_profile(image, name)
    if image.mode.startswith("I") or image.mode == "F":
        image = _from_16_bit(image, name)
    if profile is None:
        plain = not image.info.get("icc_profile") and "srgb" not in image.info
        rgba = image.convert("RGBA")
        rgba = _with_gamma(rgba, gamma) if gamma and plain else rgba
    elif image.mode in ("CMYK", "LAB"):
        rgba = _to_srgb(image, profile, name).convert("RGBA")
    else:
        rgba = _converted(image, profile, name)
    return _without_empty_alpha(rgba, kind)


def _without_empty_alpha(rgba: Image.Image, kind: str | None) -> Image.Image:
    # Many writers of these formats leave the fourth channel empty and mean a picture without one.
    if kind in _NO_ALPHA_BY_HABIT and rgba.getchannel("A").getextrema()[1] == 0:
        rgba.putalpha(255)
    return rgba


def refuse_wide(image: Image.Image, name: str) -> None:
    """Refuse, before it is decoded, a picture of whole numbers with more than 16 bits.

    Raises:
        EngineError: ``image_depth``.
    """
    if image.mode.startswith("I") and max(_bits_per_sample(image)) > 16:
        raise _depth(name)


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile, name: str) -> Image.Image:
    # Alpha is not a colour: it bypasses the conversion.
    rgba = image.convert("RGBA")
    grey = image.mode in ("L", "LA", "1")
    colours = rgba.convert("L") if grey else rgba.convert("RGB")
    converted = _to_srgb(colours, profile, name).convert("RGBA")
    converted.putalpha(rgba.getchannel("A"))
    return converted


def _from_16_bit(image: Image.Image, name: str) -> Image.Image:
    """Grey of 16 bits to mode "L", or "LA" when a grey is transparent: 0..65535 to 0..255."""
    if image.mode == "F":
        raise _depth(name)
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise _depth(name)
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return grey
    alpha = Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha))


def _with_gamma(rgba: Image.Image, gamma: float) -> Image.Image:
    """Samples that are light to the power of ``gamma``, to those of sRGB, as browsers do it."""
    if not 0.05 < gamma < 5 or abs(gamma / SRGB_GAMMA - 1) < 0.05:
        return rgba
    table = np.rint(255 * np.linspace(0, 1, 256) ** (SRGB_GAMMA / gamma)).astype(int).tolist()
    return rgba.point([*table, *table, *table, *range(256)])


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
    spaces = {"CMYK": "CMYK", "LAB": "Lab", "L": "GRAY", "LA": "GRAY", "1": "GRAY", "I;16": "GRAY"}
    return profile if space == spaces.get(image.mode, "RGB") else None


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile, name: str) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(
            image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except ImageCms.PyCMSError as error:
        log.warning("%s has a colour profile that cannot be applied (%s).", name, error)
        return image
    return image if converted is None else converted
