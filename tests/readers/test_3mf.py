"""3MF: objects, components, transforms, colours, textures."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import BLUE, RED, Surface, area, notes_of, quarters, spans

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/{}" Id="r" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)
VERTICES = (
    '<vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/><vertex x="1" y="1" z="0"/>'
    '<vertex x="0" y="1" z="0"/></vertices>'
)
FACES = ('<triangle v1="0" v2="1" v3="2" {}/>', '<triangle v1="0" v2="2" v3="3" {}/>')


def square(number: int = 1, first: str = "", second: str = "", more: str = "") -> str:
    faces = FACES[0].format(first) + FACES[1].format(second)
    mesh = f"<mesh>{VERTICES}<triangles>{faces}</triangles></mesh>"
    return f'<object id="{number}" {more}>{mesh}</object>'


def model(resources: str, build: str, more: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><model xmlns="{CORE}" xmlns:m="{MATERIAL}" '
        f'xmlns:p="{PRODUCTION}" {more}><resources>{resources}</resources>'
        f"<build>{build}</build></model>"
    )


def write(folder: Path, main: str, path: str = "3D/3dmodel.model", **files: Any) -> Path:
    target = folder / "a.3mf"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", RELATIONS.format(path))
        archive.writestr(path, main)
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return target


ITEM = '<item objectid="1"/>'


@pytest.mark.parametrize("path", ["3D/3dmodel.model", "3D/other.model"])
@pytest.mark.parametrize("unit", ["", 'unit="millimeter"', 'unit="inch"'])
def test_a_mesh_and_its_unit(tmp_path: Path, path: str, unit: str) -> None:
    target = write(tmp_path, model(square(), ITEM, unit), path)
    mesh = load_mesh(target)
    assert (len(mesh.vertices), len(mesh.faces)) == (4, 2)
    spans(mesh, [0, 0, 0], [1, 1, 0])
    assert ("lengths in inches" if "inch" in unit else "millimetres") in notes_of(target)[-1]


@pytest.mark.parametrize(
    ("transform", "low", "high"),
    [
        ("2 0 0 0 2 0 0 0 2 5 6 7", [5, 6, 7], [7, 8, 7]),
        ("0 1 0 -1 0 0 0 0 1 0 0 0", [-1, 0, 0], [0, 1, 0]),
        ("-1 0 0 0 1 0 0 0 1 0 0 0", [-1, 0, 0], [0, 1, 0]),
    ],
)
def test_items_are_placed(tmp_path: Path, transform: str, low: list, high: list) -> None:
    item = f'<item objectid="1" transform="{transform}"/>'
    mesh = load_mesh(write(tmp_path, model(square(), item)))
    spans(mesh, low, high)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_components_are_placed_in_their_object(tmp_path: Path) -> None:
    parts = (
        '<object id="2"><components><component objectid="1"/>'
        '<component objectid="1" transform="1 0 0 0 1 0 0 0 1 3 0 0"/></components></object>'
    )
    item = '<item objectid="2" transform="2 0 0 0 2 0 0 0 2 0 1 0"/>'
    mesh = load_mesh(write(tmp_path, model(square() + parts, item)))
    spans(mesh, [0, 1, 0], [8, 3, 0])
    assert area(mesh) == pytest.approx(8)


def test_components_in_another_part_of_the_file(tmp_path: Path) -> None:
    parts = (
        '<object id="2"><components><component p:path="/3D/more.model" objectid="1"/>'
        "</components></object>"
    )
    main = model(parts, '<item objectid="2"/>', 'requiredextensions="p"')
    assert area(load_mesh(write(tmp_path, main, **{"3D__more_model": model(square(), "")}))) == 1


def test_objects_in_a_circle_are_refused(tmp_path: Path) -> None:
    part = '<object id="1"><components><component objectid="1"/></components></object>'
    with pytest.raises(EngineError) as caught:
        load_mesh(write(tmp_path, model(part, ITEM)))
    assert caught.value.code == "mesh_broken"


COLORS = (
    '<m:colorgroup id="7"><m:color color="#FF0000"/><m:color color="#0000FFFF"/></m:colorgroup>'
)
BASES = (
    '<basematerials id="7"><base name="a" displaycolor="#FF0000"/>'
    '<base name="b" displaycolor="#0000FF"/></basematerials>'
)


@pytest.mark.parametrize("group", [COLORS, BASES])
@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        ('pid="7" p1="0"', 'pid="7" p1="1"', ""),
        ("", 'pid="7" p1="1"', 'pid="7" pindex="0"'),
        ('pid="7" p1="0" p2="0" p3="0"', 'p1="1"', 'pid="7" pindex="0"'),
    ],
)
def test_colours(tmp_path: Path, group: str, first: str, second: str, more: str) -> None:
    resources = group + square(1, first, second, more)
    surface = Surface(load_mesh(write(tmp_path, model(resources, ITEM))))
    surface.shows((0.75, 0.25, 0), RED)
    surface.shows((0.25, 0.75, 0), BLUE)


def test_textures(tmp_path: Path) -> None:
    resources = (
        '<m:texture2d id="5" path="/3D/q.png" contenttype="image/png" tilestyleu="clamp"/>'
        '<m:texture2dgroup id="7" texid="5"><m:tex2coord u="0" v="0"/><m:tex2coord u="1" v="0"/>'
        '<m:tex2coord u="1" v="1"/><m:tex2coord u="0" v="1"/></m:texture2dgroup>'
    )
    faces = ('pid="7" p1="0" p2="1" p3="2"', 'pid="7" p1="0" p2="2" p3="3"')
    main = model(resources + square(1, *faces), ITEM)
    files: dict[str, Any] = {"3D__q_png": quarters()}
    path = write(tmp_path, main, **files)
    surface = Surface(load_mesh(path))
    surface.shows((0.25, 0.75, 0), RED)
    surface.shows((0.25, 0.25, 0), BLUE)
    path = write(tmp_path, main)
    assert any("q.png" in note for note in notes_of(path))
    with pytest.raises(EngineError) as caught:
        load_mesh(path, require_textures=True)
    assert caught.value.code == "texture_missing"


def test_unknown_extensions_are_refused_by_name(tmp_path: Path) -> None:
    main = model(square(), ITEM, 'xmlns:z="http://example.org/folded" requiredextensions="z"')
    with pytest.raises(EngineError, match=r"example\.org/folded") as caught:
        load_mesh(write(tmp_path, main))
    assert caught.value.code == "mesh_unsupported"


@pytest.mark.parametrize("keep", [10, 100, 200])
def test_truncated(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path, model(square(), ITEM))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EngineError) as caught:
        load_mesh(path)
    assert caught.value.code == "mesh_broken"
