"""A picture, from its file to the square that the networks look at."""

import hashlib
import textwrap
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from engine.images.matte import MatteNetwork, remove_background
from engine.images.preprocess import crop_to_foreground, shrink
from engine.images.reading import read_image
from protocol.limits import MatteMethod

PictureSource = Image.Image | bytes | str | Path
"""An upright picture in sRGB, the bytes of a picture file, or where that is."""
_CARD, _LINES = 512, 9
"""Pixels a side of a card, and the lines that fit on it."""


@dataclass(frozen=True)
class Picture:
    """A picture, made ready.

    Attributes:
        cutout: mode "RGBA", at most 1024 pixels a side, the background transparent.
        square: mode "RGB", around the object, premultiplied on black.
        key: SHA-256 of the square: equal keys, equal tokens.
        note: one sentence about how the background was removed.
        prompt: the words that take its place; cutout and square then show them to people only.
    """

    cutout: Image.Image
    square: Image.Image
    key: str
    note: str
    prompt: str | None = None


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
    whole = source.convert("RGBA") if isinstance(source, Image.Image) else read_image(source)
    removed = remove_background(shrink(whole), matte, network=network, size=whole.size)
    square = crop_to_foreground(removed.image)
    identity = hashlib.sha256(f"{square.size}".encode() + square.tobytes()).hexdigest()
    return Picture(removed.image, square, identity, removed.note)


def written(prompt: str) -> Picture:
    """The words of a prompt in the place of a picture: a card for people to see."""
    card = Image.new("RGBA", (_CARD, _CARD), (236, 233, 226, 255))
    lines = textwrap.wrap(prompt, 22)[:_LINES]
    ImageDraw.Draw(card).multiline_text(
        (_CARD // 2, _CARD // 2), "\n".join(lines), fill=(40, 40, 44, 255), anchor="mm",
        align="center", font=ImageFont.load_default(36), spacing=12,
    )  # fmt: skip
    key = hashlib.sha256(f"prompt {prompt}".encode()).hexdigest()
    return Picture(card, card.convert("RGB"), key, f'Made from the words "{prompt}".', prompt)
