"""Materials of glTF: samplers, transforms, sets of UVs, light, gloss and glass."""

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
    SQUARE_UVS,
    WHITE,
    Gltf,
    Surface,
    encoded,
    notes_of,
    plain,
    quarters,
)

CLAMP, MIRROR, REPEAT = 33071, 33648, 10497
HALF = 0.2140411  # linear light of sRGB one half


def textured(texture: int, **info: Any) -> dict[str, Any]:
    pbr = {"metallicFactor": 0, "baseColorTexture": {"index": texture, **info}}
    return {"pbrMetallicRoughness": pbr}


@pytest.mark.parametrize(
    ("along_u", "along_v", "column", "row"),
    [
        (CLAMP, REPEAT, (RED, GREEN, GREEN, GREEN), (RED, BLUE, RED, BLUE)),
        (REPEAT, CLAMP, (RED, GREEN, RED, GREEN), (RED, BLUE, BLUE, BLUE)),
        (MIRROR, CLAMP, (RED, GREEN, GREEN, RED), (RED, BLUE, BLUE, BLUE)),
        (REPEAT, MIRROR, (RED, GREEN, RED, GREEN), (RED, BLUE, BLUE, RED)),
        (MIRROR, MIRROR, (RED, GREEN, GREEN, RED), (RED, BLUE, BLUE, RED)),
    ],
)
@pytest.mark.parametrize("filtering", [9728, 9729])
def test_each_axis_wraps_by_itself(
    tmp_path: Path, along_u: int, along_v: int, column: Any, row: Any, filtering: int
) -> None:
    gltf = Gltf()
    sampler = {"wrapS": along_u, "wrapT": along_v, "magFilter": filtering}
    texture = gltf.texture(quarters(), sampler)
    primitive = gltf.square(TEXCOORD_0=gltf.accessor(SQUARE_UVS * 2))
    gltf.show({**primitive, "material": gltf.add("materials", textured(texture))})
    surface = Surface(gltf.load(tmp_path), 64)
    # The picture covers the upper left quarter of the square.
    for place, in_row, in_column in zip((0.12, 0.37, 0.62, 0.87), column, row, strict=True):
        surface.shows((place, 0, 0.87), in_row)
        surface.shows((0.12, 0, 1 - place), in_column)


@pytest.mark.parametrize("by_transform", [True, False])
def test_the_second_set_of_uvs(tmp_path: Path, by_transform: bool) -> None:
    gltf = Gltf("KHR_texture_transform")
    transform = {"KHR_texture_transform": {"texCoord": 1}}
    info = {"extensions": transform} if by_transform else {"texCoord": 1}
    material = textured(gltf.texture(quarters()), **info)
    # The first set would show the lower right quarter.
    gltf.painted(material, TEXCOORD_1=gltf.accessor(SQUARE_UVS * 0.49))
    Surface(gltf.load(tmp_path)).shows((0.9, 0, 0.1), RED)


@pytest.mark.parametrize(
    ("move", "color"),
    [
        ({"offset": [0.5, 0]}, GREEN),
        ({"offset": [0, 0.5]}, BLUE),
        ({"scale": [2, 2], "offset": [0.5, 0.5]}, WHITE),
        ({"rotation": np.pi, "offset": [1, 1]}, WHITE),
    ],
)
def test_texture_transforms(tmp_path: Path, move: dict[str, Any], color: Any) -> None:
    gltf = Gltf("KHR_texture_transform")
    extensions = {"KHR_texture_transform": move}
    gltf.painted(textured(gltf.texture(quarters()), extensions=extensions))
    # The upper left corner of the square, (0.1, 0.1) in UVs before they are moved.
    Surface(gltf.load(tmp_path)).shows((0.1, 0, 0.9), color)


