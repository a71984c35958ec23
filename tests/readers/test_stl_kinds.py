"""STL as programs write it: text and bytes, names, counts, colours."""

from pathlib import Path

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import BLUE, RED, Surface, area, notes_of

FACET = (
    "facet normal 0 0 1\n outer loop\n  vertex 0 0 0\n  vertex 1 0 0\n  vertex 1 1 0\n"
    " endloop\nendfacet\n"
)
OTHER = FACET.replace("vertex 1 0 0", "vertex 1 1 0").replace("1 1 0\n endloop", "0 1 0\n endloop")


def text(name: bytes | str, body: str = FACET + OTHER) -> bytes:
    name = name.encode() if isinstance(name, str) else name
    return b"solid " + name + b"\n" + body.encode() + b"endsolid " + name + b"\n"


def binary(attributes: tuple[int, int] = (0, 0), head: bytes = b"", count: int = 2) -> bytes:
    facets = np.zeros(2, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets["corners"] = [[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]]
    facets["attribute"] = attributes
    return head.ljust(80, b"\0") + count.to_bytes(4, "little") + facets.tobytes()


def write(folder: Path, data: bytes) -> Path:
    path = folder / "a.stl"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        text("W\u00fcrfel".encode("latin-1")),
        text("\u96f6\u4ef61".encode("gb18030")),
        text("\u00e9t\u00e9"),
        text(""),
        text("a").replace(b"\n", b"\r\n"),
        text("a").replace(b"\n", b"\r"),
        text("a").replace(b" ", b"\t"),
        text("a").upper(),
        text("a", FACET) + text("b", OTHER),
        text("a").decode().encode("utf-16"),
        b"\xef\xbb\xbf" + text("a"),
        b"\n\n  " + text("a"),
        text("a").replace(b"vertex 1 1 0", b"vertex 1.0e+00 10E-1 -0.0"),
        text("a", FACET.replace(" endloop", "  vertex 0 1 0\n endloop")),  # a loop of four
        binary(),
        binary(head=b"solid made by a program"),
        binary(head=b"solid facet vertex"),
        binary() + b"\r\n",
        binary(count=0),
        binary(count=1),
        binary(count=0xFFFFFFFF),
    ],
)
def test_kinds(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    mesh = load_mesh(path)
    if len(mesh.faces) == 1:  # the number in the file is less than what follows
        assert area(mesh) == pytest.approx(0.5)
        return
    assert area(mesh) == pytest.approx(1)
    assert (len(mesh.vertices), len(mesh.faces)) == (4, 2)


def test_more_triangles_than_stated_are_told(tmp_path: Path) -> None:
    assert any("states 0 triangles" in note for note in notes_of(write(tmp_path, binary(count=0))))


@pytest.mark.parametrize(
    "data", [binary()[:-1], binary()[:70], binary(count=3), binary(count=0)[:-3], b"solid a\n"]
)
def test_files_that_end_early(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        load_mesh(write(tmp_path, data))
    assert caught.value.code in ("mesh_broken", "mesh_empty")


@pytest.mark.parametrize("word", ["1,5 0 0", "x 0 0", "1 0", ""])
def test_corners_that_cannot_be_read(tmp_path: Path, word: str) -> None:
    data = text("a", FACET.replace("vertex 1 0 0", f"vertex {word}"))
    with pytest.raises(EngineError, match="line 5") as caught:
        load_mesh(write(tmp_path, data))
    assert caught.value.code == "mesh_broken"


@pytest.mark.parametrize(
    ("head", "attributes"),
    [
        (b"COLOR=\xff\0\0\xff", (0x8000, 31 << 10)),  # Materialise Magics: the first has no own
        (b"made, COLOR=\0\0\0\xff,MATERIAL=", (31, 31 << 10)),
        (b"", (0x8000 | 31 << 10, 0x8000 | 31)),  # VisCAM
    ],
)
def test_colours_of_facets(tmp_path: Path, head: bytes, attributes: tuple[int, int]) -> None:
    surface = Surface(load_mesh(write(tmp_path, binary(attributes, head))))
    surface.shows((0.75, 0.25, 0), RED)
    surface.shows((0.25, 0.75, 0), BLUE)


@pytest.mark.parametrize("alpha", [b"\0", b" ", b"\xff"])
def test_the_colour_of_all_facets_without_any_of_their_own(tmp_path: Path, alpha: bytes) -> None:
    mesh = load_mesh(write(tmp_path, binary((0, 0), b"COLOR=\xff\0\0" + alpha)))
    assert mesh.colors is None and mesh.materials[0].base_color_factor == (1.0, 0.0, 0.0)
    assert mesh.materials[0].alpha_factor == 1.0 and len(mesh.vertices) == 4


def test_attributes_that_are_no_colours(tmp_path: Path) -> None:
    assert load_mesh(write(tmp_path, binary((1, 2)))).colors is None
