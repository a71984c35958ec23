"""GLB files: valid by the Khronos validator, and the same when they are read again."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from engine.export.gltf import NamedMesh, encode_picture, glb_bytes
from engine.export.hull import collision_hull
from engine.export.mesh_file import save_levels, save_mesh, save_scene
from engine.mesh import Mesh, Texture
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.export.assets import game_asset, sheet, textured_ball
from tests.export.glb import document_of, taken_apart
from tests.export.gltf_validator import assert_valid


@pytest.mark.parametrize("see_through", [False, True])
@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_textured_glb(tmp_path: Path, see_through: bool, image_format) -> None:
    mesh = textured_ball(see_through=see_through)
    path = tmp_path / "ball.glb"
    save_mesh(mesh, path, image_format=image_format)
    report = assert_valid(path)
    assert report["info"]["totalTriangleCount"] == len(mesh.faces)
    document = document_of(path)
    needed = ["EXT_texture_webp"] if image_format == "webp" else None
    assert document.get("extensionsUsed") == document.get("extensionsRequired") == needed
    for primitive in document["meshes"][0]["primitives"]:
        assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "TANGENT", "TEXCOORD_0"}
    kinds = [m.get("alphaMode", "OPAQUE") for m in document["materials"]]
    assert kinds == (["OPAQUE", "BLEND"] if see_through else ["OPAQUE"])
    assert not any(m.get("doubleSided", False) for m in document["materials"])
    names = ["ball_base_color", "ball_occlusion_roughness_metallic", "ball_normal"]
    assert [image["name"] for image in document["images"]] == names  # shared by both materials
    again = load_mesh(path)
    assert len(again.faces) == len(mesh.faces)
    assert len(again.materials) == len(mesh.materials)
    np.testing.assert_allclose(again.vertices.min(axis=0), mesh.vertices.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(again.vertices.max(axis=0), mesh.vertices.max(axis=0), atol=1e-6)
    if image_format == "png":
        a, b = again.materials[0].base_color_texture, mesh.materials[0].base_color_texture
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.pixels[..., :3], b.pixels[..., :3])
    for name in ("metallic_roughness_texture", "normal_texture"):  # which are never lossy
        a, b = (getattr(m.materials[0], name) for m in (again, mesh))
        np.testing.assert_array_equal(a.pixels[..., :3], b.pixels[..., :3])
    kinds = [image["mimeType"].removeprefix("image/") for image in document["images"]]
    lossless = "webp" if image_format == "webp" else "png"
    alone = "png" if image_format == "jpeg" and see_through else image_format
    assert kinds == [alone, lossless, lossless]
    order = slice(None)
    if mesh.face_material is not None:
        order = np.argsort(mesh.face_material, kind="stable")
    assert again.uvs is not None
    assert mesh.uvs is not None
    np.testing.assert_allclose(again.uvs, mesh.uvs[order], atol=1e-6)
    np.testing.assert_allclose(
        again.vertices[again.faces], mesh.vertices[mesh.faces][order], atol=1e-6
    )


def test_second_uvs_are_a_second_layer(tmp_path: Path) -> None:
    ball = textured_ball()
    assert ball.uvs is not None
    path = tmp_path / "ball.glb"
    save_mesh(replace(ball, second_uvs=7 * ball.uvs[:, ::-1]), path)
    assert_valid(path)
    (primitive,) = document_of(path)["meshes"][0]["primitives"]
    assert {"TEXCOORD_0", "TEXCOORD_1"} < set(primitive["attributes"])
    document = document_of(path)
    for name, wanted in (("TEXCOORD_0", ball.uvs), ("TEXCOORD_1", 7 * ball.uvs[:, ::-1])):
        first = _values(path, document["accessors"][primitive["attributes"][name]])
        corners = _values(path, document["accessors"][primitive["indices"]]).reshape(-1)
        uvs = first[corners] * (1, -1) + (0, 1)
        np.testing.assert_allclose(uvs.reshape(wanted.shape), wanted, atol=1e-5)


def _values(path: Path, accessor: dict) -> np.ndarray:
    document, rest = taken_apart(path)
    view = document["bufferViews"][accessor["bufferView"]]
    kind = {5126: np.float32, 5125: np.uint32, 5123: np.uint16}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2}[accessor["type"]]
    count = accessor["count"] * width
    return np.frombuffer(rest, kind, count, 8 + view["byteOffset"]).reshape(-1, width)


def test_what_is_too_large_for_webp_becomes_png() -> None:
    thin = Texture(np.full((2, 16_384, 3), 90, np.uint8))
    assert encode_picture(thin, "webp")[1] == "image/png"
    assert encode_picture(Texture(thin.pixels[:, 1:]), "webp")[1] == "image/webp"


def test_colours_of_clear_texels_stay_in_webp() -> None:
    """What lies under a mask's rim would show in smaller mips."""
    pixels = np.full((32, 32, 4), 200, np.uint8)
    pixels[8:24, 8:24, 3] = 0
    data, _ = encode_picture(Texture(pixels), "webp")
    with Image.open(io.BytesIO(data)) as image:
        assert np.abs(np.asarray(image).astype(int) - pixels)[..., :3].max() < 8


