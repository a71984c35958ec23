"""Shapes that toys are built of: closed solids and open sheets, wound outwards.

Units are the family's own, since a toy is fitted into the box at the end. Z is up.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.training.toybox.curves import Points, chaikin, rounded_rectangle

SEGMENTS = 32
"""Corners of a round cross-section: smooth on a grid of 128."""


@dataclass(frozen=True)
class Solid:
    """Triangles without materials.

    Args:
        vertices: (V, 3) float64.
        faces: (F, 3) int64 into vertices, anticlockwise seen from outside.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Solid":
        return Solid(self.vertices + np.array([x, y, z]), self.faces)

    def scaled(self, x: float, y: float, z: float) -> "Solid":
        """Stretched from the origin; an odd number of negative factors mirrors."""
        faces = self.faces if x * y * z > 0 else self.faces[:, ::-1]
        return Solid(self.vertices * np.array([x, y, z]), faces)

    def turned(self, axis: Literal["x", "y", "z"], degrees: float) -> "Solid":
        """Rotated about an axis through the origin, by the right-hand rule."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        vertices = self.vertices.copy()
        vertices[:, i] = c * self.vertices[:, i] - s * self.vertices[:, j]
        vertices[:, j] = s * self.vertices[:, i] + c * self.vertices[:, j]
        return Solid(vertices, self.faces)


def joined(*solids: Solid) -> Solid:
    """Several solids as one; where they overlap, their surfaces stay inside each other."""
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids)])
    faces = [solid.faces + start for solid, start in zip(solids, starts, strict=False)]
    return Solid(np.concatenate([solid.vertices for solid in solids]), np.concatenate(faces))


def loft(rings: np.ndarray, *, capped: bool = True, looped: bool = False) -> Solid:
    """A skin over cross-sections; all other closed shapes are made by it.

    Args:
        rings: (S, N, 3), each ring anticlockwise seen looking back from the last ring. A ring may
            shrink to a point.
        capped: the first and last ring are closed by fans around their means, so they should be
            star-shaped from there.
        looped: the last ring is joined to the first; then there are no caps.
    """
    count, corners = rings.shape[:2]
    number = np.arange(count * corners).reshape(count, corners)
    low = number if looped else number[:-1]
    high = np.roll(number, -1, axis=0) if looped else number[1:]
    faces = _quads(low, np.roll(low, -1, axis=1), np.roll(high, -1, axis=1), high)
    vertices = rings.reshape(-1, 3)
    if capped and not looped:
        middles = np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)])
        first, last = np.full(corners, len(vertices)), np.full(corners, len(vertices) + 1)
        bottom = np.stack([first, np.roll(number[0], -1), number[0]], axis=1)
        top = np.stack([last, number[-1], np.roll(number[-1], -1)], axis=1)
        vertices = np.concatenate([vertices, middles])
        faces = np.concatenate([faces, bottom, top])
    return _without_needles(Solid(vertices, faces))


def lathe(
    profile: Points, *, segments: int = SEGMENTS, capped: bool = True, looped: bool = False
) -> Solid:
    """A profile turned about the Z axis.

    Args:
        profile: (P, 2) radius and height, going up where the outside is (a vessel goes up outside
            and down inside).
        segments: corners around.
        capped, looped: as in ``loft``; looped gives a ring such as a tyre.
    """
    profile = np.asarray(profile, np.float64)
    turn = np.arange(segments) * (2 * np.pi / segments)
    circle = np.stack([np.cos(turn), np.sin(turn), np.zeros(segments)], axis=1)
    rings = profile[:, None, :1] * circle
    rings[..., 2] = profile[:, 1:]
    return loft(rings, capped=capped, looped=looped)


def cylinder(
    radius: float, height: float, *, top: float | None = None, bevel: float = 0.0, segments=SEGMENTS
) -> Solid:
    """A round column on the origin, of radius ``top`` above (0 makes a cone)."""
    top = radius if top is None else top
    profile = [(radius, 0.0), (top, height)]
    if bevel > 0:
        bevel = min(bevel, radius * 0.9, height * 0.4, top * 0.9 if top > 0 else bevel)
        upper = [(top, height - bevel), (top - bevel, height)] if top > 0 else [(top, height)]
        profile = [(radius - bevel, 0.0), (radius, bevel), *upper]
    return lathe(profile, segments=segments)


def ellipsoid(x: float, y: float, z: float, *, segments: int = SEGMENTS) -> Solid:
    """Centred at the origin, with these half axes."""
    rise = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    profile = np.stack([np.cos(rise), np.sin(rise)], axis=1)
    profile[[0, -1], 0] = 0.0
    return lathe(profile, segments=segments, capped=False).scaled(x, y, z)


def torus(radius: float, thickness: float, *, segments: int = SEGMENTS) -> Solid:
    """A ring about the Z axis; ``thickness`` is the radius of its tube."""
    turn = np.arange(16) * (2 * np.pi / 16)
    profile = np.stack([radius + thickness * np.cos(turn), thickness * np.sin(turn)], axis=1)
    return lathe(profile, segments=segments, looped=True)


def hoop(radius: float, low: float, high: float, *, top: float | None = None) -> Solid:
    """A flat band around a column of this radius (``top`` at its upper end), sunk into it a little.

    ``radius`` and ``top`` are those of its outside.
    """
    top = radius if top is None else top
    profile = [(radius - 0.12, low), (radius, low), (top, high), (top - 0.12, high)]
    return lathe(profile, looped=True)


def box(x: float, y: float, z: float, *, bevel: float = 0.04, top: float = 1.0) -> Solid:
    """A block with rounded upright edges and bevelled rims, centred on the origin, on z = 0.

    Args:
        x, y, z: lengths of its sides.
        bevel: in the units of the sides; at most a third of the shortest counts.
        top: width and depth above, as a share of those below.
    """
    bevel = min(bevel, x / 3, y / 3, z / 3)
    half, inner = np.array([x, y]) / 2, np.array([x, y]) / 2 - bevel
    outline = rounded_rectangle(x, y, bevel, 3)
    small = outline * (inner / half)
    heights = [0.0, bevel, z - bevel, z]
    rings = [small, outline, outline * top, small * top]
    return loft(np.stack([_at_height(r, h) for r, h in zip(rings, heights, strict=True)]))


def extrude(outline: Points, height: float, *, bevel: float = 0.0) -> Solid:
    """An outline in the XY plane made thick upwards from z = 0.

    Args:
        outline: (N, 2) anticlockwise, star-shaped from its mean.
        bevel: height of slanted rims.
    """
    outline = np.asarray(outline, np.float64)
    if bevel <= 0:
        return loft(np.stack([_at_height(outline, 0.0), _at_height(outline, height)]))
    middle = outline.mean(axis=0)
    reach = np.linalg.norm(outline - middle, axis=1).max()
    small = middle + (outline - middle) * (1 - bevel / reach)
    heights = [0.0, bevel, height - bevel, height]
    rings = [small, outline, outline, small]
    return loft(np.stack([_at_height(r, h) for r, h in zip(rings, heights, strict=True)]))


def tube(
    path: Points, radius: float | np.ndarray, *, segments: int = 14, flat: float = 1.0
) -> Solid:
    """A pipe along a path, closed at both ends.

    Args:
        path: (N, 3) points, no two in a row equal.
        radius: one number, or one for each point; 0 makes a tip.
        flat: second half axis of the cross-section as a share of the first, which lies across the
            plane in which the path begins to bend.
    """
    path = np.asarray(path, np.float64)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    bend = np.cross(along[0], along[len(path) // 2])
    side = bend if np.linalg.norm(bend) > 1e-3 else np.cross(along[0], _least_axis(along[0]))
    turn = np.arange(segments) * (2 * np.pi / segments)
    rings = []
    for point, forward, size in zip(path, along, np.broadcast_to(radius, len(path)), strict=True):
        side = side - forward * (side @ forward)
        side /= np.linalg.norm(side)
        across = np.cross(forward, side)
        rings.append(
            point + size * (np.outer(np.cos(turn), side) + flat * np.outer(np.sin(turn), across))
        )
    return loft(np.stack(rings))


def sheet(points: np.ndarray) -> Solid:
    """An open surface through a grid of points (U, V, 3); its front is along dU x dV."""
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    faces = _quads(number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
    return _without_needles(Solid(points.reshape(-1, 3), faces))


def leaf(length: float, width: float, *, rise: float, droop: float, steps: int = 14) -> Solid:
    """An open leaf from the origin along +X, folded a little along its middle.

    Args:
        rise: slope at its root. droop: how far its tip hangs below that slope, in lengths.
    """
    along = np.linspace(0, 1, steps)
    half = width / 2 * np.sin(np.pi * along**0.75) ** 0.8
    half[[0, -1]] = 0.0
    across = np.linspace(-1, 1, 7)
    points = np.empty((steps, 7, 3))
    points[..., 0] = (along * length)[:, None]
    points[..., 1] = half[:, None] * across
    lift = length * (rise * along - droop * along**2)
    points[..., 2] = lift[:, None] + 0.35 * half[:, None] * np.abs(across)
    return sheet(points)


def rounded_lathe(profile: Points, *, times: int = 2, segments: int = SEGMENTS) -> Solid:
    """A lathe of a profile whose corners are cut round; a corner given twice stays sharper."""
    return lathe(chaikin(profile, times), segments=segments)


def _least_axis(direction: np.ndarray) -> np.ndarray:
    return np.eye(3)[int(np.argmin(np.abs(direction)))]


def _at_height(outline: np.ndarray, height: float) -> np.ndarray:
    return np.concatenate([outline, np.full((len(outline), 1), height)], axis=1)


def _quads(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    first, second = np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])


def _without_needles(solid: Solid) -> Solid:
    """Without the triangles two of whose corners lie in one place, as at the poles."""
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    apart = [np.abs(p - q).max(axis=1) > 1e-9 for p, q in ((a, b), (b, c), (c, a))]
    return Solid(solid.vertices, solid.faces[np.logical_and.reduce(apart)])
