"""Which triangle each texel of an atlas belongs to, on a device.

The same rule as ``engine.finishing.baking.atlas``: the triangle that the texel's middle lies in, or
else the nearest one within a margin, at its nearest point; of equals the first. Baking does not
call it yet.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.sparse.backends import Backend, Registry, probe_torch, triton_backend

NO_AREA = 1e-9
"""Twice the area in texels below which a triangle has no texels."""
EMPTY = (1 << 63) - 1
PAIRS = 1 << 22
"""How many pairs of triangle and texel the twin looks at together."""


class Texels(NamedTuple):
    """What a texel shows.

    Args:
        face: (S, S) int32, rows downwards; -1: nothing.
        weights: (S, S, 3) float32 of the triangle's corners, none negative, sum 1; else zeros.
    """

    face: Tensor
    weights: Tensor


def texels_of(corners: Tensor, size: int, *, margin: float) -> Texels:
    """Find triangle and corner weights of each texel.

    Args:
        corners: (F, 3, 2) float64 in texels, x to the right, y downwards, finite.
        size: side of the atlas.
        margin: texels beyond a triangle's border that still belong to it.

    Raises:
        ValueError: corners of another shape or dtype.
    """
    if corners.shape[1:] != (3, 2) or corners.dtype != torch.float64:
        raise ValueError(
            f"corners must be (F, 3, 2) in float64, not {tuple(corners.shape)} {corners.dtype}"
        )
    return ATLAS.choose(corners.device, corners.dtype).run(corners, size, margin)


def texels_in_torch(corners: Tensor, size: int, margin: float) -> Texels:
    """The twin of the kernels: all pairs of triangles and texels of their boxes, in parts."""
    device = corners.device
    keys = torch.full((size * size,), EMPTY, dtype=torch.int64, device=device)
    low = (corners.amin(dim=1) - margin).floor().clamp(min=0).long()
    high = (corners.amax(dim=1) + margin).ceil().clamp(max=size - 1).long()
    spans = (high - low + 1).clamp(min=0)
    counts = spans.prod(dim=1) * (_area(corners).abs() > NO_AREA)
    ends = counts.cumsum(0)
    for first in range(0, int(ends[-1]) if len(ends) else 0, PAIRS):
        pair = torch.arange(first, min(first + PAIRS, int(ends[-1])), device=device)
        f = torch.searchsorted(ends, pair, right=True)
        within = pair - (ends - counts)[f]
        x, y = low[f, 0] + within % spans[f, 0], low[f, 1] + within // spans[f, 0]
        _, away = _weights(corners[f], x, y)
        near = away < margin * margin
        key = away.float().view(torch.int32).long() << 32 | f
        keys.scatter_reduce_(0, (y * size + x)[near], key[near], "amin")
    texel = (keys != EMPTY).nonzero().squeeze(1)
    found = keys[texel] & 0xFFFFFFFF
    face = torch.full((size * size,), -1, dtype=torch.int32, device=device)
    weights = torch.zeros(size * size, 3, device=device)
    face[texel] = found.int()
    weights[texel] = _weights(corners[found], texel % size, texel // size)[0].float()
    return Texels(face.view(size, size), weights.view(size, size, 3))


def _area(corners: Tensor) -> Tensor:
    (ax, ay), (bx, by), (cx, cy) = (corner.unbind(1) for corner in corners.unbind(1))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def _weights(corners: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(P, 3) weights of the point of each triangle that is nearest to the middle of a texel, and
    the squared distance."""
    a, b, c = corners.unbind(1)
    p = torch.stack([x, y], dim=1) + 0.5
    area = _area(corners)
    wa = _cross(b - p, c - p) / area
    wb = _cross(c - p, a - p) / area
    wc = 1 - wa - wb
    inside = (wa >= 0) & (wb >= 0) & (wc >= 0)
    (ta, da), (tb, db), (tc, dc) = _along(p, a, b), _along(p, b, c), _along(p, c, a)
    zero = torch.zeros_like(ta)
    on_a = (da <= db) & (da <= dc)
    on_b = db <= dc
    border = torch.where(
        on_a[:, None],
        torch.stack([1 - ta, ta, zero], dim=1),
        torch.where(
            on_b[:, None],
            torch.stack([zero, 1 - tb, tb], dim=1),
            torch.stack([tc, zero, 1 - tc], dim=1),
        ),
    )
    away = torch.where(on_a, da, torch.where(on_b, db, dc))
    weights = torch.where(inside[:, None], torch.stack([wa, wb, wc], dim=1), border)
    return weights, torch.where(inside, 0.0, away)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]


def _along(p: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Where on the way from a to b it is nearest to p, and the squared distance there."""
    way = b - a
    length = way.square().sum(dim=1)
    t = ((p - a) * way).sum(dim=1) / torch.where(length > 0, length, 1.0)
    t = t.clamp(0, 1)
    return t, (a + t[:, None] * way - p).square().sum(dim=1)


ATLAS = Registry(
    "triangles of texels",
    [
        triton_backend("atlas", "texels_of", dtypes=(torch.float64,)),
        Backend("torch", probe_torch, texels_in_torch, dtypes=(torch.float64,)),
    ],
)
