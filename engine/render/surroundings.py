"""Light from all around, as photographed: blurred beforehand for surfaces of several roughnesses.

A room is a map of directions, longitude to the right and the zenith on top, once for each level of
blur: looking one of them up takes the place of an integral over all light that a surface reflects
(Karis 2014, the split sum). The last level is for matt surfaces.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numba import njit

from engine.kernels import tight

ROUGHNESS = (0.15, 0.3, 0.5, 0.75, 1.0)
"""Of the levels that mirror; one more level, the last, is lit by a cosine."""
FILE = Path(__file__).with_name("rooms.npz")
NOWHERE = np.zeros((0, 0, 0, 3))
"""Surroundings of a studio, which has a sky and a ground instead."""


@dataclass(frozen=True)
class Surroundings:
    """One of ``rooms``, turned.

    Args:
        room: its name.
        turn_degrees: around the object's Z axis.
        exposure: radiance is multiplied by it; rooms have a mean luminance of 1 from all sides.
    """

    room: str
    turn_degrees: float = 0.0
    exposure: float = 1.0

    def seen_by(self, axes: np.ndarray) -> np.ndarray:
        """(levels, H, W, 3) float64 radiance by directions in camera space (right, up, forward).

        Args:
            axes: (3, 3) camera_from_object.

        Raises:
            KeyError: there is no room of that name.
        """
        maps = rooms()[self.room].astype(np.float64)
        height, width = maps.shape[1:3]
        rise = np.pi * (0.5 - (np.arange(height) + 0.5) / height)[:, None]
        around = 2 * np.pi * (np.arange(width) + 0.5) / width
        flat = np.cos(rise)
        up = np.broadcast_to(np.sin(rise), (height, width))
        directions = np.stack([flat * np.cos(around), flat * np.sin(around), up], axis=-1)
        turn = np.radians(self.turn_degrees)
        turned = np.array(
            [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]]
        )
        object_from_camera = turned @ axes.T
        seen = np.empty_like(maps)
        _resample(maps, (directions @ object_from_camera.T).reshape(-1, 3), seen)
        return seen * self.exposure


@cache
def rooms() -> dict[str, np.ndarray]:
    """Name -> (levels, H, W, 3) float16 linear radiance by directions in object space.

    Made by ``benchmarks/rooms.py`` out of photographs in the public domain (CC0).
    """
    with np.load(FILE) as file:
        return {name: file[name] for name in sorted(file.files)}


@njit(inline="always")
def radiance(maps, level, x, y, z):
    """Red, green and blue from a direction at one level, between four of the map's points."""
    height, width = maps.shape[1], maps.shape[2]
    v = np.arccos(min(max(z, -1.0), 1.0)) / np.pi * height - 0.5
    u = np.arctan2(y, x) / (2 * np.pi) * width - 0.5
    row, column = int(np.floor(v)), int(np.floor(u))
    down, right = v - row, u - column
    above, below = max(row, 0), min(row + 1, height - 1)
    left, beside = column % width, (column + 1) % width
    a, b = (1 - down) * (1 - right), (1 - down) * right
    c, d = down * (1 - right), down * right
    upper, lower = maps[level, above], maps[level, below]
    return (
        a * upper[left, 0] + b * upper[beside, 0] + c * lower[left, 0] + d * lower[beside, 0],
        a * upper[left, 1] + b * upper[beside, 1] + c * lower[left, 1] + d * lower[beside, 1],
        a * upper[left, 2] + b * upper[beside, 2] + c * lower[left, 2] + d * lower[beside, 2],
    )


@njit(inline="always")
def reflected(maps, roughness, x, y, z):
    """Red, green and blue mirrored by a surface of some roughness."""
    level = 0
    while level < len(ROUGHNESS) - 2 and ROUGHNESS[level + 1] < roughness:
        level += 1
    share = (roughness - ROUGHNESS[level]) / (ROUGHNESS[level + 1] - ROUGHNESS[level])
    share = min(max(share, 0.0), 1.0)
    r0, g0, b0 = radiance(maps, level, x, y, z)
    r1, g1, b1 = radiance(maps, level + 1, x, y, z)
    return r0 + (r1 - r0) * share, g0 + (g1 - g0) * share, b0 + (b1 - b0) * share


@tight
def _resample(maps, directions, seen):
    width = maps.shape[2]
    for level in range(maps.shape[0]):
        for i in range(len(directions)):
            x, y, z = directions[i, 0], directions[i, 1], directions[i, 2]
            r, g, b = radiance(maps, level, x, y, z)
            point = seen[level, i // width, i % width]
            point[0], point[1], point[2] = r, g, b