def test_a_picture_on_other_uvs_counts_by_its_mean(tmp_path: Path) -> None:
    gltf = Gltf()
    material = textured(gltf.texture(plain(255, 255, 255)))
    rough = np.zeros((2, 2, 3), np.uint8)
    rough[0, :, 1] = 100
    other = {"index": gltf.texture(encoded(rough)), "texCoord": 1}
    material["pbrMetallicRoughness"]["metallicRoughnessTexture"] = other
    gltf.painted(material, TEXCOORD_1=gltf.accessor(np.zeros((4, 2))))
    path = gltf.save(tmp_path / "made.glb")
    surface = Surface(load_mesh(path))
    assert surface.at(0.1, 0, 0.1)[4] == pytest.approx(50 / 255, abs=0.01)
    assert surface.at(0.9, 0, 0.9)[4] == pytest.approx(50 / 255, abs=0.01)
    assert any("different UVs" in note for note in notes_of(path))


@pytest.mark.parametrize(
    ("values", "kind", "normalized"),
    [
        ([[HALF, 0, 1]] * 4, "f4", False),
        ([[HALF, 0, 1, 1]] * 4, "f4", False),
        ([[55, 0, 255, 255]] * 4, "u1", True),
        ([[14027, 0, 65535]] * 4, "u2", True),
        ([[55, 0, 255, 255]] * 4, "u1", False),  # not allowed, and found all the same
    ],
)
def test_colours_of_vertices(tmp_path: Path, values: Any, kind: str, normalized: bool) -> None:
    gltf = Gltf()
    colors = gltf.accessor(values, kind, normalized=normalized)
    gltf.painted({"pbrMetallicRoughness": {"metallicFactor": 0}}, COLOR_0=colors)
    mesh = gltf.load(tmp_path)
    assert mesh.colors is not None
    np.testing.assert_allclose(mesh.colors, [[0.5, 0, 1, 1]] * 4, atol=4e-3)


def test_light_is_added_to_the_colour(tmp_path: Path) -> None:
    gltf = Gltf("KHR_materials_emissive_strength")
    material: dict[str, Any] = {
        "name": "lamp",
        "pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1], "metallicFactor": 0},
        "emissiveFactor": [HALF / 2, 0, 1],
        "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 2}},
    }
    gltf.painted(material)
    path = gltf.save(tmp_path / "made.glb")
    Surface(load_mesh(path)).shows((0.5, 0, 0.5), (0.5, 0, 1))
    assert any("lamp" in note and "light" in note for note in notes_of(path))


@pytest.mark.parametrize("on_texture", [True, False])
def test_pictures_of_light(tmp_path: Path, on_texture: bool) -> None:
    gltf = Gltf()
    material = textured(gltf.texture(plain(255, 0, 0))) if on_texture else {}
    if not on_texture:
        material["pbrMetallicRoughness"] = {"baseColorFactor": [1, 0, 0, 1]}
    light = gltf.texture(quarters())
    gltf.painted({**material, "emissiveFactor": [1, 1, 1], "emissiveTexture": {"index": light}})
    surface = Surface(gltf.load(tmp_path))
    surface.shows((0.25, 0, 0.75), RED)
    surface.shows((0.75, 0, 0.75), (1, 1, 0))
    surface.shows((0.25, 0, 0.25), (1, 0, 1))


