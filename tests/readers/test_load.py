"""Mesh files of every format become the mesh they describe, or an error that says why not."""

import io
import json
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from engine.export.mesh_file import save_mesh
from engine.mesh import Mesh
from engine.readers.load import load_mesh
from protocol.errors import EngineError

# A triangle in glTF's axes, and the same one Z-up.
TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 3]], np.float32)
TRIANGLE_Z_UP = np.array([[0, 0, 0], [1, 0, 0], [0, -3, 2]], np.float32)


def png(color: tuple[int, ...], mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (2, 2), color).save(stream, "PNG")
    return stream.getvalue()


def write_gltf(folder: Path, *, binary: bool = False, **changes: Any) -> Path:
    """One triangle with UVs and a texture in a file beside it; ``changes`` replace top-level keys.

    The buffer holds positions (36 bytes), UVs (24), colours (3 x 4 uint16, 24), indices (3 x
    uint16) and two bytes of padding.
    """
    uvs = np.array([[0, 0], [1, 0], [0, 0.25]], np.float32)
    colors = np.full((3, 4), 65535, np.uint16)
    colors[:, 0] = round(0.2140411 * 65535)  # linear light of sRGB one half
    indices = np.array([0, 1, 2, 0], np.uint16)
    blob = TRIANGLE.tobytes() + uvs.tobytes() + colors.tobytes() + indices.tobytes()
    views = [(0, 36), (36, 24), (60, 24), (84, 6)]
    kinds = [(5126, 3, "VEC3"), (5126, 3, "VEC2"), (5123, 3, "VEC4"), (5123, 3, "SCALAR")]
    attributes = {"POSITION": 0, "TEXCOORD_0": 1}
    document: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [
            {
                "name": "paint",
                "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}},
            }
        ],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": 9728, "wrapS": 33071, "wrapT": 33071}],
        "images": [{"uri": "paint%20pot.png"}],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": size} for start, size in views
        ],
        "accessors": [
            {"bufferView": i, "componentType": kind, "count": count, "type": shape}
            for i, (kind, count, shape) in enumerate(kinds)
        ],
    }
    document.update(changes)
    (folder / "paint pot.png").write_bytes(png((10, 20, 30)))
    if not binary:
        document["buffers"][0]["uri"] = "triangle.bin"
        (folder / "triangle.bin").write_bytes(blob)
        path = folder / "triangle.gltf"
        path.write_text(json.dumps(document))
        return path
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    path = folder / "triangle.glb"
    path.write_bytes(
        struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(blob), len(text), 0x4E4F534A)
        + text
        + struct.pack("<I4s", len(blob), b"BIN\0")
        + blob
    )
    return path


def material(**pbr: Any) -> list[dict[str, Any]]:
    return [{"pbrMetallicRoughness": pbr}]


@pytest.mark.parametrize("binary", [False, True])
def test_gltf_triangle(tmp_path: Path, binary: bool) -> None:
    mesh = load_mesh(write_gltf(tmp_path, binary=binary))
    np.testing.assert_array_equal(mesh.vertices, TRIANGLE_Z_UP)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2]])
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int32
    assert mesh.uvs is not None
    np.testing.assert_array_equal(mesh.uvs, [[[0, 1], [1, 1], [0, 0.75]]])
    (paint,) = mesh.materials
    assert (paint.name, paint.metallic_factor, paint.roughness_factor) == ("paint", 1.0, 1.0)
    assert paint.base_color_texture is not None
    assert (paint.base_color_texture.filter, paint.base_color_texture.wrap) == ("nearest", "clamp")
    np.testing.assert_array_equal(paint.base_color_texture.pixels[1, 1], [10, 20, 30])


def test_gltf_factors_are_exact_and_encoded_once(tmp_path: Path) -> None:
    factors = material(
        baseColorFactor=[0.2140411, 0.0, 1.0, 0.123], metallicFactor=0.111, roughnessFactor=0.222
    )
    factors[0].update(alphaMode="MASK", alphaCutoff=0.3)
    (paint,) = load_mesh(write_gltf(tmp_path, materials=factors)).materials
    np.testing.assert_allclose(paint.base_color_factor, (0.5, 0.0, 1.0), atol=1e-6)
    assert (paint.alpha_factor, paint.metallic_factor, paint.roughness_factor) == (
        *(0.123, 0.111),
        0.222,
    )
    assert (paint.alpha_mode, paint.alpha_cutoff) == ("mask", 0.3)


