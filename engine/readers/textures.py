"""Bytes of a picture to the pixels of a texture."""

import numpy as np
from PIL import Image

from engine.images.reading import MAX_TEXTURE_PIXELS, decode
from engine.mesh import Filter, Texture, Wrap
from protocol.errors import EngineError

_KEPT = (b"\x89PNG", b"\xff\xd8\xff")
"""How pictures begin that every format here can hold: PNG and JPEG."""


def decode_texture(
    data: bytes,
    name: str,
    *,
    alpha: bool,
    by_profile: bool = False,
    filter: Filter = "linear",
    wrap: Wrap | tuple[Wrap, Wrap] = "repeat",
) -> Texture:
    """Pixels (H, W, 3) or (H, W, 4) uint8 of an encoded picture.

    The rotation that EXIF notes does not count: UVs refer to the pixels as they are stored.

    Args:
        data: any file format that ``read_image`` knows.
        name: what the user knows the picture by, for the message.
        alpha: whether to keep the alpha channel where the picture has one.
        by_profile: convert to sRGB by the profile or gamma of the picture. For colours alone, and
            not for those of glTF, which forbids it (2.0, sections 3.8.3 and 5.19).

    Raises:
        EngineError: ``texture_broken``.
    """
    try:
        image = decode(
            data,
            f"The texture {name}",
            upright=False,
            alpha=None if alpha else False,
            by_profile=by_profile,
            most_pixels=MAX_TEXTURE_PIXELS,
        )
    except EngineError as error:
        raise EngineError(
            "texture_broken",
            error.message,
            "Replace the picture by one that opens in an image viewer.",
        ) from error
    # Colours that were converted are not those of the bytes any more.
    as_it_is = not by_profile and data.startswith(_KEPT)
    return Texture(
        np.ascontiguousarray(np.asarray(image)), filter, wrap, bytes(data) if as_it_is else None
    )


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