def test_levels_of_detail_and_hull(tmp_path: Path) -> None:
    meshes = game_asset()
    path = tmp_path / "game.glb"
    save_scene(meshes, path, image_format="jpeg")
    assert_valid(path)
    scene = trimesh.load_scene(path)
    assert set(scene.geometry) == {"ball_LOD0", "ball_LOD1", "UCX_ball"}
    for named in meshes:
        assert len(scene.geometry[named.name].faces) == len(named.mesh.faces)
    hull = scene.geometry["UCX_ball"]
    assert hull.is_watertight
    assert hull.volume > 0
    document = document_of(path)
    assert [node["name"] for node in document["nodes"]] == ["ball_LOD0", "ball_LOD1", "UCX_ball"]
    assert "material" not in document["meshes"][2]["primitives"][0]
    # Readers that do not know the extension show all, and load the file.
    hidden = [node.get("extensions") for node in document["nodes"]]
    assert hidden == [None, *[{"KHR_node_visibility": {"visible": False}}] * 2]
    assert document["extensionsUsed"] == ["KHR_node_visibility"]
    assert "extensionsRequired" not in document
    said: list[str] = []
    again = load_mesh(path, tell=said.append)
    assert len(again.faces) == len(meshes[0].mesh.faces)
    assert any("ball_LOD1, UCX_ball left out" in note for note in said)


def test_each_level_in_a_file_of_its_own(tmp_path: Path) -> None:
    first, second, hull = game_asset()
    files = [tmp_path / "ball_LOD0.glb", tmp_path / "ball_LOD1.glb"]
    save_levels([first, second, hull], files)
    for file, nodes, named in zip(
        files, (["ball_LOD0", "UCX_ball_LOD0"], ["ball_LOD1"]), (first, second), strict=True
    ):
        assert_valid(file)
        document = document_of(file)
        assert [node["name"] for node in document["nodes"]] == nodes
        assert "extensions" not in document["nodes"][0]
        assert len(load_mesh(file).faces) == len(named.mesh.faces)


def test_pictures_are_named_after_the_asset_too(tmp_path: Path) -> None:
    """Materials of many assets are called alike, and their pictures must not meet in one folder."""
    ball = textured_ball()
    (material,) = ball.materials

    def copy(name: str) -> Mesh:
        assert material.base_color_texture is not None
        base = replace(material.base_color_texture)
        same = replace(
            material, name=name, base_color_texture=base, normal_texture=None,
            metallic_roughness_texture=None,
        )  # fmt: skip
        return replace(ball, materials=(same,), tangents=None)

    path = tmp_path / "crate.glb"
    names = ("Material", "Material", "", "", "crate", "crate_lid")
    save_scene([NamedMesh(f"part{i}", copy(name)) for i, name in enumerate(names)], path)
    assert_valid(path)
    document = document_of(path)
    assert [each["name"] for each in document["materials"]] == [
        *("Material", "Material", "crate", "crate_2", "crate", "crate_lid")
    ]
    pictures = [each["name"] for each in document["images"]]
    assert pictures == [
        *("crate_Material_base_color", "crate_Material_base_color_2", "crate_base_color"),
        *("crate_2_base_color", "crate_base_color_2", "crate_lid_base_color"),
    ]
    assert [each["name"] for each in document["textures"]] == pictures


def test_pictures_that_no_face_has_are_not_even_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    ball = textured_ball()
    spare = replace(
        ball.materials[0],
        name="spare",
        base_color_texture=Texture(np.full((8, 8, 3), 9, np.uint8)),
    )
    of_faces = np.zeros(len(ball.faces), np.int32)
    mesh = replace(ball, materials=(*ball.materials, spare), face_material=of_faces)
    sizes: list[tuple[int, ...]] = []

    def encode(texture: Texture, *more, **options) -> tuple[bytes, str]:
        sizes.append(texture.pixels.shape[:2])
        return encode_picture(texture, *more, **options)

    monkeypatch.setattr("engine.export.gltf.encode_picture", encode)
    hull = NamedMesh("UCX_ball", replace(mesh, face_material=of_faces + 1), bare=True)
    data = glb_bytes([NamedMesh("ball", mesh), hull])
    assert sizes == [(128, 128)] * 3
    assert b"spare" not in data


