"""FBX: as text that is written here, and as Blender writes it in test_scene.py."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.mesh import Mesh
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import BLUE, GREEN, RED, WHITE, Surface, area, notes_of, quarters, spans

pytest.importorskip("ufbx")
pytestmark = pytest.mark.usefixtures("in_this_process")

HEAD = """; FBX 7.4.0 project file
FBXHeaderExtension:  {
	FBXHeaderVersion: 1003
	FBXVersion: 7400
	Creator: "FBX SDK/FBX Plugins version 2020.0"
}
"""
SQUARE = [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0]
GEOMETRY, MODEL = 100, 200


def numbers(values: Any) -> str:
    values = list(values)
    return f"*{len(values)} {{ a: {','.join(str(v) for v in values)} }}"


def settings(up: int = 2, front: int = 1, unit: float = 100.0, front_sign: int = -1) -> str:
    """Metres, Z up, x right: as ours are."""
    values = {"UpAxis": up, "UpAxisSign": 1, "FrontAxis": front, "FrontAxisSign": front_sign}
    values |= {"CoordAxis": 0, "CoordAxisSign": 1}
    lines = [f'P: "{key}", "int", "Integer", "",{value}' for key, value in values.items()]
    lines.append(f'P: "UnitScaleFactor", "double", "Number", "",{unit}')
    return "GlobalSettings:  {\nProperties70:  {\n" + "\n".join(lines) + "\n}\n}\n"


def geometry(
    vertices: Any = SQUARE, polygons: Any = (0, 1, 2, -4), more: str = "", number: int = GEOMETRY
) -> str:
    return f"""Geometry: {number}, "Geometry::g{number}", "Mesh" {{
Vertices: {numbers(vertices)}
PolygonVertexIndex: {numbers(polygons)}
{more}
}}
"""


def model(number: int = MODEL, kind: str = "Mesh", name: str = "", **properties: Any) -> str:
    types = {"Lcl_Translation": "Lcl Translation", "Lcl_Rotation": "Lcl Rotation"}
    types |= {"Lcl_Scaling": "Lcl Scaling"}
    lines = []
    for key, value in properties.items():
        word = types.get(key, key)
        if isinstance(value, tuple):
            lines.append(f'P: "{word}", "{word}", "", "A",{",".join(map(str, value))}')
        else:
            lines.append(f'P: "{word}", "{word}", "", "A",{value}')
    body = "\n".join(lines)
    return f"""Model: {number}, "Model::{name or f"m{number}"}", "{kind}" {{
Properties70:  {{
{body}
}}
}}
"""


def fbx(folder: Path, *objects: str, links: Any = ((GEOMETRY, MODEL), (MODEL, 0)), **options: Any):
    """A file; a link of three has the property in its third place."""
    lines = []
    for link in links:
        kind, word = ("OP", f', "{link[2]}"') if len(link) == 3 else ("OO", "")
        lines.append(f'C: "{kind}",{link[0]},{link[1]}{word}')
    text = HEAD + settings(**options) + "Objects:  {\n" + "".join(objects) + "}\n"
    path = folder / "a.fbx"
    path.write_text(text + "Connections:  {\n" + "\n".join(lines) + "\n}\n")
    return path


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


UV = """LayerElementUV: {} {{
Name: "{}"
MappingInformationType: "{}"
ReferenceInformationType: "{}"
UV: {}
{}
}}
"""
UVS = [0, 0, 1, 0, 1, 1, 0, 1]


def uv_layer(index: int = 0, name: str = "UVMap", values: Any = UVS, indices: Any = None) -> str:
    more = "" if indices is None else f"UVIndex: {numbers(indices)}"
    reference = "Direct" if indices is None else "IndexToDirect"
    layer = UV.format(index, name, "ByPolygonVertex", reference, numbers(values), more)
    return layer + (
        f"Layer: {index} {{\nLayerElement:  {{\n"
        f'Type: "LayerElementUV"\nTypedIndex: {index}\n}}\nMATERIALS\n}}\n'
    ).replace("MATERIALS", "" if index else MATERIAL_LAYER)


MATERIAL_LAYER = 'LayerElement:  {\nType: "LayerElementMaterial"\nTypedIndex: 0\n}'
BY_POLYGON = """LayerElementMaterial: 0 {{
MappingInformationType: "ByPolygon"
ReferenceInformationType: "IndexToDirect"
Materials: {}
}}
"""


def material(number: int = 400, shading: str = "phong", **properties: Any) -> str:
    lines = []
    for key, value in properties.items():
        values = value if isinstance(value, tuple) else (value,)
        kind = '"Color", ""' if isinstance(value, tuple) else '"Number", ""'
        lines.append(f'P: "{key}", {kind}, "A",{",".join(map(str, values))}')
    return (
        f'Material: {number}, "Material::mat{number}", "" {{\nShadingModel: "{shading}"\n'
        "Properties70:  {\n" + "\n".join(lines) + "\n}\n}\n"
    )


def texture(
    number: int = 500, name: str = "q.png", uv_set: str = "", more: str = "", relative: str = ""
) -> str:
    uvs = f'P: "UVSet", "KString", "", "", "{uv_set}"' if uv_set else ""
    return f"""Texture: {number}, "Texture::t{number}", "" {{
Type: "TextureVideoClip"
FileName: "{name}"
RelativeFilename: "{relative or name}"
Properties70:  {{
{uvs}
{more}
}}
}}
"""


PAINTED = ((GEOMETRY, MODEL), (MODEL, 0), (400, MODEL), (500, 400, "DiffuseColor"))


def shows(mesh: Mesh, *colors: Any, tolerance: float = 0.03) -> None:
    surface = Surface(mesh)
    points = [(x, y, 0) for y in (0.75, 0.25) for x in (0.25, 0.75)]
    for point, color in zip(points, colors, strict=True):
        surface.shows(point, color, tolerance)


def four() -> list[Any]:
    return [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    "name", ["q.png", "C:\\\\Users\\\\me\\\\q.png", "/home/else/q.png", "..\\\\maps\\\\Q.PNG"]
)
def test_pictures_beside_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "q.png").write_bytes(quarters())
    objects = (geometry(more=uv_layer()), model(), material(), texture(name=name))
    shows(load_mesh(fbx(tmp_path, *objects, links=PAINTED)), *four())


def test_pictures_in_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.fbm").mkdir()
    (tmp_path / "a.fbm" / "q.png").write_bytes(quarters())
    objects = (geometry(more=uv_layer()), model(), material(), texture(name="D:/x/q.png"))
    shows(load_mesh(fbx(tmp_path, *objects, links=PAINTED)), *four())


def test_pictures_in_the_file(tmp_path: Path) -> None:
    content = base64.b64encode(quarters()).decode()
    video = f"""Video: 600, "Video::v", "Clip" {{
Type: "Clip"
FileName: "q.png"
RelativeFilename: "q.png"
Content: , "{content}"
}}
"""
    objects = (geometry(more=uv_layer()), model(), material(), texture(), video)
    shows(load_mesh(fbx(tmp_path, *objects, links=(*PAINTED, (600, 500)))), *four())


def test_missing_pictures(tmp_path: Path) -> None:
    objects = (geometry(more=uv_layer()), model(), texture(name="C:/lost.png"))
    path = fbx(tmp_path, *objects, material(DiffuseColor=(0, 1, 0)), links=PAINTED)
    shows(load_mesh(path), *[GREEN] * 4)
    assert any("lost.png" in note for note in notes_of(path))
    with pytest.raises(EngineError) as caught:
        load_mesh(path, require_textures=True)
    assert caught.value.code == "texture_missing"


def test_uvs_by_the_set_that_a_texture_names(tmp_path: Path) -> None:
    (tmp_path / "q.png").write_bytes(quarters())
    layers = uv_layer(0, "first", [0.1] * 8) + uv_layer(1, "second", UVS, [0, 1, 2, 3])
    objects = (geometry(more=layers), model(), material(), texture(uv_set="second"))
    shows(load_mesh(fbx(tmp_path, *objects, links=PAINTED)), *four())
    objects = (geometry(more=layers), model(), material(), texture())
    shows(load_mesh(fbx(tmp_path, *objects, links=PAINTED)), *[BLUE] * 4)


def test_moved_uvs(tmp_path: Path) -> None:
    (tmp_path / "q.png").write_bytes(quarters())
    moved = 'P: "Translation", "Vector", "", "A",0.5,0,0'
    objects = (geometry(more=uv_layer()), model(), material(), texture(more=moved))
    found = Surface(load_mesh(fbx(tmp_path, *objects, links=PAINTED)))
    found.shows((0.25, 0.75, 0), GREEN)
    found.shows((0.75, 0.75, 0), RED)


def test_materials_by_polygon(tmp_path: Path) -> None:
    layer = BY_POLYGON.format(numbers([1, 0])) + uv_layer()
    made = geometry(
        polygons=(0, 1, -3, 0, 2, -4), more=layer.replace(numbers(UVS), numbers(UVS * 2)[:-1] + "}")
    )
    objects = (made, model(), material(400, DiffuseColor=RED), material(401, DiffuseColor=BLUE))
    links = ((GEOMETRY, MODEL), (MODEL, 0), (400, MODEL), (401, MODEL))
    surface = Surface(load_mesh(fbx(tmp_path, *objects, links=links)))
    surface.shows((0.75, 0.25, 0), BLUE)
    surface.shows((0.25, 0.75, 0), RED)


def at_middle(folder: Path, *materials: str, links: Any = PAINTED[:3]) -> np.ndarray:
    path = fbx(folder, geometry(more=uv_layer()), model(), *materials, links=links)
    return Surface(load_mesh(path)).at(0.25, 0.75, 0)


def test_classic_numbers(tmp_path: Path) -> None:
    grey = (0.5, 0.5, 0.5)
    lambert = material(shading="lambert", DiffuseColor=grey, DiffuseFactor=0.5)
    np.testing.assert_allclose(at_middle(tmp_path, lambert)[3:], [0, 1, 1], atol=0.01)
    phong = material(DiffuseColor=grey, Shininess=25)
    np.testing.assert_allclose(at_middle(tmp_path, phong), [*grey, 0, 0.5, 1], atol=0.01)


@pytest.mark.parametrize(
    ("properties", "alpha"),
    [
        ({"TransparentColor": (1, 1, 1), "TransparencyFactor": 0.75}, 0.25),
        ({"TransparentColor": (0.75, 0.75, 0.75), "TransparencyFactor": 1}, 0.25),
        ({"TransparentColor": (0, 0, 0), "TransparencyFactor": 1}, 1),
        ({"TransparentColor": (1, 1, 1), "TransparencyFactor": 0}, 1),
        ({"Opacity": 0.25}, 0.25),
        ({}, 1),
    ],
)
def test_classic_opacity(tmp_path: Path, properties: dict[str, Any], alpha: float) -> None:
    assert at_middle(tmp_path, material(**properties))[5] == pytest.approx(alpha, abs=0.01)


def test_light(tmp_path: Path) -> None:
    lit = material(DiffuseColor=RED, EmissiveColor=BLUE, EmissiveFactor=1)
    np.testing.assert_allclose(at_middle(tmp_path, lit)[:3], [1, 0, 1], atol=0.01)
    unlit = material(DiffuseColor=RED, EmissiveColor=BLUE, EmissiveFactor=0)
    np.testing.assert_allclose(at_middle(tmp_path, unlit)[:3], RED, atol=0.01)


PBR = {
    "ARNOLD_SHADER_ID": {"baseColor": (0.5, 0, 0), "base": 1, "metalness": 0.25}
    | {"specularRoughness": 0.75},
    "SFX_PBS_SHADER": {"base_color": (0.5, 0, 0), "metallic": 0.25, "roughness": 0.75},
}


def shader(kind: str, *, bound: bool = True) -> list[str]:
    """A material of Arnold or Stingray, and the table that says what its words mean."""
    words = PBR[kind]
    entries = "".join(
        f'Entry: "Maya|{name}", "FbxPropertyEntry", "{name}", "FbxSemanticEntry"\n'
        for name in (words if bound else ())
    )
    return [
        material(shading="unknown", **{f"Maya|{name}": value for name, value in words.items()}),
        'Implementation: 900, "Implementation::i", "" {\nProperties70:  {\n'
        f'P: "RenderAPI", "KString", "", "", "{kind}"\n'
        'P: "RootBindingName", "KString", "", "", "root"\n}\n}\n',
        f'BindingTable: 901, "BindingTable::root", "" {{\n{entries}}}\n',
    ]


@pytest.mark.parametrize("kind", list(PBR))
def test_materials_of_programs(tmp_path: Path, kind: str) -> None:
    links = (*PAINTED[:3], (400, 900), (901, 900))
    found = at_middle(tmp_path, *shader(kind), links=links)
    np.testing.assert_allclose(found, [0.7354, 0, 0, 0.25, 0.75, 1], atol=0.01)


def test_materials_of_unknown_kinds_are_noted(tmp_path: Path) -> None:
    objects = (geometry(), model(), *shader("SFX_PBS_SHADER", bound=False))
    path = fbx(tmp_path, *objects, links=(*PAINTED[:3], (400, 900), (901, 900)))
    assert any("mat400 says nothing of its colour" in note for note in notes_of(path))
    assert not any("says nothing" in note for note in notes_of(red(tmp_path)))


def red(folder: Path) -> Path:
    return fbx(folder, geometry(), model(), material(DiffuseColor=RED), links=PAINTED[:3])


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
