"""Whether textures can be baked into UVs; numpy alone.

Somewhat stricter than the engine (engine/meshing/unwrap.py), which would otherwise make other UVs
than the ones that were announced.
"""

from typing import Any

import numpy as np

from ..core.language import said

SIDE = 512
MOST_OVERLAP = 0.015
MOST_CELLS = 1 << 24
"""Samples to look at: UVs that lie in each other many times need no closer look."""


def problem_of(uvs: "np.ndarray[Any, Any]") -> str:
    """What is wrong with UVs, such as "overlap", or empty.

    Args:
        uvs: (F, 3, 2) of the corners of triangles.
    """
    if not len(uvs) or not np.isfinite(uvs).all():
        return said("are missing")
    if uvs.min() < -1e-4 or uvs.max() > 1 + 1e-4:
        return said("leave the unit square")
    a, b = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    if (area == 0).mean() > 0.04:
        return said("have no area")
    share = overlap(uvs, SIDE)
    return said("overlap") if share > MOST_OVERLAP else ""


def overlap(uvs: "np.ndarray[Any, Any]", side: int) -> float:
    """The share of the covered samples that several triangles cover, 1 when none is covered."""
    # Each coordinate of each corner by itself: a third of the time of sums along short axes.
    x, y = (np.ascontiguousarray(np.clip(uvs[..., axis].T, 0, 1) * side) for axis in (0, 1))
    # Samples are the middles of the cells of a grid, whole numbers after this shift.
    low_x, wide = _reach(x)
    low_y, high = _reach(y)
    # Of many small triangles most hold no sample at all.
    some = np.flatnonzero((wide > 0) & (high > 0))
    points = np.stack([x[:, some].T, y[:, some].T], axis=-1)
    low = np.stack([low_x[some], low_y[some]], axis=1)
    size = np.stack([wide[some], high[some]], axis=1)
    cells = size[:, 0] * size[:, 1]
    total = int(cells.sum())
    if total == 0:
        # Nothing is large enough for a sample: look closer, or give up.
        return 1.0 if side >= 1 << 14 else overlap(uvs, side * 4)
    if total > MOST_CELLS:
        return 1.0 if side <= 128 else overlap(uvs, side // 2)
    counts = np.zeros(side * side, np.int64)
    ends = np.cumsum(cells)
    begin = 0
    while begin < len(cells):
        # In pieces, so that a million triangles do not take gigabytes.
        end = int(np.searchsorted(ends, (ends[begin - 1] if begin else 0) + (1 << 21))) + 1
        part = slice(begin, min(end, len(cells)))
        _count(points[part], low[part], size[part], cells[part], side, counts)
        begin = part.stop
    covered = int((counts > 0).sum())
    return float((counts > 1).sum() / covered) if covered else 1.0


def _reach(
    values: "np.ndarray[Any, Any]",
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """(F,) the first sample along an axis that each triangle could cover, and how many.

    Args:
        values: (3, F) coordinates of its corners, in samples.
    """
    a, b, c = values
    low = np.ceil(np.minimum(np.minimum(a, b), c) - 0.5).astype(np.int32)
    high = np.floor(np.maximum(np.maximum(a, b), c) - 0.5).astype(np.int32)
    return low, np.maximum(high - low + 1, 0)


def _count(
    points: "np.ndarray[Any, Any]",
    low: "np.ndarray[Any, Any]",
    size: "np.ndarray[Any, Any]",
    cells: "np.ndarray[Any, Any]",
    side: int,
    counts: "np.ndarray[Any, Any]",
) -> None:
    """Add the triangles that cover each sample."""
    owner = np.repeat(np.arange(len(points), dtype=np.int32), cells)
    if not len(owner):
        return
    within = np.arange(len(owner), dtype=np.int32) - np.repeat(np.cumsum(cells) - cells, cells)
    x = low[owner, 0] + within % size[owner, 0]
    y = low[owner, 1] + within // size[owner, 0]
    a, b, c = (points[:, corner] for corner in range(3))
    turn = np.sign(
        (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    )
    inside = turn[owner] != 0
    for start, stop in ((a, b), (b, c), (c, a)):
        along = (stop - start)[owner]
        cross = along[:, 0] * (y + 0.5 - start[owner, 1]) - along[:, 1] * (
            x + 0.5 - start[owner, 0]
        )
        inside &= cross * turn[owner] > 0
    inside &= (x >= 0) & (x < side) & (y >= 0) & (y < side)
    counts += np.bincount(y[inside] * side + x[inside], minlength=side * side)