def test_sheet_with_vertex_colours(tmp_path: Path) -> None:
    path = tmp_path / "sheet.glb"
    save_mesh(sheet(), path)
    assert_valid(path)
    (material,) = document_of(path)["materials"]
    assert material["doubleSided"]
    assert material["alphaMode"] == "BLEND"
    assert len(load_mesh(path).vertices) == 4


def test_many_vertices_take_wide_indices(tmp_path: Path) -> None:
    n = 260
    x, y = np.meshgrid(np.arange(n), np.arange(n))
    vertices = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32)
    i = np.arange(n * n).reshape(n, n)[:-1, :-1].ravel()
    faces = np.concatenate(
        [np.stack([i, i + 1, i + n], -1), np.stack([i + 1, i + n + 1, i + n], -1)]
    )
    path = tmp_path / "wide.glb"
    save_mesh(Mesh(vertices, faces.astype(np.int32)), path)
    assert_valid(path)
    assert load_mesh(path).vertices.shape == vertices.shape


def test_obj_with_textures(tmp_path: Path) -> None:
    mesh = textured_ball(see_through=True)
    path = tmp_path / "my ball.obj"
    save_mesh(mesh, path)
    again = load_mesh(path)
    assert len(again.faces) == len(mesh.faces)
    assert {m.name for m in again.materials} == {"ball", "ball_see_through"}
    np.testing.assert_allclose(again.vertices.min(axis=0), mesh.vertices.min(axis=0), atol=1e-5)
    a, b = again.materials[0].base_color_texture, mesh.materials[0].base_color_texture
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.pixels[..., :3], b.pixels[..., :3])
    for role in ("base_color", "alpha", "metallic", "roughness", "normal"):
        assert (tmp_path / f"my ball_{role}.png").exists()


@pytest.mark.parametrize("name", ["a.glb", "a.obj", "a.ply"])
def test_refusals(tmp_path: Path, name: str) -> None:
    mesh = sheet()
    for bad, code in [
        (Mesh(mesh.vertices, mesh.faces[:0]), "mesh_empty"),
        (Mesh(mesh.vertices, mesh.faces + 3), "mesh_broken"),
        (Mesh(mesh.vertices * np.nan, mesh.faces), "mesh_broken"),
    ]:
        with pytest.raises(EngineError) as caught:
            save_mesh(bad, tmp_path / name)
        assert caught.value.code == code
    with pytest.raises(EngineError) as caught:
        save_mesh(mesh, tmp_path / "none" / name)
    assert caught.value.code == "unwritable"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EngineError) as caught:
        glb_bytes([])
    assert caught.value.code == "mesh_empty"


def test_hull_of_points() -> None:
    points = np.random.default_rng(0).normal(size=(3000, 3))
    hull = collision_hull(points)
    assert hull is not None
    assert len(hull.vertices) < 110
    shape = trimesh.Trimesh(hull.vertices, hull.faces, process=False)
    assert shape.is_watertight
    corners = hull.vertices[hull.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    beyond = (hull.vertices @ normals.T - (corners[:, 0] * normals).sum(axis=1)).max()
    assert beyond < 1e-5  # convex
    # Points may stick out between the directions that were looked along, by a little.
    outside = (points @ normals.T - (corners[:, 0] * normals).sum(axis=1)).max(axis=1)
    assert outside.max() < 0.15 * np.ptp(points, axis=0).max()
    assert (outside > 1e-5).mean() < 0.02
    assert collision_hull(points * [1, 1, 0]) is None
    assert collision_hull(points[:3]) is None
    box = collision_hull(np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]))
    assert box is not None
    assert len(box.vertices) == 8


def test_named_mesh_keeps_its_name() -> None:
    data = glb_bytes([NamedMesh("chair", sheet())])
    assert b'"name":"chair"' in data


@pytest.mark.parametrize(
    ("alpha", "mode"),
    [([0.999, 1.0], "OPAQUE"), ([0.5, 1.0], "BLEND"), ([0.0, 1.0], "MASK")],
)
def test_alpha_of_vertices_is_judged_like_that_of_texels(alpha: list[float], mode: str) -> None:
    vertices, faces = np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32)
    colors = np.ones((3, 4), np.float32)
    colors[:2, 3] = alpha
    data = glb_bytes([NamedMesh("a", Mesh(vertices, faces, colors=colors))])
    material = document_of(data)["materials"][0]
    assert material.get("alphaMode", "OPAQUE") == mode


def test_baked_occlusion_is_named_and_other_pictures_are_not(tmp_path: Path) -> None:
    baked = textured_ball()
    plain = replace(baked, materials=(replace(baked.materials[0], occlusion=False),))
    for mesh, named in ((baked, True), (plain, False)):
        save_mesh(mesh, tmp_path / "ball.glb")
        material = document_of(tmp_path / "ball.glb")["materials"][0]
        assert ("occlusionTexture" in material) == named
        assert load_mesh(tmp_path / "ball.glb").materials[0].occlusion == named
