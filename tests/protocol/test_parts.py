"""Parts as they are promised: packed as Blender takes them, and refused when they are not."""

import hashlib
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from protocol.download import CHUNK, Download
from protocol.errors import EngineError
from protocol.layout import Array, Layout, lay_out, views
from protocol.parts import (
    THUMBNAIL_SIDE,
    Packed,
    check_mesh,
    check_part,
    pack_file,
    pack_images,
    pack_mesh,
    pack_structure,
    picture_size,
)
from protocol.plain import from_dict, to_dict
from protocol.replies import PartChunk, PartHead
from protocol.wire import Shaped

TETRAHEDRON = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)


def mesh(**others: Any) -> Packed:
    return pack_mesh(TETRAHEDRON, FACES, **others)


def file_of(packed: Packed) -> bytes:
    return b"".join(bytes(chunk) for chunk in packed.chunks())


def arrays_of(packed: Packed) -> dict[str, np.ndarray]:
    """The arrays as a client gets at them."""
    shapes = {array.name: array.shape for array in packed.layout.arrays}
    found = views(packed.layout, file_of(packed))
    return {name: np.asarray(view).reshape(shapes[name]) for name, view in found.items()}


def test_a_mesh_is_laid_out_for_blender() -> None:
    uv = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    color = np.full((4, 4), 1 / 255)
    arrays = arrays_of(mesh(corner_uv=uv, color_srgb=color, face_material=np.arange(4)))
    assert arrays["position"].dtype == np.float32
    assert np.array_equal(arrays["position"], TETRAHEDRON)
    assert arrays["corner_vert"].dtype == np.int32
    assert np.array_equal(arrays["corner_vert"], FACES.reshape(-1))
    assert np.array_equal(arrays["corner_uv"], uv.reshape(12, 2))
    assert arrays["color_srgb"].dtype == np.float32
    assert np.array_equal(arrays["color_srgb"], color.astype(np.float32))
    assert np.array_equal(arrays["face_material"], np.arange(4))
    check_part(mesh().layout, file_of(mesh()))


def test_each_edge_stands_once_and_leads_to_the_next_corner() -> None:
    arrays = arrays_of(mesh())
    edges = arrays["edge_verts"]
    assert {frozenset(map(int, edge)) for edge in edges} == {
        frozenset(pair) for pair in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    }
    assert len(edges) == 6
    following = FACES[:, (1, 2, 0)].reshape(-1)
    pairs = np.sort(np.stack([FACES.reshape(-1), following], 1), axis=1)
    assert np.array_equal(np.sort(edges[arrays["corner_edge"]], axis=1), pairs)


def test_arrays_are_aligned_and_the_layout_travels() -> None:
    layout = mesh().layout
    assert all(array.offset % 16 == 0 for array in layout.arrays)
    assert from_dict(Layout, to_dict(layout)) == layout
    assert len(file_of(mesh())) >= layout.size


def test_an_empty_mesh_is_a_mesh() -> None:
    packed = pack_mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    check_part(packed.layout, file_of(packed))


def test_a_mesh_can_be_attached_to_a_request() -> None:
    buffers = mesh().attached("mesh")
    assert buffers["mesh.position"].shape == (4, 3)
    assert buffers["mesh.corner_vert"].dtype == "int32"
    assert bytes(buffers["mesh.corner_vert"].data) == FACES.tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"faces": [[0, 1, 4]]}, "out of range"),
        ({"faces": [[0, 1, -1]]}, "out of range"),
        ({"faces": [[0, 1, 1]]}, "same vertex twice"),
        ({"faces": [[0, 1, 2], [3, 1, 3]]}, "same vertex twice"),
        ({"position": [[0, 0, 0], [1, 0, 0], [0, 1, np.nan]]}, "not finite"),
        ({"position": [[0, 0, 0], [1, 0, 0], [0, -np.inf, 0]]}, "not finite"),
        ({"corner_uv": np.zeros((2, 2))}, "corner_uv is float32"),
        ({"color_srgb": np.zeros((3, 4))}, "color_srgb is float32"),
        ({"face_material": np.array([0, 0, 0, -1])}, "face_material has an index"),
    ],
)
def test_no_other_mesh_is_packed(change: dict[str, Any], words: str) -> None:
    values: dict[str, Any] = {"position": TETRAHEDRON, "faces": FACES} | change
    with pytest.raises(EngineError, match=words) as caught:
        pack_mesh(np.asarray(values.pop("position")), np.asarray(values.pop("faces")), **values)
    assert caught.value.code == "part_invalid"


