"""USD: geometry, placing, composition; materials are in test_usd_materials.py."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import BLUE, GREEN, RED, WHITE, Surface, area, notes_of, spans

pytest.importorskip("pxr")
pytestmark = pytest.mark.usefixtures("in_this_process")

POINTS = "point3f[] points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]"
FACES = "int[] faceVertexCounts = [4] int[] faceVertexIndices = [0, 1, 2, 3]"
PLAIN = 'uniform token subdivisionScheme = "none"'


def square(name: str = "square", more: str = "", faces: str = FACES, about: str = "") -> str:
    body = "\n".join((POINTS, faces.replace("] int", "]\nint"), PLAIN, more))
    return f'def Mesh "{name}" {about}\n{{\n{body}\n}}\n'


def stage(folder: Path, *prims: str, head: str = 'upAxis = "Z"', name: str = "a.usda") -> Path:
    path = folder / name
    path.write_text(f"#usda 1.0\n(\n{head}\n)\n" + "\n".join(prims), encoding="utf-8")
    return path


def xform(name: str, ops: dict[str, str], *children: str) -> str:
    lines = [f"{key} = {value}" for key, value in ops.items()]
    order = ", ".join(f'"{key.split()[-1]}"' for key in ops)
    lines.append(f"uniform token[] xformOpOrder = [{order}]")
    return f'def Xform "{name}"\n{{\n' + "\n".join([*lines, *children]) + "\n}\n"


@pytest.mark.parametrize(
    ("head", "high"),
    [
        ('upAxis = "Z"\nmetersPerUnit = 1', (1, 1, 0)),
        ('upAxis = "Y"\nmetersPerUnit = 1', (1, 0, 1)),
        ("", (0.01, 0, 0.01)),  # centimetres, Y up: what holds where nothing is said
        ('upAxis = "Z"\nmetersPerUnit = 0.0254', (0.0254, 0.0254, 0)),
    ],
)
def test_axes_and_units(tmp_path: Path, head: str, high: tuple[float, ...]) -> None:
    path = stage(tmp_path, square(), head=head)
    spans(load_mesh(path), (0, 0, 0), high)
    said = notes_of(path)[-1]
    assert ("inches" in said) == ("0.0254" in head)


MOVED_AND_SCALED = {
    "double3 xformOp:translate": "(1, 0, 0)",
    "float3 xformOp:scale": "(2, 2, 2)",
}
MATRIX = {"matrix4d xformOp:transform": "((1,0,0,0),(0,0,1,0),(0,-1,0,0),(3,0,0,1))"}
METRES = 'upAxis = "Z"\nmetersPerUnit = 1'


@pytest.mark.parametrize(
    ("ops", "low", "high"),
    [
        ({"double3 xformOp:translate": "(5, 6, 7)"}, (5, 6, 7), (6, 7, 7)),
        ({"float xformOp:rotateZ": "90"}, (-1, 0, 0), (0, 1, 0)),
        ({"quatf xformOp:orient": "(0.70710678, 0.70710678, 0, 0)"}, (0, 0, 0), (1, 0, 1)),
        (MOVED_AND_SCALED, (1, 0, 0), (3, 2, 0)),
        (MATRIX, (3, 0, 0), (4, 0, 1)),
    ],
)
def test_transforms(tmp_path: Path, ops: dict[str, str], low: tuple, high: tuple) -> None:
    spans(load_mesh(stage(tmp_path, xform("x", ops, square()), head=METRES)), low, high)


def test_a_mirror_keeps_the_front(tmp_path: Path) -> None:
    mesh = load_mesh(
        stage(tmp_path, xform("x", {"float3 xformOp:scale": "(-1, 1, 1)"}, square()), head=METRES)
    )
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    spans(mesh, (-1, 0, 0), (0, 1, 0))


def test_places_far_away_keep_their_digits(tmp_path: Path) -> None:
    far = xform("x", {"double3 xformOp:translate": "(10000000.25, 0, 0)"}, square())
    mesh = load_mesh(stage(tmp_path, far, head=METRES))
    np.testing.assert_array_equal(np.ptp(mesh.vertices, axis=0), [1, 1, 0])
    assert mesh.vertices[:, 0].min() == 10000000.25


def test_clockwise_faces_holes_and_notches(tmp_path: Path) -> None:
    faces = "int[] faceVertexCounts = [3, 3] int[] faceVertexIndices = [0, 1, 2, 0, 2, 3]"
    left = square("a", 'uniform token orientation = "leftHanded"')
    mesh = load_mesh(stage(tmp_path, left, head=METRES))
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] < 0).all()
    holed = square("a", "int[] holeIndices = [1]", faces)
    assert len(load_mesh(stage(tmp_path, holed, head=METRES)).faces) == 1
    notch = square().replace("(1, 1, 0)", "(0.2, 0.2, 0)")
    assert area(load_mesh(stage(tmp_path, notch, head=METRES))) == pytest.approx(0.2)


def test_subdivision_is_noted(tmp_path: Path) -> None:
    smooth = square().replace('"none"', '"catmullClark"')
    assert any("subdivided" in note for note in notes_of(stage(tmp_path, smooth)))
    assert not any("subdivided" in note for note in notes_of(stage(tmp_path, square())))


TWO = "int[] faceVertexCounts = [3, 3] int[] faceVertexIndices = [0, 1, 2, 0, 2, 3]"
R, B = "(1, 0, 0)", "(0, 0, 1)"


@pytest.mark.parametrize(
    ("interpolation", "values", "indices"),
    [
        ("uniform", [R, B], None),
        ("uniform", [B, R], [1, 0]),
        ("faceVarying", [R, R, R, B, B, B], None),
        ("faceVarying", [R, B], [0, 0, 0, 1, 1, 1]),
    ],
)
def test_colours_of_faces(
    tmp_path: Path, interpolation: str, values: list[str], indices: list[int] | None
) -> None:
    more = f"color3f[] primvars:displayColor = [{', '.join(values)}] (\n"
    more += f'interpolation = "{interpolation}"\n)\n'
    if indices is not None:
        more += f"int[] primvars:displayColor:indices = {indices}\n"
    path = stage(tmp_path, square("a", more, TWO), head=METRES)
    surface = Surface(load_mesh(path))
    surface.shows((0.75, 0.25, 0), RED)
    surface.shows((0.25, 0.75, 0), BLUE)


@pytest.mark.parametrize("interpolation", ["vertex", "varying", "constant"])
def test_colours_of_points_and_of_all(tmp_path: Path, interpolation: str) -> None:
    values = [B] if interpolation == "constant" else [R, R, B, B]
    more = f"color3f[] primvars:displayColor = [{', '.join(values)}] (\n"
    more += f'interpolation = "{interpolation}"\n)\n'
    surface = Surface(load_mesh(stage(tmp_path, square("a", more), head=METRES)))
    surface.shows((0.5, 0.98, 0), BLUE, 0.15)
    surface.shows((0.5, 0.02, 0), BLUE if interpolation == "constant" else RED, 0.15)


def test_colours_are_linear_light_and_come_from_above(tmp_path: Path) -> None:
    above = 'color3f[] primvars:displayColor = [(0.5, 0.5, 0.5)]\n(interpolation = "constant")\n'
    above = above.replace("\n(", " (\n").replace('")', '"\n)')
    text = f'def Xform "x"\n{{\n{above}\n{square()}\n}}'
    mesh = load_mesh(stage(tmp_path, text, head=METRES))
    assert mesh.colors is not None
    np.testing.assert_allclose(mesh.colors[:, :3], 0.7354, atol=1e-3)


def test_an_opacity_without_a_material(tmp_path: Path) -> None:
    more = "float[] primvars:displayOpacity = [0.25]"
    mesh = load_mesh(stage(tmp_path, square("a", more), head=METRES))
    assert Surface(mesh).at(0.5, 0.5, 0)[5] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("values", ["[(1, 0, 0)]", "[(1, 0, 0), (1, 0, 0)]", "[]"])
def test_colours_that_do_not_fit_are_left_out(tmp_path: Path, values: str) -> None:
    more = f'color3f[] primvars:displayColor = {values} (\ninterpolation = "vertex"\n)\n'
    path = stage(tmp_path, square("a", more), head=METRES)
    assert load_mesh(path).colors is None
    assert any("do not fit" in note for note in notes_of(path))


INNER = f"""
class "_kind" {{
{square()}
}}
"""


def test_instances_stand_each_in_its_place(tmp_path: Path) -> None:
    prims = [INNER]
    for k in range(3):
        inner = xform(f"i{k}", {"double3 xformOp:translate": f"({2 * k}, 0, 0)"})
        prims.append(
            inner.replace(
                f'"i{k}"', f'"i{k}" (\ninstanceable = true\nprepend inherits = </_kind>\n)'
            )
        )
    mesh = load_mesh(stage(tmp_path, *prims, head=METRES))
    assert len(mesh.faces) == 6
    spans(mesh, (0, 0, 0), (5, 1, 0))


def instancer(more: str = "", child: str = "") -> str:
    kind = xform("kind", {"float3 xformOp:scale": "(2, 2, 2)"}, child or square())
    return f"""def PointInstancer "points"
{{
rel prototypes = [</points/kind>]
int[] protoIndices = [0, 0, 0]
point3f[] positions = [(0, 0, 0), (10, 0, 0), (20, 0, 0)]
{more}
{kind}
}}
"""


def test_point_instancers(tmp_path: Path) -> None:
    mesh = load_mesh(stage(tmp_path, instancer(), head=METRES))
    assert len(mesh.faces) == 6
    spans(mesh, (0, 0, 0), (22, 2, 0))
    hidden = load_mesh(stage(tmp_path, instancer("int64[] invisibleIds = [2]"), head=METRES))
    spans(hidden, (0, 0, 0), (12, 2, 0))
    turned = "quath[] orientations = [(1,0,0,0), (1,0,0,0), (0, 0, 0, 1)]"
    spans(load_mesh(stage(tmp_path, instancer(turned), head=METRES)), (0, -2, 0), (20, 2, 0))
    moved = xform("m", {"double3 xformOp:translate": "(0, 0, 5)"}, instancer())
    moved = moved.replace("</points", "</m/points")
    spans(load_mesh(stage(tmp_path, moved, head=METRES)), (0, 0, 5), (22, 2, 5))


def test_point_instancers_in_each_other(tmp_path: Path) -> None:
    inner = instancer().replace("</points/kind>", "</points/kind/points/kind>")
    mesh = load_mesh(stage(tmp_path, instancer(child=inner), head=METRES))
    assert len(mesh.faces) == 2 * 9
    spans(mesh, (0, 0, 0), (64, 4, 0))


@pytest.mark.parametrize(
    "wrong", ["positions = [(0, 0, 0)]", "protoIndices = [0, 7, 0]", "protoIndices = [0, -1, 0]"]
)
def test_point_instancers_that_are_wrong(tmp_path: Path, wrong: str) -> None:
    name = wrong.split(" ")[0]
    lines = [
        f"{line.split(' ')[0]} {wrong}" if f" {name} =" in line else line
        for line in instancer().splitlines()
    ]
    with pytest.raises(EngineError) as caught:
        load_mesh(stage(tmp_path, "\n".join(lines), head=METRES))
    assert caught.value.code == "mesh_broken"


def test_the_selected_variant_counts(tmp_path: Path) -> None:
    text = f"""def Xform "x" (
variants = {{
string size = "two"
}}
prepend variantSets = "size"
)
{{
variantSet "size" = {{
"one" {{
{square()}
}}
"two" {{
{square().replace("(1, 0, 0), (1, 1, 0)", "(7, 0, 0), (7, 1, 0)")}
}}
}}
}}
"""
    path = stage(tmp_path, text, head=METRES)
    spans(load_mesh(path), (0, 0, 0), (7, 1, 0))
    assert any("variants" in note for note in notes_of(path))


@pytest.mark.parametrize("arc", ["references", "payload"])
@pytest.mark.parametrize("suffix", [".usda", ".usd"])
def test_parts_in_other_files(tmp_path: Path, arc: str, suffix: str) -> None:
    head = 'defaultPrim = "square"\nupAxis = "Z"\nmetersPerUnit = 1'
    stage(tmp_path, square(), head=head, name=f"part{suffix}")
    text = f'def "p" (\nprepend {arc} = @./part{suffix}@\n)\n{{\n}}\n'
    missing = f'def "q" (\nprepend {arc} = @./lost.usda@\n)\n{{\n}}\n'
    path = stage(tmp_path, text, missing, head=METRES)
    assert len(load_mesh(path).faces) == 2
    assert any("lost.usda" in note for note in notes_of(path))
    only = stage(tmp_path, missing, head=METRES, name="only.usda")
    with pytest.raises(EngineError) as caught:
        load_mesh(only)
    assert caught.value.code == "mesh_empty"


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ('uniform token purpose = "render"', True),
        ('uniform token purpose = "guide"', False),
        ('uniform token purpose = "proxy"', False),
        ('token visibility = "invisible"', False),
        ("active = false", False),
    ],
)
def test_what_is_not_meant_to_be_seen(tmp_path: Path, more: str, seen: bool) -> None:
    about = f"(\n{more}\n)" if more.startswith("active") else ""
    other = square("b", "" if about else more, about=about)
    path = stage(tmp_path, square("a"), other, head=METRES)
    assert len(load_mesh(path).faces) == (4 if seen else 2)
    assert seen or about or "left out: 1" in notes_of(path)[-1]


def test_the_first_frame_counts(tmp_path: Path) -> None:
    ops = {"double3 xformOp:translate.timeSamples": "{\n1: (0, 0, 0),\n10: (9, 0, 0)\n}"}
    moving = xform("x", ops, square()).replace('.timeSamples"]', '"]')
    path = stage(tmp_path, moving, head=METRES + "\nstartTimeCode = 1\nendTimeCode = 10")
    spans(load_mesh(path), (0, 0, 0), (1, 1, 0))
    assert any("animated" in note for note in notes_of(path))


SKELETON = """
def SkelRoot "root"
{
double3 xformOp:translate = (100, 0, 0)
uniform token[] xformOpOrder = ["xformOp:translate"]
def Skeleton "bones"
{
uniform token[] joints = ["a"]
uniform matrix4d[] bindTransforms = [((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,0,1))]
uniform matrix4d[] restTransforms = [((1,0,0,0),(0,1,0,0),(0,0,1,0),(5,0,0,1))]
}
def Mesh "skin" (
prepend apiSchemas = ["SkelBindingAPI"]
)
{
POINTS
int[] faceVertexCounts = [4]
int[] faceVertexIndices = [0, 1, 2, 3]
uniform token subdivisionScheme = "none"
rel skel:skeleton = </root/bones>
matrix4d primvars:skel:geomBindTransform = ((2,0,0,0),(0,2,0,0),(0,0,2,0),(0,0,0,1))
int[] primvars:skel:jointIndices = [0, 0, 0, 0] (
elementSize = 1
interpolation = "vertex"
)
float[] primvars:skel:jointWeights = [1, 1, 1, 1] (
elementSize = 1
interpolation = "vertex"
)
double3 xformOp:translate = (7, 7, 7)
uniform token[] xformOpOrder = ["xformOp:translate"]
}
}
""".replace("POINTS", POINTS)


def test_skins_stand_as_they_were_bound(tmp_path: Path) -> None:
    path = stage(tmp_path, SKELETON, head=METRES)
    spans(load_mesh(path), (100, 0, 0), (102, 2, 0))
    assert any("bound" in note for note in notes_of(path))


def test_normals_of_faces_and_corners(tmp_path: Path) -> None:
    up = "(0, 0, 3)"
    more = f'normal3f[] normals = [{up}, {up}, {up}, {up}] (\ninterpolation = "vertex"\n)\n'
    mesh = load_mesh(
        stage(tmp_path, xform("x", {"float xformOp:rotateX": "90"}, square("a", more)), head=METRES)
    )
    assert mesh.normals is not None
    np.testing.assert_allclose(mesh.normals, np.broadcast_to([0, -1, 0], (2, 3, 3)), atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[0, 1, 2, 3]", "[0, 1, 2, 9]"),
        ("[0, 1, 2, 3]", "[0, 1, 2, -1]"),
        ("faceVertexCounts = [4]", "faceVertexCounts = [5]"),
        ("faceVertexCounts = [4]", "faceVertexCounts = [-4]"),
    ],
)
def test_faces_that_are_wrong(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(EngineError) as caught:
        load_mesh(stage(tmp_path, square().replace(old, new)))
    assert caught.value.code == "mesh_broken"


def test_other_shapes_are_counted(tmp_path: Path) -> None:
    curves = 'def BasisCurves "s"\n{\n}'
    path = stage(tmp_path, square(), curves, 'def Camera "c"\n{\n}', head=METRES)
    assert "1 set of curves" in notes_of(path)[-1]
    assert "1 camera" in notes_of(path)[-1]


@pytest.mark.parametrize("name", ["a b.usda", "größe.usda", "a[1].usda", "A.USDA", "a.b.usda"])
def test_names_of_files(tmp_path: Path, name: str) -> None:
    assert len(load_mesh(stage(tmp_path, square(), name=name)).faces) == 2


def test_archives(tmp_path: Path) -> None:
    stage(tmp_path, square(), head=METRES)
    with zipfile.ZipFile(tmp_path / "a.usdz", "w") as archive:
        archive.write(tmp_path / "a.usda", "a.usda")
    spans(load_mesh(tmp_path / "a.usdz"), (0, 0, 0), (1, 1, 0))


@pytest.mark.parametrize("suffix", [".usd", ".usda", ".usdc", ".usdz"])
@pytest.mark.parametrize("content", [b"\0\1\2\3" * 50, b"hello, this is not a mesh\n", b"PK\3\4"])
def test_files_that_are_something_else(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        load_mesh(path)
    assert caught.value.code == "mesh_broken"
    assert caught.value.hint


def test_subsets_have_their_own_materials(tmp_path: Path) -> None:
    def material(name: str, color: str) -> str:
        return (
            f'def Material "{name}"\n{{\n'
            f"token outputs:surface.connect = </{name}/s.outputs:surface>\n"
            f'def Shader "s"\n{{\nuniform token info:id = "UsdPreviewSurface"\n'
            f"color3f inputs:diffuseColor = {color}\ntoken outputs:surface\n}}\n}}\n"
        )

    def subset(name: str, material: str, faces: str) -> str:
        return (
            f'def GeomSubset "{name}" (\nprepend apiSchemas = ["MaterialBindingAPI"]\n)\n{{\n'
            'uniform token elementType = "face"\nuniform token familyName = "materialBind"\n'
            f"int[] indices = {faces}\nrel material:binding = </{material}>\n}}\n"
        )

    api = '(\nprepend apiSchemas = ["MaterialBindingAPI"]\n)'
    faces = TWO.replace("[3, 3]", "[3, 3, 3]").replace("2, 3]", "2, 3, 3, 2, 1]")
    more = "rel material:binding = </green>\n" + subset("one", "red", "[0]")
    more += subset("two", "blue", "[1]")
    made = square("a", more, faces, api)
    colors = [material("red", R), material("blue", B), material("green", "(0, 1, 0)")]
    mesh = load_mesh(stage(tmp_path, made, *colors, head=METRES))
    assert mesh.face_material is not None
    found = [mesh.materials[k].base_color_factor for k in mesh.face_material]
    assert found == [RED, BLUE, GREEN]
    assert WHITE not in found
