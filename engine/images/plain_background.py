"""Removing one even background by rule: no network, no weights.

The border of the picture says what the background looks like: a smooth colour (evenly lit or
falling off) plus noise. Whatever is connected to the border and looks like it, or like a soft
shadow on it, is background. Works for product shots and renderings; refuses everything else.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.images.preprocess import no_foreground
from engine.images.regions import box_mean, connected, erode, grow, highest
from engine.images.rembg_matte import INSTALL
from protocol.errors import EngineError

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_NOISE = 14.0
"""Deviation (of 255) of the border around its smooth colour, above which it is not plain."""
MIN_BORDER_SHARE = 0.55
"""Share of the border that has to be background; the rest may be the object leaving the frame."""
FULL_BOX = 0.985
"""Share of its own box above which what fills a picture is a sheet, not an object."""
SHADOW_FLOOR = 0.55
"""A shadow keeps at least this share of the light; anything darker is an object."""

SMALLEST = 8
"""Pixels a side."""

MIN_OPENING = 0.004
"""Least share of the picture for a patch of background within the object to be an opening."""


class Background(NamedTuple):
    """The background as it would be without the object."""

    colour: Floats  # (H, W, 3), 0..255
    noise: float  # standard deviation, grey levels


def remove_plain_background(
    image: Image.Image, *, size: tuple[int, int] | None = None
) -> Image.Image:
    """Find the object in front of a plain background.

    Args:
        image: mode "RGB", about 1024 pixels a side.
        size: of the picture that it was shrunk from, for sentences; None: its own.

    Returns:
        mode "RGBA", straight alpha, soft at the outline; colours at the outline are freed from the
        background.

    Raises:
        EngineError: ``background_not_plain`` when the border is too uneven,
            ``image_no_foreground`` when nothing stands out from it, ``image_too_small``.
    """
    if min(image.size) < SMALLEST:
        raise _too_small(*(size or image.size))
    pixels = np.asarray(image.convert("RGB")).astype(np.float32)
    background = _estimate(pixels)
    foreground = _solid(pixels, background)
    share = foreground.mean()
    if share < 0.001:
        raise no_foreground("is the same all over")
    if share > 0.97 or (share > 0.85 and _box_share(foreground) > FULL_BOX):
        raise _not_plain("hardly any of it is visible around what fills the picture")
    rgba = _soften(pixels, background, foreground)
    return Image.fromarray((rgba + 0.5).astype(np.uint8))


def _not_plain(why: str) -> EngineError:
    return EngineError(
        "background_not_plain",
        f"The background is not plain enough to be removed by rule: {why}.",
        f"Give a picture with a transparent background, or {INSTALL}",
    )


def _too_small(width: int, height: int) -> EngineError:
    if min(width, height) < SMALLEST:
        return EngineError(
            "image_too_small",
            f"The picture has {width} x {height} pixels, too few to tell what is background.",
            f"Give a larger one, with {SMALLEST} pixels a side at the very least.",
        )
    return EngineError(
        "image_too_small",
        f"The picture has {width} x {height} pixels: so narrow a strip shows no object.",
        "Cut the object out of it, and give that as a picture.",
    )


def _box_share(foreground: Mask) -> float:
    rows, columns = np.flatnonzero(foreground.any(axis=1)), np.flatnonzero(foreground.any(axis=0))
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return float(foreground.sum() / box)


def _estimate(pixels: Floats) -> Background:
    """The background as the border shows it.

    An object that reaches up to the last pixels fills most of a wide border, and then the outermost
    pixels are unlike what was found: a thinner border is asked.
    """
    band = max(2, round(0.02 * min(pixels.shape[:2])))
    first: EngineError | None = None
    while band:
        try:
            background = _estimate_from(pixels, band)
        except EngineError as error:
            first = first or error
        else:
            difference = np.abs(pixels - background.colour).max(axis=2)
            alike = difference < max(8.0, 6 * background.noise)
            corners = alike[[0, 0, -1, -1], [0, -1, 0, -1]]
            outermost = alike[_border(pixels.shape, 1)]
            # Where the border is the object itself, the background is left in the corners.
            if outermost.mean() >= MIN_BORDER_SHARE and corners.any():
                return background
        band //= 2
    raise first or _not_plain("what surrounds the object is unlike the outermost pixels")


def _border(shape: tuple[int, ...], band: int) -> Mask:
    border = np.ones(shape[:2], bool)
    border[band:-band, band:-band] = False
    return border


def _estimate_from(pixels: Floats, band: int) -> Background:
    """Fit a quadratic surface to the ``band`` outer pixels, leaving out what does not belong."""
    height, width, _ = pixels.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = 2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    border = _border(pixels.shape, band)
    samples, design = pixels[border], surface[border]

    # Start from the most common colour, then widen step by step to what the surface explains.
    inside = _near_most_common(samples)
    noise, fit = 0.0, np.zeros((6, 3), np.float32)
    for _ in range(8):
        if inside.mean() < MIN_BORDER_SHARE:
            raise _not_plain("its border has many colours")
        fit, *_ = np.linalg.lstsq(design[inside], samples[inside], rcond=None)
        residual = np.abs(samples - design @ fit).max(axis=1)
        # 1.4826 * median |r| of a normal distribution; the largest of three channels is wider.
        noise = float(np.median(residual[inside])) / 1.2
        inside = residual < max(4.0, 4 * noise)
    if noise > MAX_NOISE:
        raise _not_plain("it is too noisy or patterned")
    return Background(np.clip(surface @ fit, 0, 255).astype(np.float32), noise)


def _near_most_common(samples: Floats) -> Mask:
    bins = (samples // 16).astype(np.int64)
    keys = (bins[:, 0] * 16 + bins[:, 1]) * 16 + bins[:, 2]
    values, counts = np.unique(keys, return_counts=True)
    centre = np.median(samples[keys == values[counts.argmax()]], axis=0)
    # A background that falls off in brightness spreads over a range; its hue stays.
    return np.abs(samples - centre).max(axis=1) < 48


def _solid(pixels: Floats, background: Background) -> Mask:
    """What belongs to the object, without soft edges."""
    difference = np.abs(pixels - background.colour).max(axis=2)
    # A mean over 3 x 3 tells faint parts from noise.
    smooth = np.abs(box_mean(pixels, 1) - background.colour).max(axis=2)
    tolerance = max(8.0, 4.0 * background.noise)
    alike = (difference < 1.5 * tolerance) & (smooth < tolerance)
    shadow = _shadow_like(pixels, background, tolerance)

    seeds = np.zeros_like(alike)
    seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1] = True, True, True, True
    outside = connected(seeds & alike, alike)
    outside = connected(outside, alike | shadow)
    outside |= _openings(pixels, background, alike & ~outside)
    # The means above reach over outlines. The last pixels up to the object are compared one by
    # one with the background beside them, which may lie in shadow. JPEG ripples reach 14 levels.
    for _ in range(3):
        beside = _mean_over(outside, pixels, 4)
        same = np.abs(pixels - beside).max(axis=2) < max(14.0, 0.75 * tolerance)
        outside = connected(outside, outside | (same & grow(outside, 2)))

    # Noise that passed the tolerance has no solid core; thin parts hang on something that has.
    candidates = ~outside
    cores = erode(candidates & (smooth > 1.5 * tolerance), 1)
    return connected(cores, candidates) if cores.any() else cores


def _shadow_like(pixels: Floats, background: Background, tolerance: float) -> Mask:
    """Background that is darker by one factor in all channels, and changes slowly."""
    smooth = box_mean(pixels, 2)
    energy = np.maximum((background.colour**2).sum(axis=2), 1.0)
    light = (smooth * background.colour).sum(axis=2) / energy
    off_hue = np.abs(smooth - light[..., None] * background.colour).max(axis=2)
    slope_y, slope_x = np.gradient(smooth.mean(axis=2))
    gentle = np.hypot(slope_x, slope_y) < max(2.5, 0.5 * background.noise)
    return (light > SHADOW_FLOOR) & (light < 1.02) & (off_hue < 0.75 * tolerance) & gentle


def _openings(pixels: Floats, background: Background, enclosed: Mask) -> Mask:
    """Background that is seen through the object, as in the handle of a cup.

    A bright patch on the object may look alike by chance; an opening is larger than a highlight
    and has the background's very colour.
    """
    found = np.zeros_like(enclosed)
    least = MIN_OPENING * enclosed.size
    rest = erode(enclosed, 2)
    for _ in range(64):
        if not rest.any():
            break
        seed = np.zeros_like(rest)
        seed[np.unravel_index(int(rest.argmax()), rest.shape)] = True
        patch = connected(seed, rest)
        rest &= ~patch
        if patch.sum() < least:
            continue
        offset = np.abs((pixels - background.colour)[patch].mean(axis=0)).max()
        if offset < max(2.0, 0.5 * background.noise):
            found |= grow(patch, 3) & enclosed
    return found


def _soften(pixels: Floats, background: Background, foreground: Mask) -> Floats:
    """Straight RGBA in 0..255: alpha from how far each outline pixel is on its way to the object.

    In a band of two pixels to each side of the outline a pixel is taken for a mixture of the
    background and of the object's colour close by: p = a f + (1 - a) b.
    """
    beside = _mean_over(~grow(foreground, 2), pixels, 6, otherwise=background.colour)
    inner = erode(foreground, 2)
    # Thin parts have no inside: their surest pixels stand for it.
    contrast = np.abs(pixels - beside).max(axis=2)
    inner |= foreground & ~grow(inner, 4) & (contrast > 0.8 * highest(contrast, 3))
    band = grow(foreground, 2) & ~inner

    near = _mean_over(inner, pixels, 4)
    known = grow(inner, 4)
    colour = np.where((band & known)[..., None], near, pixels)

    way = colour - beside
    length = np.maximum((way * way).sum(axis=2), 1.0)
    mixture = ((pixels - beside) * way).sum(axis=2) / length
    # Where object and background hardly differ the mixture says nothing; the outline decides.
    decided = np.where(length > (4 * background.noise + 12) ** 2, mixture, foreground)
    # What the object surely covers does not become a hole by looking like the background.
    alpha = np.where(inner, 1.0, np.where(band & known, np.clip(decided, 0, 1), foreground))
    # Noise of the background must not leave a haze around the object.
    alpha = np.clip((alpha - 0.08) / 0.84, 0, 1)
    return np.concatenate([colour, 255 * alpha[..., None]], axis=2).astype(np.float32)


def _mean_over(
    where: Mask, pixels: Floats, radius: int, *, otherwise: Floats | None = None
) -> Floats:
    """Mean colour of the pixels ``where`` holds, over a box around each pixel.

    Where the box holds none of them: ``otherwise``, or the pixel itself.
    """
    weight = box_mean(where[..., None].astype(np.float32), radius)
    mean = box_mean(pixels * where[..., None], radius) / np.maximum(weight, 1e-6)
    return np.where(weight > 1e-4, mean, pixels if otherwise is None else otherwise)
