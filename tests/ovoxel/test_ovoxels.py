"""The value that all rooms pass on."""

from dataclasses import replace

import numpy as np
import pytest

from engine.ovoxel import OVoxels, mesh_to_dual_grid
from engine.ovoxel.placement import Placement
from protocol.errors import EngineError
from tests.meshes import sphere


@pytest.fixture(scope="module")
def ball() -> OVoxels:
    """Materials that run from x = 0 to x = 1 of the grid, alpha from beyond 0 to beyond 1."""
    vertices, faces = sphere(20)
    unit = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    grid = mesh_to_dual_grid(0.4 * unit, faces, grid_size=32)
    along = (grid.coords[:, :1] + np.float32(0.5)) / np.float32(32)
    rates = np.array([1, 0.5, 0.25, 0.75, 0.1, 1.4], np.float32)
    offset = np.array([0, 0.1, 0.2, 0.1, 0.8, -0.2], np.float32)
    return OVoxels(grid, along * rates + offset, Placement(0.5, (1.0, -2.0, 3.0)))


def test_the_surface_lies_in_object_space_and_bears_materials(ball: OVoxels) -> None:
    mesh = ball.surface()
    assert len(mesh.vertices) == len(ball.grid.coords)
    unit = (mesh.vertices - np.array([1.0, -2.0, 3.0])) * 0.5
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 0.4, atol=1 / 32)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    volume = np.linalg.det(corners - mesh.vertices.mean(axis=0)).sum() / 6
    assert volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.05)  # outward: more than 0
    assert mesh.colors is not None and mesh.metallic_roughness is not None
    np.testing.assert_array_equal(mesh.colors[:, :3], np.clip(ball.materials[:, :3], 0, 1))
    np.testing.assert_array_equal(mesh.colors[:, 3], np.clip(ball.materials[:, 5], 0, 1))
    np.testing.assert_array_equal(mesh.metallic_roughness, np.clip(ball.materials[:, 3:5], 0, 1))
    np.testing.assert_array_equal(ball.alpha, ball.materials[:, 5])


def test_split_weights_cut_its_quads(ball: OVoxels) -> None:
    rows = np.arange(len(ball.grid.coords), dtype=np.float32)[:, None] % 7 + 1
    cut = replace(ball, split_weight=rows)
    assert (cut.surface().faces != ball.surface().faces).any()
    assert len(cut.surface().faces) == len(ball.surface().faces)


def test_materials_between_voxels(ball: OVoxels) -> None:
    """The middle of a voxel whose neighbours are there gives its own; beyond 1 is clamped."""
    middle = (ball.grid.coords + np.float32(0.5)) / 32 - np.float32(0.5)
    values = ball.materials_at(middle)
    np.testing.assert_allclose(values, np.clip(ball.materials, 0, 1), atol=1e-5)


def test_materials_of_other_voxels_are_refused(ball: OVoxels) -> None:
    for wrong in (ball.materials[1:], ball.materials[:, :5]):
        with pytest.raises(EngineError) as caught:
            replace(ball, materials=wrong)
        assert caught.value.code == "materials_shape"


def test_plain_voxels_are_white_rough_and_opaque(ball: OVoxels) -> None:
    plain = OVoxels.plain(ball.grid)
    np.testing.assert_array_equal(plain.materials[0], [1, 1, 1, 0, 1, 1])
    assert plain.placement == Placement()
