"""Parts as Blender takes them without any work: packed by the engine, checked by the client.

A mesh of F triangles has 3 F corners; the corners 3 i, 3 i + 1 and 3 i + 2 belong to face i. Its
arrays are those of ``MESH_ARRAYS``, of which position and corner_vert always are there. Vectors are
in object space: Z up, right-handed. numpy is imported when it is needed, never before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import EngineError
from .layout import ALIGNMENT, Array, DType, Image, Layout, lay_out, views
from .wire import Buffer, Shaped

if TYPE_CHECKING:
    from numpy.typing import NDArray

Domain = Literal["vertex", "edge", "corner", "face"]

MESH_ARRAYS: dict[str, tuple[Domain, DType, int]] = {
    "position": ("vertex", "float32", 3),
    "color_srgb": ("vertex", "float32", 4),
    "metallic_roughness": ("vertex", "float32", 2),
    "edge_verts": ("edge", "int32", 2),
    "corner_vert": ("corner", "int32", 1),
    "corner_edge": ("corner", "int32", 1),
    "corner_uv": ("corner", "float32", 2),
    "corner_normal": ("corner", "float32", 3),
    "face_material": ("face", "int32", 1),
    "face_polygon": ("face", "int32", 1),
}
"""What each array belongs to, its items, and how many an element has. color_srgb is sRGB-encoded
RGBA in [0, 1]; UVs have their origin at the bottom left; normals are unit vectors. face_polygon
numbers the polygon that a triangle is a piece of: new UVs do not cut it, and two that follow each
other with one number are the quad of their corners 0, 1, 2 and 0, 2, 3."""

THUMBNAIL_SIDE = 128
PIECE = 1 << 20
"""Values that are looked at in a step of a check."""
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


@dataclass(frozen=True)
class Packed:
    """A part, ready to be stored or sent.

    Args:
        layout: what lies where.
        arrays: the contents of ``layout.arrays``, one buffer each.
    """

    layout: Layout
    arrays: tuple[Buffer, ...]

    def chunks(self) -> Iterator[Buffer]:
        """The bytes of the part's file, in order."""
        for array, data in zip(self.layout.arrays, self.arrays, strict=True):
            yield memoryview(data).cast("B")
            yield bytes(-array.size % ALIGNMENT)

    def attached(self, name: str) -> dict[str, Shaped]:
        """The arrays as buffers of a request, for ``Attached(name)``."""
        return {
            f"{name}.{array.name}": Shaped(data, array.dtype, array.shape)
            for array, data in zip(self.layout.arrays, self.arrays, strict=True)
        }


def pack_mesh(
    position: "NDArray[Any]", faces: "NDArray[Any]", **others: "NDArray[Any] | None"
) -> Packed:
    """A mesh with its edges.

    Args:
        position: (V, 3) finite floats.
        faces: (F, 3) whole numbers from 0 to V - 1, the three of a face all different.
        others: color_srgb, metallic_roughness, corner_uv, corner_normal, face_material,
            face_polygon, a row for each element (corners as 3 F rows or as (F, 3, ...)); None is
            left out.

    Raises:
        EngineError: ``part_invalid``, when it is not a mesh as promised above.
    """
    import numpy as np

    corner_vert = np.ascontiguousarray(faces, dtype="<i4").reshape(-1)
    edge_verts, corner_edge = _edges(corner_vert, len(position))
    values: dict[str, Any] = {
        "position": position,
        "edge_verts": edge_verts,
        "corner_vert": corner_vert,
        "corner_edge": corner_edge,
    }
    values |= {name: value for name, value in others.items() if value is not None}
    arrays: list[Array] = []
    contents: list[Buffer] = []
    for name, value in values.items():
        _, dtype, width = MESH_ARRAYS[name]
        items = np.ascontiguousarray(value, dtype=np.dtype(dtype).newbyteorder("<"))
        items = items.reshape(-1) if width == 1 else items.reshape(-1, width)
        arrays.append(Array(name=name, dtype=dtype, shape=items.shape))
        contents.append(items.reshape(-1).view(np.uint8).data)
    packed = Packed(Layout(kind="mesh", arrays=lay_out(arrays)), tuple(contents))
    check_mesh(packed.layout.arrays, dict(zip(values, contents, strict=True)))
    return packed


