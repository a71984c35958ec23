"""A picture, from its file to the square that the networks look at."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.images.matte import MatteNetwork, remove_background
from engine.images.preprocess import crop_to_foreground, shrink
from engine.images.reading import read_image
from protocol.limits import MatteMethod

PictureSource = Image.Image | bytes | str | Path
"""An upright picture in sRGB, the bytes of a picture file, or where that is."""


@dataclass(frozen=True)
class Picture:
    """A picture, made ready.

    Attributes:
        cutout: mode "RGBA", at most 1024 pixels a side, the background transparent.
        square: mode "RGB", around the object, premultiplied on black.
        key: SHA-256 of the square: equal keys, equal tokens.
        note: one sentence about how the background was removed.
    """

    cutout: Image.Image
    square: Image.Image
    key: str
    note: str


def load_picture(
    source: PictureSource, matte: MatteMethod = "auto", *, network: MatteNetwork | None = None
) -> Picture:
    """Read, remove the background, crop.

    Args:
        source: see ``PictureSource``.
        matte: how the background is removed.
        network: for the matte "rembg".

    Raises:
        EngineError: what ``read_image``, ``remove_background`` and ``crop_to_foreground`` raise.
    """
    image = shrink(
        source.convert("RGBA") if isinstance(source, Image.Image) else read_image(source)
    )
    removed = remove_background(image, matte, network=network)
    square = crop_to_foreground(removed.image)
    identity = hashlib.sha256(f"{square.size}".encode() + square.tobytes()).hexdigest()
    return Picture(removed.image, square, identity, removed.note)
