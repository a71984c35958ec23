"""What is saved can be loaded again, in place and in colour."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.export.mesh_file import save_mesh, vertex_normals
from engine.export.obj_names import files_beside
from engine.mesh import Material, Mesh, Texture
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.export.glb import document_of


def colored_tetrahedron() -> Mesh:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    colors = np.array(
        [[2, 10, 255, 255], [0, 1, 3, 255], [128, 64, 32, 102], [255, 255, 255, 255]], np.float32
    )
    values = np.array([[0, 1], [0.25, 0.5], [1, 0.125], [0.5, 0]], np.float32)
    return Mesh(vertices, faces, colors=colors / 255, metallic_roughness=values)


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    mesh = colored_tetrahedron()
    path = tmp_path / f"t{suffix}"
    save_mesh(mesh, path)
    again = load_mesh(path)
    np.testing.assert_allclose(again.vertices[again.faces], mesh.vertices[mesh.faces], atol=1e-6)
    assert mesh.colors is not None
    assert again.colors is not None
    channels = 3 if suffix == ".obj" else 4
    np.testing.assert_allclose(
        again.colors[again.faces][..., :channels],
        mesh.colors[mesh.faces][..., :channels],
        atol=1e-3,
    )
    if suffix != ".obj":
        assert mesh.metallic_roughness is not None
        assert again.metallic_roughness is not None
        np.testing.assert_array_equal(again.metallic_roughness, mesh.metallic_roughness)


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj"])
def test_round_trip_of_bare_geometry(tmp_path: Path, suffix: str) -> None:
    full = colored_tetrahedron()
    save_mesh(Mesh(full.vertices, full.faces), tmp_path / f"t{suffix}")
    again = load_mesh(tmp_path / f"t{suffix}")
    assert again.colors is None
    np.testing.assert_allclose(again.vertices[again.faces], full.vertices[full.faces])


def test_glb_says_what_gltf_wants(tmp_path: Path) -> None:
    save_mesh(colored_tetrahedron(), tmp_path / "t.glb")
    document = document_of(tmp_path / "t.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    assert set(attributes) == {"POSITION", "NORMAL", "COLOR_0", "_METALLIC_ROUGHNESS"}
    color = document["accessors"][attributes["COLOR_0"]]
    assert (color["componentType"], color["type"], color["normalized"]) == (5123, "VEC4", True)
    (material,) = document["materials"]
    assert material["doubleSided"]
    assert material["alphaMode"] == "BLEND"
    assert material["pbrMetallicRoughness"]["metallicFactor"] == pytest.approx(0.4375)
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == pytest.approx(0.40625)
    height = document["accessors"][attributes["POSITION"]]["max"]
    assert height == [1, 3, 0]


def test_vertex_normals_of_a_roof_and_of_nothing() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [5, 5, 5]], np.float32)
    normals = vertex_normals(vertices, np.array([[0, 1, 2], [0, 1, 3], [4, 4, 4]]))
    np.testing.assert_allclose(normals[0], np.array([0, -1, 1]) / np.sqrt(2), atol=1e-6)
    np.testing.assert_allclose(normals[2], [0, 0, 1])
    np.testing.assert_allclose(normals[4], [0, 0, 1])


def test_refusals_leave_the_old_file(tmp_path: Path) -> None:
    mesh = colored_tetrahedron()
    old = tmp_path / "old.glb"
    old.write_text("old")
    empty = Mesh(mesh.vertices, np.zeros((0, 3), np.int32))
    for target, shape, code in [
        (old, empty, "mesh_empty"),
        (tmp_path / "x.fbx", mesh, "mesh_format"),
        (tmp_path / "no" / "x.glb", mesh, "unwritable"),
    ]:
        with pytest.raises(EngineError) as caught:
            save_mesh(shape, target)
        assert caught.value.code == code
    assert old.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["old.glb"]


def test_files_beside_an_obj_with_a_long_name_and_behind_a_link(tmp_path: Path) -> None:
    stem = "lantern_" * 31
    (tmp_path / "disk").mkdir()
    link = tmp_path / "lantern.obj"
    link.symlink_to(tmp_path / "disk" / f"{stem}.obj")
    texture = Texture(np.full((4, 4, 3), 90, np.uint8))
    mesh = replace(
        colored_tetrahedron(),
        colors=None,
        uvs=np.zeros((4, 3, 2), np.float32),
        materials=(Material(name="glass", base_color_texture=texture),),
    )
    save_mesh(mesh, link)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["lantern.obj"]
    assert link.is_symlink() and len(list((tmp_path / "disk").iterdir())) == 3
    read = load_mesh(tmp_path / "disk" / f"{stem}.obj")
    assert read.materials[0].base_color_texture is not None


def test_materials_of_one_name_stay_apart_in_an_obj(tmp_path: Path) -> None:
    """Files tell materials by their names, and names of several words become one word."""
    given = (("Material", 0.1), ("Material", 0.9), ("a b", 0.3), ("a_b", 0.7))
    mesh = replace(
        colored_tetrahedron(),
        colors=None,
        materials=tuple(Material(name=name, roughness_factor=value) for name, value in given),
        face_material=np.arange(4, dtype=np.int32),
    )
    save_mesh(mesh, tmp_path / "t.obj")
    again = load_mesh(tmp_path / "t.obj")
    assert again.face_material is not None
    found = [again.materials[index] for index in again.face_material]
    assert [material.roughness_factor for material in found] == pytest.approx([0.1, 0.9, 0.3, 0.7])
    assert [material.name for material in found] == ["Material", "Material_2", "a_b", "a_b_2"]


def test_objects_of_an_obj_have_names_of_their_own_and_hold_their_quads(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    quad = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    mesh = Mesh(
        np.concatenate([corners, corners + 5, corners + 9]),
        np.concatenate([quad, quad + 4, quad + 8])[[0, 1, 2, 4, 5, 3]],
        polygons=np.array([0, 0, 1, 2, 2, 1], np.int32),
        objects=("a  b", "a b", ""),
        face_object=np.array([1, 1, 0, 2, 2, 0], np.int32),
    )
    save_mesh(mesh, tmp_path / "t.obj")
    lines = (tmp_path / "t.obj").read_text().splitlines()
    kinds = [line for line in lines if line.startswith(("o ", "f "))]
    assert [line if line[0] == "o" else len(line.split()) - 1 for line in kinds] == [
        *("o a b", 3, 3),  # not one after the other, so that they make no quad
        *("o a b_2", 4),
        *("o t", 4),
    ]


def test_all_files_beside_an_obj_are_known_by_name(tmp_path: Path) -> None:
    """Who looks for files of others before writing asks by these names."""
    pixels = np.full((4, 4, 4), 90, np.uint8)

    def material(name: str) -> Material:
        base, orm, relief = (Texture(pixels.copy()) for _ in range(3))
        return Material(
            name=name,
            base_color_texture=base,
            metallic_roughness_texture=orm,
            normal_texture=relief,
            alpha_mode="blend",
        )

    mesh = replace(
        colored_tetrahedron(),
        colors=None,
        uvs=np.zeros((4, 3, 2), np.float32),
        materials=(material("one"), material("two")),
        face_material=np.array([0, 0, 1, 1], np.int32),
    )
    for stem in ("x [1]", "y" * 240):
        save_mesh(mesh, tmp_path / f"{stem}.obj")
        beside = set(tmp_path.iterdir()) - {tmp_path / f"{stem}.obj"}
        assert len(beside) == 1 + 2 * 5
        assert set(files_beside(tmp_path / f"{stem}.obj")) == beside
        for path in tmp_path.iterdir():
            path.unlink()
