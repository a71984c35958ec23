"""OBJ and MTL as programs write them: text, polygons, names, maps, colours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    Surface,
    area,
    encoded,
    notes_of,
    plain,
    quarters,
    shown,
    spans,
)

VERTICES = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
UVS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
MIDDLE = (0.5, 0, 0.5)


def write(folder: Path, text: str | bytes, mtl: str | bytes | None = None) -> Path:
    path = folder / "a.obj"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    if mtl is not None:
        (folder / "a.mtl").write_bytes(mtl.encode() if isinstance(mtl, str) else mtl)
    return path


def painted(folder: Path, mtl: str | bytes) -> Path:
    """A square with UVs and the material a."""
    text = f"mtllib a.mtl\n{VERTICES}{UVS}usemtl a\nf 1/1 2/2 3/3 4/4\n"
    return write(folder, text, mtl)


@pytest.mark.parametrize(
    "text",
    [
        VERTICES.replace(" ", "\t") + "f\t1\t2\t3\t4\n",
        "  v 0 0 0\n\tv 1 0 0\n \t v 1 1 0\nv 0 1 0\n    f 1 2 3 4",
        "v  0  0  0 \nv 1   0 0\t\nv 1 1 0  \nv 0 1 0\n\n\nf  1  2 3   4  \n",
        "v 0 0 0 # first\nv 1 0 0# second\nv 1 1 0 #\nv 0 1 0\nf 1 2 3 4 # all\n# f 9 9 9\n",
        VERTICES + "f 1 2 \\\n3 4\n",
        VERTICES + "f 1 \\\r\n 2 3 \\\r\n 4\r\n",
        "# from C:\\models\\\n" + VERTICES + "f 1 2 3 4\n",
        (VERTICES + "f 1 2 3 4\n").replace("\n", "\r\n"),
        (VERTICES + "f 1 2 3 4\n").replace("\n", "\r"),
        VERTICES + "f -4 -3 -2 -1\n",
        VERTICES + "vn 0 0 1\nf 1//1 2//1 3//1 4//1\n",
        VERTICES + UVS + "vn 0 0 1\nf 1/1/1 2/2/1 3/3/1 4/4/1\n",
        VERTICES + UVS + "f 1/ 2/2 3/3/ 4\n",
        VERTICES + "fo 1 2 3 4\n",
        VERTICES.replace("v ", "V ") + "F 1 2 3 4\n",
        "v +0.0 0. .0\nv 1e0 0E-3 -0\nv 1.0000000000000000000000001 10e-1 0\nv 0 +1 0\nf 1 2 3 4\n",
        VERTICES + "o thing\ng a b\ns off\nf 1 2 3 4\nmg 1 2\nlod 3\nshadow_obj x\n",
        VERTICES.replace("\n", " 1.0\n") + "f 1 2 3 4\n",
        "\ufeff" + VERTICES + "f 1 2 3 4\n",
    ],
)
def test_text(tmp_path: Path, text: str) -> None:
    mesh = load_mesh(write(tmp_path, text))
    assert len(mesh.faces) == 2
    assert area(mesh) == pytest.approx(1)
    assert len(mesh.vertices) == 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wide_characters(tmp_path: Path, encoding: str) -> None:
    text = (VERTICES + "f 1 2 3 4\n").encode(encoding)
    assert area(load_mesh(write(tmp_path, text))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("f 1 2 x", "line 5"),
        ("f 1 2 0", "index 0"),
        ("f 1 2 3.5", "line 5"),
        ("v 0 0", "line 5"),
        ("v 0 zero 0", "line 5"),
        ("vt none", "line 5"),
        ("f 1 2 99", "does not have"),
        ("f 1 2 -9", "does not have"),
    ],
)
def test_lines_that_cannot_be_read_are_named(tmp_path: Path, line: str, word: str) -> None:
    with pytest.raises(EngineError, match=word) as caught:
        load_mesh(write(tmp_path, f"{VERTICES}{line}\nf 1 2 3\n"))
    assert caught.value.code == "mesh_broken"


@pytest.mark.parametrize(
    ("corners", "wanted", "faces"),
    [
        ([(4, 0), (4, 4), (2, 1), (0, 4), (0, 0)], 10, 3),  # a notch
        ([(0, 0), (4, 0), (1, 1), (0, 4)], 4, 2),  # an arrow
        ([(0, 4), (0, 0), (4, 0), (1, 1)], 4, 2),  # the same, begun elsewhere
        ([(1, 1), (0, 4), (0, 0), (4, 0)], 4, 2),
        ([(0, 0), (6, 0), (6, 4), (4, 4), (4, 2), (2, 2), (2, 4), (0, 4)], 20, 6),  # a U
        ([(0, 0), (4, 0), (4, 1), (1, 1), (1, 4), (0, 4)], 7, 4),  # an L
        ([(0, 0), (2, 0), (4, 0), (4, 4), (0, 4)], 16, 3),  # a corner that is straight
    ],
)
@pytest.mark.parametrize("plane", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("turned", [True, False])
def test_polygons_stay_inside_of_their_outline(
    tmp_path: Path,
    corners: list[tuple[int, int]],
    wanted: float,
    faces: int,
    plane: tuple[int, int, int],
    turned: bool,
) -> None:
    points = np.zeros((len(corners), 3))
    points[:, plane[0]], points[:, plane[1]] = np.array(corners).T
    points = points[::-1] if turned else points
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in points)
    mesh = load_mesh(write(tmp_path, text + f"f {' '.join(map(str, range(1, len(points) + 1)))}\n"))
    assert area(mesh) == pytest.approx(wanted)
    assert len(mesh.faces) == faces
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    assert (normals @ normals.sum(axis=0) >= 0).all()


def test_a_polygon_with_a_notch_far_away(tmp_path: Path) -> None:
    corners = np.array([(4, 0), (4, 4), (2, 1), (0, 4), (0, 0)])
    corners += np.array([500000, 5400000])
    text = "".join(f"v {x} {y} 0\n" for x, y in corners)
    assert area(load_mesh(write(tmp_path, text + "f 1 2 3 4 5\n"))) == pytest.approx(10)


def test_lines_and_points_are_left_out(tmp_path: Path) -> None:
    text = VERTICES + "f 1 2 3 4\nl 1 2\nl 2 3\np 1\nf 1 2\n"
    said = notes_of(write(tmp_path, text))[-1]
    assert "2 lines, 1 point, 1 face of fewer than three corners" in said


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "gb18030", "shift_jis", "cp1251"])
def test_names_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    word = {"latin-1": "grün", "cp1251": "дерево", "shift_jis": "赤色"}.get(encoding, "红色 a")
    name = word.encode(encoding)
    (tmp_path / f"{word}.png").write_bytes(plain(255, 0, 0))
    text = f"mtllib a.mtl\n# {word}\n{VERTICES}{UVS}usemtl ".encode(encoding)
    path = write(
        tmp_path,
        text + name + b"\nf 1/1 2/2 3/3 4/4\n",
        b"newmtl " + name + b"\nmap_Kd " + name + b".png",
    )
    shown(path).shows(MIDDLE, RED)


@pytest.mark.parametrize("face", ["f 1 5 6 2", "f 1//1 5//1 6//1 2//1", "f 1/ 5/1 6/1 2/1"])
def test_faces_without_uvs_beside_others(tmp_path: Path, face: str) -> None:
    (tmp_path / "q.png").write_bytes(quarters())
    text = (
        f"mtllib a.mtl\n{VERTICES}v 0 0 -1\nv 1 0 -1\n{UVS}vn 0 1 0\nusemtl a\n"
        f"f 1/1 2/2 3/3 4/4\n{face}\n"
    )
    path = write(tmp_path, text, "newmtl a\nmap_Kd q.png\n")
    surface = shown(path)
    surface.shows((0.25, 0, 0.75), RED)
    surface.shows((0.75, 0, 0.75), GREEN)
    surface.shows((0.25, 0, 0.25), BLUE)
    assert any("have no UVs" in note for note in notes_of(path))


@pytest.mark.parametrize(
    "rows",
    [
        "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 1 1 0 1 0 0\nv 0 1 0 1 0 0\n",
        "v 0 0 0 255 0 0\nv 1 0 0 255 0 0\nv 1 1 0 255 0 0\nv 0 1 0 255 0 0\n",
        "v 0 0 0 1 0 0 1\nv 1 0 0 1 0 0 1\nv 1 1 0 1 0 0 1\nv 0 1 0 1 0 0 1\n",
    ],
)
@pytest.mark.parametrize("uvs", [True, False])
def test_colours_beside_a_material(tmp_path: Path, rows: str, uvs: bool) -> None:
    face = f"{UVS}usemtl a\nf 1/1 2/2 3/3 4/4\n" if uvs else "usemtl a\nf 1 2 3 4\n"
    path = write(tmp_path, f"mtllib a.mtl\n{rows}{face}", "newmtl a\nKd 1 1 1\n")
    shown(path).shows(MIDDLE, RED)


@pytest.mark.parametrize(
    ("options", "inside"),
    [
        ("-s 2 2 1", {(0.125, 0.875): RED, (0.625, 0.375): RED, (0.875, 0.875): GREEN}),
        ("-s 2", {(0.125, 0.75): RED, (0.625, 0.75): RED, (0.375, 0.25): WHITE}),
        ("-o 0.5 0 0", {(0.25, 0.75): GREEN, (0.75, 0.25): BLUE}),
        ("-o 0.5 0.5", {(0.25, 0.25): GREEN, (0.75, 0.25): RED}),
        ("-s 1 2 1 -o 0 0.5 0", {(0.25, 0.9): BLUE, (0.25, 0.6): RED}),
        ("-blendu on -s 2 2 2 -mm 0 1 -bm 1", {(0.125, 0.875): RED, (0.625, 0.375): RED}),
    ],
)
def test_maps_are_scaled_and_moved(
    tmp_path: Path, options: str, inside: dict[tuple[float, float], Any]
) -> None:
    (tmp_path / "q.png").write_bytes(quarters())
    surface = Surface(load_mesh(painted(tmp_path, f"newmtl a\nmap_Kd {options} q.png\n")), 64)
    for (x, z), color in inside.items():
        surface.shows((x, 0, z), color)


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("-clamp on my red tex.png", "my red tex.png"),
        ("my  red.png", "my  red.png"),
        ('"my red.png"', "my red.png"),
        ("artist's red.png", "artist's red.png"),
        ("-s 1 1 1 2 red.png", "2 red.png"),
        ("-mm 0 1 -o 0 0 red.png", "red.png"),
        ("C:\\Users\\artist\\maps\\red.png", "red.png"),
        ("C:\\Users\\artist\\maps\\red.png", "maps/red.png"),
        ("/home/artist/red.png", "red.png"),
        ("..\\gone\\red.png", "red.png"),
        ("\\\\server\\share\\red.png", "textures/red.png"),
        ("textures/red.png", "textures/red.png"),
        ("Textures\\RED.PNG", "textures/red.png"),
        ("./red.png", "red.png"),
    ],
)
def test_names_of_maps(tmp_path: Path, line: str, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(plain(255, 0, 0))
    shown(painted(tmp_path, f"newmtl a\nmap_Kd {line}\n")).shows(MIDDLE, RED)


@pytest.mark.parametrize(
    "mtl",
    [
        "newmtl\ta\n\tKd\t1 0 0\n",
        "# made\n\n  newmtl a\n  kd 1 0 0 # red\n",
        "newmtl a\r\nKd 1 0 0\r\n",
        "newmtl a\rKd 1 0 0\r",
        "newmtl other\nKd 0 1 0\nnewmtl a\nNs 10\nKd 1.0 0.0 0.0\nillum 2\n",
        "NEWMTL a\nKD 1 0 0\n",
        "newmtl A\nKd 1 0 0\n",
        "newmtl a\nKd 1 \\\n0 0\n",
        "\ufeffnewmtl a\nKd 1 0 0\n",
    ],
)
def test_text_of_material_files(tmp_path: Path, mtl: str) -> None:
    shown(painted(tmp_path, mtl)).shows(MIDDLE, RED)


@pytest.mark.parametrize(
    "head",
    [
        "mtllib one.mtl\nmtllib two.mtl\n",
        "mtllib one.mtl two.mtl\n",
        "mtllib one.mtl two.mtl\nmtllib one.mtl\n",
        "mtllib my red.mtl\n",
        "mtllib one.mtl my\\ red.mtl\n",
        "mtllib one.mtl my red.mtl\n",
        "mtllib my red.mtl absent.mtl\n",
        'mtllib "my red.mtl"\n',
        "mtllib .\\one.mtl\nmtllib C:\\gone\\two.mtl\n",
        "mtllib absent.mtl\nmtllib two.mtl\n",
        "mtllib\ttwo.mtl\t\n",
    ],
)
def test_several_libraries(tmp_path: Path, head: str) -> None:
    (tmp_path / "one.mtl").write_text("newmtl a\nKd 0 1 0\n")
    (tmp_path / "two.mtl").write_text("newmtl b\nKd 1 0 0\n")
    (tmp_path / "my red.mtl").write_text("newmtl b\nKd 1 0 0\n")
    path = write(tmp_path, f"{head}{VERTICES}usemtl b\nf 1 2 3 4\n")
    shown(path).shows(MIDDLE, RED)


@pytest.mark.parametrize("name", ["Material #25", "a b  c", "wood (dark)", "été"])
def test_names_of_materials(tmp_path: Path, name: str) -> None:
    text = f"mtllib a.mtl\n{VERTICES}usemtl {name}\nf 1 2 3 4\n"
    shown(write(tmp_path, text, f"newmtl {name}\nKd 1 0 0\n")).shows(MIDDLE, RED)


@pytest.mark.parametrize(
    ("lines", "picture", "alpha"),
    [
        ("map_Kd red.png\nmap_d alpha.png", (64,), 64 / 255),
        ("map_d alpha.png\nKd 1 0 0", (64,), 64 / 255),
        ("map_Kd red.png\nmap_d -imfchan m alpha.png", (0, 0, 0, 64), 64 / 255),
        ("map_Kd red.png\nmap_d alpha.png", (255, 255, 255, 64), 64 / 255),
        ("map_Kd red.png\nmap_d -imfchan g alpha.png", (255, 64, 255), 64 / 255),
        ("map_Kd red.png\nmap_d alpha.png\nd 0.5", (128,), 0.25),
        ("Kd 1 0 0\nd 0.25", (0,), 0.25),
        ("Kd 1 0 0\nTr 0.75", (0,), 0.25),
        ("Kd 1 0 0\nd -halo 0.25", (0,), 0.25),
    ],
)
def test_alpha(tmp_path: Path, lines: str, picture: tuple[int, ...], alpha: float) -> None:
    (tmp_path / "red.png").write_bytes(plain(255, 0, 0, size=8))
    (tmp_path / "alpha.png").write_bytes(plain(*picture))
    value = shown(painted(tmp_path, f"newmtl a\n{lines}\n")).at(*MIDDLE)
    np.testing.assert_allclose(value[:3], RED, atol=0.02)
    assert value[5] == pytest.approx(alpha, abs=0.02)


def test_one_picture_for_colour_and_alpha_counts_once(tmp_path: Path) -> None:
    (tmp_path / "leaf.png").write_bytes(plain(255, 0, 0, 128))
    path = painted(tmp_path, "newmtl a\nmap_Kd leaf.png\nmap_d leaf.png\n")
    assert shown(path).at(*MIDDLE)[5] == pytest.approx(128 / 255, abs=0.02)


@pytest.mark.parametrize(
    ("lines", "metallic", "roughness"),
    [
        ("Pm 0.75\nPr 0.25", 0.75, 0.25),
        ("Ns 250", 0, 0.5),
        ("map_Pm grey.png\nmap_Pr grey.png", 100 / 255, 100 / 255),
        ("map_Pr -s 1 1 1 grey.png\nPm 1", 1, 100 / 255),
    ],
)
def test_metal_and_roughness(tmp_path: Path, lines: str, metallic: float, roughness: float) -> None:
    (tmp_path / "grey.png").write_bytes(plain(100))
    value = shown(painted(tmp_path, f"newmtl a\nKd 1 1 1\n{lines}\n")).at(*MIDDLE)
    np.testing.assert_allclose(value[3:5], [metallic, roughness], atol=0.01)


def test_light_is_added_to_the_colour(tmp_path: Path) -> None:
    path = painted(tmp_path, "newmtl a\nKd 0 0 0\nKe 1 0 0\n")
    shown(path).shows(MIDDLE, RED)
    assert any("gives off" in note for note in notes_of(path))


@pytest.mark.parametrize(
    ("mtl", "word", "code"),
    [
        (None, "a.mtl", "material_missing"),
        ("newmtl a\nmap_Kd lost.png\n", "lost.png", "texture_missing"),
        ("newmtl a\nmap_Kd a.mtl\n", "a.mtl", "texture_broken"),
        ("newmtl a\nKd 1 1 1\nmap_Pr lost.png\n", "lost.png", "texture_missing"),
    ],
)
def test_what_is_missing_is_a_note(tmp_path: Path, mtl: str | None, word: str, code: str) -> None:
    path = painted(tmp_path, mtl or "")
    if mtl is None:
        (tmp_path / "a.mtl").unlink()
    assert any(word in note for note in notes_of(path))
    shown(path).shows(MIDDLE, WHITE)
    with pytest.raises(EngineError, match=word) as caught:
        load_mesh(path, require_textures=True)
    assert caught.value.code == code


def test_coordinates_of_a_map(tmp_path: Path) -> None:
    x, y = 500000.1, 5400000.1
    rows = "".join(f"v {x + a:.3f} {b:.3f} {y + c:.3f}\n" for a, b, c in np.ndindex(2, 2, 2))
    text = rows + "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"
    mesh = load_mesh(write(tmp_path, text))
    assert area(mesh) == pytest.approx(6, rel=1e-8)
    spans(mesh, [x, -y - 1, 0], [x + 1, -y, 1], 1e-8)


def test_pictures_keep_their_alpha(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), (255, 0, 0, 128), np.uint8)
    (tmp_path / "red.png").write_bytes(encoded(pixels))
    (paint,) = load_mesh(painted(tmp_path, "newmtl a\nmap_Kd red.png\n")).materials
    assert paint.base_color_texture is not None
    np.testing.assert_array_equal(paint.base_color_texture.pixels[0, 0], [255, 0, 0, 128])


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("A 02 U Joint.mtl", ["A 02 U Joint.mtl"]),
        ("a.mtl b c.MTL", ["a.mtl", "b c.MTL"]),
        ("materials", ["materials"]),
    ],
)
def test_a_missing_library_is_named_whole(tmp_path: Path, line: str, missing: list[str]) -> None:
    path = tmp_path / "a.obj"
    path.write_text(f"mtllib {line}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    said = notes_of(path)[:-1]
    assert [note.partition(", which")[0] for note in said] == [
        f"The material file {name}" for name in missing
    ]


@pytest.mark.parametrize("words", ["Tr 1", "d 0", "map_Kd red.png\nTr 1.000000"])
def test_a_material_that_would_not_be_seen_is_opaque(tmp_path: Path, words: str) -> None:
    (tmp_path / "red.png").write_bytes(plain(255, 0, 0, size=8))
    path = painted(tmp_path, f"newmtl a\nKd 1 0 0\n{words}\n")
    said: list[str] = []
    material = load_mesh(path, tell=said.append).materials[0]
    assert (material.alpha_factor, material.alpha_mode) == (1.0, "opaque")
    assert any("opaque" in sentence for sentence in said)


def test_points_alone_are_called_that(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="only 4 points"):
        load_mesh(write(tmp_path, VERTICES))


def test_a_bent_polygon_keeps_all_of_its_corners(tmp_path: Path) -> None:
    rows = [(-5, 0, 5), (5, 0, 5), (5, 0, -5), (-5, 0, -5), (0, 5, -5)]
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in rows)
    mesh = load_mesh(write(tmp_path, f"{text}f 1// 2// 3// 4// 5//\n"))
    assert len(mesh.vertices) == 5 and len(mesh.faces) == 3


def test_straight_corners_of_a_notched_polygon_need_no_triangle(tmp_path: Path) -> None:
    rows = [(0, 0), (1, 0), (2, 0), (2, 2), (1, 1), (0, 2)]
    text = "".join(f"v {x} {y} 0\n" for x, y in rows)
    assert area(load_mesh(write(tmp_path, f"{text}f 1 2 3 4 5 6\n"))) == pytest.approx(3)
