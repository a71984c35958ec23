"""A mesh file with too many faces is reduced as it is: no voxels, its objects, its own colours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_mesh, save_scene
from engine.finishing.mesh_file import finish_mesh
from engine.finishing.own_faces import tidy, wound_alike
from engine.mesh import Material, Mesh, Texture
from engine.meshing.normals import corner_normals
from engine.meshing.report import report_mesh
from engine.meshing.tangents import corner_tangents
from engine.readers.load import load_mesh
from engine.render.camera import orbit
from engine.render.picture import Picture, render
from engine.report import Report
from engine.worker.parts import packed_parts
from protocol.finishes import FinishChoice
from tests.export.glb import document_of
from tests.finishing.baking.scenes import uv_sphere


def _finish(source: Path, target: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["finish", str(source), "-o", str(target), *options])
    assert result.exit_code == 0, result.output
    return " ".join(result.stderr.split())


def _ball(centre: tuple[float, float, float], material: Material, tiles: float = 1.0) -> Mesh:
    ball = uv_sphere(48, 96)
    assert ball.uvs is not None
    vertices = ball.vertices + np.asarray(centre, np.float32)
    return replace(ball, vertices=vertices, uvs=ball.uvs * np.float32(tiles), materials=(material,))


def _checks(low: int, high: int) -> Texture:
    """A chequered picture, smooth enough to be compared."""
    y, x = np.indices((64, 64))
    wave = 0.5 + 0.5 * np.sin(x * np.pi / 16) * np.sin(y * np.pi / 16)
    red = low + (high - low) * wave
    return Texture(np.stack([red, 255 - red, np.full_like(red, 40)], -1).astype(np.uint8))


def _seen(path: Path, azimuth: float = 30) -> Picture:
    return render(load_mesh(path), orbit(azimuth, 20, radius=1.6), width=192, samples=4)


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(1 / np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.fixture
def two_balls(tmp_path: Path) -> Path:
    """Tiled stripes, and beside it a rough metal; 18,048 faces."""
    tiled = Material("paint", base_color_texture=_checks(30, 220), roughness_factor=0.4)
    metal = Material("metal", base_color_factor=(0.9, 0.7, 0.2), metallic_factor=1.0)
    path = tmp_path / "balls.glb"
    meshes = [
        NamedMesh("left", _ball((-0.45, 0, 0), tiled, 5.0)),
        NamedMesh("right", _ball((0.45, 0, 0), metal)),
    ]
    save_scene(meshes, path)
    return path


def test_reduced_it_has_its_objects_and_looks_the_same(two_balls: Path, tmp_path: Path) -> None:
    target = tmp_path / "fewer.glb"
    told = _finish(two_balls, target, "--faces", "3000", "--texture", "1024")
    before, after = load_mesh(two_balls), load_mesh(target)
    assert 0.98 * 3000 <= len(after.faces) <= 3000
    assert after.objects == ("left", "right")
    assert "O-Voxels of" not in told
    assert f"The mesh's {len(before.faces):,} faces became {len(after.faces):,}" in told
    assert "its objects stay, and its materials are baked into new textures" in told
    assert after.uvs is not None and after.uvs.min() >= 0 and after.uvs.max() <= 1
    for azimuth in (20, 200):
        one, two = _seen(two_balls, azimuth), _seen(target, azimuth)
        both = (one.mask == 1) & (two.mask == 1)
        assert both.sum() >= 0.99 * (one.mask == 1).sum()
        assert _psnr(one.base_color[both], two.base_color[both]) >= 30
        assert _psnr(one.metallic[both], two.metallic[both]) >= 30
        assert _psnr(one.roughness[both], two.roughness[both]) >= 30


def test_colours_do_not_come_from_another_object_that_is_nearer(tmp_path: Path) -> None:
    """Two balls around each other, a hundredth apart: simplified, they cross."""
    red = Material("red", base_color_factor=(1.0, 0.0, 0.0), alpha_mode="blend", alpha_factor=0.5)
    green = Material("green", base_color_factor=(0.0, 1.0, 0.0))
    outer = replace(uv_sphere(48, 96, radius=0.404), materials=(red,))
    inner = replace(uv_sphere(48, 96), materials=(green,))
    source, target = tmp_path / "shells.glb", tmp_path / "fewer.glb"
    save_scene([NamedMesh("outer", outer), NamedMesh("inner", inner)], source)
    _finish(source, target, "--faces", "400", "--texture", "256")
    after = load_mesh(target)
    assert after.face_object is not None and after.face_material is not None
    assert after.uvs is not None
    for number, (channel, mode) in enumerate(((0, "blend"), (1, "opaque"))):
        own = after.face_object == number
        assert own.sum() > 50
        materials = {int(m) for m in np.unique(after.face_material[own])}
        assert {after.materials[m].alpha_mode for m in materials} == {mode}
        for m in materials:
            texture = after.materials[m].base_color_texture
            assert texture is not None
            height, width = texture.pixels.shape[:2]
            uv = after.uvs[own].mean(axis=1)
            colors = texture.pixels[
                ((1 - uv[:, 1]) * height).astype(int), (uv[:, 0] * width).astype(int), :3
            ]
            assert (colors.argmax(axis=1) == channel).all()
            assert (np.sort(colors, axis=1)[:, :2] <= 8).all()


def test_a_normal_map_of_the_file_lives_on_in_the_new_one(tmp_path: Path) -> None:
    x = np.indices((256, 256))[1]
    slope = 0.35 * np.sin(x * 2 * np.pi / 64)
    normal = np.stack([slope, np.zeros_like(slope), np.sqrt(1 - slope**2)], -1)
    picture = Texture(np.rint((normal * 0.5 + 0.5) * 255).astype(np.uint8))
    material = Material("ribs", normal_texture=picture)
    source = tmp_path / "ribs.glb"
    save_mesh(_ball((0, 0, 0), material), source)
    pictures = {}
    for name, options in (("kept", ()), ("flat", ("--no-normal-map",))):
        target = tmp_path / f"{name}.glb"
        _finish(source, target, "--faces", "2000", "--texture", "512", *options)
        pictures[name] = _seen(target)
    true = _seen(source)
    both = (true.mask == 1) & (pictures["kept"].mask == 1) & (pictures["flat"].mask == 1)
    kept, flat = (
        _psnr(true.rgba[both] / 255, pictures[name].rgba[both] / 255) for name in pictures
    )
    assert kept >= 32 and kept >= flat + 3


def test_the_first_level_of_few_faces_keeps_its_materials(two_balls: Path, tmp_path: Path) -> None:
    target = tmp_path / "levels.glb"
    _finish(two_balls, target, "--faces", "50000", "--levels", "2", "--texture", "256")
    given = load_mesh(two_balls)
    objects = _objects_in(target)
    assert list(objects) == ["left_LOD0", "right_LOD0", "left_LOD1", "right_LOD1"]
    assert objects["left_LOD0"][1] == "paint" and objects["right_LOD0"][1] == "metal"
    assert sum(objects[f"{name}_LOD0"][0] for name in ("left", "right")) == len(given.faces)
    half = sum(objects[f"{name}_LOD1"][0] for name in ("left", "right"))
    assert 0.98 * len(given.faces) / 2 <= half <= len(given.faces) / 2


def test_each_level_says_whose_uvs_it_has() -> None:
    choice = FinishChoice(levels=2, texture_size=64)
    settings = choice.settled()
    finished = finish_mesh(_ball((0, 0, 0), Material("paint")), choice, settings, "b", Report())
    parts = dict(packed_parts("finished", (finished, settings)))
    assert parts["finished"].layout.uvs == "given"
    assert parts["finished_lod1"].layout.uvs == "new"
    bare = replace(_ball((0, 0, 0), Material("paint")), uvs=None)
    settings = replace(settings, lod_shares=(1.0,))
    finished = finish_mesh(bare, choice, settings, "b", Report())
    assert dict(packed_parts("finished", (finished, settings)))["finished"].layout.uvs == ""


def _objects_in(path: Path) -> dict[str, tuple[int, str]]:
    """Faces and material of each node's mesh."""
    document = document_of(path)
    found = {}
    for node in document["nodes"]:
        if "mesh" in node:
            parts = document["meshes"][node["mesh"]]["primitives"]
            faces = sum(document["accessors"][part["indices"]]["count"] // 3 for part in parts)
            found[node["name"]] = faces, document["materials"][parts[0]["material"]]["name"]
    return found


def test_occlusion_for_few_faces_keeps_faces_and_valid_uvs(tmp_path: Path) -> None:
    material = Material("paint", base_color_texture=_checks(30, 220))
    source, target = tmp_path / "ball.glb", tmp_path / "shaded.glb"
    save_mesh(_ball((0, 0, 0), material), source)
    _finish(source, target, "--occlusion", "--texture", "256")
    before, after = load_mesh(source), load_mesh(target)
    np.testing.assert_allclose(
        after.vertices[after.faces], before.vertices[before.faces], atol=1e-6
    )
    assert before.uvs is not None and after.uvs is not None
    np.testing.assert_allclose(after.uvs, before.uvs, atol=1e-6)
    assert after.materials[0].occlusion


def test_colours_of_vertices_become_a_texture(tmp_path: Path) -> None:
    ball = uv_sphere(48, 96)
    colors = np.ones((len(ball.vertices), 4), np.float32)
    colors[:, :3] = 0.5 + ball.vertices
    source, target = tmp_path / "ball.ply", tmp_path / "fewer.glb"
    save_mesh(replace(ball, uvs=None, colors=colors), source)
    _finish(source, target, "--faces", "1000", "--texture", "512")
    one, two = _seen(source), _seen(target)
    both = (one.mask == 1) & (two.mask == 1)
    assert _psnr(one.base_color[both], two.base_color[both]) >= 35


def test_what_is_for_printing_is_not_textured(two_balls: Path, tmp_path: Path) -> None:
    target = tmp_path / "fewer.stl"
    told = _finish(two_balls, target, "--faces", "1000")
    assert "Simplifying" in told and "Unwrapping" not in told and "Baking" not in told
    assert 980 <= len(load_mesh(target).faces) <= 1000


def test_neighbours_agree_as_most_of_them_do() -> None:
    """A room seen from inside stays one: its faces are not turned outwards. Normals look where
    their faces do, and normal maps keep their up and down on both."""
    ball = uv_sphere(12, 24)
    faces = ball.faces[:, [0, 2, 1]].copy()
    assert ball.uvs is not None
    uvs = ball.uvs[:, [0, 2, 1]].copy()
    normals = corner_normals(ball.vertices, faces)
    room = replace(
        ball,
        faces=faces,
        uvs=uvs,
        normals=normals,
        tangents=corner_tangents(ball.vertices, faces, uvs, normals),
    )
    assert room.normals is not None and room.tangents is not None
    some = slice(None, None, 5)
    mixed = {name: getattr(room, name).copy() for name in ("faces", "uvs", "normals", "tangents")}
    for values in mixed.values():
        values[some] = values[some][:, [0, 2, 1]]
    mixed["normals"][some] *= -1
    mixed["tangents"][some, :, 3] *= -1  # the way to higher V stays: sign * (normal x tangent)
    own = wound_alike(tidy(replace(room, **mixed), Report()))
    for name in ("uvs", "normals", "tangents"):
        np.testing.assert_array_equal(getattr(own.mesh, name), getattr(room, name))
    corners = own.mesh.vertices[own.mesh.faces]
    np.testing.assert_array_equal(corners, room.vertices[room.faces])
    assert report_mesh(own.points, own.faces).flipped_edges == 0
