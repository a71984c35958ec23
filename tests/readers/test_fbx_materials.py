"""FBX: classic materials, those of programs, and their pictures."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.mesh import Mesh
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.fbx_text import (
    BY_POLYGON,
    GEOMETRY,
    MODEL,
    PAINTED,
    UVS,
    fbx,
    geometry,
    material,
    model,
    numbers,
    texture,
    uv_layer,
)
from tests.readers.made import BLUE, GREEN, RED, WHITE, Surface, notes_of, quarters
from tests.readers.test_textures import HALF, HALF_IN_SRGB, grey

pytest.importorskip("ufbx")
pytestmark = pytest.mark.usefixtures("in_this_process")


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


def test_a_profile_counts_for_colours_alone(tmp_path: Path) -> None:
    (tmp_path / "q.png").write_bytes(grey())
    objects = (geometry(more=uv_layer()), model(), material(), texture())
    made = load_mesh(fbx(tmp_path, *objects, links=PAINTED)).materials[0]
    assert made.base_color_texture is not None
    assert abs(int(made.base_color_texture.pixels[0, 0, 0]) - HALF_IN_SRGB) <= 2
    links = (*PAINTED[:3], (500, 400, "NormalMap"))
    made = load_mesh(fbx(tmp_path, *objects, links=links)).materials[0]
    assert made.normal_texture is not None
    assert made.normal_texture.pixels[0, 0].tolist() == [HALF] * 3
