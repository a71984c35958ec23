"""Metrics against cases whose answer is known."""

import numpy as np
import pytest

from engine.mesh import Mesh
from engine.training.metrics import f_score, psnr, structure_iou, surface_points, voxel_agreement


def square(height: float = 0.0, width: float = 1.0) -> Mesh:
    corners = [(0, 0, height), (width, 0, height), (width, 1, height), (0, 1, height)]
    return Mesh(np.array(corners, np.float32), np.array([(0, 1, 2), (0, 2, 3)], np.int32))


NOTHING = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def test_points_are_spread_by_area():
    points = surface_points(square(width=3.0), 20_000, np.random.default_rng(0))
    assert np.all(points[:, 2] == 0) and points.min() >= 0 and points[:, 0].max() <= 3
    share, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=(6, 2), range=((0, 3), (0, 1)))
    assert np.abs(share / 20_000 - 1 / 12).max() < 0.01


def test_f_score():
    assert f_score(square(), square(), 1e-5) == 1
    assert f_score(square(0.2), square(), 0.19) == 0
    assert f_score(square(0.2), square(), 0.21) == 1
    # All of the half is on the whole, 0.6 of the whole is within 0.1 of the half.
    assert f_score(square(width=0.5), square(), 0.1) == pytest.approx(1.2 / 1.6, abs=0.01)
    assert f_score(NOTHING, square(), 0.1) == 0
    with pytest.raises(ValueError, match="without area"):
        f_score(square(), NOTHING, 0.1)


def test_voxel_agreement():
    truth = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.uint16)
    result = np.array([(0, 0, 1), (0, 2, 0)], np.int32)
    assert voxel_agreement(result, truth) == (0.5, 0.25)
    assert voxel_agreement(truth, truth) == (1, 1)
    assert voxel_agreement(truth[:0], truth) == (1, 0)


def test_structure_iou():
    result, truth = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    assert structure_iou(result, truth) == 1
    result[0], truth[:, 0] = True, True
    assert structure_iou(result, truth) == pytest.approx(2 / 6)


def test_psnr():
    truth = np.full((5, 6), 0.5)
    assert psnr(truth + 0.1, truth) == pytest.approx(20)
    assert psnr(np.full((5, 6), 1.7), np.ones((5, 6))) == float("inf")
