"""Specular and gloss, the older description of surfaces, as metallic and roughness."""

from dataclasses import dataclass

import numpy as np

from engine.host.color import srgb_from_linear
from engine.mesh import Texture
from engine.readers.layers import encoded, linear_channels, scaled

_DIELECTRIC = 0.04
"""How much light what is no metal reflects straight on."""
_ROWS = 256
"""Of a picture are converted at once, so that a large one takes little memory."""


@dataclass(frozen=True)
class Converted:
    """A metallic-roughness description; colours sRGB-encoded.

    Where there is a picture, its factor is 1.
    """

    color: tuple[float, float, float]
    metallic: float
    roughness: float
    color_texture: Texture | None
    metallic_roughness_texture: Texture | None


def from_specular(
    diffuse: tuple[float, float, float],
    specular: tuple[float, float, float],
    gloss: float,
    diffuse_texture: Texture | None,
    gloss_texture: Texture | None,
) -> Converted:
    """The material that looks most alike.

    Args:
        diffuse, specular: linear factors in [0, 1].
        gloss: factor in [0, 1].
        diffuse_texture: sRGB-encoded, its alpha is kept.
        gloss_texture: sRGB-encoded specular colour, gloss in the alpha.
    """
    if gloss_texture is None:
        if diffuse_texture is None or max(specular) <= _DIELECTRIC:
            color, metallic = _metallic(np.array([diffuse]), np.array([specular]))
            red, green, blue = srgb_from_linear(color[0]).tolist()
            return Converted(
                (red, green, blue), float(metallic[0]), 1 - gloss, diffuse_texture, None
            )
        pictures = [diffuse_texture]
    else:
        pictures = [t for t in (diffuse_texture, gloss_texture) if t is not None]
    height, width = (max(t.pixels.shape[axis] for t in pictures) for axis in (0, 1))
    base = None if diffuse_texture is None else scaled(diffuse_texture, height, width)
    shine = None if gloss_texture is None else scaled(gloss_texture, height, width)
    has_alpha = base is not None and base.shape[2] == 4
    colors = np.full((height, width, 4 if has_alpha else 3), 255, np.uint8)
    packed = np.full((height, width, 3), 255, np.uint8)
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        size = (rows.stop - rows.start, width, 3)
        lit = np.broadcast_to(diffuse, size)
        shiny = np.broadcast_to(specular, size)
        if base is not None:
            lit = lit * linear_channels(base[rows])
            if has_alpha:
                colors[rows, :, 3] = base[rows, :, 3]
        smooth = np.full(size[:2], gloss)
        if shine is not None:
            shiny = shiny * linear_channels(shine[rows])
            smooth = gloss * (shine[rows, :, 3] / 255 if shine.shape[2] == 4 else 1.0) + 0 * smooth
        color, metallic = _metallic(lit.reshape(-1, 3), shiny.reshape(-1, 3))
        colors[rows, :, :3] = encoded(color).reshape(size)
        packed[rows, :, 1] = np.rint((1 - smooth) * 255)
        packed[rows, :, 2] = np.rint(metallic.reshape(size[:2]) * 255)
    first = pictures[0]
    return Converted(
        (1.0, 1.0, 1.0),
        1.0,
        1.0,
        Texture(colors, first.filter, first.wrap),
        Texture(packed, first.filter, first.wrap),
    )


def _metallic(diffuse: np.ndarray, specular: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) linear base colour and (N,) metallic of (N, 3) linear diffuse and specular colours.

    Metallic m with base colour c reflects c (1 - m) diffusely and 0.04 (1 - m) + c m straight on;
    with brightness for colours this is a quadratic equation in m.
    """
    dark, bright = _brightness(diffuse), _brightness(specular)
    strongest = specular.max(axis=1)
    a = _DIELECTRIC
    b = dark * (1 - strongest) / (1 - a) + bright - 2 * a
    c = a - bright
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0))
    metallic = np.where(bright < a, 0.0, np.clip((root - b) / (2 * a), 0, 1))
    rest = np.maximum(1 - metallic, 1e-4)[:, None]
    from_diffuse = diffuse * ((1 - strongest) / (1 - a))[:, None] / rest
    from_specular = (specular - a * (1 - metallic)[:, None]) / np.maximum(metallic, 1e-4)[:, None]
    share = (metallic**2)[:, None]
    return np.clip(from_diffuse * (1 - share) + from_specular * share, 0, 1), metallic


def _brightness(color: np.ndarray) -> np.ndarray:
    """As an eye sees linear colours."""
    return np.sqrt(color**2 @ np.array([0.299, 0.587, 0.114]))
