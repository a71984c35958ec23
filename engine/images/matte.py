"""Telling an object from its background.

Three ways, tried in this order by "auto": the picture's own alpha, a network (optional extra
``matte``, see ``rembg_matte``), and a rule for plain backgrounds that needs nothing.
"""

import logging
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from engine.images.plain_background import remove_plain_background
from engine.images.preprocess import FOREGROUND, no_foreground
from engine.images.rembg_matte import INSTALL, RembgMatte
from protocol.errors import EngineError
from protocol.limits import MATTE_METHODS, MatteMethod, check_one_of

log = logging.getLogger(__name__)

LEAST_CLEAR = 0.005
"""Share of a picture that has to be clear for its alpha to say what the object is. Less is the
rounded corners of a screenshot, or pixels that a program left at 254."""


@dataclass(frozen=True, slots=True)
class Matte:
    """A picture whose background is transparent.

    Attributes:
        image: mode "RGBA", straight alpha, as large as the picture it came from.
        method: "alpha", "rembg", "plain" or "cutout": what was used.
        note: one sentence for the user about it.
    """

    image: Image.Image
    method: MatteMethod
    note: str


class MatteNetwork(Protocol):
    """A network that finds the object in a picture."""

    @property
    def place(self) -> tuple[str, str]:
        """Its name, and the folder of its weights, which tell it from others."""
        ...

    def ready(self) -> bool:
        """Whether it can work without downloading anything."""
        ...

    def alpha(self, image: Image.Image) -> Image.Image:
        """An "RGB" picture -> its matte, mode "L", of the same size."""
        ...


def remove_background(
    image: Image.Image,
    method: MatteMethod = "auto",
    *,
    network: MatteNetwork | None = None,
    size: tuple[int, int] | None = None,
) -> Matte:
    """Make the background of a picture transparent.

    Args:
        image: mode "RGBA", at most about 1024 pixels a side (``shrink`` it first, as the reference
            does); larger ones work and take longer.
        method: "alpha" keeps the picture's own transparency, "rembg" asks a network, "plain" looks
            for one even background. "auto" takes the first that applies: alpha when enough of the
            picture is clear, the network when it is ready, plain. "cutout" keeps the picture as it
            is: its background was removed before.
        network: for "rembg" and "auto"; without one ``RembgMatte()`` serves, which downloads its
            weights only when ``method`` is "rembg".
        size: of the picture before it was shrunk, for sentences; None: it was not.

    Raises:
        EngineError: ``image_no_foreground`` when nothing is in front, ``background_not_plain``
            or ``image_too_small`` when the plain rule does not apply, ``matte_*`` when the network
            cannot be had.
    """
    check_one_of("matte_method", "way to remove a background called", method, MATTE_METHODS)
    if method == "cutout":
        return Matte(image, "cutout", "The background was removed before.")
    if method == "auto":
        method, network = _choose(image, network)
    if method in ("rembg", "plain"):
        image = opaque(image)
    if method == "alpha":
        matte = _own_alpha(image)
    elif method == "rembg":
        matte = _from_network(image, network or RembgMatte())
    else:
        matte = Matte(
            remove_plain_background(image.convert("RGB"), size=size),
            "plain",
            "The background was removed by the rule for plain backgrounds; check the outline, "
            f"or, for difficult pictures, {INSTALL}",
        )
    log.info("Background removal: %s. %s", matte.method, matte.note)
    if not (np.asarray(matte.image.getchannel("A")) > FOREGROUND).any():
        raise no_foreground("has nothing in front of its background")
    return matte


def has_own_alpha(image: Image.Image) -> bool:
    """Whether the alpha of an "RGBA" picture says what belongs to the object: enough is clear."""
    histogram = image.getchannel("A").histogram()
    return sum(histogram[:128]) >= LEAST_CLEAR * image.width * image.height


def opaque(image: Image.Image) -> Image.Image:
    """An "RGBA" picture whose few clear pixels take the most usual colour of its border."""
    if image.getchannel("A").getextrema()[0] == 255:
        return image
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    seen = border[border[:, 3] > FOREGROUND][:, :3]
    colour = np.median(seen, axis=0) if len(seen) else np.full(3, 255)
    clear = pixels[..., 3:] < 128
    filled = np.where(clear, colour.astype(np.uint8), pixels[..., :3])
    return Image.fromarray(np.ascontiguousarray(filled)).convert("RGBA")


def _choose(
    image: Image.Image, network: MatteNetwork | None
) -> tuple[MatteMethod, MatteNetwork | None]:
    if has_own_alpha(image):
        return "alpha", None
    network = network or RembgMatte(allow_download=False)
    return ("rembg", network) if network.ready() else ("plain", None)


def _own_alpha(image: Image.Image) -> Matte:
    if image.getchannel("A").getextrema()[0] == 255:
        raise EngineError(
            "image_no_alpha",
            "The picture has no transparent pixel, so its alpha says nothing about the object.",
            "Let the background be removed (method 'auto'), or give a picture with transparency.",
        )
    return Matte(image, "alpha", "The picture's own transparency was used.")


def _from_network(image: Image.Image, network: MatteNetwork) -> Matte:
    alpha = network.alpha(image.convert("RGB"))
    result = image.convert("RGB").convert("RGBA")
    result.putalpha(alpha)
    return Matte(result, "rembg", "The background was removed by a network.")
