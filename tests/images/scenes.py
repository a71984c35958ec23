"""Pictures that look like real ones, with the true matte: for the tests of mattes.

Drawn at four times the size and reduced, so that outlines are soft as a camera's.
"""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SCALE = 4


def draw(size: tuple[int, int], paint) -> Image.Image:
    """An RGBA picture of ``paint(draw)`` called at ``SCALE`` times the size."""
    large = Image.new("RGBA", (size[0] * SCALE, size[1] * SCALE), (0, 0, 0, 0))
    paint(ImageDraw.Draw(large))
    return large.resize(size, Image.Resampling.BOX)


def scaled(*values: float) -> list[float]:
    return [value * SCALE for value in values]


def photograph(
    subject: Image.Image,
    *,
    colour: tuple[int, int, int] = (235, 234, 230),
    fall_off: float = 0.0,
    noise: float = 0.0,
    shadow: float = 0.0,
    shadow_shift: tuple[int, int] = (14, 18),
    jpeg: int | None = None,
    seed: int = 0,
) -> Image.Image:
    """The object in front of a backdrop, opaque RGB.

    Args:
        subject: RGBA with the true alpha.
        fall_off: share of the light that is lost in the corners.
        noise: deviation of the sensor's noise, grey levels.
        shadow: share of the light that a soft shadow takes away.
        jpeg: quality at which the picture is stored.
    """
    width, height = subject.size
    y, x = np.mgrid[0:height, 0:width]
    radius = np.hypot((x - width / 2) / (width / 2), (y - height / 2) / (height / 2)) / math.sqrt(2)
    light = 1 - fall_off * radius**2
    if shadow:
        soft = subject.getchannel("A").filter(ImageFilter.GaussianBlur(12))
        moved = Image.new("L", subject.size)
        moved.paste(soft, shadow_shift)
        light = light * (1 - shadow * np.asarray(moved) / 255)
    backdrop = np.array(colour) * light[..., None]
    pixels = np.asarray(subject).astype(float)
    alpha = pixels[..., 3:] / 255
    picture = alpha * pixels[..., :3] + (1 - alpha) * backdrop
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape) if noise else 0
    result = Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))
    if jpeg is not None:
        stored = io.BytesIO()
        result.save(stored, "JPEG", quality=jpeg)
        result = Image.open(stored).convert("RGB")
    return result


def cup(size: tuple[int, int] = (320, 300)) -> Image.Image:
    """A cup with a handle to see through, stripes and a bright highlight."""

    def paint(on: ImageDraw.ImageDraw) -> None:
        on.ellipse(scaled(190, 95, 275, 205), outline=(176, 52, 40, 255), width=16 * SCALE)
        on.rounded_rectangle(scaled(70, 60, 220, 250), 18 * SCALE, fill=(196, 62, 46, 255))
        on.ellipse(scaled(70, 45, 220, 85), fill=(120, 34, 28, 255))
        on.rectangle(scaled(70, 140, 220, 165), fill=(40, 70, 130, 255))
        on.ellipse(scaled(90, 105, 102, 128), fill=(250, 249, 247, 255))

    return draw(size, paint)


def plant(size: tuple[int, int] = (320, 320)) -> Image.Image:
    """A pot with thin stems and leaves."""

    def paint(on: ImageDraw.ImageDraw) -> None:
        on.polygon(scaled(110, 220, 210, 220, 195, 300, 125, 300), fill=(150, 92, 60, 255))
        for end in ((60, 60), (120, 30), (165, 45), (215, 40), (262, 90)):
            on.line(scaled(160, 222, *end), fill=(52, 110, 48, 255), width=2 * SCALE)
            x, y = end
            on.ellipse(scaled(x - 16, y - 9, x + 16, y + 9), fill=(66, 140, 60, 255))

    return draw(size, paint)


def statue(size: tuple[int, int] = (300, 320)) -> Image.Image:
    """A grey bust that leaves the picture at its lower edge."""

    def paint(on: ImageDraw.ImageDraw) -> None:
        on.ellipse(scaled(95, 40, 205, 180), fill=(150, 148, 144, 255))
        on.rectangle(scaled(130, 160, 170, 230), fill=(132, 130, 127, 255))
        on.ellipse(scaled(30, 210, 270, 480), fill=(142, 140, 137, 255))
        on.ellipse(scaled(118, 95, 134, 105), fill=(70, 68, 66, 255))
        on.ellipse(scaled(166, 95, 182, 105), fill=(70, 68, 66, 255))

    return draw(size, paint)


def street(size: tuple[int, int] = (300, 260), seed: int = 5) -> Image.Image:
    """A picture without any plain background, opaque RGB."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 255, (9, 11, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


SCENES = {
    "cup_plain": (cup, {}),
    "cup_white_noise_jpeg": (cup, {"colour": (252, 252, 252), "noise": 3.0, "jpeg": 80}),
    "cup_shadow": (cup, {"shadow": 0.3, "noise": 2.0, "jpeg": 88}),
    "cup_fall_off": (cup, {"fall_off": 0.25, "noise": 2.5, "shadow": 0.2, "jpeg": 85}),
    "cup_on_blue": (cup, {"colour": (60, 96, 160), "noise": 5.0}),
    "plant_thin": (plant, {"noise": 3.0, "jpeg": 85}),
    "plant_shadow": (plant, {"noise": 2.0, "shadow": 0.25, "jpeg": 90, "fall_off": 0.1}),
    "plant_on_black": (plant, {"colour": (8, 8, 10), "noise": 2.0}),
    "statue_leaving": (statue, {"noise": 2.0, "jpeg": 85}),
    "statue_shadow": (statue, {"noise": 2.0, "shadow": 0.25, "jpeg": 90}),
}
"""name -> (how the object is drawn, how it is photographed)."""
