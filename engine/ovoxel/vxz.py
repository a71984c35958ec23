"""Reading and writing .vxz files: compressed sparse voxels with uint8 attributes.

The format is the reference's, to the byte, so files go both ways; see ``vxz_header`` for what a
file looks like and ``octree`` for what its streams mean.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from engine.host.files import atomic_path
from engine.host.parallel import map_chunks
from engine.ovoxel import octree
from engine.ovoxel.vxz_codec import (
    LEVELS,
    REFERENCE_LEVEL,
    Compression,
    DamagedStreamError,
    compress,
    decompress,
)
from engine.ovoxel.vxz_header import (
    FILTERS,
    INTERLEAVES,
    MAGIC,
    MAX_CHANNELS,
    PREFIX_BYTES,
    Chunk,
    Filter,
    Interleave,
    Layout,
    attribute_streams,
    check_stream_names,
    damaged,
    read_layout,
)
from protocol.errors import EngineError

# Small, and fast both ways: docs/decisions/0010-vxz-defaults.md
DEFAULT_COMPRESSION: Compression = "zstd"
DEFAULT_LEVEL = 3


@dataclass(frozen=True)
class VxzFile:
    """The contents of a .vxz file.

    Args:
        coords: (N, 3) int32 in file order: chunk after chunk, in morton order inside a chunk.
        attributes: (N, C) uint8 by name, rows as ``coords``.
        header: the JSON header, with the ``extra`` entries it was written with.
    """

    coords: np.ndarray
    attributes: dict[str, np.ndarray]
    header: dict[str, Any]


def write_vxz(
    path: str | Path,
    coords: np.ndarray,
    attributes: Mapping[str, np.ndarray],
    *,
    chunk_size: int = 256,
    filter: Filter = "parent",
    compression: Compression | None = None,
    level: int | None = None,
    interleave: Interleave = "none",
    extra: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> None:
    """Write voxels to ``path``, all or nothing, with the same bytes for any number of threads.

    Args:
        coords: (N, 3) integers in [0, 2**21), distinct, in any order, N >= 1.
        attributes: (N, C) uint8 by name, C >= 1.
        chunk_size: cells per axis that are packed together, a power of two in 2..1024.
        filter: what is stored of a value: itself, its difference to the child before it in the
            octree (``parent``), or its difference to a lower neighbour (``neighbor``).
        compression: None for our default, which is fast.
        level: of the compression; None for the reference's (its strongest, which is slow), or for
            ours where ``compression`` is None. lzma at 9 takes 700 MB a thread.
        interleave: which channels share a stream, see ``vxz_header.attribute_streams``. The
            reference writes ``all`` but cannot read it.
        extra: further entries of the JSON header, which readers that do not know them ignore.

    Raises:
        EngineError: ``vxz_empty``, ``vxz_coords``, ``vxz_attributes``, ``vxz_option``,
            ``unwritable``.
    """
    _check_options(chunk_size, filter, compression, level, interleave)
    if compression is None:
        compression, level = DEFAULT_COMPRESSION, DEFAULT_LEVEL if level is None else level
    elif level is None:
        level = REFERENCE_LEVEL[compression]
    coords = _check_coords(coords)
    names, values = _check_attributes(attributes, len(coords))
    streams = attribute_streams(names, interleave)
    try:
        check_stream_names([name for name, _ in streams])
    except ValueError as error:
        raise _attribute_error("The names of the attributes clash in the file.") from error

    depth = chunk_size.bit_length() - 1
    keys = octree.sort_keys(coords, depth)
    order = np.argsort(keys)
    keys = keys[order]
    if np.any(keys[1:] == keys[:-1]):
        raise EngineError(
            "vxz_coords", "Two voxels have the same coordinates.", "Give every voxel once."
        )
    cuts = [0, *(np.flatnonzero(np.diff(keys >> (3 * depth))) + 1).tolist(), len(keys)]

    def pack(part: tuple[int, int]) -> list[bytes]:
        rows = slice(*part)
        codes = keys[rows] & ((1 << (3 * depth)) - 1)
        nodes = octree.encode_octree(codes, depth)
        stored = values[order[rows]]
        if filter != "none":
            stored = octree.filter_values(stored, *_plan(codes, depth, len(nodes), filter))
        packed = [compress(nodes.tobytes(), compression, level)]
        begin = 0
        for _, channels in streams:
            stream = stored[:, begin : begin + channels]
            packed.append(compress(stream.tobytes(), compression, level))
            begin += channels
        return packed

    parts = map_chunks(pack, list(pairwise(cuts)), threads=threads)
    binary = sum(len(stream) for part in parts for stream in part)
    raw_size = len(coords) * 12 + values.size
    header: dict[str, Any] = {
        "num_voxel": len(coords),
        "chunk_size": chunk_size,
        "filter": filter,
        "compression": compression,
        "compression_level": level,
        "raw_size": raw_size,
        "compressed_size": binary,
        "compress_ratio": raw_size / binary,
        "attr_interleave": interleave,
        "attr": [[name, channels] for name, channels in names],
    }
    chunks = _chunk_entries(
        (coords[order[cuts[:-1]]] // chunk_size).tolist(), parts, [name for name, _ in streams]
    )
    text = _header_bytes(header, chunks, extra or {})
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(MAGIC + (PREFIX_BYTES + len(text)).to_bytes(4, "big") + text)
        file.writelines(stream for part in parts for stream in part)


def read_vxz(path: str | Path, *, max_bytes: int = 2 << 30, threads: int | None = None) -> VxzFile:
    """Read a .vxz file of any filter, compression and interleaving.

    Args:
        max_bytes: refuse a file whose voxels (12 bytes and one per channel, each) would take more;
            what is decompressed is bounded by the numbers that the header was checked with.

    Raises:
        EngineError: ``vxz_unreadable`` where there is no such file, ``vxz_damaged``,
            ``vxz_too_large``.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(
            "vxz_unreadable",
            f"Cannot read {path}: {error.strerror or error}.",
            "Check that the file exists and that you may read it.",
        ) from error
    layout = read_layout(path, data, max_bytes)
    try:
        octrees = _read_octrees(layout, data, threads)
        coords, values = _read_values(layout, data, octrees, threads)
    except DamagedStreamError as error:
        raise damaged(path, f"one of its streams is {error}") from error
    attributes: dict[str, np.ndarray] = {}
    begin = 0
    for name, channels in layout.attributes:
        attributes[name] = np.ascontiguousarray(values[:, begin : begin + channels])
        begin += channels
    return VxzFile(coords, attributes, layout.header)


