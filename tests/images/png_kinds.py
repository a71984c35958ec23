"""PNG files of every kind, written by the specification, and a colour profile to put into them."""

import struct
import zlib
from typing import Any

import numpy as np
from PIL import ImageCms

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(kind: int, bits: int, samples: np.ndarray, *extra: bytes) -> bytes:
    """A PNG file.

    Args:
        kind: colour type, one of the constants above.
        bits: of a sample: 1, 2, 4, 8 or 16.
        samples: (H, W, C) of whole numbers below 2^bits.
        extra: chunks between header and data, see ``chunk``.
    """
    height, width, channels = samples.shape
    assert channels == CHANNELS[kind]
    shifts = np.arange(bits - 1, -1, -1)
    rows = (samples.reshape(height, -1, 1).astype(np.int64) >> shifts & 1).astype(np.uint8)
    packed = np.packbits(rows.reshape(height, -1), axis=1)
    filtered = np.hstack([np.zeros((height, 1), np.uint8), packed]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(filtered)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def transparent(*values: int) -> bytes:
    """The chunk that names the one transparent grey or colour."""
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def linear_profile(space: str) -> bytes:
    """An ICC profile (version 2) whose channels are light itself, with the primaries of sRGB."""
    linear = b"curv" + bytes(8)
    source: Any = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).profile
    white = (0.9642, 1.0, 0.8249)

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * v) for v in values))

    text = b"linear light\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"wtpt": xyz(white), b"cprt": b"text" + bytes(4) + b"none\0"}
    if space == "GRAY":
        tags[b"kTRC"] = linear
    else:
        for letter, colour in (
            (b"r", source.red_colorant),
            (b"g", source.green_colorant),
            (b"b", source.blue_colorant),
        ):
            tags[letter + b"XYZ"] = xyz(colour[0])
            tags[letter + b"TRC"] = linear
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02400000, b"mntr", space.encode(), b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    profile = header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(profile)) + profile[4:]
