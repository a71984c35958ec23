"""Regions of pixels: means over boxes, growing, shrinking, connectedness. numpy only."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def box_mean(values: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Mean over (2 radius + 1)² boxes of (H, W, C) values; the edge is repeated outwards."""
    width = 2 * radius + 1
    padded = np.pad(values, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    for axis in (0, 1):
        sums = np.cumsum(padded, axis=axis, dtype=np.float64)
        sums = np.insert(sums, 0, 0.0, axis=axis)
        ends = np.take(sums, range(width, sums.shape[axis]), axis=axis)
        padded = ends - np.take(sums, range(sums.shape[axis] - width), axis=axis)
    return (padded / width**2).astype(np.float32)


def grow(mask: Mask, steps: int) -> Mask:
    """A mask (H, W) grown by ``steps`` pixels over edges, alternately also over corners."""
    for step in range(steps):
        wider = mask.copy()
        wider[1:] |= mask[:-1]
        wider[:-1] |= mask[1:]
        base = wider.copy() if step % 2 else mask
        wider[:, 1:] |= base[:, :-1]
        wider[:, :-1] |= base[:, 1:]
        mask = wider
    return mask


def erode(mask: Mask, steps: int) -> Mask:
    """A mask (H, W) shrunk by ``steps`` pixels; the frame of the picture does not eat into it."""
    return ~grow(~mask, steps)


def highest(values: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Largest value (H, W) in the (2 radius + 1)² box around each pixel."""
    for axis in (0, 1):
        padded = np.pad(values, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], "edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        values = windows.max(axis=-1)
    return values


def connected(seeds: Mask, allowed: Mask) -> Mask:
    """All allowed pixels that a walk over edges reaches from the seeds, all (H, W).

    Sweeps down, up, right and left until nothing changes, each step over a whole row or column.
    """
    reached = seeds & allowed
    while True:
        before = int(reached.sum())
        for filled, free in ((reached, allowed), (reached.T, allowed.T)):
            for rows in (range(1, len(filled)), range(len(filled) - 2, -1, -1)):
                step = -1 if rows.step > 0 else 1
                for row in rows:
                    filled[row] |= filled[row + step] & free[row]
        if int(reached.sum()) == before:
            return reached
