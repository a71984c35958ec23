"""Values of sparse cells at any points: what baking needs for each texel, on a device.

The same numbers as ``engine.ovoxel.sample_attributes`` and the nearest voxel that baking takes
where none touches a point, but in float32. Baking does not call it yet: its points come from a tree
of boxes on the CPU.
"""

import torch
from torch import Tensor

from engine.sparse.backends import Backend, Registry, probe_torch, triton_backend
from engine.sparse.neighbours import SortedCells

FAR = float(1 << 24)
"""Beyond it no cell can be, and a float32 has no fraction left."""


def sample_cells(cells: SortedCells, feats: Tensor, points: Tensor, *, reach: int = 0) -> Tensor:
    """Trilinear mean over the cells that exist around each point, else the nearest cell.

    Args:
        cells: of one batch item.
        feats: (N, C) float32, by the rows of ``cells``.
        points: (P, 3) float32 in cells: cell (i, j, k) has its centre at (i, j, k) + 0.5.
        reach: how many cells away from its own the nearest is looked for where none of the eight
            around a point exists; 0 only its own, which is then none.

    Returns:
        (P, C) float32; zeros where no cell is found and for points that are not finite.

    Raises:
        ValueError: shapes or dtypes that do not fit.
    """
    if feats.ndim != 2 or len(feats) != len(cells.keys) or feats.dtype != torch.float32:
        raise ValueError(
            f"{len(cells.keys)} cells need values ({len(cells.keys)}, C) in float32, "
            f"not {tuple(feats.shape)} {feats.dtype}"
        )
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype != torch.float32:
        raise ValueError(
            f"points must be (P, 3) in float32, not {tuple(points.shape)} {points.dtype}"
        )
    return SAMPLING.choose(feats.device, feats.dtype).run(cells, feats, points, reach)


def sample_cells_in_torch(cells: SortedCells, feats: Tensor, points: Tensor, reach: int) -> Tensor:
    """The twin of the kernel."""
    out = torch.zeros(len(points), feats.shape[1], device=feats.device)
    if len(feats) == 0:
        return out
    near = (points.abs() < FAR).all(dim=1)  # false for NaN
    safe = torch.where(near[:, None], points, 0)
    first = (safe - 0.5).floor().long()
    total = torch.zeros(len(points), device=feats.device)
    for corner in range(8):
        cell = first + torch.tensor([corner >> 2, corner >> 1 & 1, corner & 1], device=feats.device)
        row, found = _find(cells, cell)
        weight = (1 - (safe - cell - 0.5).abs()).prod(dim=1) * (found & near)
        out += weight[:, None] * feats[row]
        total += weight
    out /= total.clamp_(min=1e-12)[:, None]
    missing = ((total <= 1e-12) & near).nonzero().squeeze(1)
    if reach and len(missing):
        _nearest(cells, feats, safe[missing], missing, out, reach)
    return out


def _nearest(
    cells: SortedCells, feats: Tensor, points: Tensor, into: Tensor, out: Tensor, reach: int
) -> None:
    """Values of the nearest cell, the first of equals, into those rows of ``out``."""
    least = torch.full((len(points),), float("inf"), device=feats.device)
    best = torch.zeros(len(points), dtype=torch.int64, device=feats.device)
    own, span = points.floor().long(), torch.arange(-reach, reach + 1, device=feats.device)
    for offset in torch.cartesian_prod(span, span, span):
        cell = own + offset
        row, found = _find(cells, cell)
        away = (cell + 0.5 - points).square().sum(dim=1)
        closer = found & (away < least)
        least, best = torch.where(closer, away, least), torch.where(closer, row, best)
    found = least < float("inf")
    out[into[found]] = feats[best[found]]


def _find(cells: SortedCells, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of cells (P, 3) int64, 0 where there is none, and whether there is one."""
    keys, rows, sizes = cells
    x, y, z = cell.unbind(1)
    inside = (cell >= 0).all(dim=1)
    for axis, size in zip((x, y, z), sizes, strict=True):
        inside &= axis < size - 2
    wanted = ((x + 1) * sizes[1] + y + 1) * sizes[2] + z + 1
    place = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
    found = inside & (keys[place] == wanted)
    return torch.where(found, rows[place], 0), found


SAMPLING = Registry(
    "values of cells at points",
    [
        triton_backend("sampling", "sample_cells", dtypes=(torch.float32,)),
        Backend("torch", probe_torch, sample_cells_in_torch, dtypes=(torch.float32,)),
    ],
)