def test_gltf_without_material_is_no_metal(tmp_path: Path) -> None:
    meshes = [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 3}]}]
    (paint,) = load_mesh(write_gltf(tmp_path, meshes=meshes)).materials
    assert paint.metallic_factor == 0.0


@pytest.mark.parametrize("with_material", [False, True])
def test_gltf_vertex_colours_are_encoded(tmp_path: Path, with_material: bool) -> None:
    primitive: dict[str, Any] = {"attributes": {"POSITION": 0, "COLOR_0": 2}, "indices": 3}
    if with_material:
        primitive["material"] = 0
    mesh = load_mesh(write_gltf(tmp_path, meshes=[{"primitives": [primitive]}]))
    assert mesh.colors is not None
    np.testing.assert_allclose(mesh.colors, [[0.5, 1, 1, 1]] * 3, atol=2e-5)


def test_gltf_nodes_are_placed_and_mirrors_keep_their_front(tmp_path: Path) -> None:
    nodes = [
        {"children": [1, 2], "translation": [10, 0, 0]},
        {"mesh": 0, "scale": [2, 2, 2]},
        {"mesh": 0, "scale": [-1, 1, 1]},
    ]
    mesh = load_mesh(write_gltf(tmp_path, nodes=nodes))
    expected = np.array([TRIANGLE_Z_UP * 2, TRIANGLE_Z_UP * (-1, 1, 1)])
    expected[..., 0] += 10
    order = np.argsort(mesh.vertices[:, 0].reshape(2, 3).max(axis=1))[::-1]
    np.testing.assert_allclose(mesh.vertices.reshape(2, 3, 3)[order], expected, atol=1e-6)
    a, b, c = mesh.vertices[mesh.faces[order[1]]]
    assert np.cross(b - a, c - a) @ np.cross(*(TRIANGLE_Z_UP[1:] * (-1, 1, 1))) < 0


def test_gltf_texture_transform_moves_uvs(tmp_path: Path) -> None:
    move = {"offset": [0.5, 0.25], "scale": [2, 3], "rotation": np.pi / 2}
    texture = {"index": 0, "extensions": {"KHR_texture_transform": move}}
    mesh = load_mesh(write_gltf(tmp_path, materials=material(baseColorTexture=texture)))
    # (u, v) scaled, turned a quarter: (v, -u), moved, then v counted from the bottom.
    expected = [[0.5, 0.75], [0.5, 2.75], [1.25, 0.75]]
    assert mesh.uvs is not None
    np.testing.assert_allclose(mesh.uvs[0], expected, atol=1e-6)


def test_two_materials_keep_their_faces(tmp_path: Path) -> None:
    primitive = {"attributes": {"POSITION": 0}, "indices": 3}
    meshes = [{"primitives": [{**primitive, "material": m} for m in (1, 0)] + [primitive]}]
    materials = [*material(metallicFactor=0.25), *material(metallicFactor=0.75)]
    mesh = load_mesh(write_gltf(tmp_path, meshes=meshes, materials=materials))
    assert mesh.face_material is not None
    metallic = [mesh.materials[m].metallic_factor for m in mesh.face_material]
    assert metallic == [0.75, 0.25, 0.0]


OBJ = """mtllib square.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl paint
f 1/1 2/2 3/3
f 1/4 3/3 4/4
"""
MTL = "newmtl paint\nKd 0.5 0.25 1\nPm 0.75\nPr 0.125\nd 0.5\n"


def test_obj_keeps_connections_and_seams(tmp_path: Path) -> None:
    (tmp_path / "square.obj").write_text(OBJ)
    (tmp_path / "square.mtl").write_text(MTL)
    mesh = load_mesh(tmp_path / "square.obj")
    assert len(mesh.vertices) == 4
    np.testing.assert_array_equal(
        mesh.vertices[mesh.faces],
        [[[0, 0, 0], [1, 0, 0], [1, 0, 1]], [[0, 0, 0], [1, 0, 1], [0, 0, 1]]],
    )
    assert mesh.uvs is not None
    np.testing.assert_array_equal(mesh.uvs, [[[0, 0], [1, 0], [1, 1]], [[0, 1], [1, 1], [0, 1]]])
    (paint,) = mesh.materials
    assert paint.base_color_factor == (0.5, 0.25, 1)
    assert (paint.metallic_factor, paint.roughness_factor) == (0.75, 0.125)
    assert (paint.alpha_factor, paint.alpha_mode) == (0.5, "blend")


