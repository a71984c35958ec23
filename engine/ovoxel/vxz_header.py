"""The header of a .vxz file: checked before anything is decompressed or room is made.

A file is ``VXZ`` and a zero byte, the big-endian offset of the binary part, a JSON header, and the
binary part. The header lists the chunks; each chunk lists its streams (the octree ``svo`` and the
attributes) as [offset, length] relative to the chunk, and ``ptr`` relative to the binary part.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.ovoxel.octree import AXIS_BITS, MAX_DEPTH
from engine.ovoxel.vxz_codec import LEVELS, Compression
from protocol.errors import EngineError

MAGIC = b"VXZ\x00"
PREFIX_BYTES = 8
MAX_CHANNELS = 4096

Filter = Literal["none", "parent", "neighbor"]
Interleave = Literal["as_is", "all", "none"]
FILTERS = ("none", "parent", "neighbor")
INTERLEAVES = ("as_is", "all", "none")
# What a chunk says about itself beside its attributes.
CHUNK_KEYS = ("idx", "svo", "ptr")


@dataclass(frozen=True)
class Chunk:
    """One chunk: its place in units of chunks, and where in the file its streams are."""

    index: tuple[int, int, int]
    octree: slice
    attributes: tuple[slice, ...]


@dataclass(frozen=True)
class Layout:
    """What the header says, checked.

    ``stream_channels`` are the channels of each attribute stream, in the order of
    ``Chunk.attributes``; ``attributes`` are the names and channels that they add up to.
    """

    header: dict[str, Any]
    voxels: int
    depth: int
    filter: Filter
    compression: Compression
    level: int
    attributes: tuple[tuple[str, int], ...]
    stream_channels: tuple[int, ...]
    chunks: tuple[Chunk, ...]


def attribute_streams(
    attributes: list[tuple[str, int]] | tuple[tuple[str, int], ...], interleave: Interleave
) -> list[tuple[str, int]]:
    """Names and channels of a chunk's attribute streams.

    ``as_is``: one stream per attribute, its channels side by side. ``all``: a single stream
    ``attr`` with the channels of all attributes side by side. ``none``: one per channel, ``name_0``
    and so on.
    """
    if interleave == "as_is":
        return list(attributes)
    if interleave == "all":
        return [("attr", sum(channels for _, channels in attributes))] if attributes else []
    return [(f"{name}_{i}", 1) for name, channels in attributes for i in range(channels)]


def damaged(path: Path, why: str) -> EngineError:
    """The one error for a file that is not a sound .vxz."""
    return EngineError(
        "vxz_damaged",
        f"{path} is not a sound .vxz file: {why}.",
        "Make the file again, or take a fresh copy of it.",
    )


def read_layout(path: Path, data: bytes, max_bytes: int) -> Layout:
    """Check the header of the file contents ``data``.

    Raises:
        EngineError: ``vxz_damaged`` for anything that does not fit, ``vxz_too_large`` where the
            voxels would take more than ``max_bytes``.
    """
    if data[:4] != MAGIC:
        raise damaged(path, "it does not begin with the letters VXZ and a zero")
    start = int.from_bytes(data[4:PREFIX_BYTES], "big")
    if len(data) < PREFIX_BYTES or not PREFIX_BYTES < start <= len(data):
        raise damaged(path, "it ends inside its header")
    try:
        header = json.loads(data[PREFIX_BYTES:start].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its header is not JSON") from error
    try:
        return _check(header, start, len(data), max_bytes, path)
    except _MisfitError as error:
        raise damaged(path, str(error)) from error


class _MisfitError(ValueError):
    """Something in the header that does not fit; becomes the EngineError that names the file."""


def _check(header: Any, start: int, end: int, max_bytes: int, path: Path) -> Layout:
    if not isinstance(header, dict):
        raise _MisfitError("its header is not a JSON object")
    voxels = _integer(header.get("num_voxel"), "num_voxel", 1, 1 << 62)
    chunk_size = _integer(header.get("chunk_size"), "chunk_size", 2, 1 << MAX_DEPTH)
    depth = chunk_size.bit_length() - 1
    if chunk_size != 1 << depth:
        raise _MisfitError("its chunk_size is not a power of two")
    compression = _choice(header.get("compression"), "compression", tuple(LEVELS))
    levels = LEVELS[compression]
    level = header.get("compression_level")
    if compression == "lzma":  # the only one that cannot be read without it
        level = _integer(level, "compression_level", levels.start, levels.stop - 1)
    interleave = _choice(header.get("attr_interleave"), "attr_interleave", INTERLEAVES)
    attributes = _attributes(header.get("attr"))
    streams = attribute_streams(attributes, interleave)
    check_stream_names([name for name, _ in streams])

    row_bytes = 12 + sum(channels for _, channels in attributes)
    if voxels * row_bytes > max_bytes:
        raise EngineError(
            "vxz_too_large",
            f"{path} announces {voxels:,} voxels, which take {voxels * row_bytes / 2**30:.1f} GiB; "
            f"{max_bytes / 2**30:.1f} GiB are allowed.",
            "Convert the mesh again at a lower resolution.",
        )
    _integer(header.get("raw_size"), "raw_size", voxels * row_bytes, voxels * row_bytes)
    _integer(header.get("compressed_size"), "compressed_size", end - start, end - start)
    names = ["svo", *(name for name, _ in streams)]
    return Layout(
        header=header,
        voxels=voxels,
        depth=depth,
        filter=_choice(header.get("filter"), "filter", FILTERS),
        compression=compression,
        level=level if type(level) is int else 0,
        attributes=attributes,
        stream_channels=tuple(channels for _, channels in streams),
        chunks=_chunks(header.get("chunks"), names, depth, start, end),
    )


def check_stream_names(names: list[str]) -> None:
    """Raise ``ValueError`` where two streams of a chunk would have one name."""
    if len({*names, *CHUNK_KEYS}) != len(names) + len(CHUNK_KEYS):
        raise _MisfitError("two of its streams have the same name")


def _attributes(entries: Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(entries, list):
        raise _MisfitError("its header lacks the list of attributes")
    attributes: list[tuple[str, int]] = []
    total = 0
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise _MisfitError("an attribute is not given as name and channels")
        channels = _integer(entry[1], "number of channels", 1, MAX_CHANNELS)
        attributes.append((entry[0], channels))
        total += channels
        if total > MAX_CHANNELS:
            raise _MisfitError("it has too many channels")
    if len({name for name, _ in attributes}) != len(attributes):
        raise _MisfitError("two attributes have the same name")
    return tuple(attributes)


def _chunks(entries: Any, names: list[str], depth: int, start: int, end: int) -> tuple[Chunk, ...]:
    if not isinstance(entries, list):
        raise _MisfitError("its header lacks the list of chunks")
    chunks: list[Chunk] = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise _MisfitError("a chunk is not a JSON object")
        index = entry.get("idx")
        if not (isinstance(index, list) and len(index) == 3):
            raise _MisfitError("a chunk has no place")
        last = (1 << (AXIS_BITS - depth)) - 1
        x, y, z = (_integer(value, "place of a chunk", 0, last) for value in index)
        whole = _span(entry.get("ptr"), "ptr", start, end)
        spans = [_span(entry.get(name), name, whole.start, whole.stop) for name in names]
        chunks.append(Chunk((x, y, z), spans[0], tuple(spans[1:])))
    if len({chunk.index for chunk in chunks}) != len(chunks):
        raise _MisfitError("two chunks have the same place")
    _check_apart([span for chunk in chunks for span in (chunk.octree, *chunk.attributes)])
    return tuple(chunks)


def _check_apart(spans: list[slice]) -> None:
    reached = 0
    for begin, stop in sorted((span.start, span.stop) for span in spans):
        if begin < reached:
            raise _MisfitError("two of its streams overlap")
        reached = stop


def _span(value: Any, name: str, start: int, end: int) -> slice:
    """[offset, length] relative to ``start`` as a slice of the file that ends by ``end``."""
    if not (isinstance(value, list) and len(value) == 2):
        raise _MisfitError(f"a chunk lacks its {name}")
    begin = start + _integer(value[0], f"offset of {name}", 0, end - start)
    return slice(begin, begin + _integer(value[1], f"length of {name}", 0, end - begin))


def _integer(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _MisfitError(f"its {name} is missing or out of range")
    return value


def _choice(value: Any, name: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise _MisfitError(f"its {name} is missing or unknown")
    return value
