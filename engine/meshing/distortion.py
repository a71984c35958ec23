"""How much a UV layout stretches the surface."""

from typing import NamedTuple

import numpy as np


class Distortion(NamedTuple):
    """Over the surface by area; 1 is none.

    Args:
        area: median over the surface of how much larger or smaller a face is in the layout than
            the mean of all, as a factor of at least 1; ``area_95``: the 95th percentile.
        angle: median of the longest over the shortest side of what a square becomes;
            ``angle_95``: the 95th percentile. Infinite where that much of the surface is a line.
    """

    area: float
    area_95: float
    angle: float
    angle_95: float


def distortion(vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray) -> Distortion:
    """Singular values of each face's map into the layout (Sander et al. 2001, section 3).

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32; those without area have no say.
        uvs: (F, 3, 2) float32 per corner.
    """
    corners = vertices[faces].astype(np.float64)
    along, across = (corners[:, k] - corners[:, 0] for k in (1, 2))
    length = np.linalg.norm(along, axis=1)
    twice_area = np.linalg.norm(np.cross(along, across), axis=1)
    proper = (twice_area > 0) & (length > 0)
    if not proper.any():
        return Distortion(1.0, 1.0, 1.0, 1.0)
    along, across, length, twice_area = (
        values[proper] for values in (along, across, length, twice_area)
    )
    # The face in its own plane: (length, 0) and (x, y).
    x, y = np.einsum("fi,fi->f", along, across) / length, twice_area / length
    places = uvs[proper].astype(np.float64)
    first, second = (places[:, k] - places[:, 0] for k in (1, 2))
    du = first / length[:, None]
    dv = (second - du * x[:, None]) / y[:, None]
    a, b, c = (np.einsum("fi,fi->f", *pair) for pair in ((du, du), (du, dv), (dv, dv)))
    half, root = (a + c) / 2, np.sqrt(((a - c) / 2) ** 2 + b**2)
    longest, shortest = np.sqrt(half + root), np.sqrt(np.maximum(half - root, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.where(longest > 0, longest / shortest, np.inf)
        density = longest * shortest * twice_area.sum() / (longest * shortest * twice_area).sum()
        area = np.maximum(density, 1 / density)
    return Distortion(*_percentiles(area, twice_area), *_percentiles(angle, twice_area))


def _percentiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted 50th and 95th percentile; what is no number counts as infinite."""
    values = np.where(np.isnan(values), np.inf, values)
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    middle, high = (min(int(np.searchsorted(share, q)), len(order) - 1) for q in (0.5, 0.95))
    return float(values[order][middle]), float(values[order][high])
