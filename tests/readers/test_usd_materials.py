"""UsdPreviewSurface: numbers, pictures, and how they lie."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.mesh import Mesh
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import BLUE, GREEN, RED, WHITE, Surface, encoded, notes_of, plain, quarters
from tests.readers.test_textures import HALF, HALF_IN_SRGB, grey

pytest.importorskip("pxr")
pytestmark = pytest.mark.usefixtures("in_this_process")

UVS = 'texCoord2f[] primvars:{} = {} (\ninterpolation = "vertex"\n)\n'
WHOLE = "[(0, 0), (1, 0), (1, 1), (0, 1)]"
SQUARE = """def Mesh "square" (
prepend apiSchemas = ["MaterialBindingAPI"]
)
{{
point3f[] points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
int[] faceVertexCounts = [4]
int[] faceVertexIndices = [0, 1, 2, 3]
uniform token subdivisionScheme = "none"
rel material:binding = </material>
{}
}}
"""
READER = """def Shader "reader"
{
uniform token info:id = "UsdPrimvarReader_float2"
string inputs:varname = "st"
float2 outputs:result
}
"""


def picture(name: str = "q.png", more: str = "", st: str = "reader", node: str = "tex") -> str:
    return f"""def Shader "{node}"
{{
uniform token info:id = "UsdUVTexture"
asset inputs:file = @{name}@
float2 inputs:st.connect = </material/{st}.outputs:result>
{more}
float3 outputs:rgb
float outputs:r
float outputs:g
float outputs:b
float outputs:a
}}
"""


def connect(name: str, output: str = "rgb", node: str = "tex") -> str:
    kind = "color3f" if "olor" in name else "normal3f" if name == "normal" else "float"
    return f"{kind} inputs:{name}.connect = </material/{node}.outputs:{output}>\n"


def written(folder: Path, inputs: str, *nodes: str, mesh: str = "", **files: bytes) -> Path:
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    body = f"""def Material "material"
{{
token outputs:surface.connect = </material/surface.outputs:surface>
def Shader "surface"
{{
uniform token info:id = "UsdPreviewSurface"
{inputs}
token outputs:surface
}}
{"".join(nodes)}
}}
"""
    path = folder / "a.usda"
    head = '#usda 1.0\n(\nupAxis = "Z"\nmetersPerUnit = 1\n)\n'
    path.write_text(head + SQUARE.format(mesh or UVS.format("st", WHOLE)) + body)
    return path


def read(*args: Any, **options: Any) -> Mesh:
    return load_mesh(written(*args, **options))


def at_quarters(mesh: Mesh) -> list[np.ndarray]:
    """Values at top left, top right, bottom left, bottom right."""
    surface = Surface(mesh)
    return [surface.at(x, y, 0) for y in (0.75, 0.25) for x in (0.25, 0.75)]


def shows(mesh: Mesh, *colors: Any, tolerance: float = 0.03) -> None:
    for found, color in zip(at_quarters(mesh), colors, strict=True):
        np.testing.assert_allclose(found[:3], color, atol=tolerance)


def test_numbers(tmp_path: Path) -> None:
    inputs = "color3f inputs:diffuseColor = (0.5, 0, 0)\nfloat inputs:metallic = 0.25\n"
    inputs += "float inputs:roughness = 0.75\nfloat inputs:opacity = 0.5"
    found = at_quarters(read(tmp_path, inputs))[0]
    np.testing.assert_allclose(found, [0.7354, 0, 0, 0.25, 0.75, 0.5], atol=0.02)


def test_a_value_of_the_material_itself(tmp_path: Path) -> None:
    path = written(tmp_path, "color3f inputs:diffuseColor.connect = </material.inputs:tint>")
    text = path.read_text().replace(
        'def Material "material"\n{', 'def Material "material"\n{\ncolor3f inputs:tint = (0, 1, 0)'
    )
    path.write_text(text)
    shows(load_mesh(path), *[GREEN] * 4)


def test_a_picture_of_colours(tmp_path: Path) -> None:
    mesh = read(tmp_path, connect("diffuseColor"), READER, picture(), q_png=quarters())
    shows(mesh, RED, GREEN, BLUE, WHITE)


@pytest.mark.parametrize("st", ["UVMap", "map1"])
def test_uvs_by_the_name_that_the_material_reads(tmp_path: Path, st: str) -> None:
    other = UVS.format("aaa", "[(0, 0), (0, 0), (0, 0), (0, 0)]")
    reader = READER.replace('"st"', f'"{st}"')
    args = (tmp_path, connect("diffuseColor"), reader, picture())
    shows(read(*args, mesh=other + UVS.format(st, WHOLE), q_png=quarters()), *four())
    # A material that reads what the mesh does not have.
    path = written(*args, mesh=UVS.format("other", WHOLE), q_png=quarters())
    shows(load_mesh(path), *four())
    assert any(f"no UVs {st}, only other" in note for note in notes_of(path))


def four() -> list[Any]:
    return [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ("float2 inputs:translation = (0.5, 0)", [GREEN, RED, WHITE, BLUE]),
        ("float2 inputs:scale = (0.5, 0.5)", [BLUE] * 4),
        ("float inputs:rotation = 90", [WHITE, GREEN, BLUE, RED]),
    ],
)
def test_moved_uvs(tmp_path: Path, moved: str, expected: list[Any]) -> None:
    transform = f"""def Shader "moved"
{{
uniform token info:id = "UsdTransform2d"
float2 inputs:in.connect = </material/reader.outputs:result>
{moved}
float2 outputs:result
}}
"""
    wraps = 'token inputs:wrapS = "repeat"\ntoken inputs:wrapT = "repeat"'
    nodes = (READER, transform, picture(more=wraps, st="moved"))
    mesh = read(tmp_path, connect("diffuseColor"), *nodes, q_png=quarters())
    if "rotation" in moved:
        # A quarter to the left: (u, v) becomes (-v, u), so the top right shows the top left...
        expected = [quarter_at(-y, x) for x, y in ((0.25, 0.75), (0.75, 0.75))]
        expected += [quarter_at(-y, x) for x, y in ((0.25, 0.25), (0.75, 0.25))]
    shows(mesh, *expected)


def quarter_at(u: float, v: float) -> Any:
    return ((BLUE, WHITE), (RED, GREEN))[int(v % 1 > 0.5)][int(u % 1 > 0.5)]


@pytest.mark.parametrize(
    ("wrap", "expected"), [("repeat", "repeat"), ("mirror", "mirror"), ("clamp", "clamp")]
)
def test_wraps(tmp_path: Path, wrap: str, expected: str) -> None:
    more = f'token inputs:wrapS = "{wrap}"\ntoken inputs:wrapT = "clamp"'
    mesh = read(tmp_path, connect("diffuseColor"), READER, picture(more=more), q_png=quarters())
    texture = mesh.materials[0].base_color_texture
    assert texture is not None
    assert texture.wraps == (expected, "clamp")


def test_scale_bias_and_the_space_of_colours(tmp_path: Path) -> None:
    grey = plain(128, 128, 128)
    args = (tmp_path, connect("diffuseColor"), READER)
    linear = 0.2159  # of 128 / 255
    for more, expected in (
        ("", 0.502),
        ('token inputs:sourceColorSpace = "raw"', encode(0.502)),
        ("float4 inputs:scale = (2, 2, 2, 1)", encode(2 * linear)),
        ("float4 inputs:bias = (0.25, 0.25, 0.25, 0)", encode(linear + 0.25)),
    ):
        shows(read(*args, picture(more=more), q_png=grey), *[[expected] * 3] * 4)


def encode(linear: float) -> float:
    return 1.055 * linear ** (1 / 2.4) - 0.055


def test_numbers_from_channels_of_pictures(tmp_path: Path) -> None:
    data = encoded(np.broadcast_to(np.array([10, 51, 204, 255], np.uint8), (4, 4, 4)))
    inputs = connect("roughness", "g") + connect("metallic", "b")
    found = at_quarters(read(tmp_path, inputs, READER, picture(), q_png=data))[0]
    np.testing.assert_allclose(found[3:5], [0.8, 0.2], atol=0.01)
    # One that says that it is sRGB-encoded is taken at its word.
    more = 'token inputs:sourceColorSpace = "sRGB"'
    found = at_quarters(read(tmp_path, inputs, READER, picture(more=more), q_png=data))[0]
    np.testing.assert_allclose(found[3:5], [0.604, 0.033], atol=0.01)


def test_normals(tmp_path: Path) -> None:
    down = plain(128, 64, 255)
    for more, green in (
        ("", 64),
        ("float4 inputs:scale = (2, 2, 2, 1)\nfloat4 inputs:bias = (-1, -1, -1, 0)", 64),
        ("float4 inputs:scale = (2, -2, 2, 1)\nfloat4 inputs:bias = (-1, 1, -1, 0)", 191),
    ):
        mesh = read(tmp_path, connect("normal"), READER, picture(more=more), q_png=down)
        texture = mesh.materials[0].normal_texture
        assert texture is not None
        np.testing.assert_allclose(texture.pixels[0, 0], [128, green, 255], atol=1)


@pytest.mark.parametrize("output", ["a", "r"])
def test_opacity_by_a_picture(tmp_path: Path, output: str) -> None:
    clear = np.full((64, 64, 4), 255, np.uint8)
    clear[:, 32:, 3 if output == "a" else 0] = 0
    inputs = connect("opacity", output)
    found = at_quarters(read(tmp_path, inputs, READER, picture(), q_png=encoded(clear)))
    np.testing.assert_allclose([value[5] for value in found], [1, 0, 1, 0], atol=0.02)
    cut = read(
        *(tmp_path, inputs + "float inputs:opacityThreshold = 0.4", READER, picture()),
        q_png=encoded(clear),
    )
    assert (cut.materials[0].alpha_mode, cut.materials[0].alpha_cutoff) == (
        "mask",
        pytest.approx(0.4),
    )


def test_the_alpha_of_a_picture_of_colours_alone_is_none(tmp_path: Path) -> None:
    clear = plain(255, 0, 0, 0)
    mesh = read(tmp_path, connect("diffuseColor"), READER, picture(), q_png=clear)
    assert at_quarters(mesh)[0][5] == 1
    shows(mesh, *[RED] * 4)


def test_specular(tmp_path: Path) -> None:
    inputs = "int inputs:useSpecularWorkflow = 1\ncolor3f inputs:diffuseColor = (0, 0, 0)\n"
    inputs += "color3f inputs:specularColor = (1, 0.8, 0.3)\nfloat inputs:roughness = 0.2"
    path = written(tmp_path, inputs)
    found = at_quarters(load_mesh(path))[0]
    np.testing.assert_allclose(found[3:5], [1, 0.2], atol=0.02)
    np.testing.assert_allclose(found[:3], [1, encode(0.8), encode(0.3)], atol=0.02)
    assert any("specular" in note for note in notes_of(path))
    by_picture = "int inputs:useSpecularWorkflow = 1\n" + connect("specularColor")
    by_picture += "color3f inputs:diffuseColor = (0, 0, 0)\nfloat inputs:roughness = 0.4"
    mesh = read(tmp_path, by_picture, READER, picture(), q_png=plain(255, 255, 255))
    np.testing.assert_allclose(at_quarters(mesh)[0], [1, 1, 1, 1, 0.4, 1], atol=0.02)


def test_light_is_added(tmp_path: Path) -> None:
    inputs = "color3f inputs:emissiveColor = (0, 0, 1)\ncolor3f inputs:diffuseColor = (1, 0, 0)"
    path = written(tmp_path, inputs)
    shows(load_mesh(path), *[(1, 0, 1)] * 4)
    assert any("light" in note for note in notes_of(path))


def test_colours_of_vertices_that_a_material_reads(tmp_path: Path) -> None:
    reader = """def Shader "tex"
{
uniform token info:id = "UsdPrimvarReader_float3"
string inputs:varname = "paint"
float3 outputs:result
}
"""
    mesh = 'color3f[] primvars:paint = [(0, 1, 0)] (\ninterpolation = "constant"\n)\n'
    mesh += 'color3f[] primvars:displayColor = [(1, 0, 0)] (\ninterpolation = "constant"\n)\n'
    shows(read(tmp_path, connect("diffuseColor", "result"), reader, mesh=mesh), *[GREEN] * 4)
    # What no material reads does not count beside a material.
    shows(read(tmp_path, "color3f inputs:diffuseColor = (0, 0, 1)", mesh=mesh), *[BLUE] * 4)


def test_other_surfaces_leave_the_colours_of_vertices(tmp_path: Path) -> None:
    mesh = 'color3f[] primvars:displayColor = [(1, 0, 0)] (\ninterpolation = "constant"\n)\n'
    path = written(tmp_path, "", mesh=mesh)
    path.write_text(path.read_text().replace('"UsdPreviewSurface"', '"ShinyPlastic"'))
    shows(load_mesh(path), *[RED] * 4)
    assert any("ShinyPlastic" in note for note in notes_of(path))


def test_pictures_that_lie_differently_are_averaged(tmp_path: Path) -> None:
    other = READER.replace('"reader"', '"second"').replace('"st"', '"uv2"')
    nodes = (READER, other, picture(), picture("r.png", st="second", node="tex2"))
    mesh = UVS.format("st", WHOLE) + UVS.format("uv2", "[(0, 0), (0, 0), (0, 0), (0, 0)]")
    inputs = connect("diffuseColor") + connect("roughness", "r", "tex2")
    rough = encoded(np.array([[[0], [100]]], np.uint8))
    path = written(tmp_path, inputs, *nodes, mesh=mesh, q_png=quarters(), r_png=rough)
    found = load_mesh(path)
    shows(found, *four())
    assert at_quarters(found)[0][4] == pytest.approx(50 / 255, abs=0.01)
    assert any("mean colour" in note for note in notes_of(path))


@pytest.mark.parametrize(
    "name", ["lost.png", "C:/Users/me/lost.png", "\\\\server\\lost.png", "./lost.png"]
)
def test_missing_pictures(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, connect("diffuseColor"), READER, picture(name.replace("\\", "\\\\")))
    shows(load_mesh(path), *[WHITE] * 4)
    assert any("lost.png" in note for note in notes_of(path))
    with pytest.raises(EngineError) as caught:
        load_mesh(path, require_textures=True)
    assert caught.value.code == "texture_missing"


@pytest.mark.parametrize("name", ["C:/Users/me/q.png", "/home/else/q.png", "q.PNG"])
def test_pictures_at_paths_of_other_computers(tmp_path: Path, name: str) -> None:
    mesh = read(tmp_path, connect("diffuseColor"), READER, picture(name), q_png=quarters())
    shows(mesh, *four())


def test_broken_pictures(tmp_path: Path) -> None:
    path = written(tmp_path, connect("diffuseColor"), READER, picture(), q_png=b"no picture")
    shows(load_mesh(path), *[WHITE] * 4)
    assert any("q.png" in note for note in notes_of(path))


def test_pictures_in_an_archive(tmp_path: Path) -> None:
    path = written(tmp_path, connect("diffuseColor"), READER, picture("t/q.png"))
    with zipfile.ZipFile(tmp_path / "b.usdz", "w") as archive:
        archive.write(path, "a.usda")
        archive.writestr("t/q.png", quarters())
    shows(load_mesh(tmp_path / "b.usdz"), *four())


def test_tiles(tmp_path: Path) -> None:
    (tmp_path / "q.1001.png").write_bytes(quarters())
    path = written(tmp_path, connect("diffuseColor"), READER, picture("q.<UDIM>.png"))
    shows(load_mesh(path), *four())
    assert any("tiles" in note for note in notes_of(path))


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "float inputs:clearcoat = 1")
    assert any("the coat" in note for note in notes_of(path))


@pytest.mark.parametrize(("space", "value"), [("auto", HALF_IN_SRGB), ("sRGB", HALF)])
def test_a_profile_counts_for_colours_whose_space_is_not_stated(
    tmp_path: Path, space: str, value: int
) -> None:
    node = picture(more=f'token inputs:sourceColorSpace = "{space}"')
    inputs = connect("diffuseColor") + connect("normal")
    made = read(tmp_path, inputs, READER, node, q_png=grey()).materials[0]
    assert made.base_color_texture is not None and made.normal_texture is not None
    assert abs(int(made.base_color_texture.pixels[0, 0, 0]) - value) <= 2
    assert abs(int(made.normal_texture.pixels[0, 0, 0]) - HALF) <= 1
