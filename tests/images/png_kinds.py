"""PNG files of every kind, written by the specification with the standard library alone."""

import struct
import zlib

import numpy as np

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