def _read_octrees(layout: Layout, data: bytes, threads: int | None) -> list[tuple[np.ndarray, int]]:
    """Octree bytes and number of leaves of each chunk; together they are the announced voxels."""
    # No chunk needs more nodes than a path for each voxel, nor more than a full octree has.
    limit = min(layout.voxels * layout.depth, (8**layout.depth - 1) // 7)
    seen, lock = 0, Lock()

    def unpack(chunk: Chunk) -> tuple[np.ndarray, int]:
        nonlocal seen
        stream = decompress(data[chunk.octree], layout.compression, layout.level, limit)
        nodes = np.frombuffer(stream, np.uint8)
        leaves = octree.decode_octree(nodes, layout.depth, np.empty(0, np.int64))
        if leaves < 0:
            raise DamagedStreamError("no octree")
        with lock:  # stop at once, before many small chunks with large contents pile up
            seen += leaves
            if seen > layout.voxels:
                raise DamagedStreamError("an octree with more voxels than announced")
        return nodes, leaves

    octrees = map_chunks(unpack, layout.chunks, threads=threads)
    if seen != layout.voxels:
        raise DamagedStreamError("an octree with fewer voxels than announced")
    return octrees


def _read_values(
    layout: Layout, data: bytes, octrees: list[tuple[np.ndarray, int]], threads: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """coords (N, 3) int32 and the channels of all attributes (N, C) uint8."""
    coords = np.empty((layout.voxels, 3), np.int32)
    values = np.empty((layout.voxels, sum(layout.stream_channels)), np.uint8)
    ends = np.cumsum([leaves for _, leaves in octrees]).tolist()

    def unpack(number: int) -> None:
        chunk, (nodes, leaves) = layout.chunks[number], octrees[number]
        rows = slice(ends[number] - leaves, ends[number])
        codes = np.empty(leaves, np.int64)
        octree.decode_octree(nodes, layout.depth, codes)
        x, y, z = (index << layout.depth for index in chunk.index)
        octree.place_codes(codes, x, y, z, coords[rows])
        stored = np.empty((leaves, values.shape[1]), np.uint8)
        begin = 0
        for span, channels in zip(chunk.attributes, layout.stream_channels, strict=True):
            size = leaves * channels
            stream = decompress(data[span], layout.compression, layout.level, size)
            if len(stream) != size:
                raise DamagedStreamError("shorter than its voxels need")
            stored[:, begin : begin + channels] = np.frombuffer(stream, np.uint8).reshape(
                leaves, channels
            )
            begin += channels
        if layout.filter == "none":
            values[rows] = stored
        else:
            slot, base = _plan(codes, layout.depth, len(nodes), layout.filter)
            octree.unfilter_values(stored, slot, base, values[rows])

    map_chunks(unpack, range(len(octrees)), threads=threads)
    return coords, values


def _plan(
    codes: np.ndarray, depth: int, nodes: int, filter: Filter
) -> tuple[np.ndarray, np.ndarray]:
    """Where each row is stored and from which row it is subtracted, see ``octree``."""
    if filter == "parent":
        return octree.parent_plan(codes, depth, nodes)
    return np.arange(len(codes), dtype=np.int32), octree.neighbor_plan(codes)


def _chunk_entries(
    places: list[list[int]], parts: list[list[bytes]], names: list[str]
) -> list[dict[str, list[int]]]:
    """What the header says of each chunk: streams relative to the chunk, ``ptr`` to the binary."""
    entries: list[dict[str, list[int]]] = []
    start = 0
    for place, part in zip(places, parts, strict=True):
        entry, size = {"idx": place}, 0
        for name, stream in zip(["svo", *names], part, strict=True):
            entry[name] = [size, len(stream)]
            size += len(stream)
        entry["ptr"] = [start, size]
        start += size
        entries.append(entry)
    return entries


def _header_bytes(
    header: dict[str, Any], chunks: list[dict[str, list[int]]], extra: Mapping[str, Any]
) -> bytes:
    taken = sorted({*header, "chunks"} & set(extra))
    if taken:
        raise _option_error(f"The extra header entry {taken[0]} is one of the format's own.")
    try:
        # NaN and infinity are not JSON, though Python would write them.
        json.dumps(dict(extra), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _option_error(f"The extra header entries are not JSON: {error}.") from error
    text = json.dumps({**header, **extra, "chunks": chunks}).encode()
    if PREFIX_BYTES + len(text) >= 1 << 32:
        raise _option_error("The header would be larger than 4 GB.")
    return text


def _check_options(
    chunk_size: int,
    filter: str,
    compression: str | None,
    level: int | None,
    interleave: str,
) -> None:
    if chunk_size not in [1 << depth for depth in range(1, octree.MAX_DEPTH + 1)]:
        raise _option_error(f"The chunk size {chunk_size} is not a power of two in 2..1024.")
    if filter not in FILTERS:
        raise _option_error(f"There is no filter {filter!r}.")
    if compression is not None and compression not in LEVELS:
        raise _option_error(f"There is no compression {compression!r}.")
    if interleave not in INTERLEAVES:
        raise _option_error(f"There is no interleaving {interleave!r}.")
    name = compression or DEFAULT_COMPRESSION
    if level is not None and level not in LEVELS[name]:
        raise _option_error(f"The compression {name} has no level {level}.")


def _check_coords(coords: np.ndarray) -> np.ndarray:
    coords = np.asarray(coords)
    if coords.ndim != 2 or coords.shape[1] != 3 or coords.dtype.kind not in "iu":
        raise EngineError(
            "vxz_coords",
            f"Coordinates are {coords.dtype} of shape {coords.shape}, not (N, 3) integers.",
            "Give one row of three integers for each voxel.",
        )
    if len(coords) == 0:
        raise EngineError(
            "vxz_empty",
            "There are no voxels to write.",
            "Check that the mesh lies inside the box and is not empty.",
        )
    if coords.min() < 0 or coords.max() >= 1 << octree.AXIS_BITS:
        raise EngineError(
            "vxz_coords",
            f"Coordinates reach from {coords.min()} to {coords.max()}.",
            f"Move the voxels into 0 to {(1 << octree.AXIS_BITS) - 1}.",
        )
    return np.ascontiguousarray(coords, np.int32)


def _check_attributes(
    attributes: Mapping[str, np.ndarray], rows: int
) -> tuple[list[tuple[str, int]], np.ndarray]:
    """Names with channels, and all channels side by side as (N, C) uint8."""
    columns: list[np.ndarray] = []
    names: list[tuple[str, int]] = []
    for name, given in attributes.items():
        column = np.asarray(given)
        if column.dtype != np.uint8 or column.ndim != 2 or column.shape[1] == 0:
            raise _attribute_error(
                f"Attribute {name} is {column.dtype} of shape {column.shape}, not (N, C) uint8."
            )
        if len(column) != rows:
            raise _attribute_error(f"Attribute {name} has {len(column)} rows for {rows} voxels.")
        columns.append(column)
        names.append((name, column.shape[1]))
    if sum(channels for _, channels in names) > MAX_CHANNELS:
        raise _attribute_error(f"The attributes have more than {MAX_CHANNELS} channels.")
    return names, np.concatenate(columns, 1) if columns else np.empty((rows, 0), np.uint8)


def _attribute_error(message: str) -> EngineError:
    return EngineError(
        "vxz_attributes",
        message,
        "Give each attribute under its own name as uint8 with one row for each voxel.",
    )


def _option_error(message: str) -> EngineError:
    return EngineError("vxz_option", message, "Use one of the values that write_vxz lists.")
