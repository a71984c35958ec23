"""Exact distances from points to triangles, in plain numpy."""

import itertools

import numpy as np


def sampled(vertices: np.ndarray, faces: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """(count, 3) points spread evenly by area, and all corners that faces use."""
    random = np.random.default_rng(seed)
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    pick = random.choice(len(faces), count, p=area / area.sum())
    u, v = random.random((2, count, 1))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return a[pick] + u * (b - a)[pick] + v * (c - a)[pick]


def _to_segments(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    side = b - a
    square = np.einsum("ij,ij->i", side, side)
    share = np.einsum("ij,ij->i", p - a, side) / np.where(square > 0, square, 1)
    return np.linalg.norm(p - a - np.clip(share, 0, 1)[:, None] * side, axis=1)


def to_triangles(p: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N,) distance of each point (N, 3) to its own triangle (N, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    distance = np.minimum(_to_segments(p, a, b), _to_segments(p, b, c))
    distance = np.minimum(distance, _to_segments(p, c, a))
    normal = np.cross(b - a, c - a)
    inside = np.ones(len(p), bool)
    for start, end in ((a, b), (b, c), (c, a)):
        inside &= np.einsum("ij,ij->i", np.cross(end - start, p - start), normal) >= 0
    length = np.linalg.norm(normal, axis=1)
    above = np.abs(np.einsum("ij,ij->i", p - a, normal)) / np.where(length > 0, length, 1)
    return np.where(inside & (length > 0), above, distance)


def to_few(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N,) distance to the nearest of a few triangles, each tried."""
    nearest = np.full(len(points), np.inf)
    for face in faces:
        corners = np.broadcast_to(vertices[face].astype(np.float64), (len(points), 3, 3))
        nearest = np.minimum(nearest, to_triangles(points, corners))
    return nearest


def to_many_small(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, cell: float
) -> np.ndarray:
    """(N,) distance to the nearest of many triangles; inf where none has its centre near.

    Exact below ``cell`` less the size of a triangle.
    """
    corners = vertices[faces].astype(np.float64)
    low = min(points.min(), corners.min()) - 2 * cell

    def keys(index: np.ndarray) -> np.ndarray:
        return (index[:, 0] << 40) + (index[:, 1] << 20) + index[:, 2]

    triangle_keys = keys(((corners.mean(axis=1) - low) / cell).astype(np.int64))
    order = np.argsort(triangle_keys)
    triangle_keys = triangle_keys[order]
    home = ((points - low) / cell).astype(np.int64)
    nearest = np.full(len(points), np.inf)
    for offset in itertools.product((-1, 0, 1), repeat=3):
        wanted = keys(home + np.array(offset))
        first = np.searchsorted(triangle_keys, wanted)
        count = np.searchsorted(triangle_keys, wanted, side="right") - first
        rows = np.repeat(np.arange(len(points)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        candidates = order[np.repeat(first, count) + within]
        np.minimum.at(nearest, rows, to_triangles(points[rows], corners[candidates]))
    return nearest
