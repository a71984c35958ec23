"""Who is next to whom: the 3x3x3 neighbourhood of every row of a sparse grid."""

import torch
from torch import Tensor

KERNEL_VOLUME = 27
CENTRE = 13
"""Flat index of the kernel's own cell; kernel index v = (k0 * 3 + k1) * 3 + k2, k0 along x."""


def neighbour_map(coords: Tensor) -> Tensor:
    """Row of the neighbour of every row in every kernel direction.

    Args:
        coords: (N, 4) int32 batch, x, y, z, not negative, in any order, no cell twice.

    Returns:
        [27, N] int32 on the same device: entry ``[v, i]`` is the row that holds
        ``coords[i] + (k0 - 1, k1 - 1, k2 - 1)`` of the same batch item, or -1.

    Raises:
        ValueError: a cell occurs twice.

    Cells get int64 keys on a grid padded by one cell, so a step in any direction is one addition
    and can never reach another row of cells or another batch item. Sorting the keys makes the
    look-up a binary search; the other 13 directions follow by symmetry.
    """
    count = len(coords)
    result = torch.full((KERNEL_VOLUME, count), -1, dtype=torch.int32, device=coords.device)
    if count == 0:
        return result
    keys, strides = _padded_keys(coords)
    keys, order = torch.sort(keys)
    if bool((keys[1:] == keys[:-1]).any()):
        raise ValueError("the coords of a sparse tensor hold the same cell twice")
    rows = order.to(torch.int32)
    result[CENTRE] = torch.arange(count, dtype=torch.int32, device=coords.device)
    for v in range(CENTRE):
        step = sum(
            (k - 1) * stride for k, stride in zip((v // 9, v // 3 % 3, v % 3), strides, strict=True)
        )
        wanted = keys + step
        place = torch.searchsorted(keys, wanted).clamp_(max=count - 1)
        found = (keys[place] == wanted).nonzero().squeeze(1)
        here, there = order[found], order[place[found]]
        result[v, here] = rows[place[found]]
        result[KERNEL_VOLUME - 1 - v, there] = rows[found]
    return result


def _padded_keys(coords: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    wide = coords.long()
    extents = wide[:, 1:].amax(dim=0).tolist()
    size_y, size_z = extents[1] + 3, extents[2] + 3
    size_x = extents[0] + 3
    batch, x, y, z = wide.unbind(1)
    keys = ((batch * size_x + x + 1) * size_y + y + 1) * size_z + z + 1
    return keys, (size_y * size_z, size_z, 1)
