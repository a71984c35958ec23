"""A mesh file goes to O-Voxels and comes back where it was, in its colours."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from engine.export.mesh_file import save_mesh
from engine.finishing.convert import mesh_file_to_ovoxels, ovoxels_to_mesh_file
from engine.mesh import Mesh
from engine.ovoxel.ovoxel_file import load_ovoxels
from engine.readers.load import load_mesh
from engine.report import Report
from protocol.errors import EngineError
from tests.events import progress_to

LOW, HIGH = np.array([10.0, -4.0, 100.0]), np.array([12.0, 0.0, 101.0])


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A red box far from the origin, 4 long."""
    shape = trimesh.creation.box(bounds=[LOW, HIGH])
    colors = np.tile(np.array([[0.8, 0.2, 0.1, 1.0]], np.float32), (8, 1))
    vertices, faces = np.asarray(shape.vertices), np.asarray(shape.faces)
    mesh = Mesh(vertices.astype(np.float32), faces.astype(np.int32), colors=colors)
    save_mesh(mesh, tmp_path / "box.ply")
    return tmp_path / "box.ply"


@pytest.mark.parametrize("resolution", [32, 33])
@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj"])
def test_there_and_back(box: Path, resolution: int, suffix: str) -> None:
    stages: list[str] = []
    voxels, back = box.with_suffix(".vxz"), box.with_name(f"back{suffix}")
    report = Report(progress_to(lambda progress: stages.append(progress.stage)))
    there = mesh_file_to_ovoxels(box, voxels, report, resolution=resolution)
    again = ovoxels_to_mesh_file(voxels, back, Report())
    assert (there.voxels, there.placement) == (again.voxels, again.placement)
    assert list(dict.fromkeys(stages)) == ["reading", "voxels", "materials", "writing"]

    mesh = load_mesh(back)
    voxel = 4 / 0.99999 / resolution
    points = mesh.vertices.astype(np.float64)
    outside = np.maximum(np.maximum(LOW - points, points - HIGH), 0).max(axis=1)
    depth = np.minimum(points - LOW, HIGH - points).min(axis=1)
    assert outside.max() < voxel
    assert depth.max() < voxel
    np.testing.assert_allclose(points.min(axis=0), LOW, atol=voxel)
    np.testing.assert_allclose(points.max(axis=0), HIGH, atol=voxel)
    assert mesh.colors is not None
    expected = np.broadcast_to([0.8, 0.2, 0.1], mesh.colors[:, :3].shape)
    np.testing.assert_allclose(mesh.colors[:, :3], expected, atol=2 / 255)


@pytest.mark.parametrize("resolution", [0, -1, 4097])
def test_impossible_resolutions(box: Path, resolution: int) -> None:
    with pytest.raises(EngineError) as caught:
        mesh_file_to_ovoxels(box, box.with_suffix(".vxz"), Report(), resolution=resolution)
    assert caught.value.code == "grid_size"


def test_resolution_1_has_no_edge_to_cross(box: Path) -> None:
    with pytest.raises(EngineError) as caught:
        mesh_file_to_ovoxels(box, box.with_suffix(".vxz"), Report(), resolution=1)
    assert caught.value.code == "grid_empty"
    assert not box.with_suffix(".vxz").exists()


def test_a_single_triangle_keeps_its_border(tmp_path: Path) -> None:
    (tmp_path / "t.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    mesh_file_to_ovoxels(tmp_path / "t.obj", tmp_path / "t.vxz", Report(), resolution=64)
    ovoxels_to_mesh_file(tmp_path / "t.vxz", tmp_path / "t.ply", Report())
    mesh = load_mesh(tmp_path / "t.ply")
    # One sheet in the plane y = 0, not a shell around it.
    area = np.linalg.norm(
        np.cross(*(np.diff(mesh.vertices[mesh.faces], axis=1).swapaxes(0, 1))), axis=1
    )
    assert abs(area.sum() / 2 - 0.5) < 0.05
    assert np.abs(mesh.vertices[:, 1]).max() < 1 / 64


def test_all_triangles_in_one_point(tmp_path: Path) -> None:
    (tmp_path / "t.obj").write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")
    with pytest.raises(EngineError) as caught:
        mesh_file_to_ovoxels(tmp_path / "t.obj", tmp_path / "t.vxz", Report())
    assert caught.value.code == "mesh_flat"


def test_targets_that_cannot_be(box: Path) -> None:
    for target in (box / "x.vxz", box.parent):
        with pytest.raises(EngineError) as caught:
            mesh_file_to_ovoxels(box, target, Report(), resolution=8)
        assert caught.value.code == "unwritable"
    with pytest.raises(EngineError) as caught:
        ovoxels_to_mesh_file(box.with_suffix(".vxz"), box.with_suffix(".fbx"), Report())
    assert caught.value.code == "mesh_format"


def test_every_cut_of_a_vxz_is_an_error(box: Path) -> None:
    whole = box.with_suffix(".vxz")
    mesh_file_to_ovoxels(box, whole, Report(), resolution=16)
    data = whole.read_bytes()
    for length in [0, 3, 8, 20, len(data) // 2, len(data) - 1]:
        whole.write_bytes(data[:length])
        with pytest.raises(EngineError) as caught:
            ovoxels_to_mesh_file(whole, box.with_name("out.glb"), Report())
        assert caught.value.code == "vxz_damaged"
    assert not box.with_name("out.glb").exists()


def test_the_lantern_of_the_examples(tmp_path: Path) -> None:
    lantern = Path(__file__).resolve().parents[2] / "examples" / "lantern.glb"
    mesh_file_to_ovoxels(lantern, tmp_path / "l.vxz", Report(), resolution=64)
    ovoxels = load_ovoxels(tmp_path / "l.vxz")
    metallic, roughness = ovoxels.materials[:, 3], ovoxels.materials[:, 4]
    # The top is the brass ring, the bottom the wooden foot.
    height = ovoxels.grid.coords[:, 2]
    assert metallic[height >= 60].mean() > 0.8
    assert metallic[height <= 4].mean() < 0.1
    assert 0.6 < roughness[height <= 2].mean() < 0.9
