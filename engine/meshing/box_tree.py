"""A tree of boxes over the triangles of a surface, which finds the nearest one to a point.

Triangles lie along a space-filling curve (Morton 1966); eight neighbours share a block, eight
blocks the next one, up to a single one (Karras 2012, "Maximizing Parallelism in the Construction
of BVHs", section 2, without its search for splits; eight wide as Wald et al. 2008, "Getting rid of
packets"). So the tree needs no links, and is built in a sort and one pass.
"""

from typing import NamedTuple

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.nearest import nearest_weights

WIDTH = 8
STACK = 128
"""Blocks that a search may have to come back to: over seven for each level."""


class BoxTree(NamedTuple):
    """Built by ``build_box_tree``; a plain tuple, so that kernels can take it.

    Triangles are in the tree's order. Block b of a level holds the boxes of triangles, or of blocks
    of the level below, 8 b to 8 b + 7.

    Args:
        order: (F,) int64, which triangle of the surface each of these is.
        corners: (F, 3, 3) float32.
        first: (levels + 1,) int64 rows of ``blocks`` at which the levels begin and the last ends.
        blocks: (B, 6, 8) float32 low and high corners; of a missing child, inf and -inf.
    """

    order: np.ndarray
    corners: np.ndarray
    first: np.ndarray
    blocks: np.ndarray


def build_box_tree(vertices: np.ndarray, faces: np.ndarray) -> BoxTree:
    """A tree over triangles: (V, 3) float32 finite vertices, (F, 3) int32 faces, at least one."""
    corners = np.ascontiguousarray(vertices, np.float32)[faces]
    order = np.argsort(morton_codes(corners), kind="stable")
    corners = corners[order]
    counts = [-(-len(faces) // WIDTH)]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // WIDTH))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    blocks = np.empty((first[-1], 6, WIDTH), np.float32)
    blocks[:, :3], blocks[:, 3:] = np.inf, -np.inf
    _fill(corners, first, blocks)
    return BoxTree(order, corners, first, blocks)


@kernel
def morton_codes(corners):
    """(F,) uint64: the middles of the triangles' boxes along the curve, 21 bits an axis."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for f in range(corners.shape[0]):
        for k in range(3):
            for i in range(3):
                low[i] = min(low[i], corners[f, k, i])
                high[i] = max(high[i], corners[f, k, i])
    scale = ((1 << 21) - 1) / max(high[0] - low[0], high[1] - low[1], high[2] - low[2], 1e-30)
    codes = np.empty(corners.shape[0], np.uint64)
    for f in range(corners.shape[0]):
        code = np.uint64(0)
        for i in range(3):
            a, b, c = corners[f, 0, i], corners[f, 1, i], corners[f, 2, i]
            middle = 0.5 * (np.float64(min(a, b, c)) + max(a, b, c))
            x = np.uint64((middle - low[i]) * scale)
            # Two free bits after each bit.
            x = (x | (x << np.uint64(32))) & np.uint64(0x1F00000000FFFF)
            x = (x | (x << np.uint64(16))) & np.uint64(0x1F0000FF0000FF)
            x = (x | (x << np.uint64(8))) & np.uint64(0x100F00F00F00F00F)
            x = (x | (x << np.uint64(4))) & np.uint64(0x10C30C30C30C30C3)
            x = (x | (x << np.uint64(2))) & np.uint64(0x1249249249249249)
            code |= x << np.uint64(i)
        codes[f] = code
    return codes


@kernel
def _fill(corners, first, blocks):
    for t in range(corners.shape[0]):
        for i in range(3):
            a, b, c = corners[t, 0, i], corners[t, 1, i], corners[t, 2, i]
            blocks[t // WIDTH, i, t % WIDTH] = min(a, b, c)
            blocks[t // WIDTH, 3 + i, t % WIDTH] = max(a, b, c)
    for level in range(1, first.shape[0] - 1):
        below = first[level - 1]
        for child in range(first[level] - below):
            block, k = first[level] + child // WIDTH, child % WIDTH
            for i in range(3):
                blocks[block, i, k] = blocks[below + child, i].min()
                blocks[block, 3 + i, k] = blocks[below + child, 3 + i].max()


@tight
def box_distances(blocks, block, x, y, z, squared):
    """Squared distances from a point to the boxes of a block; 0 inside, inf to a missing one."""
    zero = np.float32(0)
    for k in range(WIDTH):
        dx = max(blocks[block, 0, k] - x, x - blocks[block, 3, k], zero)
        dy = max(blocks[block, 1, k] - y, y - blocks[block, 4, k], zero)
        dz = max(blocks[block, 2, k] - z, z - blocks[block, 5, k], zero)
        squared[k] = dx * dx + dy * dy + dz * dz


@tight
def to_triangle(corners, t, x, y, z):
    """The squared distance from a point to a triangle, and the nearest point's corner weights."""
    ax, ay, az = corners[t, 0, 0] - x, corners[t, 0, 1] - y, corners[t, 0, 2] - z
    bx, by, bz = corners[t, 1, 0] - x, corners[t, 1, 1] - y, corners[t, 1, 2] - z
    cx, cy, cz = corners[t, 2, 0] - x, corners[t, 2, 1] - y, corners[t, 2, 2] - z
    wa, wb, wc = nearest_weights(ax, ay, az, bx, by, bz, cx, cy, cz)
    dx = wa * ax + wb * bx + wc * cx
    dy = wa * ay + wb * by + wc * cy
    dz = wa * az + wb * bz + wc * cz
    return dx * dx + dy * dy + dz * dz, wa, wb, wc
