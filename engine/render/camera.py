"""Where a picture is taken from."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from protocol.errors import EngineError

Projection = Literal["perspective", "orthographic"]
Point = tuple[float, float, float]

SMALLEST_NEAR = 1e-3
"""Share of the distance between eye and target: nearer planes would blow up coordinates."""


@dataclass(frozen=True)
class Camera:
    """A camera that looks from ``eye`` at ``target``, both in object space (Z up).

    Args:
        up: which way is up in the picture; need not be at a right angle to the view.
        fov_degrees: angle between the upper and the lower border, in (0, 180); perspective only.
        height: from the upper to the lower border in units of object space; orthographic only.
        near: surfaces nearer to the eye's plane than this are cut away.
    """

    eye: Point
    target: Point = (0.0, 0.0, 0.0)
    up: Point = (0.0, 0.0, 1.0)
    projection: Projection = "perspective"
    fov_degrees: float = 40.0
    height: float = 1.5
    near: float = 0.01

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) float64 camera_from_object rotation: rows are right, up and forward.

        Raises:
            EngineError: ``camera`` when the camera looks nowhere or its numbers are out of range.
        """
        forward = np.subtract(self.target, self.eye).astype(np.float64)
        distance = float(np.linalg.norm(forward))
        in_range = 0 < self.fov_degrees < 180 and self.height > 0 and self.near > 0
        if not (np.isfinite(distance) and distance > 0 and in_range):
            raise EngineError(
                "camera",
                f"A camera at {self.eye} that looks at {self.target} with a field of view of "
                f"{self.fov_degrees} degrees, a height of {self.height} and a near plane at "
                f"{self.near} sees nothing.",
                "Give eye and target apart, an angle below 180, and positive height and near.",
            )
        forward /= distance
        right = np.cross(forward, self.up)
        if np.linalg.norm(right) < 1e-6:  # straight up or down
            right = np.cross(forward, (0.0, 1.0, 0.0) if abs(forward[1]) < 0.9 else (1.0, 0.0, 0.0))
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, forward), forward])

    def pixels_per_unit(self, height: int) -> float:
        """Pixels per unit of object space: at depth 1 in perspective, everywhere otherwise."""
        if self.projection == "orthographic":
            return height / self.height
        return height / 2 / float(np.tan(np.radians(self.fov_degrees) / 2))


def orbit(
    azimuth_degrees: float,
    elevation_degrees: float,
    *,
    target: Point = (0.0, 0.0, 0.0),
    radius: float = 0.87,
    margin: float = 1.05,
    fov_degrees: float = 30.0,
    projection: Projection = "perspective",
    aspect: float = 1.0,
) -> Camera:
    """A camera that sees the whole ball around ``target``.

    Args:
        azimuth_degrees: 0 looks from the front (from -Y along +Y, as glTF's front becomes Z-up),
            growing anticlockwise seen from above.
        elevation_degrees: above the horizon.
        radius: of the ball; 0.87 holds the unit cube.
        margin: how many times the ball's size the picture holds.
        aspect: width over height of the picture.
    """
    turn, rise = np.radians(azimuth_degrees), np.radians(elevation_degrees)
    direction = np.array([np.sin(turn) * np.cos(rise), -np.cos(turn) * np.cos(rise), np.sin(rise)])
    half = np.radians(fov_degrees) / 2
    narrow = half if aspect >= 1 else np.arctan(np.tan(half) * aspect)
    distance = radius * margin / float(np.sin(narrow))
    x, y, z = (np.asarray(target) + direction * distance).tolist()
    return Camera(
        eye=(x, y, z),
        target=target,
        projection=projection,
        fov_degrees=fov_degrees,
        height=2 * radius * margin / min(aspect, 1.0),
        near=max(distance - 4 * radius, SMALLEST_NEAR * distance),
    )


def ball_around(vertices: np.ndarray, faces: np.ndarray) -> tuple[Point, float]:
    """Centre of the bounding box of all used vertices, and the radius of a ball that holds them."""
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    points = np.asarray(vertices, np.float64)[used]
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = float(np.sqrt(((points - centre) ** 2).sum(axis=1).max()))
    x, y, z = centre.tolist()
    return (x, y, z), max(radius, 1e-6)


def with_near(camera: Camera, near: float) -> Camera:
    """The same camera with another near plane, not closer than coordinates allow."""
    distance = float(np.linalg.norm(np.subtract(camera.target, camera.eye)))
    return replace(camera, near=max(near, SMALLEST_NEAR * distance))
