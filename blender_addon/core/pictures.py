"""A picture that somebody chose, and what of it is sent to the engine."""

import hashlib
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from .language import said

if TYPE_CHECKING:
    from ..protocol.wire import Shaped

LARGEST_FILE = 256 << 20
LARGEST_SIDE = 8192
"""Of a frame of the protocol, 256 MiB: a raw picture of 8192 x 8192 pixels."""

_NOT_READ = (
    (b"\x76\x2f\x31\x01", 0, "an OpenEXR picture, whose white level is not known"),
    (b"#?", 0, "a Radiance HDR picture, whose white level is not known"),
    (b"SDPX", 0, "a DPX picture"),
    (b"XPDS", 0, "a DPX picture"),
    (b"RIFF", 0, "a film or a sound"),
    (b"ftyp", 4, "a film or a picture of the kind HEIC"),
    (b"\x1aE\xdf\xa3", 0, "a film"),
    (b"%PDF", 0, "a PDF document"),
    (b"8BPS", 0, "a Photoshop document"),
    (b"<svg", 0, "an SVG drawing"),
    (b"BLENDER", 0, "a .blend file"),
)
"""How files begin that can be dropped on a window and that the engine does not read. What is not
known here is left to the engine, which says what is wrong with it."""
_READ = ((b"WEBP", 8), (b"avif", 8), (b"avis", 8))


@dataclass(frozen=True, kw_only=True)
class PictureIn:
    """A picture: the bytes of its file, or its pixels.

    Attributes:
        title: name for people, without a folder or suffix; names the object.
        data: bytes of a file; empty where there are rows.
        rows: RGBA8, sRGB-encoded, straight alpha, top row first; empty where there is a file.
        width, height: pixels of ``rows``; 0 for a file.
        sha256: of ``data`` or ``rows``, 64 hexadecimal digits; computed when it is left empty.
        path: where it came from, only for display.
    """

    title: str
    data: bytes = field(default=b"", repr=False)
    rows: bytes | bytearray | memoryview = field(default=b"", repr=False)
    width: int = 0
    height: int = 0
    sha256: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        if not self.sha256:
            digest = hashlib.sha256(self.data or self.rows).hexdigest()
            object.__setattr__(self, "sha256", digest)

    def buffer(self) -> "Shaped":
        """As it travels beside a job.

        Raises:
            EngineError: ``picture_unusable``, saying why in a sentence.
        """
        from ..protocol.wire import Shaped

        check_picture(self)
        if self.data:
            return Shaped.of_file(self.data)
        return Shaped(self.rows, "uint8", (self.height, self.width, 4))


def size_of_file(data: bytes) -> tuple[int, int] | None:
    """Width and height that the head of a PNG or JPEG file says; None: another kind, or broken."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        at = 2
        while data.startswith(b"\xff\xd8") and data[at] == 0xFF:
            marker = data[at + 1]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # begins a frame
                height, width = struct.unpack_from(">HH", data, at + 5)
                return width, height
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    except (struct.error, IndexError):
        pass
    return None


def cut_out_picture(
    picture: PictureIn, width: int, height: int, rows: bytes | bytearray | memoryview
) -> PictureIn:
    """The same picture with its background removed, as RGBA8 rows; it keeps its name and hash, so
    that results of one picture are found together."""
    return replace(picture, data=b"", rows=rows, width=width, height=height)


def check_picture(picture: PictureIn) -> None:
    """Refuse what cannot be a picture before it is sent.

    Raises:
        EngineError: ``picture_unusable``.
    """
    name = picture.title or "The picture"
    if picture.data:
        _check_file(name, picture.data)
    elif picture.rows:
        size = memoryview(picture.rows).nbytes
        if min(picture.width, picture.height) < 1 or size != picture.width * picture.height * 4:
            raise _unusable(
                said(
                    "{name} has {size} bytes, which are not {width} x {height} pixels of 4 bytes.",
                    name=name,
                    size=size,
                    width=picture.width,
                    height=picture.height,
                ),
                "Choose it again; if it happens again, report it.",
            )
        if max(picture.width, picture.height) > LARGEST_SIDE:
            raise _unusable(
                said(
                    "{name} has {width} x {height} pixels, and {most} a side are the most.",
                    name=name,
                    width=picture.width,
                    height=picture.height,
                    most=LARGEST_SIDE,
                ),
                "Scale it down.",
            )
    else:
        raise _unusable(
            said("The file of {name} has 0 bytes: there is no picture in it.", name=name),
            "Choose another picture.",
        )


def _check_file(name: str, data: bytes) -> None:
    if len(data) > LARGEST_FILE:
        raise _unusable(
            said(
                "The file of {name} has {size} MB, and {most} are the most.",
                name=name,
                size=len(data) >> 20,
                most=LARGEST_FILE >> 20,
            ),
            "Save it smaller.",
        )
    if any(data[at : at + len(sign)] == sign for sign, at in _READ):
        return
    for sign, at, what in _NOT_READ:
        if data[at : at + len(sign)] == sign:
            raise _unusable(
                said("{name} is {what}.", name=name, what=said(what)),
                "Save it as PNG or JPEG and choose that file.",
            )


def _unusable(message: str, hint: str) -> EngineError:
    return EngineError("picture_unusable", message, hint)


def read_picture(file: Path, remedy: str = "Choose another file.") -> PictureIn:
    """The picture in a file, as its bytes are.

    Args:
        remedy: what the user can do where that fails.

    Raises:
        EngineError: ``file_unreadable``.
    """
    if file.is_dir():
        raise EngineError(
            "file_unreadable",
            said("{name} is a folder, not a picture.", name=file.name or file),
            "Open it and choose a picture in it.",
        )
    try:
        return PictureIn(title=file.stem, data=file.read_bytes(), path=str(file))
    except OSError as error:
        raise EngineError(
            "file_unreadable",
            said("{file} cannot be read: {why}.", file=file, why=error.strerror or error),
            remedy,
        ) from error
