"""USD's solids without points (spheres, boxes and their like) as meshes."""

# usd-core has no types and may be absent.
# pyright: reportMissingImports=none, reportAttributeAccessIssue=none

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from pxr import Usd, UsdGeom

from engine.readers.source import Broken

SOLIDS = (UsdGeom.Cube, UsdGeom.Sphere, UsdGeom.Cylinder, UsdGeom.Cone, UsdGeom.Capsule)
SOLIDS += (UsdGeom.Plane,)
_AROUND, _UP = 32, 8
"""Corners of a circle, and rings from the equator to a pole."""
Polygons = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(V, 3) float64 points, (C,) corners and (P,) corners of each polygon."""
_FROM_Z = {"X": [[0, 0, 1], [1, 0, 0], [0, 1, 0]], "Y": [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}


def solid_polygons(prim: Usd.Prim, time: Usd.TimeCode) -> Polygons:
    """The polygons of a solid in its own space; at poles two corners of them are one place.

    Raises:
        Broken: a size that is no number, or below zero.
    """

    def size(name: str) -> float:
        value = float(prim.GetAttribute(name).Get(time))
        if not (np.isfinite(value) and value >= 0):
            raise Broken(f"it has a {prim.GetTypeName()} whose {name} is no size")
        return value

    points, corners, counts = _along_z(prim, size)
    axis = prim.GetAttribute("axis")
    turn = _FROM_Z.get(str(axis.Get())) if axis else None
    return points if turn is None else points @ np.array(turn, np.float64).T, corners, counts


def _along_z(prim: Usd.Prim, size: Callable[[str], float]) -> Polygons:
    if prim.IsA(UsdGeom.Cube):
        half = size("size") / 2
        return _turned([[half, -half], [half, half]], corners=4)
    if prim.IsA(UsdGeom.Plane):
        x, y = size("width") / 2, size("length") / 2
        points = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], np.float64)
        return points, np.arange(4), np.array([4])
    radius = size("radius")
    angles = np.linspace(0, np.pi / 2, _UP + 1)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius
    upper[-1, 0] = 0
    if prim.IsA(UsdGeom.Sphere):
        lower = upper[:0:-1] * (1, -1)
        return _turned(np.concatenate([lower, upper]))
    half = size("height") / 2
    if prim.IsA(UsdGeom.Capsule):
        lower = upper[::-1] * (1, -1) - (0, half)
        return _turned(np.concatenate([lower, upper + np.array([0, half])]))
    top = 0.0 if prim.IsA(UsdGeom.Cone) else radius
    return _turned([[radius, -half], [top, half]])


def _turned(profile: ArrayLike, corners: int = _AROUND) -> Polygons:
    """A profile of radii and heights, from below, turned around Z and closed at both ends.

    With four corners the radius is half of a side.
    """
    rings = np.asarray(profile, np.float64)
    turn = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if corners == 4:
        circle = np.sign(circle)
    points = np.empty((len(rings), corners, 3))
    points[..., :2] = rings[:, None, :1] * circle
    points[..., 2] = rings[:, 1:]
    number = np.arange(len(rings) * corners).reshape(len(rings), corners)
    after = np.roll(number, -1, axis=1)
    sides = np.stack([number[:-1], after[:-1], after[1:], number[1:]], axis=2).reshape(-1, 4)
    caps = [number[0, ::-1]] if rings[0, 0] > 0 else []
    caps += [number[-1]] if rings[-1, 0] > 0 else []
    counts = [4] * len(sides) + [corners] * len(caps)
    return points.reshape(-1, 3), np.concatenate([sides.reshape(-1), *caps]), np.array(counts)
