"""A mesh far from the origin keeps its shape in every file that is written of it."""

from pathlib import Path

import numpy as np
import pytest

from engine.export.mesh_file import save_mesh
from engine.mesh import Mesh
from engine.readers.load import load_mesh
from engine.render.asset import load_surface

FAR = np.array([500000.1, 5400000.1, 12.5])


def tetrahedron() -> Mesh:
    vertices = np.array([[0, 0, 0], [0.8, 0, 0], [0, 0.8, 0], [0, 0, 0.8]]) + FAR
    return Mesh(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32))


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply"])
def test_files_keep_the_shape_and_the_place(tmp_path: Path, suffix: str) -> None:
    mesh = tetrahedron()
    save_mesh(mesh, tmp_path / f"a{suffix}")
    again = load_mesh(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(
        again.vertices[again.faces] - FAR, mesh.vertices[mesh.faces] - FAR, atol=1e-6
    )


def test_a_picture_is_taken_at_the_origin(tmp_path: Path) -> None:
    save_mesh(tetrahedron(), tmp_path / "a.obj")
    mesh = load_surface(tmp_path / "a.obj")
    assert np.abs(mesh.vertices).max() <= 0.4 + 1e-6
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.8] * 3, atol=1e-6)
