"""Bytes of a picture to the pixels of a texture."""

import io

import numpy as np
from PIL import Image

from engine.mesh import Filter, Texture, Wrap
from protocol.errors import EngineError


def decode_texture(
    data: bytes,
    name: str,
    *,
    alpha: bool,
    filter: Filter = "linear",
    wrap: Wrap | tuple[Wrap, Wrap] = "repeat",
) -> Texture:
    """Pixels (H, W, 3) or (H, W, 4) uint8 of an encoded picture.

    Args:
        data: any file format that Pillow opens.
        name: what the user knows the picture by, for the message.
        alpha: whether to keep the alpha channel where the picture has one.

    Raises:
        EngineError: ``texture_broken``.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode.startswith(("I", "F")):
                pixels = _grey_from_wide(np.asarray(image))
            else:
                with_alpha = alpha and image.has_transparency_data
                pixels = np.asarray(image.convert("RGBA" if with_alpha else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise EngineError(
            "texture_broken",
            f"The texture {name} cannot be read: {error}.",
            "Replace the picture by one that opens in an image viewer.",
        ) from error
    return Texture(np.ascontiguousarray(pixels), filter, wrap)


def pack_metallic_roughness(metallic: Texture | None, roughness: Texture | None) -> Texture | None:
    """Two grey pictures as one in the order of glTF: roughness in G, metallic in B.

    A picture that is absent leaves its channel at 255, so that the material's factor decides. The
    smaller of two is scaled to the larger; filter and wrap are those of the first one present.

    Returns:
        (H, W, 3) uint8; None without any picture.
    """
    given = [texture for texture in (metallic, roughness) if texture is not None]
    if not given:
        return None
    height, width = (max(texture.pixels.shape[axis] for texture in given) for axis in (0, 1))
    packed = np.full((height, width, 3), 255, np.uint8)
    for channel, texture in ((1, roughness), (2, metallic)):
        if texture is not None:
            grey = Image.fromarray(np.ascontiguousarray(texture.pixels[..., 0]))
            packed[..., channel] = np.asarray(grey.resize((width, height)))
    return Texture(packed, given[0].filter, given[0].wrap)


def _grey_from_wide(values: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of a grey picture with 16 bits or more, which Pillow would clip."""
    if values.dtype.kind == "f":
        grey = np.clip(values, 0, 1) * 255
    else:
        grey = np.clip(values, 0, 65535) / 257
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