def test_a_damaged_mesh_is_refused_by_the_client() -> None:
    packed = mesh()
    data = {a.name: bytes(d) for a, d in zip(packed.layout.arrays, packed.arrays, strict=True)}
    check_mesh(packed.layout.arrays, data)
    for name, wrong in [
        ("corner_edge", np.full(12, 6, np.int32)),
        ("edge_verts", np.full(12, -1, np.int32)),
        ("edge_verts", np.full(12, 4, np.int32)),
        ("position", np.full(12, np.nan, np.float32)),
    ]:
        with pytest.raises(EngineError, match=name):
            check_mesh(packed.layout.arrays, data | {name: wrong.tobytes()})
    for missing in ("position", "corner_vert", "edge_verts"):
        rest = tuple(array for array in packed.layout.arrays if array.name != missing)
        with pytest.raises(EngineError):
            check_mesh(rest, data)
    with pytest.raises(EngineError, match="should have"):
        check_part(packed.layout, file_of(packed)[:100])


def picture(format: str, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, format)
    return file.getvalue()


def test_pictures_say_their_size_and_alpha() -> None:
    raw = Shaped(bytes(THUMBNAIL_SIDE**2 * 4), "uint8", (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 4))
    packed = pack_images(
        {"base_color": (picture("PNG", (7, 5)), True), "normal": (picture("JPEG", (9, 8)), False)},
        means={"base_color": (0.5, 0.25, 0)},
        thumbnail_rgba=raw,
    )
    color, normal = packed.layout.images
    assert (color.name, color.format, color.width, color.height) == ("base_color", "png", 7, 5)
    assert (normal.format, normal.width, normal.height) == ("jpeg", 9, 8)
    assert color.alpha_used and not normal.alpha_used
    assert color.mean == (0.5, 0.25, 0) and normal.mean == ()
    with pytest.raises(EngineError, match="mean"):
        replace(color, mean=(0.5, 2.0, 0))
    check_part(packed.layout, file_of(packed))
    found = views(packed.layout, file_of(packed))
    assert Image.open(io.BytesIO(found["base_color"])).size == (7, 5)
    assert len(found["thumbnail_rgba"]) == 128 * 128 * 4
    other = file_of(packed).replace(picture("PNG", (7, 5))[:24], picture("PNG", (6, 5))[:24])
    with pytest.raises(EngineError, match="6 x 5 pixels"):
        check_part(packed.layout, other)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\1"])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(EngineError, match="neither PNG nor JPEG"):
        picture_size(data)


def test_a_structure_lies_in_its_grid() -> None:
    packed = pack_structure(np.array([[0, 1, 15], [3, 3, 3]]), 16)
    check_part(packed.layout, file_of(packed))
    for wrong in ([[0, 0, 16]], [[-1, 0, 0]]):
        packed = pack_structure(np.array(wrong), 16)
        with pytest.raises(EngineError, match="outside of the grid"):
            check_part(packed.layout, file_of(packed))


def test_a_file_is_its_bytes() -> None:
    packed = pack_file("chair.glb", b"glTF")
    assert bytes(views(packed.layout, file_of(packed))["data"]) == b"glTF"
    for name in ("../chair.glb", "a/b", "c:d", "a\\b", "x\0"):
        with pytest.raises(EngineError, match="file_name"):
            pack_file(name, b"glTF")


@pytest.mark.parametrize(
    "arrays",
    [
        [("a", "float32", (2,), 2)],
        [("a", "uint8", (20,), 0), ("b", "uint8", (4,), 16)],
        [("a", "uint8", (4,), 0), ("a", "uint8", (4,), 16)],
        [("a", "uint8", (4,), -16)],
    ],
)
def test_arrays_that_cannot_lie_like_this(arrays: list[Any]) -> None:
    keys = ("name", "dtype", "shape", "offset")
    data = {"kind": "mesh", "arrays": [dict(zip(keys, array, strict=True)) for array in arrays]}
    with pytest.raises(EngineError):
        from_dict(Layout, data)


def test_arrays_are_laid_out_one_after_the_other() -> None:
    one, two = (
        Array(name="a", dtype="uint8", shape=(17,)),
        Array(name="b", dtype="int32", shape=(1,)),
    )
    assert [array.offset for array in lay_out([one, two])] == [0, 32]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_part_is_checked_in_steps_between_which_others_have_their_turn(damaged: bool) -> None:
    points = np.zeros((400_000, 3), np.float32)
    packed = pack_mesh(points, np.arange(399_999, dtype=np.int32).reshape(-1, 3))
    if damaged:
        points[-1] = np.nan
    data = file_of(packed)
    sha256 = hashlib.sha256(data).hexdigest()
    head = PartHead(job="a", name="mesh", size=len(data), sha256=sha256, layout=packed.layout)
    download = Download("a", "mesh")
    download.take_head(head)
    for at in range(0, len(data), CHUNK):
        piece = data[at : at + CHUNK]
        download.take_chunk(PartChunk(job="a", name="mesh", offset=at, size=len(piece)), piece)
    assert download.have == len(data) and download.reading and not download.done
    if damaged:
        with pytest.raises(EngineError, match="not finite"):
            read_all(download)
        assert not download.done
    else:
        # 1.2 million coordinates are two pieces; corners are looked at twice; edges, their ends.
        assert read_all(download) >= 6 and download.done


def read_all(download: Download) -> int:
    """How many steps it takes."""
    steps = 0
    while download.reading:
        download.read()
        steps += 1
    return steps
