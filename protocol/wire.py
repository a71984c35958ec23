"""Messages to frames and back; docs/protocol.md is the authority.

Frame 0 is the head, a msgpack map; frames 1 to n are the buffers that it describes. Decoding
executes nothing, bounds everything, and answers whatever is wrong by an ``EngineError``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from .errors import EngineError
from .layout import Array, DType
from .limits import short
from .messages import OLDEST_VERSION, PROTOCOL_VERSION, Message
from .plain import from_dict, tag, to_dict
from .requests import Hello

LARGEST_HEAD = 1 << 18
LARGEST_BUFFER = 1 << 28
"""Bytes of one frame: a raw picture of 8192 x 8192 pixels."""
LARGEST_MESSAGE = 1 << 29
"""Bytes of all buffers of one message."""
MOST_BUFFERS = 64
DEEPEST = 16
MOST_ENTRIES = 1 << 14
"""Entries of one list or map in a head."""
LARGEST_ID = (1 << 53) - 1
LAYOUT_OF_ALL_VERSIONS = ("hello", "welcome", "refused")

Buffer = bytes | bytearray | memoryview
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Shaped:
    """A buffer and what is in it.

    Args:
        data: C-contiguous, little-endian; any buffer that ``memoryview`` takes.
        dtype, shape: of its items.
    """

    data: Buffer
    dtype: DType = "uint8"
    shape: tuple[int, ...] = ()

    @classmethod
    def of_file(cls, data: Buffer) -> "Shaped":
        """The bytes of a file."""
        return cls(data, "uint8", (memoryview(data).nbytes,))


@dataclass(frozen=True)
class Received:
    """A message that came in.

    Attributes:
        id: of the request that it is, or that it answers; 0 for events.
        message: checked.
        buffers: by name, each with as many bytes as its shape says.
    """

    id: int
    message: Message
    buffers: Mapping[str, Shaped] = field(default_factory=dict[str, Shaped])


@dataclass(frozen=True)
class _Description:
    """A buffer in the head."""

    name: str
    dtype: DType
    shape: tuple[int, ...]


def encode(
    message: Message, id: int = 0, buffers: Mapping[str, Shaped] | None = None
) -> list[Buffer]:
    """The frames of a message; buffers are not copied.

    Args:
        id: of the request that it is, or that it answers; 0 for events.

    Raises:
        EngineError: ``message_too_large``.
    """
    described = [
        {"name": name, "dtype": shaped.dtype, "shape": shaped.shape}
        for name, shaped in (buffers or {}).items()
    ]
    head = {
        "version": PROTOCOL_VERSION,
        "kind": tag(type(message)),
        "id": id,
        "body": to_dict(message),
        "buffers": described,
    }
    frames: list[Buffer] = [_packed(head)]
    frames += [memoryview(shaped.data).cast("B") for shaped in (buffers or {}).values()]
    _check_sizes([memoryview(frame).nbytes for frame in frames])
    return frames


def decode(frames: Sequence[Buffer], kinds: Mapping[str, type[Kind]]) -> Received:
    """The message that came as frames.

    Args:
        kinds: that are accepted: ``FROM_CLIENT`` or ``FROM_ENGINE`` of ``protocol.messages``.

    Raises:
        EngineError: ``message_too_large``, ``head_invalid``, ``version_mismatch``,
            ``kind_unknown``, ``buffers_invalid``, ``field_invalid`` with the path of the field;
            and what the checks of a message raise. ``request_id`` tells whom to answer.
    """
    head = read_head(frames)
    if head.get("version") != PROTOCOL_VERSION and head.get("kind") not in LAYOUT_OF_ALL_VERSIONS:
        raise mismatch(str(short(head.get("version"))), str(PROTOCOL_VERSION))
    kind = head.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise EngineError(
            "kind_unknown",
            f"There is no message of the kind {short(kind)}.",
            "The other side may be newer; update the older of the two.",
        )
    id = head.get("id")
    if type(id) is not int or not 0 <= id <= LARGEST_ID:
        raise _invalid("id", id, f"a whole number from 0 to {LARGEST_ID}")
    described = from_dict(tuple[_Description, ...], head.get("buffers", ()), "buffers")
    buffers = _match(described, frames[1:])
    return Received(id, from_dict(kinds[kind], head.get("body"), kind), buffers)  # pyright: ignore[reportArgumentType]


def request_id(frames: Sequence[Buffer]) -> int:
    """The id that a message which could not be decoded says, for the answer; 0 if it is lost."""
    try:
        id = read_head(frames).get("id")
    except EngineError:
        return 0
    return id if type(id) is int and 0 <= id <= LARGEST_ID else 0


def read_head(frames: Sequence[Buffer]) -> dict[str, Any]:
    """The map in the first frame, whose entries are not checked yet.

    Raises:
        EngineError: ``message_too_large``, ``head_invalid``.
    """
    _check_sizes([memoryview(frame).nbytes for frame in frames])
    return _unpacked(frames[0])


def negotiate(hello: Hello) -> int:
    """The newest version that both sides speak.

    Raises:
        EngineError: ``version_mismatch``, naming the versions of both.
    """
    version = min(hello.newest, PROTOCOL_VERSION)
    if version < max(hello.oldest, OLDEST_VERSION):
        ours = _span(OLDEST_VERSION, PROTOCOL_VERSION)
        raise mismatch(_span(hello.oldest, hello.newest), ours)
    return version


def mismatch(theirs: str, ours: str) -> EngineError:
    """The error of two sides that speak no common version."""
    return EngineError(
        "version_mismatch",
        f"The other side speaks version {theirs} of the protocol, and this one {ours}.",
        "Update the older one of the add-on and the engine, then restart both.",
    )


def _span(oldest: int, newest: int) -> str:
    return str(newest) if oldest == newest else f"{oldest} to {newest}"


def _packed(head: dict[str, Any]) -> bytes:
    return msgpack.packb(head)  # pyright: ignore


def _unpacked(frame: Buffer) -> dict[str, Any]:
    try:
        head: Any = msgpack.unpackb(  # pyright: ignore
            frame,
            strict_map_key=True,
            max_str_len=LARGEST_HEAD,
            max_bin_len=0,
            max_array_len=MOST_ENTRIES,
            max_map_len=MOST_ENTRIES,
            max_ext_len=0,
        )
    except (ValueError, RecursionError) as error:  # msgpack's own errors are ValueErrors
        raise _no_head("is not msgpack, or out of bounds") from error
    if not isinstance(head, dict):
        raise _no_head("is not a map")
    if _deeper_than(DEEPEST, head):
        raise _no_head(f"is deeper than {DEEPEST} levels")
    return head  # pyright: ignore[reportUnknownVariableType]


def _deeper_than(most: int, value: Any) -> bool:
    """Whether lists and maps lie in each other more than so many times."""
    level: list[Any] = [value]
    for _ in range(most):
        inner: list[Any] = []
        for item in level:
            inner.extend(item.values() if isinstance(item, dict) else item)  # pyright: ignore
        level = [child for child in inner if isinstance(child, dict | list)]
    return bool(level)


def _match(described: tuple[_Description, ...], frames: Sequence[Buffer]) -> dict[str, Shaped]:
    if len(described) != len(frames):
        raise EngineError(
            "buffers_invalid",
            f"The head describes {len(described)} buffers, and {len(frames)} came.",
            "Send one frame for each.",
        )
    buffers: dict[str, Shaped] = {}
    for i, (one, frame) in enumerate(zip(described, frames, strict=True)):
        array = from_dict(Array, to_dict(one), f"buffers[{i}]")
        if memoryview(frame).nbytes != array.size or array.name in buffers:
            raise EngineError(
                "buffers_invalid",
                f"buffers[{i}] ({array.name}) of shape {short(array.shape)} came with "
                f"{memoryview(frame).nbytes} bytes, or twice.",
                "Send each once, with as many bytes as its shape and dtype say.",
            )
        buffers[array.name] = Shaped(memoryview(frame).cast("B"), array.dtype, array.shape)
    return buffers


def _check_sizes(sizes: list[int]) -> None:
    if not sizes:
        raise _no_head("is missing")
    head, *buffers = sizes
    large = head > LARGEST_HEAD or any(size > LARGEST_BUFFER for size in buffers)
    if large or len(buffers) > MOST_BUFFERS or sum(buffers) > LARGEST_MESSAGE:
        raise EngineError(
            "message_too_large",
            f"A message with a head of {head} bytes and {len(buffers)} buffers of "
            f"{sum(buffers)} bytes together is too large.",
            f"A head may have {LARGEST_HEAD} bytes, a buffer {LARGEST_BUFFER}, all "
            f"{LARGEST_MESSAGE}; {MOST_BUFFERS} buffers are possible.",
        )


def _no_head(what: str) -> EngineError:
    return EngineError("head_invalid", f"The head of a message {what}.", "See docs/protocol.md.")


def _invalid(path: str, value: object, wanted: str) -> EngineError:
    return EngineError("field_invalid", f"{path} cannot be {short(value)}.", f"Give {wanted}.")
