"""Triangles of texels by two kernels; the twin is in ``engine.sparse.atlas``.

The first has a program for each triangle, which offers itself to the texels of its box; the least
of distance and number wins, in whatever order programs run. The second finds the weights.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.sparse.atlas import EMPTY, NO_AREA, Texels
from engine.sparse.triton_kernels.tiles import CELLS, TEXELS_OF_A_TRIANGLE

NOBODY, FLAT = tl.constexpr(EMPTY), tl.constexpr(NO_AREA)


def texels_of(corners: Tensor, size: int, margin: float) -> Texels:
    """See ``engine.sparse.atlas.texels_of``."""
    corners, texels = corners.contiguous(), size * size
    keys = torch.full((texels,), EMPTY, dtype=torch.int64, device=corners.device)
    face = torch.empty(size, size, dtype=torch.int32, device=corners.device)
    weights = torch.empty(size, size, 3, device=corners.device)
    if len(corners):
        offer[(len(corners),)](corners, keys, size, margin, BLOCK=TEXELS_OF_A_TRIANGLE, num_warps=1)
    take[(triton.cdiv(texels, CELLS),)](corners, keys, face, weights, texels, size, BLOCK=CELLS)
    return Texels(face, weights)


@triton.jit
def along(px, py, ax, ay, bx, by):
    """Where on the way from a to b it is nearest to p, and the squared distance there."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    t = ((px - ax) * dx + (py - ay) * dy) / tl.where(length > 0, length, 1.0)
    t = tl.minimum(tl.maximum(t, 0.0), 1.0)
    ex, ey = ax + t * dx - px, ay + t * dy - py
    return t, ex * ex + ey * ey


@triton.jit
def weights_at(px, py, ax, ay, bx, by, cx, cy):
    """Weights of the triangle's point that is nearest to p, and the squared distance."""
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    area = tl.where(area == 0, 1.0, area)
    wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
    wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
    wc = 1.0 - wa - wb
    inside = (wa >= 0) & (wb >= 0) & (wc >= 0)
    ta, da = along(px, py, ax, ay, bx, by)
    tb, db = along(px, py, bx, by, cx, cy)
    tc, dc = along(px, py, cx, cy, ax, ay)
    on_a = (da <= db) & (da <= dc)
    on_b = db <= dc
    wa = tl.where(inside, wa, tl.where(on_a, 1.0 - ta, tl.where(on_b, 0.0, tc)))
    wb = tl.where(inside, wb, tl.where(on_a, ta, tl.where(on_b, 1.0 - tb, 0.0)))
    wc = tl.where(inside, wc, tl.where(on_a, 0.0, tl.where(on_b, tb, 1.0 - tc)))
    away = tl.where(inside, 0.0, tl.where(on_a, da, tl.where(on_b, db, dc)))
    return wa, wb, wc, away


@triton.jit(do_not_specialize=["size"])
def offer(corners, keys, size, margin, BLOCK: tl.constexpr):
    """Lower the keys of a triangle's texels to squared distance (float32 bits) and its number.

    Args:
        corners: (F, 3, 2) float64, a program for each triangle.
        keys: (size * size,) int64, NOBODY at first.
    """
    f = tl.program_id(0).to(tl.int64)
    corner = corners + f * 6
    ax, ay = tl.load(corner), tl.load(corner + 1)
    bx, by = tl.load(corner + 2), tl.load(corner + 3)
    cx, cy = tl.load(corner + 4), tl.load(corner + 5)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if tl.abs(area) > FLAT:
        left = tl.floor(tl.minimum(tl.minimum(ax, bx), cx) - margin).to(tl.int64)
        right = tl.ceil(tl.maximum(tl.maximum(ax, bx), cx) + margin).to(tl.int64)
        upper = tl.floor(tl.minimum(tl.minimum(ay, by), cy) - margin).to(tl.int64)
        lower = tl.ceil(tl.maximum(tl.maximum(ay, by), cy) + margin).to(tl.int64)
        left, upper = tl.maximum(left, 0), tl.maximum(upper, 0)
        right, lower = tl.minimum(right, size - 1), tl.minimum(lower, size - 1)
        across = tl.maximum(right - left + 1, 0)
        count = across * tl.maximum(lower - upper + 1, 0)
        for first in range(0, count, BLOCK):
            number = first + tl.arange(0, BLOCK)
            x, y = left + number % across, upper + number // across
            px, py = x.to(tl.float64) + 0.5, y.to(tl.float64) + 0.5
            _, _, _, away = weights_at(px, py, ax, ay, bx, by, cx, cy)
            near = (number < count) & (away < margin * margin)
            key = away.to(tl.float32).to(tl.int32, bitcast=True).to(tl.int64) << 32 | f
            tl.atomic_min(keys + y * size + x, key, mask=near, sem="relaxed")


@triton.jit(do_not_specialize=["texels", "size"])
def take(corners, keys, face, weights, texels, size, BLOCK: tl.constexpr):
    """Triangle and weights of each texel from its key; -1 and zeros where there is nobody.

    Args:
        corners, keys: as of ``offer``; face: (texels,) int32; weights: (texels, 3) float32.
    """
    texel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = texel < texels
    key = tl.load(keys + texel, mask=inside, other=NOBODY)
    taken = key != NOBODY
    f = key & 0xFFFFFFFF
    corner = corners + f * 6
    ax, ay = tl.load(corner, mask=taken, other=0.0), tl.load(corner + 1, mask=taken, other=0.0)
    bx, by = tl.load(corner + 2, mask=taken, other=0.0), tl.load(corner + 3, mask=taken, other=0.0)
    cx, cy = tl.load(corner + 4, mask=taken, other=0.0), tl.load(corner + 5, mask=taken, other=0.0)
    px, py = (texel % size).to(tl.float64) + 0.5, (texel // size).to(tl.float64) + 0.5
    wa, wb, wc, _ = weights_at(px, py, ax, ay, bx, by, cx, cy)
    tl.store(face + texel, tl.where(taken, f, -1).to(tl.int32), mask=inside)
    tl.store(weights + texel * 3, tl.where(taken, wa, 0.0).to(tl.float32), mask=inside)
    tl.store(weights + texel * 3 + 1, tl.where(taken, wb, 0.0).to(tl.float32), mask=inside)
    tl.store(weights + texel * 3 + 2, tl.where(taken, wc, 0.0).to(tl.float32), mask=inside)
