"""Planes that a surface mirrors itself in, its half beside one, and both halves of such a half."""

from dataclasses import dataclass

import numpy as np

from engine.meshing.edges import face_areas, face_normals, find_edges, undirected
from engine.meshing.nearest import nearest_on_surface

_SAMPLES = 4096
_FIRST = 64
"""Samples after which most planes are out: searching is slow where points are far away."""
_AGREE = 0.98
"""Share of the samples whose mirrored normals look where those of the surface do. Less is a sheet
that lies in the plane and has nothing on its other side."""
_THROUGH_ORIGIN = 0.1
"""Of the tolerance, how near the surface's middle is to a plane through the origin that counts as
its own. Modelling programs mirror there."""
_ON_PLANE = 1e-7
"""Of the surface's extent: nearer points are on the plane."""


@dataclass(frozen=True)
class Plane:
    """Points whose product with ``normal``, (3,) float64 of length 1, is ``offset``."""

    normal: np.ndarray
    offset: float

    def heights(self, points: np.ndarray) -> np.ndarray:
        """(V,) float64 of (V, 3) points above the plane."""
        return points @ self.normal - self.offset

    def mirrored(self, points: np.ndarray) -> np.ndarray:
        """(V, 3) float64."""
        return points - 2 * self.heights(points)[:, None] * self.normal


def mirror_planes(
    points: np.ndarray, faces: np.ndarray, tolerance: float, origin: np.ndarray
) -> list[Plane]:
    """Planes, at right angles to each other, in which a surface is its own mirror image.

    The world's axes are tried first, and then the principal ones: whatever mirrors a surface keeps
    these.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int32, wound consistently, at least one.
        tolerance: how far a mirrored point may be from the surface.
        origin: (3,) float64, through which planes go that would else pass close by.

    Returns:
        at most three; none for a surface without symmetry.
    """
    area = face_areas(points, faces)
    whole = max(area.sum(), 1e-300)
    centres = points[faces].mean(axis=1)
    middle = (area @ centres) / whole
    spread = points[faces] - middle
    # The integral of x x^T over triangles: corners and their sum weigh alike.
    corners = np.einsum("f,fki,fkj->ij", area, spread, spread)
    sums = spread.sum(axis=1)
    axes = np.linalg.eigh(corners + np.einsum("f,fi,fj->ij", area, sums, sums))[1].T

    # Evenly over the area, in an order in which any few are spread; a corner of a face may stand
    # out more than any other point of it.
    random = np.random.default_rng(0)
    at = random.permutation(_SAMPLES) * (whole / _SAMPLES)
    chosen = np.searchsorted(np.cumsum(area), at, side="right").clip(0, len(faces) - 1)
    corner = points[faces[chosen, np.arange(_SAMPLES) % 3]]
    normals = face_normals(points, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)

    def fits(plane: Plane) -> bool:
        heights = plane.heights(points[faces].reshape(-1, 3))
        if abs(heights.max() + heights.min()) > 2 * tolerance:
            return False
        face = np.zeros(0, np.int32)
        for places in (corner[:_FIRST], corner, centres[chosen]):
            mirrored = plane.mirrored(places)
            near, face = nearest_on_surface(points, faces, mirrored)
            if np.linalg.norm(near - mirrored, axis=1).max() > tolerance:
                return False
        turned = Plane(plane.normal, 0.0).mirrored(normals[chosen])
        agree = np.einsum("si,si->s", turned, normals[face]) > 0
        return bool(agree.mean() >= _AGREE)

    found: list[Plane] = []
    for normal in (*np.eye(3), *axes):
        if any(abs(normal @ plane.normal) > 1e-6 for plane in found):
            continue
        offset, through = float(normal @ middle), float(normal @ origin)
        near = abs(offset - through) < _THROUGH_ORIGIN * tolerance
        plane = Plane(normal, through if near else offset)
        if fits(plane):
            found.append(plane)
    return found


def half_beside(
    points: np.ndarray, faces: np.ndarray, lines: np.ndarray, plane: Plane
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What of a surface lies above a plane; faces and lines across it are cut.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int32.
        lines: (L, 2) int64 edges.

    Returns:
        (W, 3) float64 points, of which the new ones lie on the plane, (G, 3) int32 faces, and
        (M, 2) int64 lines, to which the cut belongs.
    """
    heights = plane.heights(points)
    extent = max(float(np.ptp(points, axis=0).max()), 1e-300)
    heights[np.abs(heights) < _ON_PLANE * extent] = 0
    side = np.sign(heights).astype(np.int8)
    of_face = side[faces]
    whole = faces[(of_face >= 0).all(axis=1) & (of_face > 0).any(axis=1)]
    cut = faces[(of_face.max(axis=1) > 0) & (of_face.min(axis=1) < 0)]

    edges = find_edges(cut, len(points))
    ends = edges.ends(cut).astype(np.int64)
    crosses = side[ends[:, 0]] * side[ends[:, 1]] < 0
    one, other = ends[crosses].T
    share = (heights[one] / (heights[one] - heights[other]))[:, None]
    new = points[one] + share * (points[other] - points[one])
    new -= np.outer(plane.heights(new), plane.normal)
    number = np.full(len(ends), -1)
    number[crosses] = len(points) + np.arange(len(new))
    crossing = number[edges.of_sides()].reshape(-1, 3)

    # Around each cut face: its corners that are not below, and where its sides cross.
    around = np.full((len(cut), 6), -1)
    around[:, ::2] = np.where(side[cut] >= 0, cut, -1)
    around[:, 1::2] = crossing
    order = np.argsort(around < 0, axis=1, kind="stable")
    around = np.take_along_axis(around, order, axis=1)[:, :4]
    four = around[:, 3] >= 0
    faces = np.concatenate([whole, around[:, :3], around[four][:, [0, 2, 3]]])

    # The upper part of each line that crosses goes from its upper end to the new point.
    of_line = np.isin(undirected(ends[crosses]), undirected(lines))
    upper = np.where(heights[one] > 0, one, other)[of_line]
    pieces = np.stack([upper, number[crosses][of_line]], axis=1)
    keys = undirected(np.concatenate([lines[(side[lines] >= 0).all(axis=1)], pieces]))
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3).astype(np.int32)
    points = np.concatenate([points, new])[used]
    edges = find_edges(faces, len(points))
    ends = edges.ends(faces).astype(np.int64)
    lined = (edges.counts == 1) | np.isin(undirected(used[ends]), keys)
    return points, faces, ends[lined]


def both_halves(
    points: np.ndarray, polygons: np.ndarray, plane: Plane
) -> tuple[np.ndarray, np.ndarray]:
    """A half and its mirror image as one; they share what lies on the plane.

    Args:
        points: (V, 3) float64 above the plane or on it.
        polygons: (P, 4) int32.

    Returns:
        (W, 3) float64 and (2P, 4) int32, of which those mirrored are the second half.
    """
    extent = max(float(np.ptp(points, axis=0).max()), 1e-300)
    heights = plane.heights(points)
    shared = np.abs(heights) < _ON_PLANE * extent
    points = points - np.where(shared, heights, 0)[:, None] * plane.normal
    twin = np.arange(len(points))
    twin[~shared] = len(points) + np.arange(int((~shared).sum()))
    points = np.concatenate([points, plane.mirrored(points[~shared])])
    return points, np.concatenate([polygons, twin[polygons][:, ::-1].astype(np.int32)])
