"""Values of cells at points, in one pass; the twin is in ``engine.sparse.sampling``."""

# pyright: reportMissingImports=false, reportIndexIssue=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.sparse.neighbours import SortedCells
from engine.sparse.sampling import FAR
from engine.sparse.triton_kernels.search import find, turns_of
from engine.sparse.triton_kernels.tiles import CELLS, padded

BEYOND = tl.constexpr(FAR)


def sample_cells(cells: SortedCells, feats: Tensor, points: Tensor, reach: int) -> Tensor:
    """See ``engine.sparse.sampling.sample_cells``."""
    channels = feats.shape[1]
    if len(feats) == 0 or len(points) == 0 or channels == 0:
        return torch.zeros(len(points), channels, device=feats.device)
    out = torch.empty(len(points), channels, device=feats.device)
    sample[(triton.cdiv(len(points), CELLS),)](
        cells.keys, cells.rows, feats.contiguous(), points.contiguous(), out,
        len(points), len(feats), turns_of(len(feats)), *cells.sizes, reach,
        CHANNELS=channels, COLUMNS=padded(channels), BLOCK=CELLS,
    )  # fmt: skip
    return out


@triton.jit
def row_of(keys, rows, a, b, c, asked, count, turns, size_x, size_y, size_z):
    """(row, whether there is one) of the cells (a, b, c), int64."""
    inside = asked & (a >= 0) & (b >= 0) & (c >= 0)
    inside = inside & (a < size_x - 2) & (b < size_y - 2) & (c < size_z - 2)
    place, found = find(keys, ((a + 1) * size_y + b + 1) * size_z + c + 1, inside, count, turns)
    return tl.load(rows + place, mask=found, other=0), found


@triton.jit(do_not_specialize=["points_n", "count", "turns", "size_x", "size_y", "size_z", "reach"])
def sample(
    keys, rows, feats, points, out,
    points_n, count, turns, size_x, size_y, size_z, reach,
    CHANNELS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Trilinear means, else the nearest cell within ``reach``, else zeros.

    Args:
        keys, rows: (count,) int64 as of ``SortedCells``, whose sizes follow.
        feats: (count, CHANNELS) float32; points: (points_n, 3) float32.
        out: (points_n, CHANNELS) float32.
    """
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there_is = point < points_n
    x = tl.load(points + point * 3, mask=there_is, other=0.0)
    y = tl.load(points + point * 3 + 1, mask=there_is, other=0.0)
    z = tl.load(points + point * 3 + 2, mask=there_is, other=0.0)
    # False for what is not a number.
    near = there_is & (tl.abs(x) < BEYOND) & (tl.abs(y) < BEYOND) & (tl.abs(z) < BEYOND)
    x, y, z = tl.where(near, x, 0.0), tl.where(near, y, 0.0), tl.where(near, z, 0.0)
    i = tl.floor(x - 0.5).to(tl.int64)
    j = tl.floor(y - 0.5).to(tl.int64)
    k = tl.floor(z - 0.5).to(tl.int64)
    column = tl.arange(0, COLUMNS)
    is_channel = (column < CHANNELS)[None, :]
    sums = tl.zeros((BLOCK, COLUMNS), dtype=tl.float32)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for corner in range(8):
        a, b, c = i + corner // 4, j + corner // 2 % 2, k + corner % 2
        row, found = row_of(keys, rows, a, b, c, near, count, turns, size_x, size_y, size_z)
        weight = 1.0 - tl.abs(x - a.to(tl.float32) - 0.5)
        weight *= 1.0 - tl.abs(y - b.to(tl.float32) - 0.5)
        weight *= 1.0 - tl.abs(z - c.to(tl.float32) - 0.5)
        weight = tl.where(found, weight, 0.0)
        value = feats + row[:, None] * CHANNELS + column[None, :]
        sums += weight[:, None] * tl.load(value, mask=found[:, None] & is_channel, other=0.0)
        total += weight
    sums = sums / tl.maximum(total, 1e-12)[:, None]
    missing = near & (total <= 1e-12)
    if reach > 0 and tl.sum(missing.to(tl.int32)) > 0:
        i, j, k = tl.floor(x).to(tl.int64), tl.floor(y).to(tl.int64), tl.floor(z).to(tl.int64)
        least = tl.zeros((BLOCK,), dtype=tl.float32) + float("inf")
        best = point * 0
        side = 2 * reach + 1
        for step in range(side * side * side):
            a, b, c = (
                step // (side * side) - reach,
                step // side % side - reach,
                step % side - reach,
            )
            a, b, c = i + a, j + b, k + c
            across = a.to(tl.float32) + 0.5 - x
            along = b.to(tl.float32) + 0.5 - y
            up = c.to(tl.float32) + 0.5 - z
            away = across * across + along * along + up * up
            asked = missing & (away < least)
            row, found = row_of(keys, rows, a, b, c, asked, count, turns, size_x, size_y, size_z)
            least, best = tl.where(found, away, least), tl.where(found, row, best)
        taken = (least < float("inf"))[:, None] & is_channel
        value = feats + best[:, None] * CHANNELS + column[None, :]
        sums = tl.where(taken, tl.load(value, mask=taken, other=0.0), sums)
    place = out + point[:, None] * CHANNELS + column[None, :]
    tl.store(place, sums, mask=there_is[:, None] & is_channel)
