"""Views: in range, framed, and different from each other."""

from dataclasses import replace

import numpy as np
import pytest

from engine.mesh import Mesh
from engine.training.data.views import picture_of, random_view
from engine.training.toybox import make_toy


def test_views_are_in_range() -> None:
    random = np.random.default_rng(0)
    views = [random_view(random) for _ in range(400)]
    azimuth = np.array([view.azimuth_degrees for view in views])
    elevation = np.array([view.elevation_degrees for view in views])
    fov = np.array([view.fov_degrees for view in views])
    assert -75 <= azimuth.min() < -60 and 60 < azimuth.max() <= 75
    assert 0 <= elevation.min() < 5 and 35 < elevation.max() <= 40
    assert ((elevation >= 10) & (elevation <= 30)).mean() > 0.75
    assert fov.min() >= 25 and fov.max() <= 50
    assert 0.1 < np.mean([view.shadows for view in views]) < 0.4


def test_the_same_chance_gives_the_same_view() -> None:
    assert random_view(np.random.default_rng(7)) == random_view(np.random.default_rng(7))


@pytest.mark.parametrize("seed", range(12))
def test_pictures_are_filled_and_not_cut(seed: int) -> None:
    view = random_view(np.random.default_rng(seed))
    picture = picture_of(make_toy(3 * seed).mesh, view, 64)
    assert picture.shape == (64, 64, 4) and picture.dtype == np.uint8
    alpha = picture[..., 3]
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(64 * view.fill, abs=2)
    assert not alpha[[0, -1]].any() and not alpha[:, [0, -1]].any()
    assert picture[alpha > 128, :3].std() > 5


def test_a_view_turns_anticlockwise_around_the_front() -> None:
    """A red flag at +X is on the right from the front, and nearer than a post from the right."""
    flag = np.array([(0.1, 0, 0.2), (0.5, 0, 0.2), (0.5, 0, 0.5), (0, 0, -0.5)], np.float32)
    mesh = Mesh(flag, np.array([(0, 1, 2), (0, 1, 3)], np.int32))
    view = replace(random_view(np.random.default_rng(0)), elevation_degrees=0.0, shift=(0.0, 0.0))
    widths = []
    for azimuth in (0.0, 70.0):
        alpha = picture_of(mesh, replace(view, azimuth_degrees=azimuth), 64)[..., 3]
        widths.append(int(alpha.any(axis=0).sum()))
        upper = alpha[: 64 // 4].sum(axis=0)
        assert upper[32:].sum() > upper[:32].sum()
    assert widths[1] < 0.6 * widths[0]


def test_a_shift_moves_the_picture() -> None:
    mesh = make_toy(1, "crate").mesh
    view = replace(random_view(np.random.default_rng(1)), fill=0.8, shift=(0.08, 0.05))
    alpha = picture_of(mesh, view, 64)[..., 3]
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(32 + 0.08 * 64, abs=1.0)
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(32 + 0.05 * 64, abs=1.0)
