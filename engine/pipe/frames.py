"""Messages on a stream of bytes, each after its length."""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgpack

from protocol.errors import EngineError
from protocol.plain import from_dict, to_dict

LARGEST_FRAME = 4 << 20
"""Bytes."""

_LENGTH = struct.Struct(">I")


def write_frame(stream: BinaryIO, message: Any, kind: Any) -> None:
    """Write a message; ``kind`` is the union that it belongs to: ``Command`` or ``Event``."""
    data: Any = msgpack.packb(to_dict(message, kind))
    if len(data) > LARGEST_FRAME:
        raise ValueError(f"a message of {len(data)} bytes is too long for the pipe")
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[stream.write(rest) :]


def read_frames(stream: BinaryIO, kind: Any) -> Iterator[Any]:
    """Messages until the other side is gone; half a message at the end is none.

    Raises:
        EngineError: ``field_invalid`` when a message is not what ``kind`` says.
    """
    while (head := _exactly(stream, _LENGTH.size)) is not None:
        (length,) = _LENGTH.unpack(head)
        if length > LARGEST_FRAME:
            raise EngineError("field_invalid", "A frame of the pipe is too long.", "")
        data = _exactly(stream, length)
        if data is None:
            return
        try:
            content = msgpack.unpackb(data)
        except ValueError as error:
            raise EngineError("field_invalid", f"A frame of the pipe: {error}.", "") from error
        yield from_dict(kind, content)


def _exactly(stream: BinaryIO, count: int) -> bytes | None:
    """So many bytes, from an unbuffered stream; None where it ends before."""
    pieces: list[bytes] = []
    while count:
        piece = stream.read(count)
        if not piece:
            return None
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
