"""How near a result is to the truth."""

import numpy as np

from engine.mesh import Mesh
from engine.meshing.nearest import nearest_on_surface

SAMPLES = 10_000


def surface_points(mesh: Mesh, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, 3) float64 points spread evenly over the area of a mesh.

    Raises:
        ValueError: the mesh has no area.
    """
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0:
        raise ValueError("a mesh without area has no points to draw")
    face = random.choice(len(area), count, p=area / area.sum())
    u, v = random.random((2, count, 1))
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    return a[face] + u * (b - a)[face] + v * (c - a)[face]


def f_score(
    result: Mesh, truth: Mesh, distance: float, *, samples: int = SAMPLES, seed: int = 0
) -> float:
    """Harmonic mean of precision and recall of two surfaces (Knapitsch et al. 2017).

    Precision is the share of the result's area that is nearer than ``distance`` to the truth,
    recall the share of the truth's that is nearer to the result.

    Args:
        distance: in object space.
        samples: points on each surface; the standard error is below 0.5 / sqrt(samples).

    Returns:
        0 to 1; 0 where the result has no area.

    Raises:
        ValueError: the truth has no area.
    """
    random = np.random.default_rng(seed)
    on_truth = surface_points(truth, samples, random)
    if not _has_area(result):
        return 0.0
    on_result = surface_points(result, samples, random)
    precision = _share_near(on_result, truth, distance)
    recall = _share_near(on_truth, result, distance)
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def voxel_agreement(result: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall of a set of voxels.

    Args:
        result, truth: (N, 3), (M, 3) integer coords from 0 to 2^21, none twice.

    Returns:
        Which share of the result is in the truth, and of the truth in the result; 1 of nothing.
    """
    both = len(np.intersect1d(_keys(result), _keys(truth), assume_unique=True))
    return (
        both / len(result) if len(result) else 1.0,
        both / len(truth) if len(truth) else 1.0,
    )


def structure_iou(result: np.ndarray, truth: np.ndarray) -> float:
    """Cells that both bool grids hold, as share of those that any holds; 1 for two empty ones."""
    either = np.count_nonzero(result | truth)
    return np.count_nonzero(result & truth) / either if either else 1.0


def psnr(result: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels of values in [0, 1], result clamped to that range.

    Args:
        result, truth: the same shape, float; materials: the rows of the same voxels.

    Returns:
        Infinity where there is no difference.
    """
    error = np.mean((np.clip(result, 0, 1).astype(np.float64) - truth) ** 2)
    return float(-10 * np.log10(error)) if error > 0 else float("inf")


def _has_area(mesh: Mesh) -> bool:
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return bool(np.cross(b - a, c - a).any())


def _share_near(points: np.ndarray, mesh: Mesh, distance: float) -> float:
    nearest, _ = nearest_on_surface(mesh.vertices, mesh.faces, points)
    return float((np.linalg.norm(nearest - points, axis=1) < distance).mean())


def _keys(coords: np.ndarray) -> np.ndarray:
    x, y, z = coords.astype(np.int64).T
    return (x << 42) + (y << 21) + z
