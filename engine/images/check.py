"""What may go wrong with a picture, seen from the picture alone, before anything is spent on it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from engine.images.matte import has_own_alpha, opaque
from engine.images.plain_background import remove_plain_background
from engine.images.preprocess import FOREGROUND
from engine.images.regions import Mask, connected, erode
from protocol.errors import EngineError

SIDE = 192
"""Pixels of the longest side of the copy that is looked at."""
SMALL_OBJECT = 256
"""Pixels of the object's longer side, in the picture itself, below which details are missing."""
OTHER_OBJECT = 0.1
"""Share of the largest region above which another region is an object of its own."""
HOPELESS = ("no_object", "too_small")
"""Codes of remarks on pictures that are refused when an asset is to be made of them."""
FEW_COLOURS, FLAT_SHARE = 8, 0.9
"""A drawing: so few colours cover so much of the object. Light on a surface makes more of them."""


@dataclass(frozen=True)
class Remark:
    """
    Attributes:
        code: snake_case name that programs may test for.
        sentence: for the user.
    """

    code: str
    sentence: str


def check_picture(image: Image.Image) -> list[Remark]:
    """Remarks on a picture, the worst first; none: nothing was seen.

    Args:
        image: mode "RGBA", upright, straight alpha.

    Returns:
        With the codes no_object, too_small, no_plain_background, several_objects, touches_border,
        small_object and flat_drawing.
    """
    scale = min(1.0, SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    try:
        own = has_own_alpha(image)
        cutout = small if own else remove_plain_background(opaque(small).convert("RGB"))
    except EngineError as error:
        if error.code == "image_too_small":
            sentence = f"The picture has {_pixels(image)}, too few to see an object in."
            return [Remark("too_small", sentence)]
        if error.code == "background_not_plain":
            return [
                Remark(
                    "no_plain_background",
                    "There is no plain background that could be removed by rule; a transparent "
                    "background is best, else a network has to find the object.",
                )
            ]
        return [_nothing()]
    pixels = np.asarray(cutout)
    mask = pixels[:, :, 3] > FOREGROUND
    if not mask.any():
        return [_nothing()]
    found = (_several(mask), _border(mask), _small(mask, scale), _flat(pixels, mask))
    return [remark for remark in found if remark is not None]


def _nothing() -> Remark:
    return Remark("no_object", "Nothing stands out from the background.")


def _several(mask: Mask) -> Remark | None:
    rest, sizes = mask.copy(), list[int]()
    # Crumbs are many, so only so many regions are looked at; a large one is hit sooner.
    for at in np.linspace(0, mask.sum() - 1, 32).astype(int):
        row, column = np.argwhere(mask)[at]
        if rest[row, column]:
            seed = np.zeros_like(mask)
            seed[row, column] = True
            region = connected(seed, rest)
            rest &= ~region
            sizes.append(int(region.sum()))
    objects = sum(size >= OTHER_OBJECT * max(sizes) for size in sizes)
    if objects < 2:
        return None
    return Remark(
        "several_objects",
        f"There seem to be {objects} separate objects; they would become one asset.",
    )


def _border(mask: Mask) -> Remark | None:
    edges = {
        "top": mask[0],
        "bottom": mask[-1],
        "left": mask[:, 0],
        "right": mask[:, -1],
    }
    touched = [name for name, edge in edges.items() if edge.sum() >= 3]
    if not touched:
        return None
    return Remark(
        "touches_border",
        f"The object touches the border of the picture ({', '.join(touched)}), so a part of it "
        "may be cut off.",
    )


def _small(mask: Mask, scale: float) -> Remark | None:
    rows, columns = np.nonzero(mask)
    width = round((columns.max() - columns.min() + 1) / scale)
    height = round((rows.max() - rows.min() + 1) / scale)
    if max(width, height) >= SMALL_OBJECT:
        return None
    return Remark(
        "small_object",
        f"The object is only {width} x {height} pixels large; fine details will be missing.",
    )


def _flat(pixels: np.ndarray, mask: Mask) -> Remark | None:
    inside = erode(mask, 2)
    if inside.sum() < 500:
        return None
    bins = (pixels[:, :, :3][inside] >> 3).astype(np.int64)
    _, counts = np.unique((bins[:, 0] << 10) + (bins[:, 1] << 5) + bins[:, 2], return_counts=True)
    share = np.sort(counts)[-FEW_COLOURS:].sum() / counts.sum()
    if share < FLAT_SHARE:
        return None
    return Remark(
        "flat_drawing",
        "This looks like a flat drawing; without light and shadow the depth has to be guessed.",
    )


def _pixels(image: Image.Image) -> str:
    return f"{image.width} x {image.height} pixels"