def pack_images(
    pictures: Mapping[str, tuple[bytes, bool]],
    *,
    means: Mapping[str, tuple[float, ...]] | None = None,
    **raw: Shaped,
) -> Packed:
    """Encoded pictures.

    Args:
        pictures: by name, the bytes of a PNG or JPEG file and whether its alpha is used.
        means: by name, as ``layout.Image.mean``.
        raw: further arrays, such as thumbnail_rgba (128, 128, 4) uint8, rows from the top.

    Raises:
        EngineError: ``part_invalid`` when bytes are neither PNG nor JPEG.
    """
    images: list[Image] = []
    for name, (data, alpha_used) in pictures.items():
        width, height = picture_size(data)
        kind = "png" if data.startswith(_PNG) else "jpeg"
        images.append(
            Image(
                name=name,
                format=kind,
                width=width,
                height=height,
                alpha_used=alpha_used,
                mean=(means or {}).get(name, ()),
            )
        )
    shaped = {name: Shaped.of_file(data) for name, (data, _) in pictures.items()} | raw
    arrays = [Array(name=name, dtype=s.dtype, shape=s.shape) for name, s in shaped.items()]
    layout = Layout(kind="images", arrays=lay_out(arrays), images=tuple(images))
    return Packed(layout, tuple(s.data for s in shaped.values()))


def pack_structure(coords: "NDArray[Any]", grid_size: int) -> Packed:
    """Occupied cells of a grid.

    Args:
        coords: (N, 3) whole numbers from 0 to ``grid_size`` - 1.
        grid_size: cells an axis.
    """
    import numpy as np

    cells = np.ascontiguousarray(coords, dtype="<i4")
    array = Array(name="coords", dtype="int32", shape=cells.shape)
    layout = Layout(kind="structure", arrays=(array,), grid_size=grid_size)
    return Packed(layout, (cells.reshape(-1).view(np.uint8).data,))


def pack_picture(name: str, data: bytes, thumbnail: Buffer) -> Packed:
    """A picture as it is, and small as Blender's lists show it.

    Args:
        data: the bytes of a PNG or JPEG file, whose alpha is used.
        thumbnail: RGBA8 rows of 128 x 128 pixels, from the top.
    """
    shape = (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 4)
    return pack_images({name: (data, True)}, thumbnail_rgba=Shaped(thumbnail, "uint8", shape))


def pack_file(file_name: str, data: Buffer) -> Packed:
    """The bytes of a file."""
    array = Array(name="data", dtype="uint8", shape=(memoryview(data).nbytes,))
    return Packed(Layout(kind="file", arrays=(array,), file_name=file_name), (data,))


def check_part(layout: Layout, data: Buffer) -> None:
    """Whether a part is what the engine promises: 16 ms for a million triangles.

    Raises:
        EngineError: ``part_invalid``, naming the array.
    """
    for _ in checking_part(layout, data):
        pass


def checking_part(layout: Layout, data: Buffer) -> Iterator[None]:
    """As ``check_part``, in steps of about a millisecond for whoever has other things to do."""
    arrays = views(layout, data)
    if layout.kind == "mesh":
        yield from _checking_mesh(layout.arrays, arrays)
    elif layout.kind == "structure":
        _check_structure(layout, arrays)
    for image in layout.images:
        found = picture_size(arrays[image.name])
        if found != (image.width, image.height):
            raise _invalid(f"{image.name} has {found[0]} x {found[1]} pixels, not as it says")


def check_mesh(arrays: tuple[Array, ...], data: Mapping[str, Any]) -> None:
    """Shapes agree, indices are in range, no face is degenerate, everything is finite.

    Args:
        arrays: of the mesh; names that are not in ``MESH_ARRAYS`` are ignored.
        data: their contents by name, anything that ``memoryview`` takes.

    Raises:
        EngineError: ``part_invalid``, naming the array.
    """
    for _ in _checking_mesh(arrays, data):
        pass


