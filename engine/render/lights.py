"""The built-in photo studio: soft lamps around the camera and a gradient behind them.

A lamp is a spherical Gaussian, a soft round blob of light: its radiance from direction l is
``color * exp(sharpness * (l . direction - 1))``. Products of such blobs have closed integrals, so
that soft lamps light rough and shiny surfaces without sampling (Wang et al. 2009, All-Frequency
Rendering of Dynamic, Spatially-Varying Reflectance).
"""

from dataclasses import dataclass, replace

import numpy as np

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Lamp:
    """A soft lamp, infinitely far away.

    Args:
        azimuth_degrees: where it stands, 0 behind the camera, growing to the camera's right.
        elevation_degrees: above the camera's horizon.
        sharpness: 4 is a wall of light, 20 a soft box, 200 a bulb.
        color: linear radiance in the middle of the lamp.
    """

    azimuth_degrees: float
    elevation_degrees: float
    sharpness: float
    color: Color

    @property
    def direction(self) -> np.ndarray:
        """(3,) float64 unit vector towards the lamp: right, up, forward."""
        turn, rise = np.radians(self.azimuth_degrees), np.radians(self.elevation_degrees)
        return np.array([np.sin(turn) * np.cos(rise), np.sin(rise), -np.cos(turn) * np.cos(rise)])


@dataclass(frozen=True)
class Studio:
    """Lamps and surroundings.

    Args:
        lamps: at least one; the first casts shadows where shadows are asked for.
        sky: linear radiance from straight above (in object space, +Z).
        ground: from straight below; between them it runs evenly.
        exposure: everything is multiplied by it.
    """

    lamps: tuple[Lamp, ...]
    sky: Color = (0.62, 0.64, 0.68)
    ground: Color = (0.34, 0.325, 0.31)
    exposure: float = 1.0

    def turned(self, degrees: float) -> "Studio":
        """The same studio with all lamps moved around the object."""
        lamps = tuple(
            replace(lamp, azimuth_degrees=lamp.azimuth_degrees + degrees) for lamp in self.lamps
        )
        return replace(self, lamps=lamps)

    def table(self) -> np.ndarray:
        """(L, 7) float64: direction in camera space, sharpness, radiance times exposure."""
        return np.array(
            [
                [*lamp.direction, lamp.sharpness, *(np.asarray(lamp.color) * self.exposure)]
                for lamp in self.lamps
            ]
        ).reshape(-1, 7)


STUDIO = Studio(
    lamps=(
        Lamp(-42, 48, 16, (5.4, 5.2, 4.9)),  # key
        Lamp(58, 12, 8, (1.25, 1.32, 1.45)),  # fill
        Lamp(150, 35, 24, (4.2, 4.4, 4.8)),  # rim, right
        Lamp(-140, 20, 24, (2.6, 2.5, 2.4)),  # rim, left
        Lamp(5, 85, 10, (1.0, 1.0, 1.0)),  # top
    )
)
"""Key, fill, two rims and a top light."""


def random_studio(random: np.random.Generator) -> Studio:
    """A studio for training pictures: the built-in one, turned, brightened and tinted at random."""
    lamps = tuple(
        replace(
            lamp,
            azimuth_degrees=lamp.azimuth_degrees + float(random.uniform(-40, 40)),
            elevation_degrees=float(
                np.clip(lamp.elevation_degrees + random.uniform(-20, 20), 0, 89)
            ),
            sharpness=lamp.sharpness * float(np.exp(random.uniform(-0.7, 0.7))),
            color=_tinted(lamp.color, random),
        )
        for lamp in STUDIO.lamps
    )
    sky, ground = _tinted(STUDIO.sky, random), _tinted(STUDIO.ground, random)
    return Studio(lamps, sky, ground, float(np.exp(random.uniform(-0.25, 0.25))))


def _tinted(color: Color, random: np.random.Generator) -> Color:
    red, green, blue = (np.asarray(color) * np.exp(random.uniform(-0.15, 0.15, 3))).tolist()
    scale = float(np.exp(random.uniform(-0.4, 0.4)))
    return red * scale, green * scale, blue * scale
