"""Random cameras and lights, and pictures of meshes through them: what networks are shown."""

from dataclasses import dataclass

import numpy as np

from engine.mesh import Mesh
from engine.render.camera import Camera, ball_around, orbit
from engine.render.lights import Studio, random_studio
from engine.render.picture import render

AZIMUTH = (-75.0, 75.0)
ELEVATION = (0.0, 40.0)
FOV = (25.0, 50.0)
_USUAL_ELEVATION = (10.0, 30.0)
_USUAL_SHARE = 0.75
_LARGEST_SHIFT = 0.04
_BORDER = 1 / 64
_SHADOWS = 0.25
"""Share of views with shadows, which take as long again as the rest of a small picture."""


@dataclass(frozen=True)
class View:
    """Where a picture is taken from, and its light.

    Args:
        azimuth_degrees: 0 looks at the front, as in ``engine.render.camera.orbit``.
        elevation_degrees: above the horizon.
        fov_degrees: angle between the upper and the lower border.
        fill: share of the picture's longer extent that the object takes, in (0, 1].
        shift: right and down, by which the object's middle is off the picture's, in picture sides.
        studio: the lights.
        shadows: whether the first of them casts shadows.
    """

    azimuth_degrees: float
    elevation_degrees: float
    fov_degrees: float
    fill: float
    shift: tuple[float, float]
    studio: Studio
    shadows: bool


def random_view(random: np.random.Generator) -> View:
    """A view from the front half: three of four from 10 to 30 degrees above, all from 0 to 40."""
    usual = random.random() < _USUAL_SHARE
    fill = random.uniform(0.82, 0.95)
    reach = min(_LARGEST_SHIFT, (1 - fill) / 2 - _BORDER)
    return View(
        azimuth_degrees=float(random.uniform(*AZIMUTH)),
        elevation_degrees=float(random.uniform(*(_USUAL_ELEVATION if usual else ELEVATION))),
        fov_degrees=float(random.uniform(*FOV)),
        fill=float(fill),
        shift=(float(random.uniform(-reach, reach)), float(random.uniform(-reach, reach))),
        studio=random_studio(random),
        shadows=bool(random.random() < _SHADOWS),
    )


def camera_of(mesh: Mesh, view: View) -> Camera:
    """The camera of a view, framed so that the mesh fills ``view.fill`` of a square picture.

    It looks from the direction of the view, as far away as the mesh's outline needs: found from the
    extent of the projected vertices, not from a ball around them, which would leave slim things
    small.
    """
    centre, radius = ball_around(mesh.vertices, mesh.faces)
    camera = orbit(
        view.azimuth_degrees,
        view.elevation_degrees,
        target=centre,
        radius=radius,
        fov_degrees=view.fov_degrees,
    )
    axes = camera.axes
    points = (mesh.vertices.astype(np.float64) - centre) @ axes.T
    half = np.tan(np.radians(view.fov_degrees) / 2)
    distance = float(np.linalg.norm(np.subtract(camera.eye, centre)))
    right, down = view.shift
    wanted = np.array([right, -down]) * 2
    # Each step puts the middle of the outline to its place, then corrects the distance; perspective
    # makes one depend on the other, and a few steps settle both.
    aim = np.zeros(2)
    for _ in range(8):
        seen = (points[:, :2] - aim) / (points[:, 2:] + distance) / half
        low, high = seen.min(axis=0), seen.max(axis=0)
        aim += ((low + high) / 2 - wanted) * half * distance
        distance *= float((high - low).max()) / 2 / view.fill
        distance = max(distance, 1e-3 - float(points[:, 2].min()))
    target = np.asarray(centre) + aim @ axes[:2]
    eye = target - axes[2] * distance
    ex, ey, ez = eye.tolist()
    tx, ty, tz = target.tolist()
    return Camera(
        eye=(ex, ey, ez),
        target=(tx, ty, tz),
        fov_degrees=view.fov_degrees,
        near=max((distance + float(points[:, 2].min())) / 2, 1e-3 * distance),
    )


def picture_of(mesh: Mesh, view: View, size: int, *, threads: int | None = 1) -> np.ndarray:
    """(size, size, 4) uint8 picture of a mesh, alpha not multiplied in.

    One thread by default, since data sets are built by several processes.

    Raises:
        EngineError: what ``engine.render.picture.render`` raises.
    """
    picture = render(
        mesh,
        camera_of(mesh, view),
        width=size,
        studio=view.studio,
        samples=2,
        shadows=view.shadows,
        threads=threads,
    )
    return picture.rgba
