"""What our six values cannot say, folded into colour and alpha: alpha maps, and light given off."""

from dataclasses import replace

import numpy as np
from PIL import Image

from engine.host.color import linear_from_srgb, srgb_from_linear
from engine.mesh import Material, Texture

_LINEAR_OF_BYTE = linear_from_srgb(np.arange(256) / 255)
_STEPS = 4096
_BYTE_OF_LINEAR = np.rint(srgb_from_linear(np.arange(_STEPS + 1) / _STEPS) * 255).astype(np.uint8)


def with_alpha(material: Material, alpha: Texture) -> Material:
    """The material with a grey picture (H, W, 1) multiplied into the alpha of its texture."""
    base = material.base_color_texture
    like = alpha if base is None else base
    height, width = _larger(alpha, like)
    pixels = np.full((height, width, 4), 255, np.uint8)
    if base is not None:
        given = scaled(base, height, width)
        pixels[..., :3] = given[..., :3] if given.shape[2] > 2 else given[..., :1]
    values = scaled(alpha, height, width)[..., 0]
    if base is not None and base.pixels.shape[2] == 4 and base.pixels[..., 3].min() < 255:
        # Often both pictures are the same file, whose alpha must not count twice.
        values = np.minimum(values, scaled(base, height, width)[..., 3])
    pixels[..., 3] = values
    texture = Texture(pixels, like.filter, like.wrap)
    mode = "blend" if material.alpha_mode == "opaque" else material.alpha_mode
    return replace(material, base_color_texture=texture, alpha_mode=mode)


def add_light(
    material: Material, factor: tuple[float, float, float], texture: Texture | None
) -> Material:
    """The material with light that it gives off added to its colour, as linear light.

    Args:
        factor: sRGB-encoded, in [0, 1].
        texture: multiplied with it; None: the same everywhere.
    """
    base = material.base_color_texture
    light = linear_from_srgb(np.asarray(factor, np.float64))
    tint = linear_from_srgb(np.asarray(material.base_color_factor, np.float64))
    if base is None and texture is None:
        red, green, blue = srgb_from_linear(tint + light).tolist()
        return replace(material, base_color_factor=(red, green, blue))
    like = texture if base is None else base
    assert like is not None
    height, width = _larger(like, like if texture is None else texture)
    size = (height, width)
    pixels = np.full((*size, 4 if base is not None and base.pixels.shape[2] == 4 else 3), 255)
    pixels = pixels.astype(np.uint8)
    given = None if base is None else scaled(base, *size)
    shining = None if texture is None else scaled(texture, *size)
    for channel in range(3):
        linear = tint[channel] if given is None else _linear(given, channel) * tint[channel]
        glow = light[channel] if shining is None else _linear(shining, channel) * light[channel]
        pixels[..., channel] = encoded(linear + glow)
    if given is not None and given.shape[2] == 4:
        pixels[..., 3] = given[..., 3]
    made = Texture(pixels, like.filter, like.wrap)
    return replace(material, base_color_factor=(1.0, 1.0, 1.0), base_color_texture=made)


_CLEAREST = 0.1
"""Alpha of what lets all light through: glass is seen all the same."""


def see_through(material: Material, amount: float, texture: Texture | None) -> Material:
    """The material with light that it lets through taken from its alpha.

    Args:
        amount: the share of the light, in [0, 1].
        texture: multiplied with it by its first channel; None: the same everywhere.
    """
    mode = "blend" if material.alpha_mode == "opaque" else material.alpha_mode
    if texture is None:
        alpha = max(1.0 - amount, _CLEAREST) * _alpha(material)
        return replace(_solid(material), alpha_factor=alpha, alpha_mode=mode)
    kept = np.maximum(1.0 - amount * texture.pixels[..., :1] / 255, _CLEAREST)
    grey = texture.with_pixels(np.rint(kept * 255).astype(np.uint8))
    return replace(with_alpha(_solid(material), grey), alpha_mode=mode)


def _alpha(material: Material) -> float:
    return 1.0 if material.alpha_mode == "opaque" else material.alpha_factor


def _solid(material: Material) -> Material:
    """An opaque material without the alpha that did not count so far."""
    base = material.base_color_texture
    if material.alpha_mode != "opaque":
        return material
    if base is not None and base.pixels.shape[2] == 4:
        base = base.with_pixels(base.pixels[..., :3])
    return replace(material, alpha_factor=1.0, base_color_texture=base)


def mean_color(texture: Texture) -> Texture:
    """A picture of one texel with the mean of all."""
    mean = texture.pixels.mean(axis=(0, 1), keepdims=True)
    return texture.with_pixels(np.rint(mean).astype(np.uint8))


def scaled(texture: Texture, height: int, width: int) -> np.ndarray:
    """(height, width, C) uint8 of a picture."""
    if texture.pixels.shape[:2] == (height, width):
        return texture.pixels
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(texture.pixels[..., c])).resize((width, height))
        )
        for c in range(texture.pixels.shape[2])
    ]
    return np.stack(channels, axis=2)


def encoded(linear: np.ndarray) -> np.ndarray:
    """uint8 sRGB of linear light (any shape, float); beyond [0, 1] is cut off."""
    # A table of 4096 steps is off by one byte at most, in the darkest tones.
    return _BYTE_OF_LINEAR[np.rint(np.clip(linear, 0, 1) * _STEPS).astype(np.int16)]


def linear_channels(pixels: np.ndarray) -> np.ndarray:
    """(..., 3) linear light of sRGB-encoded pixels (..., C) uint8."""
    return np.stack([_linear(pixels, channel) for channel in range(3)], axis=-1)


def _linear(pixels: np.ndarray, channel: int) -> np.ndarray:
    return _LINEAR_OF_BYTE[pixels[..., min(channel, pixels.shape[2] - 1)]]


def _larger(a: Texture, b: Texture) -> tuple[int, int]:
    """Height and width that hold both pictures."""
    height, width = np.maximum(a.pixels.shape[:2], b.pixels.shape[:2])
    return int(height), int(width)
