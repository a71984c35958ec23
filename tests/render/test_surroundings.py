"""Light of rooms."""

import numpy as np
import pytest

from engine.render.camera import Camera, orbit
from engine.render.lights import Studio
from engine.render.picture import render
from engine.render.shade import shade
from engine.render.surroundings import ROUGHNESS, Surroundings, reflected, rooms
from tests.finishing.baking.scenes import uv_sphere

LUMINANCE = (0.2126, 0.7152, 0.0722)


def test_rooms_are_as_bright_as_each_other() -> None:
    assert len(rooms()) >= 12
    rise = np.pi * (0.5 - (np.arange(16) + 0.5) / 16)
    for name, maps in rooms().items():
        assert maps.shape == (len(ROUGHNESS) + 1, 16, 32, 3), name
        bright = (maps[-1].astype(float) @ LUMINANCE).mean(axis=1)
        mean = (bright * np.cos(rise)).sum() / np.cos(rise).sum()
        assert mean == pytest.approx(1, abs=0.1), name


@pytest.mark.parametrize("roughness", [0.05, 0.4, 1.0])
def test_a_white_room_comes_back_white(roughness: float) -> None:
    white = np.ones((len(ROUGHNESS) + 1, 16, 32, 3))
    out, n, up = np.zeros(3), np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    value = np.array([1, 1, 1, 1, roughness, 1], np.float32)
    black = np.zeros(3)
    shade(value, n, n, up, np.zeros((0, 7)), black, black, white, 1.0, out)
    np.testing.assert_allclose(out, 1, atol=0.02)


def test_rough_surfaces_see_the_blurred_levels() -> None:
    maps = np.zeros((len(ROUGHNESS) + 1, 16, 32, 3))
    maps[:-1] = np.array(ROUGHNESS)[:, None, None, None]
    for roughness, seen in ((0.0, 0.15), (0.4, 0.4), (0.9, 0.9), (1.0, 1.0)):
        assert reflected(maps, roughness, 0.0, 0.0, 1.0)[0] == pytest.approx(seen)


def test_light_from_above_stays_above_whichever_way_one_looks() -> None:
    for azimuth in (0, 130):
        maps = Surroundings("sky", 40).seen_by(orbit(azimuth, 0).axes)
        matt = maps[-1].mean(axis=-1)
        # In camera space up is the second axis: a quarter turn of longitude, on the equator.
        assert matt[7:9, 8].mean() > 1.2 * matt[7:9, 24].mean()


def test_a_turned_room_lights_the_other_side() -> None:
    ball, camera = uv_sphere(20, 40), Camera((0.0, -3.0, 0.0))
    sides = []
    for turn in (0, 90, 180, 270):
        picture = render(
            ball, camera, width=48, studio=Studio(()), shadows=False,
            surroundings=Surroundings("sunset", turn),
        ).rgba.astype(float)  # fmt: skip
        sides.append(picture[20:28, 6:20, :3].mean() - picture[20:28, 28:42, :3].mean())
    assert max(sides) > 5 and min(sides) < -5
