"""What the exporter writes to .glb files comes back: normals, tangents, normal maps, levels."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_mesh, save_scene
from engine.mesh import Material, Mesh
from engine.readers.load import load_mesh
from tests.export.assets import game_asset, sheet, textured_ball
from tests.readers.test_load import TRIANGLE, write_gltf


@pytest.mark.parametrize("see_through", [False, True])
def test_normals_tangents_and_normal_map_come_back(tmp_path: Path, see_through: bool) -> None:
    ball = textured_ball(see_through=see_through)
    save_mesh(ball, tmp_path / "ball.glb")
    again = load_mesh(tmp_path / "ball.glb")
    # Faces come back sorted by material.
    order = np.arange(len(ball.faces))
    if ball.face_material is not None:
        order = np.argsort(ball.face_material, kind="stable")
    assert again.normals is not None
    assert again.tangents is not None
    assert ball.normals is not None
    assert ball.tangents is not None
    np.testing.assert_allclose(
        again.vertices[again.faces], ball.vertices[ball.faces][order], atol=1e-6
    )
    np.testing.assert_allclose(again.normals, ball.normals[order], atol=1e-6)
    np.testing.assert_allclose(again.tangents, ball.tangents[order], atol=1e-6)
    assert len(again.materials) == 1 + see_through
    for there, here in zip(again.materials, ball.materials, strict=True):
        assert there.double_sided == here.double_sided
        assert there.normal_texture is not None
        assert here.normal_texture is not None
        np.testing.assert_array_equal(there.normal_texture.pixels, here.normal_texture.pixels)


@pytest.mark.parametrize("double_sided", [False, True])
def test_sides_come_back(tmp_path: Path, double_sided: bool) -> None:
    mesh = replace(sheet(), materials=(Material(double_sided=double_sided),))
    save_mesh(mesh, tmp_path / "sheet.glb")
    assert load_mesh(tmp_path / "sheet.glb").materials[0].double_sided is double_sided


def test_only_the_finest_level_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    levels = game_asset()
    save_scene(levels, tmp_path / "ball.glb")
    with caplog.at_level(logging.WARNING):
        mesh = load_mesh(tmp_path / "ball.glb")
    assert len(mesh.faces) == len(levels[0].mesh.faces)
    assert "ball_LOD1, UCX_ball left out" in caplog.text


def test_names_alone_do_not_make_a_level(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without the mesh that they stand in for, such names are names."""
    meshes = [NamedMesh(name, sheet()) for name in ("a_LOD1", "a_LOD2", "UCX_b", "c")]
    save_scene(meshes, tmp_path / "sheets.glb")
    with caplog.at_level(logging.WARNING):
        assert len(load_mesh(tmp_path / "sheets.glb").faces) == 8
    assert not caplog.records


@pytest.mark.parametrize("scale", [[1, 2, 4], [-1, 2, 4]])
def test_normals_and_tangents_are_placed_with_their_node(tmp_path: Path, scale: list[int]) -> None:
    """Against the geometry: a right angle stays one, the bitangent stays on V's side."""
    ball = textured_ball()
    assert ball.normals is not None
    path = tmp_path / "ball.glb"
    save_mesh(ball, path)
    plain = load_mesh(path)
    data = path.read_bytes()
    # The document is padded with blanks, so that it can be changed in its place.
    old = b'"nodes":[{"name":"ball","mesh":0}]'
    assert old in data
    size = int.from_bytes(data[12:16], "little")
    new = old[:-2] + f',"scale":{scale}'.encode() + b"}]"
    text = data[20 : 20 + size].replace(old, new)
    text += b" " * (-len(text) % 4)
    grown = len(text) - size
    head = data[:8] + (len(data) + grown).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    path.write_bytes(head + data[16:20] + text + data[20 + size :])
    placed = load_mesh(path)
    # Node space is Y-up: its (x, y, z) are our (x, -z, y).
    scales = np.array([scale[0], scale[2], scale[1]], np.float64)
    np.testing.assert_allclose(placed.vertices, plain.vertices * scales, atol=1e-5)
    mirrored = scale[0] < 0
    assert placed.normals is not None
    assert placed.tangents is not None
    assert plain.normals is not None
    assert plain.tangents is not None
    turn = (slice(None), slice(None, None, -1)) if mirrored else slice(None)
    expected = (plain.normals / scales)[turn]
    expected /= np.linalg.norm(expected, axis=2, keepdims=True)
    np.testing.assert_allclose(placed.normals, expected, atol=1e-5)
    along = (plain.tangents[..., :3] * scales)[turn]
    along /= np.linalg.norm(along, axis=2, keepdims=True)
    np.testing.assert_allclose(placed.tangents[..., :3], along, atol=1e-5)
    side = placed.tangents[..., 3:] * np.cross(placed.normals, placed.tangents[..., :3])
    before = plain.tangents[..., 3:] * np.cross(plain.normals, plain.tangents[..., :3])
    assert ((side * (before * scales)[turn]).sum(axis=2) > 0).all()


def test_beside_normals_what_has_none_is_flat(tmp_path: Path) -> None:
    primitive = {"attributes": {"POSITION": 0}, "indices": 3}
    smooth = {"attributes": {"POSITION": 0, "NORMAL": 0}, "indices": 3}
    mesh = load_mesh(write_gltf(tmp_path, meshes=[{"primitives": [smooth, primitive]}]))
    assert isinstance(mesh, Mesh)
    assert mesh.normals is not None
    a, b, c = mesh.vertices[mesh.faces[1]]
    flat = np.cross(b - a, c - a) / np.linalg.norm(np.cross(b - a, c - a))
    np.testing.assert_allclose(mesh.normals[1], [flat] * 3, atol=1e-6)
    # As "normals" the first part has its positions; the first has no direction and becomes flat.
    length = np.linalg.norm(TRIANGLE[2])
    np.testing.assert_allclose(mesh.normals[0, 0], flat, atol=1e-6)
    np.testing.assert_allclose(mesh.normals[0, 2], np.array([0.0, -3, 2]) / length, atol=1e-6)
