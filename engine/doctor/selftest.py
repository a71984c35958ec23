"""Two seconds of arithmetic whose results are known beforehand, on the device and its backends.

All expected numbers were worked out by hand; none come from our own code.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.sparse.attention import ATTENTION, attention
from engine.sparse.backends import Registry
from engine.sparse.convolution import CONVOLUTION, submanifold_conv3d
from engine.sparse.tensor import SparseTensor
from protocol.errors import EngineError

TOLERANCE = 0.02
"""Half precision rounds; a real fault is far larger."""
CHANNELS = 16


def convolution_error(device: torch.device, dtype: torch.dtype, backend: str) -> float:
    """Largest deviation of a sparse convolution of three cells in a row, of which one is apart.

    Cells x = 0, 1, 3 hold 1, 2, 4 in every channel; each channel takes itself once, its lower
    neighbour in x ten times and its upper one a hundred times.
    """
    coords = torch.tensor([[0, x, 5, 5] for x in (0, 1, 3)], dtype=torch.int32, device=device)
    feats = torch.tensor([1.0, 2.0, 4.0], device=device)[:, None].expand(3, CHANNELS).to(dtype)
    weight = torch.zeros(CHANNELS, 3, 3, 3, CHANNELS, device=device, dtype=dtype)
    for x, factor in enumerate((10, 1, 100)):
        weight[:, x, 1, 1, :] = factor * torch.eye(CHANNELS, device=device, dtype=dtype)
    x = SparseTensor.from_coords(coords, feats.contiguous())
    found = submanifold_conv3d(x, weight, backend=backend).float().cpu()
    expected = torch.tensor([1.0 + 200.0, 2.0 + 10.0, 4.0])
    return float(((found - expected[:, None]) / expected[:, None]).abs().max())


def attention_error(device: torch.device, dtype: torch.dtype, backend: str) -> float:
    """Largest deviation of attention over two items of different lengths.

    In the first item the keys are scored log 3 and 0, so the values 0 and 4 mix to 1; the second
    has one key, and its value 2 comes back.
    """
    q = torch.zeros(2, 1, CHANNELS)
    q[:, :, 0] = math.sqrt(CHANNELS) * math.log(3)
    k = torch.zeros(3, 1, CHANNELS)
    k[0, :, 0] = 1
    v = torch.tensor([0.0, 4.0, 2.0])[:, None, None].expand(3, 1, CHANNELS)
    q, k, v = (part.to(device, dtype).contiguous() for part in (q, k, v))
    found = attention(q, k, v, q_offsets=[0, 1, 2], k_offsets=[0, 2, 3], backend=backend)
    return float((found.float().cpu() - torch.tensor([1.0, 2.0])[:, None, None]).abs().max())


def ovoxel_problem() -> str | None:
    """What is wrong with a box that went to O-Voxels and back; None: nothing.

    On a grid of 8 cells the box reaches from cell 1 to cell 6 of each axis: a shell of 6^3 - 4^3
    voxels, 5^2 crossed edges on each side, two triangles for each. It is a little crooked, so that
    no grid line meets the diagonal of a side, where rounding would decide.
    """
    from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid

    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    low, high = np.array([(-0.31, -0.3, -0.29), (0.3, 0.32, 0.28)], np.float32)
    grid = mesh_to_dual_grid(low + corners * (high - low), faces, grid_size=8)
    if len(grid.coords) != 6**3 - 4**3:
        return f"{len(grid.coords)} voxels instead of {6**3 - 4**3}"
    mesh = dual_grid_to_mesh(grid)
    if len(mesh.faces) != 6 * 5**2 * 2:
        return f"{len(mesh.faces)} triangles instead of {6 * 5**2 * 2}"
    sides = np.concatenate([mesh.vertices - low, high - mesh.vertices], axis=1)
    off = float(np.abs(sides.min(axis=1)).max())
    if not off < TOLERANCE / 8:
        return f"vertices {off:.3g} away from the box"
    return None


def problems(device: torch.device, dtype: torch.dtype) -> list[str]:
    """What went wrong with every usable backend on a device and the O-Voxels; empty: nothing."""
    found = [
        *_problems_of(CONVOLUTION, convolution_error, device, dtype),
        *_problems_of(ATTENTION, attention_error, device, dtype),
    ]
    box = ovoxel_problem()
    return found if box is None else [*found, f"O-Voxels of a box: {box}"]


def _problems_of(
    registry: Registry,
    error_of: Callable[[torch.device, torch.dtype, str], float],
    device: torch.device,
    dtype: torch.dtype,
) -> list[str]:
    found: list[str] = []
    for name, usable, _ in registry.available(device):
        if not usable or dtype not in registry.backends[name].dtypes:
            continue
        what = f"{registry.operation} by {name} in {str(dtype).removeprefix('torch.')}"
        try:
            error = error_of(device, dtype, name)
        except (RuntimeError, ImportError, OSError, EngineError) as problem:
            # A kernel that was not built for this GPU, a library that does not load.
            found.append(f"{what}: {' '.join(str(problem).split())[:200]}")
            continue
        if not error <= TOLERANCE:
            found.append(f"{what}: off by {error:.3g}")
    return found


def finite_matmul(device: torch.device) -> Tensor:
    """A product that needs the device's matrix library, all entries 64."""
    ones = torch.ones(64, 64, device=device)
    return ones @ ones
