"""Where the arrays of a part, or of something attached, lie, and how to get at them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .errors import EngineError
from .limits import check_whole, short

DType = Literal["uint8", "int32", "float32"]
ITEM_BYTES: dict[str, int] = {"uint8": 1, "int32": 4, "float32": 4}
FORMATS: dict[str, Literal["B", "i", "f"]] = {"uint8": "B", "int32": "i", "float32": "f"}
"""Codes of ``memoryview.cast``. On the wire and in files all items are little-endian, as on every
machine that Blender runs on."""
ALIGNMENT = 16
MOST_AXES = 4
MOST_ITEMS = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Array:
    """An array of numbers, C-contiguous and little-endian.

    Attributes:
        name: small letters, digits, _ and ., at most 64.
        dtype: of its items.
        shape: 1 to 4 axes.
        offset: bytes of the part before it, a multiple of its item's size; 0 in its own buffer.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    offset: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9_.]{1,64}", self.name):
            raise _invalid("name", self.name, "1 to 64 small letters, digits, _ and .")
        if not 1 <= len(self.shape) <= MOST_AXES or min(self.shape) < 0:
            raise _invalid("shape", self.shape, f"1 to {MOST_AXES} lengths")
        if math.prod(self.shape) > MOST_ITEMS:
            raise _invalid("shape", self.shape, f"at most {MOST_ITEMS} items")
        check_whole("offset", self.offset, 0, MOST_ITEMS)
        if self.offset % ITEM_BYTES[self.dtype]:
            raise _invalid("offset", self.offset, f"a multiple of {ITEM_BYTES[self.dtype]}")

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class Image:
    """What is known of an encoded picture, whose bytes are the array of the same name.

    Attributes:
        name: base_color, metallic_roughness, normal or thumbnail.
        format: of the bytes.
        width, height: pixels.
        alpha_used: some pixel is not opaque, and the material must look at it.
        mean: of a base colour its mean as linear RGB in [0, 1], which programs show that draw no
            textures; else empty.
    """

    name: str
    format: Literal["png", "jpeg"]
    width: int
    height: int
    alpha_used: bool
    mean: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.mean and not (len(self.mean) == 3 and all(0 <= x <= 1 for x in self.mean)):
            raise _invalid("mean", self.mean, "nothing, or three numbers from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What lies where in the bytes of a part.

    Attributes:
        kind: "mesh" and "images" as ``protocol.parts`` says; "structure": the array coords, int32
            (N, 3), cells of a grid; "file": one array data, the bytes of a file.
        arrays: that do not overlap, by rising offset.
        images: of the kind "images", a picture each.
        grid_size: cells an axis, of the kind "structure"; else 0.
        file_name: of the kind "file", without a folder; else empty.
        uvs: of a textured mesh: "given": its UVs are those that came with the job; "new": they were
            made; else empty.
    """

    kind: Literal["mesh", "images", "structure", "file"]
    arrays: tuple[Array, ...]
    images: tuple[Image, ...] = ()
    grid_size: int = 0
    file_name: str = ""
    uvs: Literal["", "given", "new"] = ""

    def __post_init__(self) -> None:
        names = {array.name for array in self.arrays}
        if len(names) < len(self.arrays):
            raise _invalid("arrays", sorted(names), "each array a name of its own")
        end = 0
        for array in self.arrays:
            if array.offset < end:
                raise _invalid("offset", array.offset, f"at least {end} for {array.name}")
            end = array.offset + array.size
        for image in self.images:
            if image.name not in names:
                raise _invalid("images", image.name, "the name of an array")
        if re.search(r"[/\\\0:]", self.file_name):
            raise _invalid("file_name", self.file_name, "a name without a folder")

    @property
    def size(self) -> int:
        """Bytes up to the end of the last array."""
        return self.arrays[-1].offset + self.arrays[-1].size if self.arrays else 0


def lay_out(arrays: Sequence[Array]) -> tuple[Array, ...]:
    """The same arrays, one after the other, each aligned to 16 bytes."""
    placed: list[Array] = []
    offset = 0
    for array in arrays:
        placed.append(Array(name=array.name, dtype=array.dtype, shape=array.shape, offset=offset))
        offset += -(-array.size // ALIGNMENT) * ALIGNMENT
    return tuple(placed)


def views(layout: Layout, data: bytes | bytearray | memoryview) -> "dict[str, memoryview[Any]]":
    """The arrays of a part, flat, by name, without a copy: B, i or f items.

    Raises:
        EngineError: ``part_invalid`` when the bytes are too few.
    """
    whole = memoryview(data).cast("B")
    if len(whole) < layout.size:
        raise EngineError(
            "part_invalid",
            f"A part of {len(whole)} bytes should have at least {layout.size}.",
            "Fetch it again; if it happens again, report it.",
        )
    return {
        a.name: whole[a.offset : a.offset + a.size].cast(FORMATS[a.dtype]) for a in layout.arrays
    }


def _invalid(field: str, value: object, wanted: str) -> EngineError:
    return EngineError(
        "layout_invalid", f"{field} of a layout cannot be {short(value)}.", f"Give {wanted}."
    )
