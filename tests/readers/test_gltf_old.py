"""glTF 1.0, materials that are values for shaders, and chunks without their padding."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.host.color import srgb_from_linear
from engine.mesh import Mesh
from engine.readers.load import load_mesh
from tests.readers.made import SQUARE_UVS, Gltf, quarters

KINDS = ("accessors", "bufferViews", "images", "materials", "meshes", "nodes", "samplers")
KINDS += ("scenes", "textures")


def pair(material: dict[str, Any]) -> Gltf:
    """Two painted squares, one beside the other, on a node that hangs on a turned one."""
    gltf = Gltf()
    sampler = {"wrapS": 33071, "wrapT": 33648}
    gltf.texture(quarters(16), sampler)
    primitive = gltf.square(TEXCOORD_0=gltf.accessor(SQUARE_UVS))
    primitive["material"] = gltf.add("materials", material)
    child = gltf.add("nodes", {"mesh": gltf.mesh(primitive), "translation": [3, 0, 0]})
    gltf.show(primitive, rotation=[0, 0, 0.6, 0.8], scale=[1, 2, 1], children=[child])
    return gltf


def old_document(gltf: Gltf, values: dict[str, Any]) -> dict[str, Any]:
    """The document in the words of 1.0, whose references are names such as "meshes 0"."""
    document = json.loads(json.dumps(gltf.document))
    name = "{} {}".format
    for accessor in document["accessors"]:
        accessor["bufferView"] = name("bufferViews", accessor["bufferView"])
        accessor["byteStride"] = 0
    for view in document["bufferViews"]:
        view["buffer"] = "binary_glTF"
    for image in document["images"]:
        image["extensions"] = {
            "KHR_binary_glTF": {"bufferView": name("bufferViews", image.pop("bufferView"))}
        }
    for texture in document["textures"]:
        texture["source"] = name("images", texture["source"])
        texture["sampler"] = name("samplers", texture["sampler"])
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["indices"] = name("accessors", primitive["indices"])
            primitive["material"] = name("materials", primitive["material"])
            given = primitive["attributes"]
            primitive["attributes"] = {k: name("accessors", v) for k, v in given.items()}
    for node in document["nodes"]:
        node["meshes"] = [name("meshes", node.pop("mesh"))]
        node["children"] = [name("nodes", child) for child in node.get("children", [])]
    document["scenes"][0]["nodes"] = [name("nodes", k) for k in document["scenes"][0]["nodes"]]
    document["scene"] = "scenes 0"
    document["materials"] = [{"name": "paint", "technique": "drawn", "values": values}]
    document["asset"] = {"version": "1.0"}
    for kind in KINDS:
        document[kind] = {name(kind, k): entry for k, entry in enumerate(document[kind])}
    return document


def save(document: dict[str, Any], binary: bytes, path: Path) -> Path:
    """A .glb of version 1, or a .gltf with its data inside."""
    buffers = {"other": {"byteLength": 0, "uri": "data:,"}}
    if path.suffix == ".gltf":
        uri = f"data:;base64,{base64.b64encode(binary).decode()}"
        text = (
            json.dumps(document)
            .replace('binary_glTF"}', 'all"}')
            .replace('"buffer": "binary_glTF"', '"buffer": "all"')
        )
        document = json.loads(text)
        document["buffers"] = {**buffers, "all": {"byteLength": len(binary), "uri": uri}}
        path.write_text(json.dumps(document))
        return path
    document["buffers"] = {**buffers, "binary_glTF": {"byteLength": len(binary), "uri": "data:,"}}
    text = json.dumps(document).encode()
    total = 20 + len(text) + len(binary)
    path.write_bytes(b"glTF" + struct.pack("<IIII", 1, total, len(text), 0) + text + binary)
    return path


def assert_same_shape(mesh: Mesh, other: Mesh) -> None:
    np.testing.assert_array_equal(mesh.vertices, other.vertices)
    np.testing.assert_array_equal(mesh.faces, other.faces)
    assert mesh.uvs is not None and other.uvs is not None
    np.testing.assert_array_equal(mesh.uvs, other.uvs)


@pytest.mark.parametrize("suffix", [".gltf", ".glb"])
def test_version_1_is_as_version_2(tmp_path: Path, suffix: str) -> None:
    gltf = pair({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0}})
    new = load_mesh(gltf.save(tmp_path / "new.glb"))
    document = old_document(gltf, {"diffuse": "textures 0", "emission": [0, 0, 0, 1]})
    said: list[str] = []
    old = load_mesh(save(document, gltf.binary, tmp_path / f"old{suffix}"), tell=said.append)
    assert_same_shape(old, new)
    picture, expected = (m.materials[0].base_color_texture for m in (old, new))
    assert picture is not None and expected is not None
    np.testing.assert_array_equal(picture.pixels, expected.pixels)
    assert picture.wrap == expected.wrap == ("clamp", "mirror")
    assert old.materials[0].metallic_factor == 0
    assert "glTF 1.0" in said[0]


def test_colours_of_version_1_are_those_on_the_screen(tmp_path: Path) -> None:
    gltf = pair({})
    document = old_document(gltf, {"diffuse": [0.5, 0.2, 1.0, 0.5], "transparency": 0.5})
    document["techniques"] = {"drawn": {"states": {"enable": [2929, 3042]}}}
    mesh = load_mesh(save(document, gltf.binary, tmp_path / "old.glb"))
    material = mesh.materials[0]
    assert material.base_color_factor == pytest.approx((0.5, 0.2, 1.0), abs=1e-6)
    assert (material.alpha_factor, material.alpha_mode) == (0.25, "blend")


def test_several_meshes_of_a_node_and_strides(tmp_path: Path) -> None:
    gltf = pair({})
    document = old_document(gltf, {"diffuse": [1, 1, 1, 1]})
    document["nodes"]["nodes 0"]["meshes"] = ["meshes 0", "meshes 1"]
    both = load_mesh(save(document, gltf.binary, tmp_path / "both.glb"))
    assert len(both.faces) == 6
    # Every other row: the stride is the accessor's, and its view is that of others too.
    rows = np.zeros((4, 2, 3), "<f4")
    rows[:, 0] = np.array([[0, 0, 0], [5, 0, 0], [5, 5, 0], [0, 5, 0]])
    place = document["accessors"]["accessors 1"]
    document["bufferViews"]["apart"] = {
        "buffer": "binary_glTF",
        "byteOffset": len(gltf.binary),
        "byteLength": rows.nbytes,
    }
    place |= {"bufferView": "apart", "byteStride": 24, "byteOffset": 0}
    document["nodes"]["nodes 0"]["meshes"] = ["meshes 0"]
    path = save(document, gltf.binary + rows.tobytes(), tmp_path / "wide.glb")
    assert np.ptp(load_mesh(path).vertices, axis=0).max() >= 5


def test_a_name_that_is_not_there_is_told(tmp_path: Path) -> None:
    gltf = pair({})
    document = old_document(gltf, {})
    document["meshes"]["meshes 0"]["primitives"][0]["indices"] = "nowhere"
    path = save(document, gltf.binary, tmp_path / "old.glb")
    with pytest.raises(Exception, match="nowhere"):
        load_mesh(path)


@pytest.mark.parametrize(
    "given",
    [
        {"values": {"diffuse": [0]}, "technique": 0},
        {"extensions": {"KHR_techniques_webgl": {"values": {"u_diffuse": {"index": 0}}}}},
        {"extensions": {"KHR_materials_common": {"values": {"diffuse": {"index": 0}}}}},
    ],
)
def test_materials_for_shaders_in_version_2(tmp_path: Path, given: dict[str, Any]) -> None:
    gltf = pair(given)
    gltf.document["extensionsRequired"] = [
        "KHR_technique_webgl",
        "KHR_techniques_webgl",
        "KHR_materials_common",
    ]
    mesh = load_mesh(gltf.save(tmp_path / "a.glb"))
    assert mesh.materials[0].base_color_texture is not None
    assert mesh.materials[0].metallic_factor == 0


def test_a_shader_without_usual_words_is_told(tmp_path: Path) -> None:
    gltf = pair({"name": "odd", "extensions": {"KHR_techniques_webgl": {"values": {"u_x": 1}}}})
    said: list[str] = []
    load_mesh(gltf.save(tmp_path / "a.glb"), tell=said.append)
    assert any("odd" in sentence and "shader" in sentence for sentence in said)


@pytest.mark.parametrize("spaces", [1, 2, 3])
def test_chunks_that_are_not_padded(tmp_path: Path, spaces: int) -> None:
    gltf = pair({"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.5, 0.5, 1]}})
    whole = load_mesh(gltf.save(tmp_path / "whole.glb"))
    text = json.dumps({**gltf.document, "buffers": [{"byteLength": len(gltf.binary)}]}).encode()
    text += b" " * (-len(text) % 4 + spaces)
    body = struct.pack("<I4s", len(text), b"JSON") + text
    body += struct.pack("<I4s", len(gltf.binary), b"BIN\0") + gltf.binary
    path = tmp_path / "short.glb"
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body)
    mesh = load_mesh(path)
    assert_same_shape(mesh, whole)
    grey = float(srgb_from_linear(np.array(0.5)))
    assert mesh.materials[0].base_color_factor == pytest.approx((grey,) * 3)
