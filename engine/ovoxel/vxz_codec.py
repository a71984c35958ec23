"""The compressions of .vxz files: raw deflate, raw LZMA2 and zstd, each with a bounded output."""

import lzma
import zlib
from typing import Literal

Compression = Literal["none", "deflate", "lzma", "zstd"]

REFERENCE_LEVEL: dict[str, int] = {"none": 0, "deflate": 9, "lzma": 9, "zstd": 22}
# Level 0 of zstd and deflate would mean "default" and "stored": the reference cannot write either.
LEVELS: dict[str, range] = {
    "none": range(1),
    "deflate": range(1, 10),
    "lzma": range(10),
    "zstd": range(1, 23),
}


class DamagedStreamError(ValueError):
    """The bytes are not such a stream, or it holds another number of bytes than it should."""


def compress(data: bytes, compression: Compression, level: int) -> bytes:
    """``data`` as one stream, the same bytes as the reference writes."""
    if compression == "deflate":
        deflate = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
        return deflate.compress(data) + deflate.flush()
    if compression == "lzma":
        return lzma.compress(data, lzma.FORMAT_RAW, filters=_lzma_filters(level))
    if compression == "zstd":
        import zstandard  # few files need it, and it has 24 MB

        # The reference compresses in zstd's threaded mode, whose frames differ from the plain
        # mode's above 512 kB, but not with the number of threads.
        return zstandard.ZstdCompressor(level=level, threads=1).compress(data)
    return data


def decompress(data: bytes, compression: Compression, level: int, limit: int) -> bytes:
    """The contents of one whole stream, never more than ``limit`` >= 1 bytes.

    Raises:
        DamagedStreamError: broken, cut short, followed by other bytes, or longer than ``limit``.
    """
    try:
        if compression == "deflate":
            return _whole(zlib.decompressobj(wbits=-zlib.MAX_WBITS), data, limit)
        if compression == "lzma":
            decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_lzma_filters(level))
            return _whole(decoder, data, limit)
        if compression == "zstd":
            return _zstd(data, limit)
    except (zlib.error, lzma.LZMAError) as error:
        raise DamagedStreamError(str(error)) from error
    if len(data) > limit:
        raise DamagedStreamError("longer than it may be")
    return data


def _lzma_filters(level: int) -> list[dict[str, int]]:
    return [{"id": lzma.FILTER_LZMA2, "preset": level}]


def _whole(decoder, data: bytes, limit: int) -> bytes:
    contents = decoder.decompress(data, limit + 1)
    if len(contents) > limit or not decoder.eof or decoder.unused_data:
        raise DamagedStreamError("cut short, or longer than it may be")
    return contents


def _zstd(data: bytes, limit: int) -> bytes:
    import zstandard

    try:
        # A frame may promise any size, and the decoder would make room for it: look first.
        promised = zstandard.get_frame_parameters(data).content_size
        if promised not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
            if promised > limit:
                raise DamagedStreamError("longer than it may be")
            # A frame of no bytes makes the decoder ask for a size.
            limit = max(promised, 1)
        return zstandard.ZstdDecompressor().decompress(
            data, max_output_size=limit, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise DamagedStreamError(str(error)) from error
