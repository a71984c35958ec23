"""The container of a glTF file: its document, buffers, and accessors as arrays."""

import base64
import binascii
import json
import struct
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np

from engine.readers.gltf_old import as_version_2, describe_techniques
from engine.readers.meshopt import decode_meshopt
from engine.readers.source import Broken, Source
from protocol.errors import EngineError

Json = dict[str, Any]

_GLB_HEADER = struct.Struct("<4sII")
_CHUNK_HEADER = struct.Struct("<I4s")
_CHUNKS = (b"JSON", b"BIN\0")
_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}
_SHAPES = {
    "SCALAR": (1, 1),
    "VEC2": (1, 2),
    "VEC3": (1, 3),
    "VEC4": (1, 4),
    "MAT2": (2, 2),
    "MAT3": (3, 3),
    "MAT4": (4, 4),
}
"""Columns and rows."""
_MOST_ZEROS = 1 << 23
"""Values of all accessors without data; a file of a few bytes may ask for any number of them."""
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_DECODED = (1 << 28, 100)
"""Bytes of all that is decompressed: so many, and so many times those of the file."""


class GltfFile:
    """A glTF file with its buffers.

    Args:
        source: the file.

    Attributes:
        document: its JSON.

    Raises:
        Broken: it is no whole glTF file.
        EngineError: ``mesh_unsupported`` for a version that is not known.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.document, self._binary = _split(source)
        self._buffers: dict[int, memoryview] = {}
        self._accessors: dict[int, np.ndarray] = {}
        self._decoded: dict[int, memoryview] = {}
        self._zeros = 0
        version = str(self.document.get("asset", {}).get("version", "1.0"))
        if version.startswith(("0", "1")):
            source.note(f"It is glTF {version}; its materials are read by their usual words.")
            self.document = as_version_2(source, self.document)
        elif version.startswith("2"):
            describe_techniques(source, self.document)
        else:
            raise EngineError(
                "mesh_unsupported",
                f"{source.name} is a glTF {version[:20]} file; only versions 1 and 2 can be read.",
                "Export it again as glTF 2.0.",
            )

    def entry(self, kind: str, index: Any) -> Json:
        """An entry of one of the document's lists, such as "accessors"."""
        entries = self.document.get(kind, [])
        if not isinstance(index, int) or not 0 <= index < len(entries):
            which = json.dumps(index)[:20]
            raise Broken(f"it refers to number {which} of its {kind}, which it lacks")
        return entries[index]

    def count(self, kind: str) -> int:
        return len(self.document.get(kind, []))

    @property
    def size(self) -> int:
        """Bytes of the file and of all buffers that were read so far."""
        return len(self.source.data) + sum(len(data) for data in self._buffers.values())

    def view(self, index: int) -> memoryview:
        """The bytes of a bufferView, decompressed; the fallback of compressed ones is not read."""
        view = self.entry("bufferViews", index)
        for name in _MESHOPT:
            if name in view.get("extensions", {}):
                if index not in self._decoded:
                    self._decoded[index] = self._decompressed(view, view["extensions"][name])
                return self._decoded[index]
        return self._slice(view)

    def fetch(self, uri: str) -> bytes | None:
        """What a URI names: data inside of it, or a file beside; None where there is no such."""
        if uri.startswith("data:"):
            head, _, coded = uri.partition(",")
            if not head.endswith(";base64"):
                return unquote_to_bytes(coded)
            try:
                return base64.b64decode(unquote(coded))
            except (binascii.Error, ValueError) as error:
                raise Broken("data inside of it are not in base 64") from error
        # Names that were not encoded, though they should be, are common.
        path = self.source.find(unquote(uri)) or self.source.find(uri)
        try:
            return None if path is None else path.read_bytes()
        except OSError:
            return None

    def raw(self, index: int) -> np.ndarray:
        """(N, width) values of an accessor as they are stored; matrices by columns."""
        if index not in self._accessors:
            self._accessors[index] = self._read(self.entry("accessors", index))
        return self._accessors[index]

    def values(self, index: int, *, fractions: bool = False) -> np.ndarray:
        """As ``raw``, but floating-point numbers: float32 as stored, others float64.

        Args:
            fractions: integers are fractions of their type's largest value even where the
                accessor does not say that they are normalised.
        """
        normalised = fractions or bool(self.entry("accessors", index).get("normalized", False))
        return as_numbers(self.raw(index), normalised)

    def _slice(self, place: Json) -> memoryview:
        """A part of a buffer."""
        data = self._buffer(place.get("buffer"))
        start, length = int(place.get("byteOffset", 0)), int(place.get("byteLength", 0))
        if start < 0 or length < 0 or start + length > len(data):
            raise Broken("a buffer ends before what is expected in it")
        return data[start : start + length]

    def _decompressed(self, view: Json, packed: Json) -> memoryview:
        data = self._slice(packed)
        count, stride = packed.get("count"), packed.get("byteStride")
        if not isinstance(count, int) or not isinstance(stride, int):
            raise Broken("it has compressed data that do not say how much they are")
        if count * stride != view.get("byteLength"):
            raise Broken("it has compressed data that do not fill their place")
        most, times = _DECODED
        held = sum(len(made) for made in self._decoded.values())
        if held + count * stride > most + times * self.size:
            raise EngineError(
                "mesh_too_large",
                f"{self.source.name} has compressed data of more than {times} times its size.",
                "Export it again without compression by meshopt.",
            )
        mode, filter = str(packed.get("mode")), str(packed.get("filter", "NONE"))
        return memoryview(decode_meshopt(data, count, stride, mode, filter).data)

    def _buffer(self, index: Any) -> memoryview:
        buffer = self.entry("buffers", index)
        if index not in self._buffers:
            uri = buffer.get("uri")
            # The binary chunk is the first buffer; others without a name are placeholders.
            data: bytes | memoryview | None = self._binary if index == 0 else None
            if isinstance(uri, str):
                data = self.fetch(uri)
                if data is None:
                    name = "inside of it" if uri.startswith("data:") else unquote(uri)[:200]
                    raise Broken(f"its data {name} cannot be found; put that file beside it")
            self._buffers[index] = memoryview(data or b"")
        return self._buffers[index]

    def _read(self, accessor: Json) -> np.ndarray:
        kind = _COMPONENTS.get(accessor.get("componentType", 0))
        shape = _SHAPES.get(accessor.get("type", ""))
        count = accessor.get("count", 0)
        if kind is None or shape is None or not isinstance(count, int) or count < 0:
            raise Broken("it has an accessor of a kind that glTF 2.0 does not know")
        if "bufferView" in accessor:
            values = self._strided(accessor, np.dtype(kind), shape, count)
        else:
            self._zeros += count * shape[0] * shape[1]
            if self._zeros > _MOST_ZEROS:
                raise Broken(f"it has accessors without data for more than {_MOST_ZEROS:,} values")
            values = np.zeros((count, *shape), kind)
        values = values.reshape(count, -1)
        if "sparse" in accessor:
            values = self._laid_over(values, accessor["sparse"], np.dtype(kind), shape)
        return values

    def _strided(
        self, place: Json, kind: np.dtype, shape: tuple[int, int], count: int, stride: int = 0
    ) -> np.ndarray:
        """(count, columns, rows) values in a bufferView."""
        view = self.entry("bufferViews", place.get("bufferView"))
        data = self.view(place["bufferView"])
        columns, rows = shape
        # Columns of matrices begin at multiples of four bytes.
        column = rows * kind.itemsize
        if columns > 1:
            column += -column % 4
        size = column * columns
        stride = int(view.get("byteStride", 0)) or size
        start = int(place.get("byteOffset", 0))
        if start < 0 or stride < 1 or (count and start + stride * (count - 1) + size > len(data)):
            raise Broken("a buffer ends before what is expected in it")
        return np.ndarray(
            (count, columns, rows),
            kind.newbyteorder("<"),
            data,
            start,
            (stride, column, kind.itemsize),
        )

    def _laid_over(
        self, values: np.ndarray, sparse: Json, kind: np.dtype, shape: tuple[int, int]
    ) -> np.ndarray:
        count = int(sparse.get("count", 0))
        places, given = sparse.get("indices", {}), sparse.get("values", {})
        index_kind = _COMPONENTS.get(places.get("componentType", 0), "")
        if count < 0 or index_kind not in ("u1", "u2", "u4"):
            raise Broken("it has a sparse accessor of a kind that glTF 2.0 does not know")
        indices = self._strided(places, np.dtype(index_kind), (1, 1), count).reshape(-1)
        if count and int(indices.max()) >= len(values):
            raise Broken("a sparse accessor changes values that it does not have")
        values = values.copy()
        values[indices] = self._strided(given, kind, shape, count).reshape(count, -1)
        return values


