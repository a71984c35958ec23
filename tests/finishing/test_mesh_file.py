"""A mesh file that has few enough faces stays what it is."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from engine.cli import app
from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_mesh, save_scene
from engine.finishing.mesh_file import finish_mesh
from engine.mesh import Material, Mesh, Texture
from engine.meshing.edges import face_normals
from engine.readers.load import load_mesh
from engine.report import Report
from protocol.errors import EngineError
from protocol.finishes import FinishChoice
from tests.export.glb import put_together, taken_apart
from tests.finishing.baking.scenes import uv_sphere
from tests.finishing.shapes import box
from tests.meshes import grid, sphere


def _jpeg() -> Texture:
    """A picture whose pixels are those of its bytes."""
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG")
    data = stream.getvalue()
    return Texture(np.asarray(Image.open(io.BytesIO(data))), encoded=data)


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Texture]:
    """A textured box whose UVs are tiled, a plain one, and a second of the same name."""
    picture, path = _jpeg(), tmp_path / "scene.glb"
    uvs = np.random.default_rng(1).uniform(-2, 3, (12, 3, 2)).astype(np.float32)
    wood = Material("wood", base_color_texture=picture, double_sided=False)
    red = Material("red", base_color_factor=(1.0, 0.0, 0.0), roughness_factor=0.25)
    tiled = replace(box((1, 1, 1)), uvs=uvs, materials=(wood,))
    plain = replace(box((1, 2, 1), (3, 0, 0)), materials=(red,))
    other = replace(box((1, 1, 3), (6, 0, 0)), materials=(red,))
    save_scene([NamedMesh("crate", tiled), NamedMesh("lid", plain), NamedMesh("lid", other)], path)
    return path, picture


def _finish(source: Path, target: Path, *options: str) -> str:
    small = ["--resolution", "32", "--texture", "64"]
    result = CliRunner().invoke(app, ["finish", str(source), "-o", str(target), *small, *options])
    assert result.exit_code == 0, result.output
    return " ".join(result.stderr.split())


def test_objects_materials_pictures_and_tiled_uvs_stay(
    scene: tuple[Path, Texture], tmp_path: Path
) -> None:
    source, picture = scene
    target = tmp_path / "kept.glb"
    told = _finish(source, target)
    before, after = load_mesh(source), load_mesh(target)
    assert before.objects == ("crate", "lid", "lid")
    assert after.objects == ("crate", "lid", "lid.001")
    assert "3 objects, materials and UVs stay as they are" in told
    assert "--texture is for new ones" in told
    np.testing.assert_array_equal(after.face_object, before.face_object)
    corners, wanted = after.vertices[after.faces], before.vertices[before.faces]
    np.testing.assert_allclose(corners, wanted, atol=1e-6)
    assert before.uvs is not None and after.uvs is not None
    np.testing.assert_allclose(after.uvs[:12], before.uvs[:12], atol=1e-6)
    assert [material.name for material in after.materials] == ["wood", "red"]
    assert after.materials[1].roughness_factor == 0.25 and not after.materials[0].double_sided
    texture = after.materials[0].base_color_texture
    assert texture is not None and texture.encoded == picture.encoded
    # The new name stands in it twice.
    assert target.stat().st_size <= source.stat().st_size + 2 * len(".001")


def test_an_obj_file_has_the_objects_and_their_materials(
    scene: tuple[Path, Texture], tmp_path: Path
) -> None:
    told = _finish(scene[0], tmp_path / "kept.obj")
    assert "3 objects, materials and UVs stay as they are" in told
    lines = (tmp_path / "kept.obj").read_text().splitlines()
    kinds = [line for line in lines if line.startswith(("o ", "usemtl ", "f "))]
    faces = ["f"] * 12
    expected = ["o crate", "usemtl wood", *faces, "o lid", "usemtl red", *faces]
    expected += ["o lid_2", "usemtl red", *faces]
    assert [line if line[0] != "f" else "f" for line in kinds] == expected
    before, after = load_mesh(scene[0]), load_mesh(tmp_path / "kept.obj")
    corners, wanted = after.vertices[after.faces], before.vertices[before.faces]
    np.testing.assert_allclose(corners, wanted, atol=1e-6)


@pytest.mark.parametrize("suffix", [".stl", ".3mf"])
def test_what_a_file_for_printing_lacks_is_told(
    scene: tuple[Path, Texture], tmp_path: Path, suffix: str
) -> None:
    told = _finish(scene[0], tmp_path / f"kept{suffix}")
    rest = "its 3 objects are one and its materials and its UVs are not in the file."
    assert f"The mesh has 36 faces, which stay; {rest}" in told and "stay as they are" not in told
    told = _finish(scene[0], tmp_path / f"fewer{suffix}", "--faces", "24")
    assert "faces became 24; its 3 objects are one" in told and "objects stay" not in told
    save_mesh(box((1, 1, 1)), tmp_path / "plain.ply")
    told = _finish(tmp_path / "plain.ply", tmp_path / f"plain{suffix}")
    assert "The mesh has 12 faces, which stay." in told


def test_faces_without_area_and_repeated_ones_go(tmp_path: Path) -> None:
    source, target = tmp_path / "dirty.ply", tmp_path / "clean.glb"
    cube = box((1, 1, 1))
    extra = np.array([cube.faces[0], (0, 1, 1), cube.faces[3][[1, 2, 0]]], np.int32)
    save_mesh(replace(cube, faces=np.concatenate([cube.faces, extra])), source)
    told = _finish(source, target)
    assert "3 faces without an area or on top of others were removed" in told
    np.testing.assert_array_equal(load_mesh(target).faces.shape, cube.faces.shape)
    assert load_mesh(target).objects == ("clean",)


def test_a_mesh_out_of_order_is_kept_and_told(tmp_path: Path) -> None:
    vertices, faces = sphere(6)
    source, target = tmp_path / "bad.ply", tmp_path / "kept.glb"
    faces[::2] = faces[::2, ::-1]
    save_mesh(Mesh(vertices, faces), source)
    told = _finish(source, target)
    assert "has faults" in told and "faces that look to opposite sides" in told
    assert len(load_mesh(target).faces) == len(faces)
    told = _finish(source, tmp_path / "new.glb", "--rebuild")
    assert "has faults" not in told and "rebuilt from O-Voxels of 32^3" in told
    assert len(load_mesh(tmp_path / "new.glb").faces) > len(faces)


def test_a_closed_surface_goes_through_voxels_and_gets_more_faces_on_demand_only(
    tmp_path: Path,
) -> None:
    vertices, faces = sphere(4)
    source, target = tmp_path / "ball.ply", tmp_path / "new.glb"
    save_mesh(Mesh(vertices, faces), source)
    told = _finish(source, target, "--closed")
    assert "rebuilt from O-Voxels of 32^3" in told
    assert f"has {len(faces)} faces, and the result gets no more than {len(faces)};" in told
    assert len(load_mesh(target).faces) <= len(faces)
    more = 3 * len(faces)
    assert "gets no more" not in _finish(source, target, "--closed", "--faces", str(more))
    assert 0.98 * more <= len(load_mesh(target).faces) <= more


@pytest.mark.parametrize("way", [("--quads", "300"), ("--rebuild",)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_sheet_keeps_its_front(way: tuple[str, ...], turned: bool, tmp_path: Path) -> None:
    sheet, target = tmp_path / "sheet.ply", tmp_path / "new.glb"
    vertices, faces = grid(6, 6, 0.1)
    save_mesh(Mesh(vertices, faces[:, ::-1] if turned else faces), sheet)
    _finish(sheet, target, *way)
    made = load_mesh(target)
    up = face_normals(made.vertices, made.faces)[:, 2]
    # Of 2,700 faces one stands on its edge.
    assert ((up < 0) == turned).mean() > 0.99


def test_what_has_an_outside_shows_its_front_there_however_the_mesh_was_wound(
    tmp_path: Path,
) -> None:
    bowl, target = tmp_path / "bowl.ply", tmp_path / "new.glb"
    vertices, faces = sphere(12)
    faces = faces[vertices[faces].mean(axis=1)[:, 2] < 0.25]
    save_mesh(Mesh(vertices, faces[:, ::-1]), bowl)
    _finish(bowl, target, "--rebuild")
    made = load_mesh(target)
    outwards = face_normals(made.vertices, made.faces) * made.vertices[made.faces].mean(axis=1)
    assert (outwards.sum(axis=1) > 0).mean() > 0.99


def test_a_solid_of_a_mesh_may_have_twice_its_faces(tmp_path: Path) -> None:
    sheet, target = tmp_path / "sheet.ply", tmp_path / "solid.stl"
    vertices, faces = grid(6, 6, 0.2)
    save_mesh(Mesh(vertices, faces), sheet)
    told = _finish(sheet, target, "--solid", "--wall", "0.06")
    assert f"has {len(faces)} faces, and the result gets no more than {2 * len(faces)};" in told
    assert len(faces) < len(load_mesh(target).faces)


def test_a_picture_that_reading_changed_is_written_as_it_was_read(tmp_path: Path) -> None:
    """A material of glass takes its base colour without the alpha that did not count so far."""
    pixels = np.full((8, 8, 4), (200, 40, 40, 90), np.uint8)
    shape = box((1, 1, 1))
    mesh = replace(
        shape,
        uvs=np.zeros((len(shape.faces), 3, 2), np.float32),
        materials=(Material(base_color_texture=Texture(pixels), double_sided=False),),
    )
    source, target = tmp_path / "glass.glb", tmp_path / "out.glb"
    save_mesh(mesh, source)
    source.write_bytes(_with_transmission(source.read_bytes()))
    read = load_mesh(source).materials[0]
    _finish(source, target)
    written = load_mesh(target).materials[0]
    assert read.base_color_texture is not None and written.base_color_texture is not None
    np.testing.assert_array_equal(written.base_color_texture.pixels, read.base_color_texture.pixels)
    assert written.alpha_mode == read.alpha_mode
    assert written.alpha_factor == pytest.approx(read.alpha_factor)


def _with_transmission(glb: bytes) -> bytes:
    document, rest = taken_apart(glb)
    document["materials"][0].pop("alphaMode", None)
    extensions = {"KHR_materials_transmission": {"transmissionFactor": 0.5}}
    document["materials"][0]["extensions"] = extensions
    document["extensionsUsed"] = list(extensions)
    return put_together(document, rest)


def test_a_mesh_whose_faces_have_no_area_is_refused(tmp_path: Path) -> None:
    mesh = box((1, 1, 1))
    flat = replace(mesh, vertices=mesh.vertices * np.array([1, 0, 0], np.float32))
    with pytest.raises(EngineError) as caught:
        finish_mesh(flat, FinishChoice(), FinishChoice().settled(), "flat", Report())
    assert caught.value.code == "mesh_empty"


def test_more_faces_than_the_file_had_are_told(tmp_path: Path) -> None:
    source = tmp_path / "box.glb"
    save_mesh(box((1, 1, 1)), source)
    told = _finish(source, tmp_path / "quads.glb", "--quads", "300")
    faces = len(load_mesh(tmp_path / "quads.glb").faces)
    assert faces > 12
    assert f"The file has 12 faces; its quads are {faces:,} triangles" in told
    fine = tmp_path / "fine.glb"
    save_mesh(uv_sphere(48, 96), fine)
    assert "The file has" not in _finish(fine, tmp_path / "few.glb", "--quads", "300")
