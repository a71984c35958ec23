"""FBX: placing, shape and colours, as text that is written here; materials are in
test_fbx_materials.py, and what Blender writes in test_scene.py.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.fbx_text import GEOMETRY, MODEL, PAINTED, fbx, geometry, model, numbers
from tests.readers.made import BLUE, RED, Surface, area, notes_of, spans

pytest.importorskip("ufbx")
pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.mark.parametrize(
    ("options", "high"),
    [
        ({}, (1, 1, 0)),
        ({"unit": 1.0}, (0.01, 0.01, 0)),
        ({"unit": 2.54}, (0.0254, 0.0254, 0)),
        ({"up": 1, "front": 2, "front_sign": 1}, (1, 0, 1)),
    ],
)
def test_axes_and_units(tmp_path: Path, options: dict[str, Any], high: tuple) -> None:
    path = fbx(tmp_path, geometry(), model(), **options)
    spans(load_mesh(path), (0, 0, 0), high)
    assert ("inches" in notes_of(path)[-1]) == (options.get("unit") == 2.54)


@pytest.mark.parametrize(
    ("properties", "low", "high"),
    [
        ({"Lcl_Translation": (5, 6, 7)}, (5, 6, 7), (6, 7, 7)),
        ({"Lcl_Rotation": (0, 0, 90)}, (-1, 0, 0), (0, 1, 0)),
        ({"Lcl_Scaling": (-1, 1, 1)}, (-1, 0, 0), (0, 1, 0)),
        ({"PreRotation": (0, 0, 90), "RotationActive": 1}, (-1, 0, 0), (0, 1, 0)),
        ({"RotationPivot": (1, 1, 0), "Lcl_Rotation": (0, 0, 180)}, (1, 1, 0), (2, 2, 0)),
        ({"GeometricTranslation": (3, 0, 0), "Lcl_Scaling": (2, 2, 2)}, (6, 0, 0), (8, 2, 0)),
        ({"GeometricScaling": (3, 3, 3)}, (0, 0, 0), (3, 3, 0)),
    ],
)
def test_transforms(tmp_path: Path, properties: dict[str, Any], low: tuple, high: tuple) -> None:
    mesh = load_mesh(fbx(tmp_path, geometry(), model(**properties)))
    spans(mesh, low, high)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_parents_and_instances(tmp_path: Path) -> None:
    objects = (
        geometry(),
        model(300, "Null", Lcl_Translation=(10, 0, 0), Lcl_Scaling=(2, 2, 2)),
        model(201),
        model(202, Lcl_Translation=(3, 0, 0)),
    )
    links = ((GEOMETRY, 201), (GEOMETRY, 202), (201, 0), (202, 300), (300, 0))
    mesh = load_mesh(fbx(tmp_path, *objects, links=links))
    assert len(mesh.faces) == 4
    spans(mesh, (0, 0, 0), (18, 2, 0))


def test_children_do_not_inherit_what_belongs_to_a_geometry(tmp_path: Path) -> None:
    objects = (
        geometry(),
        model(201, GeometricTranslation=(100, 0, 0)),
        model(202, Lcl_Translation=(0, 5, 0)),
    )
    mesh = load_mesh(
        fbx(tmp_path, *objects, links=((GEOMETRY, 201), (GEOMETRY, 202), (201, 0), (202, 201)))
    )
    spans(mesh, (0, 0, 0), (101, 6, 0))


def test_notches_and_places_far_away(tmp_path: Path) -> None:
    notch = [0, 0, 0, 1, 0, 0, 0.2, 0.2, 0, 0, 1, 0]
    mesh = load_mesh(fbx(tmp_path, geometry(notch), model()))
    assert area(mesh) == pytest.approx(0.2)
    mesh = load_mesh(fbx(tmp_path, geometry(), model(Lcl_Translation=(10000000.25, 0, 0))))
    assert mesh.vertices[:, 0].min() == 10000000.25


COLORS = """LayerElementColor: 0 {{
Name: "c"
MappingInformationType: "ByPolygonVertex"
ReferenceInformationType: "IndexToDirect"
Colors: {}
ColorIndex: {}
}}
Layer: 0 {{
LayerElement:  {{
Type: "LayerElementColor"
TypedIndex: 0
}}
}}
"""


def test_colours_of_corners(tmp_path: Path) -> None:
    values = numbers([1, 0, 0, 1, 0, 0, 1, 1])
    colors = COLORS.format(values, numbers([0, 0, 0, 1, 1, 1]))
    made = geometry(polygons=(0, 1, -3, 0, 2, -4), more=colors)
    surface = Surface(load_mesh(fbx(tmp_path, made, model())))
    surface.shows((0.75, 0.25, 0), RED)
    surface.shows((0.25, 0.75, 0), BLUE)


def test_hidden_objects_and_levels_of_detail(tmp_path: Path) -> None:
    objects = (
        geometry(),
        model(201, Visibility=0),
        model(202),
        model(300, "LodGroup"),
        model(203),
        model(204),
        'NodeAttribute: 700, "NodeAttribute::l", "LodGroup" {\nTypeFlags: "LodGroup"\n}\n',
    )
    links = [(GEOMETRY, k) for k in (201, 202, 203, 204)]
    links += [(201, 0), (202, 0), (300, 0), (203, 300), (204, 300), (700, 300)]
    path = fbx(tmp_path, *objects, links=links)
    assert len(load_mesh(path).faces) == 4
    assert any("finest" in note for note in notes_of(path))


def test_levels_of_detail_by_name(tmp_path: Path) -> None:
    objects = (geometry(), model(201, name="a_LOD0"), model(202, name="a_LOD1"))
    links = [(GEOMETRY, 201), (GEOMETRY, 202), (201, 0), (202, 0)]
    assert len(load_mesh(fbx(tmp_path, *objects, links=links)).faces) == 2


def test_blend_shapes_have_their_default_weights(tmp_path: Path) -> None:
    shape = f"""Geometry: 101, "Geometry::s", "Shape" {{
Indexes: {numbers([2, 3])}
Vertices: {numbers([0, 2, 0, 0, 2, 0])}
}}
Deformer: 801, "Deformer::b", "BlendShape" {{
}}
Deformer: 802, "SubDeformer::c", "BlendShapeChannel" {{
DeformPercent: PERCENT
FullWeights: {numbers([100])}
}}
"""
    links = ((GEOMETRY, MODEL), (MODEL, 0), (801, GEOMETRY), (802, 801), (101, 802))
    for percent, high in ((0, 1), (50, 2), (100, 3)):
        objects = (geometry(), model(), shape.replace("PERCENT", str(percent)))
        spans(load_mesh(fbx(tmp_path, *objects, links=links)), (0, 0, 0), (1, high, 0))


def test_skins_stand_as_they_were_bound(tmp_path: Path) -> None:
    def placed(x: float) -> str:
        return numbers([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, x, 0, 0, 1])

    skin = f"""Deformer: 801, "Deformer::s", "Skin" {{
}}
Deformer: 802, "SubDeformer::c", "Cluster" {{
Indexes: {numbers(range(4))}
Weights: {numbers([1, 1, 1, 1])}
Transform: {placed(-2)}
TransformLink: {placed(5)}
}}
"""
    objects = (geometry(), model(Lcl_Translation=(50, 0, 0)), skin)
    bone = model(900, "LimbNode", Lcl_Translation=(9, 9, 9))
    links = (*PAINTED[:2], (801, GEOMETRY), (802, 801), (900, 802), (900, 0))
    path = fbx(tmp_path, *objects, bone, links=links)
    # From the geometry to the bone by -2, and with that to its place when bound.
    spans(load_mesh(path), (3, 0, 0), (4, 1, 0))
    assert any("bound" in note for note in notes_of(path))


@pytest.mark.parametrize("content", [b"\0\1\2\3" * 50, b"hello, this is not a mesh\n", b"Kaydara"])
def test_files_that_are_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.fbx"
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        load_mesh(path)
    assert caught.value.code in ("mesh_broken", "mesh_empty")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a b.fbx", "größe.fbx", "A.FBX"])
def test_names_of_files(tmp_path: Path, name: str) -> None:
    made = fbx(tmp_path, geometry(), model())
    assert len(load_mesh(made.rename(tmp_path / name)).faces) == 2
