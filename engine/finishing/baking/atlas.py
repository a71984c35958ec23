"""Which triangle each texel of an atlas belongs to.

A texel belongs to the triangle that its middle lies in, or else to the nearest triangle within
1.5 texels, at that triangle's nearest point: all texels that a linear filter reads for a point of a
chart are then true values, not padding. On the CPU; a variant for the GPU may come.
"""

import numpy as np

from engine.kernels import kernel
from engine.meshing.bands import Bands, fill_bands
from protocol.errors import EngineError
from protocol.finishes import check_texture_size

BAND_ROWS = 64
MARGIN = 1.5
"""Texels beyond a triangle's border that still belong to it."""

_OUTSIDE = 1e-4
_NO_AREA = 1e-9


def place_corners(uvs: np.ndarray, size: int) -> np.ndarray:
    """(F, 3, 2) float64 corners in texels, x to the right, y downwards, from (F, 3, 2) UVs.

    Raises:
        EngineError: ``texture_size`` unless 16 <= size <= 8192; ``uvs_missing`` without UVs;
            ``uvs_outside`` when they leave 0..1 or are no numbers; ``uvs_flat`` when no triangle
            has an area.
    """
    check_texture_size(size)
    if uvs.ndim != 3 or uvs.shape[1:] != (3, 2):
        raise EngineError("uvs_missing", "The mesh has no UVs.", "Unwrap the mesh first.")
    uvs = np.asarray(uvs, np.float64)
    if not (uvs >= -_OUTSIDE).all() or not (uvs <= 1 + _OUTSIDE).all():
        raise EngineError(
            "uvs_outside", "UVs of the mesh lie outside of the picture.", "Unwrap the mesh again."
        )
    corners = np.stack([uvs[..., 0] * size, (1 - uvs[..., 1]) * size], axis=-1)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    if not (np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) > _NO_AREA).any():
        raise EngineError(
            "uvs_flat",
            "No triangle of the mesh has an area in its UVs.",
            "Unwrap the mesh again, or let it be unwrapped.",
        )
    return corners


def bands_of(corners: np.ndarray, size: int) -> Bands:
    """The triangles that reach each band of BAND_ROWS rows, margin included."""
    low = np.floor(corners[..., 1].min(axis=1) - MARGIN).clip(0, size - 1)
    high = np.ceil(corners[..., 1].max(axis=1) + MARGIN).clip(0, size - 1)
    reach = np.stack([low, high], axis=1).astype(np.int32) // BAND_ROWS
    return fill_bands(reach, -(-size // BAND_ROWS))


@kernel
def fill_atlas(corners, start, triangles, band, face, weights):
    """Find triangle and corner weights of each texel of a band.

    Args:
        corners: of ``place_corners``; start, triangles: of ``bands_of``.
        band: which one.
        face: (R, S) int32, receives triangles, -1 where there is none.
        weights: (R, S, 3) float32, receives the weights of the corners, none negative, sum 1.
    """
    rows, size = face.shape
    face[:] = -1
    best = np.full((rows, size), MARGIN * MARGIN)
    top = band * BAND_ROWS
    for place in range(start[band], start[band + 1]):
        f = triangles[place]
        ax, ay = corners[f, 0, 0], corners[f, 0, 1]
        bx, by = corners[f, 1, 0], corners[f, 1, 1]
        cx, cy = corners[f, 2, 0], corners[f, 2, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) <= _NO_AREA:
            continue
        left = max(int(np.floor(min(ax, bx, cx) - MARGIN)), 0)
        right = min(int(np.ceil(max(ax, bx, cx) + MARGIN)), size - 1)
        upper = max(int(np.floor(min(ay, by, cy) - MARGIN)), top)
        lower = min(int(np.ceil(max(ay, by, cy) + MARGIN)), top + rows - 1)
        for y in range(upper, lower + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                if best[y - top, x] == 0.0:
                    continue
                px = x + 0.5
                wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                wc = 1.0 - wa - wb
                away = 0.0
                if wa < 0 or wb < 0 or wc < 0:
                    wa, wb, wc, away = _nearest(px, py, ax, ay, bx, by, cx, cy)
                if away < best[y - top, x]:
                    best[y - top, x] = away
                    face[y - top, x] = f
                    weights[y - top, x, 0] = wa
                    weights[y - top, x, 1] = wb
                    weights[y - top, x, 2] = wc


@kernel
def _nearest(px, py, ax, ay, bx, by, cx, cy):
    """Weights of the point of the triangle's border nearest to p, and the squared distance."""
    ta, da = _along(px, py, ax, ay, bx, by)
    tb, db = _along(px, py, bx, by, cx, cy)
    tc, dc = _along(px, py, cx, cy, ax, ay)
    if da <= db and da <= dc:
        return 1 - ta, ta, 0.0, da
    if db <= dc:
        return 0.0, 1 - tb, tb, db
    return tc, 0.0, 1 - tc, dc


@kernel
def _along(px, py, ax, ay, bx, by):
    """Where on the way from a to b it is nearest to p, and the squared distance there."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    t = ((px - ax) * dx + (py - ay) * dy) / length if length > 0 else 0.0
    t = min(max(t, 0.0), 1.0)
    ex, ey = ax + t * dx - px, ay + t * dy - py
    return t, ex * ex + ey * ey
