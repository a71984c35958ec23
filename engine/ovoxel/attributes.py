"""Values of a sparse voxel grid at any point: the reference's ``grid_sample_3d``."""

import math
from typing import Literal

import numpy as np
from numba import njit

from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.ovoxel.lookup import VoxelLookup, build_lookup, find_row
from protocol.errors import EngineError

SampleMode = Literal["trilinear", "nearest"]

POINTS_PER_CHUNK = 1 << 15
# Beyond this no voxel can be, and a float32 has no fraction left: a guard for the integer cast.
_FAR = float(1 << 24)


def sample_attributes(
    coords: np.ndarray,
    feats: np.ndarray,
    points: np.ndarray,
    mode: SampleMode = "trilinear",
    *,
    lookup: VoxelLookup | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Interpolate the values of voxels at points, over the voxels that exist.

    trilinear: of the eight voxels whose centres surround the point, those present are averaged with
    the trilinear weights, divided by the weights' sum. nearest: the value of the voxel that the
    point is in (coordinates are cut toward zero, as the reference does).
    Source: FlexGEMM ``grid_sample_3d``; the cell is found in float32, sums are float64.

    Args:
        coords: (N, 3) int32 x, y, z; or (N, 4) with the batch before them.
        feats: (N, C) float32.
        points: (P, 3) float32 in voxel units, voxel (i, j, k) has its centre at (i, j, k) + 0.5;
            with (N, 4) coords (B, P, 3), where points[b] see the voxels of batch b only.
        lookup: of these ``coords``, where the caller has one already.

    Returns:
        (P, C) or (B, P, C) float32; zeros where no voxel is present and for points that are not
        finite.

    Raises:
        EngineError: ``sample_invalid`` for shapes that do not fit; see also ``build_lookup``.
    """
    coords, feats = np.asarray(coords), np.asarray(feats)
    points = np.asarray(points)
    if mode not in ("trilinear", "nearest"):
        raise _invalid(f"There is no sampling mode {mode!r}.")
    if feats.ndim != 2 or coords.ndim != 2 or len(feats) != len(coords):
        raise _invalid(f"Values of shape {feats.shape} do not fit coordinates {coords.shape}.")
    if points.ndim != coords.shape[1] - 1 or points.shape[-1] != 3:
        raise _invalid(f"Points of shape {points.shape} do not fit coordinates {coords.shape}.")
    lookup = build_lookup(coords) if lookup is None else lookup
    if len(lookup.keys) != len(coords):
        raise _invalid(f"A lookup of {len(lookup.keys)} voxels is not of {len(coords)} voxels.")

    feats = np.ascontiguousarray(feats, np.float32)
    with np.errstate(over="ignore"):  # what float32 cannot hold is far outside, as infinity is
        points = np.ascontiguousarray(points, np.float32)
    batches = points if points.ndim == 3 else points[None]
    out = np.zeros((*batches.shape[:2], feats.shape[1]), np.float32)
    kernel = _sample_trilinear if mode == "trilinear" else _sample_nearest

    def sample(part: tuple[int, int]) -> None:
        batch, first = part
        some = slice(first, first + POINTS_PER_CHUNK)
        kernel(lookup, batch, feats, batches[batch, some], out[batch, some])

    parts = [
        (batch, first)
        for batch in range(len(batches))
        for first in range(0, batches.shape[1], POINTS_PER_CHUNK)
    ]
    map_chunks(sample, parts, threads=threads)
    return out.reshape(*points.shape[:-1], feats.shape[1])


@njit(inline="always")
def _is_near(x, y, z):
    """Whether all are finite and small enough to become integers; false for NaN."""
    return abs(x) < _FAR and abs(y) < _FAR and abs(z) < _FAR


@kernel
def _sample_trilinear(lookup, batch, feats, points, out):
    channels = feats.shape[1]
    rows = np.empty(8, np.int64)
    weights = np.empty(8, np.float64)
    half = np.float32(0.5)
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        if not _is_near(x, y, z):
            continue
        i, j, k = math.floor(x - half), math.floor(y - half), math.floor(z - half)
        found, total = 0, 0.0
        for corner in range(8):
            a, b, c = i + (corner >> 2), j + ((corner >> 1) & 1), k + (corner & 1)
            row = find_row(lookup, batch, a, b, c)
            if row < 0:
                continue
            weight = (
                (1.0 - abs(np.float64(x) - a - 0.5))
                * (1.0 - abs(np.float64(y) - b - 0.5))
                * (1.0 - abs(np.float64(z) - c - 0.5))
            )
            rows[found], weights[found] = row, weight
            total += weight
            found += 1
        total = max(total, 1e-12)
        for channel in range(channels):
            value = 0.0
            for n in range(found):
                value += weights[n] * feats[rows[n], channel]
            out[p, channel] = value / total


@kernel
def _sample_nearest(lookup, batch, feats, points, out):
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        if not _is_near(x, y, z):
            continue
        row = find_row(lookup, batch, np.int64(x), np.int64(y), np.int64(z))
        if row >= 0:
            out[p] = feats[row]


def _invalid(message: str) -> EngineError:
    return EngineError(
        "sample_invalid",
        message,
        "Give (N, 3) coordinates with (P, 3) points, or (N, 4) with (B, P, 3), and (N, C) values.",
    )
