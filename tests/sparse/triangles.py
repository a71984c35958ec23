"""Triangles in an atlas: a net that shares edges, loose ones that overlap, flat and hidden ones."""

import torch
from torch import Tensor


def an_atlas(size: int) -> Tensor:
    """(F, 3, 2) float64 corners in texels."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.linspace(0, size / 3, 6, dtype=torch.float64)
    grid = torch.cartesian_prod(steps, steps).view(6, 6, 2)
    grid = grid + 0.3 * torch.rand(6, 6, 2, generator=generator, dtype=torch.float64)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]
    net = torch.stack([torch.stack([a, b, c], -2), torch.stack([b, d, c], -2)]).view(-1, 3, 2)
    middles = size * torch.rand(12, 1, 2, generator=generator, dtype=torch.float64)
    loose = middles + 9 * torch.rand(12, 3, 2, generator=generator, dtype=torch.float64) - 4.5
    flat = torch.tensor([[[50, 50], [60, 60], [55, 55]], [[3, 3]] * 3], dtype=torch.float64)
    outside = torch.tensor([[[-9, -9], [-9, -4], [-5, -9]]], dtype=torch.float64)
    return torch.cat([net, loose, flat, outside])