@pytest.mark.parametrize("line", ["map_Kd red.png", "map_Kd -clamp on -s 1 1 1 red.png"])
def test_obj_texture(tmp_path: Path, line: str) -> None:
    (tmp_path / "square.obj").write_text(OBJ)
    (tmp_path / "square.mtl").write_text(MTL + line)
    (tmp_path / "red.png").write_bytes(png((255, 0, 0, 128), "RGBA"))
    (paint,) = load_mesh(tmp_path / "square.obj").materials
    assert paint.base_color_texture is not None
    np.testing.assert_array_equal(paint.base_color_texture.pixels[0, 0], [255, 0, 0, 128])
    assert paint.base_color_texture.wrap == ("clamp" if "clamp" in line else "repeat")


def test_obj_maps_of_metallic_and_roughness(tmp_path: Path) -> None:
    (tmp_path / "square.obj").write_text(OBJ)
    (tmp_path / "square.mtl").write_text(MTL + "map_Pm metal.png\nmap_Pr rough.png\n")
    (tmp_path / "rough.png").write_bytes(png((200,), "L"))
    with pytest.raises(EngineError, match=r"metal\.png"):
        load_mesh(tmp_path / "square.obj", require_textures=True)
    (paint,) = load_mesh(tmp_path / "square.obj").materials
    assert (paint.metallic_factor, paint.roughness_factor) == (0, 1)
    (tmp_path / "metal.png").write_bytes(png((10,), "L"))
    (paint,) = load_mesh(tmp_path / "square.obj").materials
    assert (paint.metallic_factor, paint.roughness_factor) == (1, 1)
    assert paint.metallic_roughness_texture is not None
    np.testing.assert_array_equal(paint.metallic_roughness_texture.pixels[0, 0], [255, 200, 10])


def test_stl_triangles_are_joined_and_axes_kept(tmp_path: Path) -> None:
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "box.stl")
    mesh = load_mesh(tmp_path / "box.stl")
    assert mesh.vertices.shape == (8, 3)
    assert len(mesh.faces) == 12
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 2, 3])


def test_ply_colours(tmp_path: Path) -> None:
    (tmp_path / "t.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
        "property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        "0 0 0 255 0 0\n1 0 0 0 255 0\n0 1 0 0 0 51\n3 0 1 2\n"
    )
    mesh = load_mesh(tmp_path / "t.ply")
    assert mesh.colors is not None
    np.testing.assert_allclose(mesh.colors, [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0.2, 1]], atol=1e-6)


