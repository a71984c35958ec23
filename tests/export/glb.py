"""GLB files taken apart and put together, without the code that is tested."""

import json
import struct
from pathlib import Path
from typing import Any


def document_of(glb: Path | bytes) -> dict[str, Any]:
    """The JSON in it."""
    return taken_apart(glb)[0]


def taken_apart(glb: Path | bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON in it, and all of the file that comes after: its buffer from byte 8 on."""
    data = glb.read_bytes() if isinstance(glb, Path) else glb
    (size,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + size]), data[20 + size :]


def put_together(document: dict[str, Any], rest: bytes) -> bytes:
    """A file of what ``taken_apart`` gave."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + rest