def _checking_mesh(arrays: tuple[Array, ...], data: Mapping[str, Any]) -> Iterator[None]:
    import numpy as np

    known = {array.name: array for array in arrays if array.name in MESH_ARRAYS}
    counts = _counts(known)
    values: dict[str, Any] = {
        name: np.frombuffer(data[name], np.dtype(array.dtype).newbyteorder("<"))
        for name, array in known.items()
    }
    bounds = {"corner_vert": "vertex", "edge_verts": "vertex", "corner_edge": "edge"}
    for name, value in values.items():
        for piece in _pieces(value):
            low, high = piece.min(), piece.max()
            if known[name].dtype == "float32":
                # A NaN anywhere is the smallest and the largest.
                if not (np.isfinite(low) and np.isfinite(high)):
                    raise _invalid(f"{name} has a value that is not finite")
            elif low < 0 or (name in bounds and high >= counts.get(bounds[name], 0)):
                raise _invalid(f"{name} has an index that is out of range")
            yield
    for piece in _pieces(values["corner_vert"].reshape(-1, 3)):
        a, b, c = piece.T
        if ((a == b) | (b == c) | (c == a)).any():
            raise _invalid("corner_vert has a face with the same vertex twice")
        yield


def _pieces(values: "NDArray[Any]") -> "Iterator[NDArray[Any]]":
    step = PIECE // (1 if values.ndim == 1 else values.shape[1])
    for start in range(0, len(values), step):
        yield values[start : start + step]


def picture_size(data: Buffer) -> tuple[int, int]:
    """Width and height in pixels that a PNG or JPEG file says.

    Raises:
        EngineError: ``part_invalid`` when it is neither.
    """
    view = memoryview(data).cast("B")
    start = bytes(view[:24])
    if len(start) == 24 and start.startswith(_PNG) and start[12:16] == b"IHDR":
        return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    if start.startswith(_JPEG):
        at = 2
        while at + 9 <= len(view) and view[at] == 0xFF:
            marker, length = view[at + 1], int.from_bytes(view[at + 2 : at + 4], "big")
            # A frame header: C0 to CF, save tables (C4), an extension (C8) and arithmetic (CC).
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = view[at + 5 : at + 7], view[at + 7 : at + 9]
                return int.from_bytes(width, "big"), int.from_bytes(height, "big")
            at += 2 + length
    raise _invalid("a picture is neither PNG nor JPEG")


def _edges(corner_vert: "NDArray[Any]", vertices: int) -> "tuple[NDArray[Any], NDArray[Any]]":
    """(E, 2) vertices of each edge, once, and the edge from each corner to the next of its face."""
    import numpy as np

    start = corner_vert.astype(np.int64)
    end = start.reshape(-1, 3)[:, (1, 2, 0)].reshape(-1)
    keys = np.minimum(start, end) * max(1, vertices) + np.maximum(start, end)
    edges, corner_edge = np.unique(keys, return_inverse=True)
    return np.stack(np.divmod(edges, max(1, vertices)), axis=1), corner_edge


def _counts(arrays: Mapping[str, Array]) -> dict[str, int]:
    """How many vertices, edges, corners and faces there are, on which all arrays agree."""
    if not {"position", "corner_vert"} <= set(arrays):
        raise _invalid("a mesh without position or corner_vert")
    corners = arrays["corner_vert"].shape[0]
    counts = {"face": corners // 3, "corner": corners // 3 * 3}
    for name, array in arrays.items():
        domain, dtype, width = MESH_ARRAYS[name]
        count = counts.setdefault(domain, array.shape[0])
        wanted = (count,) if width == 1 else (count, width)
        if array.dtype != dtype or array.shape != wanted:
            raise _invalid(f"{name} is {array.dtype} {array.shape}, not {dtype} {wanted}")
    return counts


def _check_structure(layout: Layout, arrays: Mapping[str, Any]) -> None:
    import numpy as np

    shape = layout.arrays[0].shape if layout.arrays else ()
    if "coords" not in arrays or len(shape) != 2 or shape[1] != 3:
        raise _invalid("a structure without coords (N, 3)")
    cells = np.frombuffer(arrays["coords"], "<i4")
    if cells.size and not (cells.min() >= 0 and cells.max() < layout.grid_size):
        raise _invalid("coords has a cell outside of the grid")


def _invalid(what: str) -> EngineError:
    return EngineError(
        "part_invalid",
        f"A part is not as promised: {what}.",
        "Fetch it again; if it happens again, report it with the log of the engine.",
    )
