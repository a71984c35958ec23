"""From a picture with a matte to the square the networks look at.

Number for number what the TRELLIS.2 reference does, rounding included, since a pixel more or
less shifts every token.
"""

import numpy as np
from PIL import Image

from protocol.errors import EngineError

MAX_SIDE = 1024
FOREGROUND = 0.8 * 255
"""Alpha above which a pixel belongs to the object and counts for the crop."""


def preprocess(image: Image.Image) -> Image.Image:
    """``shrink`` and ``crop_to_foreground`` for a picture that brings its own alpha."""
    return crop_to_foreground(shrink(image))


def shrink(image: Image.Image) -> Image.Image:
    """The picture with its longest side at most 1024 pixels (Lanczos); never larger than before.

    The reference does this before it removes a background.
    """
    scale = min(1.0, MAX_SIDE / max(image.size))
    if scale == 1.0:
        return image
    # A strip thinner than a pixel would vanish, where the reference fails.
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def crop_to_foreground(image: Image.Image) -> Image.Image:
    """A square around the object, premultiplied on black.

    Args:
        image: mode "RGBA", straight alpha.

    Returns:
        mode "RGB", square: the side is the longer one of the box around all pixels with alpha
        above 0.8 * 255, and the square is centred on that box; what lies outside of the picture
        is black.

    Raises:
        EngineError: ``image_no_foreground`` when the object is not at least 2 pixels large.
    """
    pixels = np.asarray(image)
    rows, columns = np.nonzero(pixels[:, :, 3] > FOREGROUND)
    if len(rows) == 0:
        raise no_foreground("has no opaque pixel")
    left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    # The reference takes the last pixel for the end of the box: the side is one short.
    half = int(max(right - left, bottom - top)) // 2
    if half == 0:
        raise no_foreground("has an object of only a pixel or two")
    box = (centre_x - half, centre_y - half, centre_x + half, centre_y + half)
    square = np.asarray(image.crop(box)).astype(np.float32) / 255
    premultiplied = square[:, :, :3] * square[:, :, 3:4]
    return Image.fromarray((premultiplied * 255).astype(np.uint8))


def no_foreground(what: str) -> EngineError:
    """The error for a picture in which nothing is in front."""
    return EngineError(
        "image_no_foreground",
        f"The picture {what}, so there is no object to build.",
        "Give a picture that shows one object, large and in front of a plain or transparent "
        "background.",
    )
