"""Pictures to bytes."""

import io

from PIL import Image


def png_bytes(image: Image.Image) -> bytes:
    """A picture as the contents of a .png file."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=False, compress_level=6)
    return stream.getvalue()
