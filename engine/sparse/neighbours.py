"""Who is next to whom: the 3x3x3 neighbourhood of every row of a sparse grid."""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.sparse.backends import Backend, Registry, probe_torch, triton_backend

KERNEL_VOLUME = 27
CENTRE = 13
"""Flat index of the kernel's own cell; kernel index v = (k0 * 3 + k1) * 3 + k2, k0 along x."""


class SortedCells(NamedTuple):
    """Cells by their numbers on a grid padded by one cell, so that looking one up is a search.

    A step in any direction is one addition and can never reach another row of cells or another
    batch item.

    Args:
        keys: (N,) int64 ascending, ``((batch * X + x + 1) * Y + y + 1) * Z + z + 1``.
        rows: (N,) int64, the row of each.
        sizes: X, Y, Z.
    """

    keys: Tensor
    rows: Tensor
    sizes: tuple[int, int, int]

    @property
    def device(self) -> torch.device:
        return self.keys.device


def sorted_cells(coords: Tensor) -> SortedCells:
    """Cells in the order of their numbers; waits for the device.

    Args:
        coords: (N, 4) int32 batch, x, y, z, not negative, in any order, no cell twice.

    Raises:
        ValueError: a cell occurs twice.
    """
    if len(coords) == 0:
        nothing = torch.zeros(0, dtype=torch.int64, device=coords.device)
        return SortedCells(nothing, nothing, (3, 3, 3))
    batch, x, y, z = coords.long().unbind(1)
    size_x, size_y, size_z = (coords[:, 1:].amax(dim=0) + 3).tolist()
    keys, rows = torch.sort(((batch * size_x + x + 1) * size_y + y + 1) * size_z + z + 1)
    if bool((keys[1:] == keys[:-1]).any()):
        raise ValueError("the coords of a sparse tensor hold the same cell twice")
    return SortedCells(keys, rows, (size_x, size_y, size_z))


def neighbour_map(cells: SortedCells) -> Tensor:
    """Row of the neighbour of every row in every kernel direction.

    Returns:
        [27, N] int32 on the same device: entry ``[v, i]`` is the row that holds
        ``coords[i] + (k0 - 1, k1 - 1, k2 - 1)`` of the same batch item, or -1.
    """
    return NEIGHBOURS.choose(cells.device, torch.int64).run(cells)


def steps(cells: SortedCells) -> list[int]:
    """What the keys of the neighbours in the first 13 directions are apart; the others mirror."""
    _, size_y, size_z = cells.sizes
    return [
        (v // 9 - 1) * size_y * size_z + (v // 3 % 3 - 1) * size_z + v % 3 - 1
        for v in range(CENTRE)
    ]


def neighbour_map_in_torch(cells: SortedCells) -> Tensor:
    """The twin of the kernel: a binary search for 13 directions, the others by symmetry."""
    keys, order, _ = cells
    count = len(keys)
    result = torch.full((KERNEL_VOLUME, count), -1, dtype=torch.int32, device=keys.device)
    result[CENTRE] = torch.arange(count, dtype=torch.int32, device=keys.device)
    rows = order.to(torch.int32)
    for v, step in enumerate(steps(cells)):
        if count == 0:
            break
        wanted = keys + step
        place = torch.searchsorted(keys, wanted).clamp_(max=count - 1)
        found = (keys[place] == wanted).nonzero().squeeze(1)
        here, there = order[found], order[place[found]]
        result[v, here] = rows[place[found]]
        result[KERNEL_VOLUME - 1 - v, there] = rows[found]
    return result


NEIGHBOURS = Registry(
    "neighbour map",
    [
        triton_backend("neighbours", "neighbour_map", dtypes=(torch.int64,)),
        Backend("torch", probe_torch, neighbour_map_in_torch, dtypes=(torch.int64,)),
    ],
)