def refusal(path: Path, **options: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        load_mesh(path, **options)
    assert caught.value.hint
    return caught.value


def test_absent_file_folder_and_unknown_suffix(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.glb").code == "mesh_absent"
    (tmp_path / "folder.ply").mkdir()
    assert refusal(tmp_path / "folder.ply").code == "mesh_absent"
    assert refusal(tmp_path / "a.max").code == "mesh_format"
    assert refusal(tmp_path / "a").code == "mesh_format"


@pytest.mark.parametrize("suffix", [".glb", ".gltf", ".obj", ".ply", ".stl"])
@pytest.mark.parametrize("content", [b"", b"\0\1\2\3" * 50, b"hello, this is not a mesh\n"])
def test_files_that_are_something_else(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"wrong{suffix}"
    path.write_bytes(content)
    assert refusal(path).code in ("mesh_broken", "mesh_empty")


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".stl"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_binary_files(tmp_path: Path, suffix: str, part: float) -> None:
    path = tmp_path / f"ball{suffix}"
    trimesh.creation.icosphere(subdivisions=2).export(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert refusal(path).code in ("mesh_broken", "mesh_empty")


def test_truncated_buffer_of_a_gltf(tmp_path: Path) -> None:
    path = write_gltf(tmp_path)
    (tmp_path / "triangle.bin").write_bytes(b"\0" * 20)
    assert refusal(path).code == "mesh_broken"
    (tmp_path / "triangle.bin").unlink()
    assert refusal(path).code == "mesh_broken"


def test_meshes_with_nothing_in_them(tmp_path: Path) -> None:
    assert refusal(write_gltf(tmp_path, nodes=[{}])).code == "mesh_empty"
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    assert refusal(tmp_path / "points.obj").code == "mesh_empty"


@pytest.mark.parametrize("value", ["nan", "inf", "1e39"])
def test_vertices_that_are_not_finite(tmp_path: Path, value: str) -> None:
    (tmp_path / "bad.obj").write_text(f"v 0 0 {value}\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert refusal(tmp_path / "bad.obj").code == "mesh_not_finite"


def test_indices_out_of_range(tmp_path: Path) -> None:
    (tmp_path / "bad.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    assert refusal(tmp_path / "bad.obj").code == "mesh_broken"
    meshes = [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 3}]}]
    path = write_gltf(tmp_path, meshes=meshes)
    blob = bytearray((tmp_path / "triangle.bin").read_bytes())
    blob[84] = 200
    (tmp_path / "triangle.bin").write_bytes(blob)
    assert refusal(path).code == "mesh_broken"


@pytest.mark.parametrize(
    "face", ["f 0 1 2", "f 1/0/1 2/1/1 3/1/1", " f 1 2 0", "f 1//1 2//00 3//1"]
)
def test_obj_indices_start_at_one(tmp_path: Path, face: str) -> None:
    path = tmp_path / "zero.obj"
    path.write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n# f 0\n{face}\n")
    error = refusal(path)
    assert error.code == "mesh_broken"
    assert "zero.obj" in error.message
    assert "line 7 has a face with the index 0" in error.message
    path.write_text("v 0 0 0\n" * 7 + "v 1 0 0\nv 0 1 0\nv 1 1 0\nf 8 9 10\nf -1 -2 -3\n")
    assert len(load_mesh(path).faces) == 2


def test_what_is_not_understood_is_refused_by_name(tmp_path: Path) -> None:
    error = refusal(write_gltf(tmp_path, extensionsRequired=["EXT_folded"]))
    assert error.code == "mesh_unsupported"
    assert "EXT_folded" in error.message


def test_missing_and_broken_textures_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_gltf(tmp_path)
    (tmp_path / "paint pot.png").write_bytes(png((1, 2, 3))[:40])
    error = refusal(path, require_textures=True)
    assert (error.code, "paint pot.png" in error.message) == ("texture_broken", True)
    (tmp_path / "paint pot.png").unlink()
    error = refusal(path, require_textures=True)
    assert (error.code, "paint pot.png" in error.message) == ("texture_missing", True)
    with caplog.at_level(logging.WARNING):
        mesh = load_mesh(path)
    assert mesh.materials[0].base_color_texture is None
    assert "paint pot.png" in caplog.text


def test_missing_texture_and_material_file_of_an_obj(tmp_path: Path) -> None:
    path = tmp_path / "square.obj"
    path.write_text(OBJ)
    error = refusal(path, require_textures=True)
    assert (error.code, "square.mtl" in error.message) == ("material_missing", True)
    assert len(load_mesh(path).faces) == 2
    (tmp_path / "square.mtl").write_text(MTL + "map_Kd lost.png\n")
    error = refusal(path, require_textures=True)
    assert (error.code, "lost.png" in error.message) == ("texture_missing", True)


def test_missing_texture_of_a_ply(tmp_path: Path) -> None:
    mesh = Mesh(TRIANGLE, np.array([[0, 1, 2]], np.int32))
    save_mesh(mesh, tmp_path / "t.ply")
    data = (tmp_path / "t.ply").read_bytes()
    data = data.replace(b"end_header", b"comment TextureFile lost.png\nend_header")
    (tmp_path / "t.ply").write_bytes(data)
    assert refusal(tmp_path / "t.ply", require_textures=True).code == "texture_missing"
    assert load_mesh(tmp_path / "t.ply").materials[0].base_color_texture is None


@pytest.mark.parametrize(("entry", "refused"), [("Kd nan 2 0", True), ("Kd 2 -1 0.5", False)])
def test_colours_of_mtl_are_checked(tmp_path: Path, entry: str, refused: bool) -> None:
    (tmp_path / "m.mtl").write_text(f"newmtl a\n{entry}\n")
    path = tmp_path / "m.obj"
    path.write_text("mtllib m.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    if refused:
        with pytest.raises(EngineError) as caught:
            load_mesh(path)
        assert caught.value.code == "mesh_material"
    else:
        assert load_mesh(path).materials[0].base_color_factor == (1.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.obj", b"\x89PNG\r\n", "a PNG picture"),
        ("a.stl", b"glTF\2\0\0\0", "binary glTF"),
        ("a.ply", b"\xff\xd8\xff\xe0", "a JPEG picture"),
        ("a.glb", b"BLENDER-v400", "a Blender file"),
        ("a.STL", b"Kaydara FBX Binary", "an FBX file"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, name: str, head: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(head + bytes(200))
    with pytest.raises(EngineError, match=kind) as caught:
        load_mesh(path)
    assert caught.value.code == "mesh_broken"
