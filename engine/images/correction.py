"""A matte corrected by hand: where the object begins, and how far its outline lies out."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.images.preprocess import FOREGROUND
from protocol.errors import EngineError


def corrected(image: Image.Image, threshold: float | None, grow: int | None) -> Image.Image:
    """A picture with another matte.

    Args:
        image: mode "RGBA", straight alpha.
        threshold: alpha from 0 to 1: pixels with less become transparent, the others opaque; None:
            as they are.
        grow: pixels by which the object is made larger, after that; negative: smaller.

    Raises:
        EngineError: ``image_no_foreground`` when nothing of the object is left.
    """
    if threshold is None and not grow:
        return image
    alpha = np.asarray(image.getchannel("A"))
    if threshold is not None:
        # What is fully transparent stays so: a threshold of 0 keeps all that can be seen.
        least = max(1, round(threshold * 255))
        alpha = np.where(alpha >= least, np.uint8(255), np.uint8(0))
    if grow:
        alpha = grown(alpha, grow) if grow > 0 else 255 - grown(255 - alpha, -grow)
    if not (alpha > FOREGROUND).any():
        raise EngineError(
            "image_no_foreground",
            "Nothing of the object is left with this threshold and outline.",
            "Lower the threshold, or shrink the outline less.",
        )
    result = image.copy()
    result.putalpha(Image.fromarray(alpha))
    return result


def grown(values: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
    """Each pixel (H, W) as bright as the brightest one within ``steps`` pixels, over edges and
    alternately also over corners: nearly a circle."""
    for step in range(steps):
        wider = values.copy()
        np.maximum(wider[1:], values[:-1], out=wider[1:])
        np.maximum(wider[:-1], values[1:], out=wider[:-1])
        base = wider.copy() if step % 2 else values
        np.maximum(wider[:, 1:], base[:, :-1], out=wider[:, 1:])
        np.maximum(wider[:, :-1], base[:, 1:], out=wider[:, :-1])
        values = wider
    return values
