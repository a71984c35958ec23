"""Random sparse grids for the tests."""

import torch
from torch import Tensor


def random_coords(
    counts: tuple[int, ...], grid_size: int, *, seed: int = 0, shuffled: bool = True
) -> Tensor:
    """(sum(counts), 4) int32: counts[b] different cells of a grid_size^3 grid for each item b."""
    generator = torch.Generator().manual_seed(seed)
    items = []
    for batch, count in enumerate(counts):
        cells = torch.randperm(grid_size**3, generator=generator)[:count]
        if not shuffled:
            cells = cells.sort().values
        xyz = [cells // grid_size**2, cells // grid_size % grid_size, cells % grid_size]
        items.append(torch.stack([torch.full_like(cells, batch), *xyz], dim=1))
    return torch.cat(items).int()
