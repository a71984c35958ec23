"""PLY as programs write it: text and bytes, lists of any kind, UVs, colours, textures."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import BLUE, RED, area, notes_of, plain, shown

CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (2, 0, 0), (2, 1, 0)], np.float64)
TEXT = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
CODES = {
    "char": "b",
    "uchar": "B",
    "short": "h",
    "ushort": "H",
    "int": "i",
    "uint": "I",
    "float": "f",
    "double": "d",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "float32": "f",
    "float64": "d",
}


def ply(
    folder: Path,
    elements: list[tuple[str, list[str], list[list[Any]]]],
    form: str = "ascii",
    *head: str,
) -> Path:
    """Elements by name, properties and rows; a list is a list in a row."""
    lines = ["ply", f"format {form} 1.0", *head]
    body = b""
    for name, properties, rows in elements:
        lines += [f"element {name} {len(rows)}", *(f"property {p}" for p in properties)]
        for row in rows:
            body += _row(properties, row, {"ascii": "", "binary_little_endian": "<"}.get(form, ">"))
    path = folder / "a.ply"
    path.write_bytes("\n".join([*lines, "end_header\n"]).encode() + body)
    return path


def _row(properties: list[str], row: list[Any], order: str) -> bytes:
    words: list[str] = []
    data = b""
    for declared, value in zip(properties, row, strict=True):
        kinds = declared.split()
        if kinds[0] == "list":
            words += [str(len(value)), *map(str, value)]
            if order:
                data += struct.pack(order + CODES[kinds[1]], len(value))
                data += struct.pack(f"{order}{len(value)}{CODES[kinds[2]]}", *value)
        else:
            words.append(str(value))
            data += struct.pack(order + CODES[kinds[0]], value) if order else b""
    return data if order else (" ".join(words) + "\n").encode()


def vertices(count: int = 4, kind: str = "float") -> tuple[str, list[str], list[list[Any]]]:
    return "vertex", [f"{kind} {axis}" for axis in "xyz"], CORNERS[:count].tolist()


def faces(
    rows: list[list[int]], declared: str = "list uchar int vertex_indices"
) -> tuple[str, list[str], list[list[Any]]]:
    return "face", [declared], [[row] for row in rows]


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("kind", ["float", "double", "float32", "float64"])
@pytest.mark.parametrize(
    "declared",
    [
        "list uchar int vertex_indices",
        "list uint8 uint32 vertex_index",
        "list int ushort vertex_indices",
        "list char short vertex_indices",
        "list ushort uchar vertex_indices",
    ],
)
def test_faces_of_unlike_sizes(tmp_path: Path, form: str, kind: str, declared: str) -> None:
    rows = [[0, 1, 2, 3], [1, 4, 2], [4, 5, 2]]
    mesh = load_mesh(ply(tmp_path, [vertices(6, kind), faces(rows, declared)], form))
    assert len(mesh.faces) == 4
    assert area(mesh) == pytest.approx(2)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_triangles_beside_properties_of_other_kinds(tmp_path: Path, form: str) -> None:
    declared = [
        "uchar flags",
        "list uchar int vertex_indices",
        "double quality",
        "list uchar float w",
    ]
    rows = [[1, [0, 1, 2], 0.5, []], [2, [0, 2, 3], 0.25, [1.0, 2.0]]]
    mesh = load_mesh(ply(tmp_path, [vertices(), ("face", declared, rows)], form))
    assert area(mesh) == pytest.approx(1)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("before", [True, False])
def test_other_elements_are_left_out(tmp_path: Path, form: str, before: bool) -> None:
    edge = ("edge", ["int vertex1", "int vertex2", "uchar red"], [[0, 1, 255], [1, 2, 0]])
    scan = ("range_grid", ["list uchar int vertex_indices"], [[[0]], [[]], [[1, 2]]])
    elements = [edge, scan, vertices(), faces([[0, 1, 2, 3]])]
    path = ply(tmp_path, elements if before else elements[2:] + elements[:2], form)
    assert area(load_mesh(path)) == pytest.approx(1)
    assert "2 edge elements, 3 range_grid elements" in notes_of(path)[-1]


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_strips(tmp_path: Path, form: str) -> None:
    strip = ("tristrips", ["list int int vertex_indices"], [[[0, 1, 3, 2, -1, 1, 4, 2, 5]]])
    mesh = load_mesh(ply(tmp_path, [vertices(6), strip], form))
    assert len(mesh.faces) == 4
    assert area(mesh) == pytest.approx(2)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


@pytest.mark.parametrize(
    ("kind", "values", "form"),
    [
        ("ushort", (32768, 16384, 49152), "ascii"),
        ("ushort", (32768, 16384, 49152), "binary_big_endian"),
        ("uchar", (128, 64, 191), "binary_little_endian"),
        ("float", (0.5, 0.25, 0.75), "ascii"),
        ("double", (0.5, 0.25, 0.75), "binary_big_endian"),
        ("float", (127.5, 63.75, 191.25), "ascii"),
        ("int", (128, 64, 191), "ascii"),
        ("uint16", (32768, 16384, 49152), "binary_little_endian"),
    ],
)
@pytest.mark.parametrize(
    "names",
    [("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")],
)
def test_colours(
    tmp_path: Path, kind: str, values: Any, form: str, names: tuple[str, str, str]
) -> None:
    _, properties, rows = vertices()
    properties += [f"{kind} {name}" for name in names]
    path = ply(
        tmp_path,
        [("vertex", properties, [[*r, *values] for r in rows]), faces([[0, 1, 2, 3]])],
        form,
    )
    shown(path).shows((0.5, 0.5, 0), (0.5, 0.25, 0.75), 0.01)


@pytest.mark.parametrize("alpha", ["alpha", "a"])
def test_alpha(tmp_path: Path, alpha: str) -> None:
    _, properties, rows = vertices()
    names = ("r", "g", "b") if alpha == "a" else ("red", "green", "blue")
    properties += [f"uchar {name}" for name in (*names, alpha)]
    elements = [("vertex", properties, [[*r, 255, 0, 0, 51] for r in rows]), faces([[0, 1, 2, 3]])]
    mesh = load_mesh(ply(tmp_path, elements))
    assert mesh.colors is not None
    np.testing.assert_allclose(mesh.colors, [[1, 0, 0, 0.2]] * 4, atol=1e-6)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
def test_colours_of_faces(tmp_path: Path, form: str) -> None:
    declared = ["list uchar int vertex_indices", "uchar red", "uchar green", "uchar blue"]
    rows = [[[0, 1, 2], 255, 0, 0], [[0, 2, 3], 0, 0, 255]]
    surface = shown(ply(tmp_path, [vertices(), ("face", declared, rows)], form))
    surface.shows((0.75, 0.25, 0), RED)
    surface.shows((0.25, 0.75, 0), BLUE)


@pytest.mark.parametrize(
    "names", [("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t")]
)
def test_uvs_of_vertices(tmp_path: Path, names: tuple[str, str]) -> None:
    _, properties, rows = vertices()
    properties += [f"float {name}" for name in names]
    elements = [("vertex", properties, [[*r, 0.25, 0.75] for r in rows]), faces([[0, 1, 2, 3]])]
    mesh = load_mesh(ply(tmp_path, elements))
    assert mesh.uvs is not None
    np.testing.assert_allclose(mesh.uvs, np.broadcast_to([0.25, 0.75], (2, 3, 2)))


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize(
    ("rows", "surface"),
    [
        ([[[0, 1, 2], [0, 0, 1, 0, 1, 1]]], 0.5),
        ([[[0, 1, 2, 3], [0, 0, 1, 0, 1, 1, 0, 1]], [[1, 4, 2], [0, 0, 1, 0, 1, 1]]], 1.5),
        ([[[0, 1, 2], [0, 0, 1, 0, 1, 1]], [[0, 2, 3], []]], 1),
    ],
)
def test_uvs_of_corners(tmp_path: Path, form: str, rows: Any, surface: float) -> None:
    (tmp_path / "my red.png").write_bytes(plain(255, 0, 0))
    declared = ["list uchar int vertex_indices", "list uchar float texcoord"]
    head = "comment TextureFile my red.png"
    path = ply(tmp_path, [vertices(5), ("face", declared, rows)], form, head)
    mesh = load_mesh(path)
    assert area(mesh) == pytest.approx(surface)
    shown(path).shows((0.75, 0.25, 0), RED)
    assert mesh.uvs is not None
    np.testing.assert_allclose(mesh.uvs[0], [[0, 0], [1, 0], [1, 1]])


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("numbers", [(0, 1), (1, 0), (0, -1)])
def test_faces_choose_their_texture(tmp_path: Path, form: str, numbers: tuple[int, int]) -> None:
    (tmp_path / "red.png").write_bytes(plain(255, 0, 0))
    (tmp_path / "blue.png").write_bytes(plain(0, 0, 255))
    declared = ["list uchar int vertex_indices", "list uchar float texcoord", "int texnumber"]
    rows = [
        [[0, 1, 2], [0, 0, 1, 0, 1, 1], numbers[0]],
        [[0, 2, 3], [0, 0, 1, 1, 0, 1], numbers[1]],
    ]
    head = ("comment TextureFile red.png", "comment TextureFile blue.png")
    surface = shown(ply(tmp_path, [vertices(), ("face", declared, rows)], form, *head))
    colors = {0: RED, 1: BLUE, -1: (1, 1, 1)}
    surface.shows((0.75, 0.25, 0), colors[numbers[0]])
    surface.shows((0.25, 0.75, 0), colors[numbers[1]])


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "NaN", "1.#QNAN", "-1.#IND"])
def test_what_no_face_uses_does_no_harm(tmp_path: Path, word: str) -> None:
    rows = [*CORNERS[:4].tolist(), [word, word, word]]
    used = ("vertex", [f"float {axis}" for axis in "xyz"], rows)
    assert area(load_mesh(ply(tmp_path, [used, faces([[0, 1, 2, 3]])]))) == pytest.approx(1)
    with pytest.raises(EngineError) as caught:
        load_mesh(ply(tmp_path, [used, faces([[0, 1, 4]])]))
    assert caught.value.code == "mesh_not_finite"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_ends_of_lines(tmp_path: Path, ending: str) -> None:
    path = ply(tmp_path, [vertices(), faces([[0, 1, 2, 3]])])
    path.write_bytes(path.read_text().replace("\n", ending).encode())
    assert area(load_mesh(path)) == pytest.approx(1)
    path = ply(tmp_path, [vertices(), faces([[0, 1, 2, 3]])], "binary_little_endian")
    head, body = path.read_bytes().split(b"end_header\n")
    path.write_bytes((head.decode() + "end_header\n").replace("\n", ending).encode() + body)
    assert area(load_mesh(path)) == pytest.approx(1)


def test_remarks_in_any_encoding(tmp_path: Path) -> None:
    path = ply(tmp_path, [vertices(), faces([[0, 1, 2, 3]])], "ascii", "comment x", "obj_info y")
    path.write_bytes(path.read_bytes().replace(b"comment x", "comment 红色 grün".encode("gb18030")))
    assert area(load_mesh(path)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        ("ply\nformat ascii 1.0\nelement vertex x\nend_header\n", "element vertex x"),
        ("ply\nformat ascii 1.0\nelement vertex 1\nproperty half x\nend_header\n", "property half"),
        ("ply\nformat packed 1.0\nend_header\n", "format"),
        ("ply\nformat ascii 1.0\nelement vertex 1\n", "header"),
        ("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\nzero\n", "zero"),
        ("ply\nformat ascii 1.0\nelement vertex 9\nproperty float x\nend_header\n1\n", "vertex"),
        (
            "ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nproperty float x\n"
            "end_header\n1",
            "vertex",
        ),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path: Path, head: str, word: str) -> None:
    (tmp_path / "a.ply").write_text(head)
    with pytest.raises(EngineError, match=word) as caught:
        load_mesh(tmp_path / "a.ply")
    assert caught.value.code == "mesh_broken"


def test_points_alone_are_no_shape(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        load_mesh(ply(tmp_path, [vertices()]))
    assert caught.value.code == "mesh_empty"


def test_a_cloud_of_points_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    path.write_text(
        "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\n"
        "property float z\nend_header\n0 0 0\n1 1 1\n"
    )
    with pytest.raises(EngineError) as caught:
        load_mesh(path)
    assert caught.value.code == "mesh_empty" and "only 2 points" in caught.value.message


@pytest.mark.parametrize("more", ["", " 9 1 1 1 1 1 1 1 1 1", " 7"])
@pytest.mark.parametrize("tail", ["", "1 2 3\n"])
def test_lines_with_more_values_than_the_header_states(
    tmp_path: Path, more: str, tail: str
) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 4\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    head += "element face 2\nproperty list uchar int vertex_indices\nproperty uchar flags\n"
    path = tmp_path / "a.ply"
    path.write_text(f"{head}end_header\n{TEXT}3 0 1 2 5{more}\n3 0 2 3 5{more}\n{tail}")
    said: list[str] = []
    mesh = load_mesh(path, tell=said.append)
    assert len(mesh.faces) == 2 and area(mesh) == pytest.approx(1)
    assert any("header" in sentence for sentence in said) == bool(more or tail)


def test_rows_over_several_lines(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 4\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    head += "element face 1\nproperty list uchar int vertex_indices\n"
    path = tmp_path / "a.ply"
    path.write_text(f"{head}end_header\n{TEXT.replace(' ', chr(10))}4 0 1\n2 3\n")
    assert area(load_mesh(path)) == pytest.approx(1)
