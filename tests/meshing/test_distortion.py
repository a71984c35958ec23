import numpy as np
import pytest

from engine.meshing.distortion import distortion
from tests import meshes


def test_a_layout_of_the_right_shape_has_none() -> None:
    vertices, faces = meshes.grid(5, 7)
    turn = np.array([(0.8, 0.6), (-0.6, 0.8)])
    uvs = (vertices[:, :2] @ turn * 0.3)[faces]
    assert distortion(vertices, faces, uvs) == pytest.approx((1, 1, 1, 1))


def test_a_stretched_layout() -> None:
    vertices, faces = meshes.grid(5, 7)
    uvs = (vertices[:, :2] * (0.2, 0.6))[faces]
    assert distortion(vertices, faces, uvs) == pytest.approx((1, 1, 3, 3), rel=1e-5)


def test_percentiles_go_by_area() -> None:
    """A tenth of the surface is four times as large in the layout."""
    vertices, faces = meshes.grid(10, 1)
    small = (vertices[faces].mean(axis=1)[:, 0] > 0.4)[:, None, None]
    uvs = vertices[faces][:, :, :2] * np.where(small, 2.0, 1.0)
    area, area_95, angle, angle_95 = distortion(vertices, faces, uvs)
    mean = 0.9 + 0.1 * 4
    assert (area, area_95) == pytest.approx((mean, 4 / mean), rel=1e-5)
    assert (angle, angle_95) == pytest.approx((1, 1), rel=1e-5)


def test_faces_laid_out_as_lines_are_infinite() -> None:
    vertices, faces = meshes.grid(2, 2)
    found = distortion(vertices, faces, np.zeros((len(faces), 3, 2)))
    assert np.isinf(found.angle)
    point = np.zeros_like(vertices)
    assert distortion(point, faces, np.zeros((len(faces), 3, 2))) == (1, 1, 1, 1)
