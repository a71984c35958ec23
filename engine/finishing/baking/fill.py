"""Padding: texels without a value get one from around them, all over the picture.

Push-pull: the picture is halved again and again over known texels only, until none is unknown; from
the coarsest down unknown texels are filled from the coarser picture. So near a chart the padding
continues the chart's border, and no mip level of the picture mixes in anything but colours of
charts.
"""

import numpy as np

from engine.kernels import kernel


def fill_unknown(pixels: np.ndarray, known: np.ndarray) -> None:
    """Fill in place the texels of ``pixels`` (H, W, C) uint8 where ``known`` (H, W) bool is false.

    Without any known texel nothing happens.
    """
    if not known.any():
        return
    levels = [(pixels, known)]
    while not levels[-1][1].all():
        levels.append(_pull(*levels[-1]))
    for (fine, fine_known), (coarse, _) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        _push(fine, fine_known, coarse)


@kernel
def _pull(pixels, known):
    height, width, channels = pixels.shape
    half = np.zeros(((height + 1) // 2, (width + 1) // 2, channels), np.uint8)
    half_known = np.zeros(half.shape[:2], np.bool_)
    total = np.empty(channels, np.int64)
    for y in range(half.shape[0]):
        for x in range(half.shape[1]):
            total[:] = 0
            count = 0
            for r in range(2 * y, min(2 * y + 2, height)):
                for c in range(2 * x, min(2 * x + 2, width)):
                    if known[r, c]:
                        count += 1
                        for i in range(channels):
                            total[i] += pixels[r, c, i]
            if count > 0:
                half_known[y, x] = True
                for i in range(channels):
                    half[y, x, i] = (total[i] + count // 2) // count
    return half, half_known


@kernel
def _push(pixels, known, coarse):
    """Linear between the middles of the coarse texels, which are all known by now."""
    height, width, channels = pixels.shape
    last_row, last_column = coarse.shape[0] - 1, coarse.shape[1] - 1
    for y in range(height):
        r0 = y // 2
        r1 = min(max(r0 + (1 if y % 2 else -1), 0), last_row)
        for x in range(width):
            if known[y, x]:
                continue
            c0 = x // 2
            c1 = min(max(c0 + (1 if x % 2 else -1), 0), last_column)
            for i in range(channels):
                total = (
                    9 * np.int64(coarse[r0, c0, i])
                    + 3 * np.int64(coarse[r0, c1, i])
                    + 3 * np.int64(coarse[r1, c0, i])
                    + np.int64(coarse[r1, c1, i])
                )
                pixels[y, x, i] = (total + 8) // 16
