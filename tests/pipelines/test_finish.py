"""From O-Voxels to a finished asset, whole and with levels of detail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.errors import EngineError
from engine.export.presets import PRESETS
from engine.mesh import Mesh
from engine.meshing.load import load_mesh
from engine.meshing.unwrap import uvs_are_valid
from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid
from engine.ovoxel.placement import Placement
from engine.pipelines.finish import FinishJob, finish
from engine.pipelines.report import Cancelled, CancelToken, Report
from tests.meshes import sphere

SMALL = replace(PRESETS["standard"], faces=800, texture_size=256)


@pytest.fixture(scope="module")
def job() -> FinishJob:
    """A ball whose upper half is red and whose lower half is blue."""
    vertices, faces = sphere(40)
    vertices = 0.4 * vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    grid = mesh_to_dual_grid(vertices, faces, grid_size=64)
    materials = np.tile(np.array([0, 0, 1, 0.5, 0.25, 1], np.float32), (len(grid.coords), 1))
    materials[grid.coords[:, 2] >= 32, :3] = (1, 0, 0)
    placement = Placement(scale=0.5, centre=(1.0, 2.0, 3.0))
    return FinishJob(grid, materials, dual_grid_to_mesh(grid, orient=True), SMALL, placement)


def test_a_ball_becomes_a_textured_mesh_in_its_place(job: FinishJob) -> None:
    report = Report()
    finished = finish(job, report)
    assert [named.name for named in finished.meshes] == ["asset"]
    mesh = finished.meshes[0].mesh
    assert 0 < len(mesh.faces) <= SMALL.faces
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), np.array([1.0, 2.0, 3.0]), atol=0.05)
    radii = np.linalg.norm(mesh.vertices - np.array([1.0, 2.0, 3.0]), axis=1)
    np.testing.assert_allclose(radii, 0.8, atol=0.02)
    assert uvs_are_valid(mesh.uvs)
    texture = mesh.materials[0].base_color_texture
    assert texture is not None and texture.pixels.shape[:2] == (256, 256)
    assert _color_at(mesh, top=True) == (255, 0, 0)
    assert _color_at(mesh, top=False) == (0, 0, 255)
    level = finished.log["levels"][0]
    assert level["after"]["flipped_edges"] == 0 and level["after"]["open_edges"] == 0
    assert level["alpha_mode"] == "opaque" and level["lost_texels"] == 0
    assert {"clean", "simplify", "unwrap", "bake"} <= set(report.seconds)


def _color_at(mesh: Mesh, *, top: bool) -> tuple[int, ...]:
    """The texture in the middle of the highest or the lowest face."""
    heights = mesh.vertices[mesh.faces, 2].mean(axis=1)
    face = heights.argmax() if top else heights.argmin()
    texture = mesh.materials[0].base_color_texture
    assert mesh.uvs is not None and texture is not None
    u, v = mesh.uvs[face].mean(axis=0)
    size = texture.pixels.shape[0]
    return tuple(texture.pixels[int((1 - v) * size), int(u * size), :3].tolist())


def test_levels_of_detail_and_a_hull(job: FinishJob) -> None:
    preset = replace(
        PRESETS["game"], faces=600, texture_size=256, lod_shares=(1.0, 0.5), normal_map=True
    )
    finished = finish(replace(job, preset=preset, name="ball"), Report())
    assert [named.name for named in finished.meshes] == ["ball_LOD0", "ball_LOD1", "UCX_ball"]
    first, second, hull = (named.mesh for named in finished.meshes)
    assert len(second.faces) <= 300 < len(first.faces) <= 600
    assert first.tangents is not None
    low, high = first.vertices.min(axis=0), first.vertices.max(axis=0)
    np.testing.assert_allclose(hull.vertices.min(axis=0), low, atol=0.05)
    np.testing.assert_allclose(hull.vertices.max(axis=0), high, atol=0.05)


def test_a_given_mesh_keeps_vertices_faces_and_valid_uvs(job: FinishJob) -> None:
    vertices = job.placement.to_object(np.array([[-0.3, -0.3, 0], [0.3, -0.3, 0], [0, 0.3, 0]]))
    faces = np.array([[0, 1, 2]], np.int32)
    uvs = np.array([[[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]], np.float32)
    for given, kept in ((uvs, True), (uvs + 3, False), (None, False)):
        mesh = Mesh(vertices, faces, uvs=given)
        finished = finish(replace(job, given_mesh=mesh), Report()).meshes[0].mesh
        np.testing.assert_array_equal(finished.vertices, vertices)
        np.testing.assert_array_equal(finished.faces, faces)
        assert finished.uvs is not None
        assert np.array_equal(finished.uvs, uvs) == kept


def test_cancel(job: FinishJob) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job, Report(cancel=token))


@pytest.mark.parametrize(("faces", "size", "code"), [(0, 256, "face_target"), (800, 0, None)])
def test_impossible_targets(job: FinishJob, faces: int, size: int, code: str | None) -> None:
    with pytest.raises(EngineError) as caught:
        finish(replace(job, preset=replace(SMALL, faces=faces, texture_size=size)), Report())
    assert caught.value.code == (code or "texture_size")


def test_the_command(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "lantern.glb"
    target = tmp_path / "lantern.glb"
    result = CliRunner().invoke(
        app,
        f"finish {example} -o {target} --resolution 64 --faces 2000 --texture 256".split(),
    )
    assert result.exit_code == 0, result.output
    mesh, original = load_mesh(target), load_mesh(example)
    assert 0 < len(mesh.faces) <= 2000
    extent = np.ptp(original.vertices, axis=0)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), extent, atol=2 * extent.max() / 64)
    result = CliRunner().invoke(app, ["finish", str(example), "-o", str(tmp_path / "x.stl")])
    assert result.exit_code == 2 and "cannot hold a textured asset" in result.output