def test_light_without_its_factor_is_none(tmp_path: Path) -> None:
    gltf = Gltf()
    light = {"index": gltf.texture(plain(255, 255, 255))}
    gltf.painted(
        {"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}, "emissiveTexture": light}
    )
    Surface(gltf.load(tmp_path)).shows((0.5, 0, 0.5), RED)


def glossy(**more: Any) -> dict[str, Any]:
    return {"extensions": {"KHR_materials_pbrSpecularGlossiness": more}}


@pytest.mark.parametrize(
    ("given", "color", "metallic", "roughness"),
    [
        ({"diffuseFactor": [HALF, 0, 0, 1], "specularFactor": [0.04] * 3}, (0.5, 0, 0), 0, 0),
        ({"diffuseFactor": [HALF, 0, 0, 1], "specularFactor": [0] * 3}, (0.5, 0, 0), 0, 0),
        ({"diffuseFactor": [0, 0, 0, 1], "specularFactor": [1, 1, 1]}, (1, 1, 1), 1, 0),
        ({"diffuseFactor": [0, 0, 0, 1], "specularFactor": [1, HALF, 0]}, (1, 0.5, 0), 1, 0),
        (
            {"diffuseFactor": [1, 1, 1, 1], "specularFactor": [0.04] * 3, "glossinessFactor": 0.3},
            (1, 1, 1),
            0,
            0.7,
        ),
    ],
)
def test_specular_and_gloss(
    tmp_path: Path, given: dict[str, Any], color: Any, metallic: float, roughness: float
) -> None:
    gltf = Gltf("KHR_materials_pbrSpecularGlossiness")
    gltf.painted(glossy(**given))
    path = gltf.save(tmp_path / "made.glb")
    value = Surface(load_mesh(path)).at(0.5, 0, 0.5)
    np.testing.assert_allclose(value[:3], color, atol=0.06)
    assert value[3] == pytest.approx(metallic, abs=0.05)
    assert value[4] == pytest.approx(roughness, abs=0.01)
    assert any("specular" in note for note in notes_of(path))


def test_pictures_of_specular_and_gloss(tmp_path: Path) -> None:
    """Metal on the left, red plastic on the right."""
    gltf = Gltf("KHR_materials_pbrSpecularGlossiness")
    diffuse = np.zeros((32, 32, 3), np.uint8)
    diffuse[:, 16:] = (188, 0, 0)
    shine = np.zeros((32, 32, 4), np.uint8)
    shine[:, :16] = (255, 220, 100, 204)
    shine[:, 16:] = (56, 56, 56, 51)
    gltf.painted(
        glossy(
            diffuseTexture={"index": gltf.texture(encoded(diffuse))},
            specularGlossinessTexture={"index": gltf.texture(encoded(shine))},
        )
    )
    surface = Surface(gltf.load(tmp_path))
    metal, plastic = surface.at(0.2, 0, 0.5), surface.at(0.8, 0, 0.5)
    np.testing.assert_allclose(metal[:3], np.array([255, 220, 100]) / 255, atol=0.06)
    np.testing.assert_allclose(plastic[:3], np.array([188, 0, 0]) / 255, atol=0.06)
    np.testing.assert_allclose(metal[3:5], [1, 0.2], atol=0.06)
    np.testing.assert_allclose(plastic[3:5], [0, 0.8], atol=0.06)


@pytest.mark.parametrize("picture", [True, False])
def test_transmission_is_alpha(tmp_path: Path, picture: bool) -> None:
    gltf = Gltf("KHR_materials_transmission")
    given: dict[str, Any] = {"transmissionFactor": 0.5}
    if picture:
        texels = np.zeros((32, 32, 3), np.uint8)
        texels[:, :16, 0] = 255
        given["transmissionTexture"] = {"index": gltf.texture(encoded(texels))}
    material = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}
    gltf.painted({**material, "extensions": {"KHR_materials_transmission": given}})
    path = gltf.save(tmp_path / "made.glb")
    surface = Surface(load_mesh(path))
    assert surface.at(0.2, 0, 0.5)[5] == pytest.approx(0.5, abs=0.02)
    assert surface.at(0.8, 0, 0.5)[5] == pytest.approx(1 if picture else 0.5, abs=0.02)
    surface.shows((0.2, 0, 0.5), RED)
    assert any("lets light through" in note for note in notes_of(path))


def test_unlit_is_neither_metal_nor_smooth(tmp_path: Path) -> None:
    gltf = Gltf("KHR_materials_unlit")
    gltf.painted({"extensions": {"KHR_materials_unlit": {}}, "pbrMetallicRoughness": {}})
    path = gltf.save(tmp_path / "made.glb")
    np.testing.assert_allclose(Surface(load_mesh(path)).at(0.5, 0, 0.5)[3:5], [0, 1])
    assert any("only its colour is kept" in note for note in notes_of(path))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("KHR_materials_clearcoat", "clear coat"),
        ("KHR_materials_sheen", "sheen"),
        ("KHR_materials_iridescence", "iridescence"),
    ],
)
def test_layers_that_are_left_out_are_named(tmp_path: Path, name: str, word: str) -> None:
    gltf = Gltf(name)
    gltf.painted({"extensions": {name: {}}})
    assert any(word in note for note in notes_of(gltf.save(tmp_path / "made.glb")))