def as_numbers(values: np.ndarray, normalised: bool) -> np.ndarray:
    """Floating-point values; normalised integers are fractions (section 3.6.2.2)."""
    if values.dtype.kind == "f":
        return values
    if normalised:
        return np.maximum(values / np.iinfo(values.dtype).max, -1.0)
    return values.astype(np.float64)


def unsupported(source: Source, name: str) -> EngineError:
    """The error for a glTF extension without which a file cannot be understood."""
    return EngineError(
        "mesh_unsupported",
        f"{source.name} cannot be read without {name}, which is not supported.",
        "Export it again without it.",
    )


def _split(source: Source) -> tuple[Json, bytes | memoryview]:
    """The document, and the binary chunk of a GLB."""
    data = source.data
    if data[:4] != b"glTF":
        return _parsed(data), b""
    if len(data) < 20:
        raise Broken("it ends within its header")
    _, version, length = _GLB_HEADER.unpack_from(data)
    if version not in (1, 2):
        raise Broken(f"it is of version {version} of glTF, which is not known")
    if length > len(data):
        raise Broken(f"it ends after {len(data):,} of {length:,} bytes")
    if version == 1:
        size, _ = _CHUNK_HEADER.unpack_from(data, _GLB_HEADER.size)
        at = _GLB_HEADER.size + _CHUNK_HEADER.size
        if at + size > length:
            raise Broken("it ends within its document")
        return _parsed(data[at : at + size]), memoryview(data)[at + size : length]
    document: Json | None = None
    binary: bytes | memoryview = b""
    at = _GLB_HEADER.size
    while at + _CHUNK_HEADER.size <= length:
        size, kind = _CHUNK_HEADER.unpack_from(data, at)
        at += _CHUNK_HEADER.size
        if at + size > length:
            raise Broken("it ends within a chunk")
        chunk = memoryview(data)[at : at + size]
        if document is None and kind == b"JSON":
            document = _parsed(bytes(chunk))
        elif kind == b"BIN\0" and not len(binary):
            binary = chunk
        # Some writers leave out the spaces that a chunk should end with.
        padded = at + size + (-size % 4)
        at = at + size if data[at + size + 4 : at + size + 8] in _CHUNKS else padded
    if document is None:
        raise Broken("there is no document in it")
    return document, binary


def _parsed(data: bytes) -> Json:
    try:
        document = json.loads(data.decode(json.detect_encoding(data)))
    except (ValueError, RecursionError) as error:
        raise Broken("its document is no JSON") from error
    if not isinstance(document, dict):
        raise Broken("its document is no JSON object")
    return document
