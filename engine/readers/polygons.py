"""Polygons cut into triangles that stay inside of their outlines."""

import mapbox_earcut
import numpy as np

from engine.readers.source import Broken

_FLAT = 1e-9
"""Of the square of a polygon's size: a corner that bends less is straight."""
_MOST_CORNERS = 20_000
"""Of a polygon that is not convex: the time goes by their square where its outline cuts itself."""


def triangulate(
    vertices: np.ndarray, corners: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of polygons, in their order.

    Convex polygons are cut from their first corner, others by ear clipping; polygons of fewer than
    three corners give nothing.

    Args:
        vertices: (V, 3) float64.
        corners: (C,) integer, the vertices of all polygons one after the other.
        counts: (P,) integer, how many corners each polygon has.

    Returns:
        (T, 3) int64 places in ``corners``, and (T,) int64 the polygon of each triangle.

    Raises:
        Broken: a corner that is no vertex.
    """
    check_corners(corners, len(vertices))
    if (counts == 3).all():
        return np.arange(len(corners)).reshape(-1, 3), np.arange(len(counts))
    starts = np.cumsum(counts) - counts
    places: list[np.ndarray] = []
    polygons: list[np.ndarray] = []
    for count in np.unique(counts[counts > 2]).tolist():
        of_count = np.flatnonzero(counts == count)
        outline = starts[of_count, None] + np.arange(count)
        triangles, owners = _of_one_size(vertices, corners, outline)
        places.append(triangles)
        polygons.append(of_count[owners])
    if not places:
        return np.empty((0, 3), np.int64), np.empty(0, np.int64)
    polygon = np.concatenate(polygons)
    order = np.argsort(polygon, kind="stable")
    return np.concatenate(places)[order], polygon[order]


def triangles_of(corners: np.ndarray, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(T, 3) the vertices of the triangles that ``triangulate`` made of such polygons."""
    return corners.reshape(-1, 3) if (counts == 3).all() else corners.take(places)


def check_corners(corners: np.ndarray, vertices: int) -> None:
    """Raises ``Broken`` for a corner that is none of so many vertices."""
    if len(corners) and not (corners.min() >= 0 and corners.max() < vertices):
        raise Broken("it has faces that point to vertices it does not have")


def strips(indices: np.ndarray, restart: int) -> np.ndarray:
    """(T, 3) the triangles of triangle strips; ``restart`` ends one and begins the next."""
    ends = np.flatnonzero(indices == restart)
    begins = np.concatenate([[0], ends + 1])
    place = np.arange(len(indices)) - np.repeat(begins, np.diff([*begins, len(indices)]))
    a, b, c = indices[:-2], indices[1:-1], indices[2:]
    odd = (place[:-2] % 2 == 1)[:, None]
    triangles = np.where(odd, np.stack([b, a, c], axis=1), np.stack([a, b, c], axis=1))
    whole = (a != restart) & (b != restart) & (c != restart)
    return triangles[whole & (a != b) & (b != c) & (a != c)]


def fans(indices: np.ndarray, restart: int) -> np.ndarray:
    """(T, 3) the triangles of triangle fans; ``restart`` ends one and begins the next."""
    triangles = [
        np.stack([np.full(max(len(fan) - 2, 0), fan[0]), fan[1:-1], fan[2:]], axis=1)
        for fan in np.split(indices[indices != restart], _fan_ends(indices, restart))
        if len(fan) > 2
    ]
    return np.concatenate(triangles) if triangles else np.empty((0, 3), indices.dtype)


def _fan_ends(indices: np.ndarray, restart: int) -> np.ndarray:
    ends = np.flatnonzero(indices == restart)
    return ends - np.arange(len(ends))


def _of_one_size(
    vertices: np.ndarray, corners: np.ndarray, outline: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of (P, n) polygons of n corners each, and the polygon of each triangle."""
    polygons, count = outline.shape
    steps = np.arange(1, count - 1)
    fan = np.stack([np.zeros_like(steps), steps, steps + 1], axis=1)
    if count == 3:
        return outline, np.arange(polygons)
    triangles = outline[:, fan]
    points = vertices[corners[outline]]
    normals, bends = _bends(points)
    if count == 4:
        # The only cut inside of a quad with a notch begins there.
        other = (bends[:, 1] < 0) | (bends[:, 3] < 0)
        triangles[other] = outline[other][:, [[1, 2, 3], [1, 3, 0]]]
        return triangles.reshape(-1, 3), np.repeat(np.arange(polygons), 2)
    concave = np.flatnonzero((bends < 0).any(axis=1) & np.isfinite(points).all(axis=(1, 2)))
    clipped = [_clip_ears(points[k], normals[k], outline[k], triangles[k]) for k in concave]
    kept = np.ones(polygons, bool)
    kept[concave] = False
    owners = [np.repeat(np.flatnonzero(kept), count - 2)]
    owners += [np.full(len(found), k) for k, found in zip(concave, clipped, strict=True)]
    return np.concatenate([triangles[kept].reshape(-1, 3), *clipped]), np.concatenate(owners)


def _bends(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) normals of polygons (P, n, 3), and (P, n) where they bend: -1 inwards, 1 or 0."""
    # From the first corner, so that polygons far from the origin keep their digits.
    local = points - points[:, :1]
    following = np.roll(local, -1, axis=1)
    normals = np.cross(local, following).sum(axis=1)
    edges = following - local
    turns = np.cross(np.roll(edges, 1, axis=1), edges)
    along = np.einsum("pni,pi->pn", turns, normals)
    size = np.abs(local).max(axis=(1, 2))[:, None]
    sharp = along < -_FLAT * size**2 * np.linalg.norm(normals, axis=1)[:, None]
    return normals, np.where(sharp, -1, 1)


def _clip_ears(
    points: np.ndarray, normal: np.ndarray, outline: np.ndarray, fan: np.ndarray
) -> np.ndarray:
    """(T, 3) triangles of one polygon that is not convex; ``fan`` where it encloses nothing."""
    if len(points) > _MOST_CORNERS:
        raise Broken(f"it has a face with {len(points):,} corners, which is more than can be cut")
    drop = int(np.abs(normal).argmax())
    first, second = (drop + 1) % 3, (drop + 2) % 3
    flat = np.ascontiguousarray((points - points[0])[:, [first, second]])
    ears = mapbox_earcut.triangulate_float64(flat, np.array([len(flat)], np.uint32))
    ears = ears.astype(np.int64).reshape(-1, 3)
    if not len(ears):
        return fan
    a, b, c = (flat[ears[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    turned = area * normal[drop] < 0
    ears[turned] = ears[turned][:, ::-1]
    if len(ears) < len(fan) and not _same_area(points, ears, normal):
        # A corner beside the plane on which they were cut was taken for one within an edge.
        return fan
    return outline[ears]


def _same_area(points: np.ndarray, triangles: np.ndarray, normal: np.ndarray) -> bool:
    """Whether triangles enclose what their polygon does, whose ``normal`` is twice its area."""
    a, b, c = (points[triangles[:, k]] - points[0] for k in range(3))
    rest = np.cross(b - a, c - a).sum(axis=0) - normal
    return bool(np.linalg.norm(rest) <= 1e-6 * np.linalg.norm(normal))