@pytest.mark.parametrize("alone", [True, False])
def test_a_picture_in_a_format_that_cannot_be_read(tmp_path: Path, alone: bool) -> None:
    """KTX2 beside a plain picture is not needed; alone it is a note."""
    gltf = Gltf(*(["KHR_texture_basisu"] if alone else []))
    ktx = gltf.add("images", {"bufferView": gltf.view(b"\xabKTX 20\xbb" + bytes(50))})
    texture = gltf.texture(plain(0, 0, 255), extensions={"KHR_texture_basisu": {"source": ktx}})
    if alone:
        del gltf.document["textures"][texture]["source"]
    gltf.painted(textured(texture))
    path = gltf.save(tmp_path / "made.glb")
    Surface(load_mesh(path)).shows((0.5, 0, 0.5), WHITE if alone else BLUE)
    assert any("cannot be read" in note for note in notes_of(path)) is alone


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_pictures_of_newer_formats(tmp_path: Path, kind: str) -> None:
    name = f"EXT_texture_{kind.lower()}"
    gltf = Gltf(name)
    data = encoded(np.full((8, 8, 3), (255, 0, 0), np.uint8), kind)
    image = gltf.add("images", {"bufferView": gltf.view(data)})
    texture = gltf.add("textures", {"extensions": {name: {"source": image}}})
    gltf.painted(textured(texture))
    Surface(gltf.load(tmp_path)).shows((0.5, 0, 0.5), RED)


@pytest.mark.parametrize(
    "uri", ["my%20red.png", "my red.png", "C:\\art\\my red.png", "gone/MY RED.PNG"]
)
def test_pictures_beside_the_document(tmp_path: Path, uri: str) -> None:
    gltf = Gltf()
    texture = gltf.add("textures", {"source": gltf.add("images", {"uri": uri})})
    gltf.painted(textured(texture))
    (tmp_path / "my red.png").write_bytes(plain(255, 0, 0))
    Surface(gltf.load(tmp_path)).shows((0.5, 0, 0.5), RED)


def test_faces_without_the_uvs_of_their_texture_are_named(tmp_path: Path) -> None:
    gltf = Gltf()
    material = gltf.add("materials", {**textured(gltf.texture(quarters())), "name": "skin"})
    gltf.show({**gltf.square(), "material": material})
    path = gltf.save(tmp_path / "made.glb")
    assert any("skin lack the UVs" in note for note in notes_of(path))


def test_one_line_on_what_was_found(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.painted(textured(gltf.texture(quarters())))
    gltf.add("animations", {"channels": [], "samplers": []})
    said = notes_of(gltf.save(tmp_path / "made.glb"))
    assert said == [
        "made.glb: 2 faces, 1 material, 1 texture, UVs, lengths in metres; left out: 1 animation."
    ]


@pytest.mark.parametrize("index", [None, -1, 7, "one"])
def test_a_texture_that_is_not_there_is_a_note(tmp_path: Path, index: Any) -> None:
    gltf = Gltf()
    gltf.texture(quarters())
    gltf.painted({**textured(0), "normalTexture": {"index": index, "scale": "x"}})
    path = gltf.save(tmp_path / "a.glb")
    said: list[str] = []
    material = load_mesh(path, tell=said.append).materials[0]
    assert material.base_color_texture is not None and material.normal_texture is None
    assert any("texture" in sentence and "lacks" in sentence for sentence in said)
    assert not any("None" in sentence for sentence in said)
    with pytest.raises(EngineError) as caught:
        load_mesh(path, require_textures=True)
    assert caught.value.code == "texture_broken"


@pytest.mark.parametrize(("cutoff", "kept"), [(1.5, 1.5), (-1.0, 0.0), (float("inf"), None)])
def test_a_cutoff_of_alpha_is_a_number(tmp_path: Path, cutoff: float, kept: float | None) -> None:
    gltf = Gltf()
    material = gltf.add("materials", {"alphaMode": "MASK", "alphaCutoff": cutoff})
    gltf.show({**gltf.square(), "material": material})
    if kept is None:
        with pytest.raises(EngineError) as caught:
            gltf.load(tmp_path)
        assert caught.value.code == "mesh_broken"
    else:
        assert gltf.load(tmp_path).materials[0].alpha_cutoff == kept
