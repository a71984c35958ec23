"""The surface of O-Voxels with gradients: what rendered losses look at while training.

Which quads there are follows from the edge flags, has no gradient, and is that of the truth, as in
TRELLIS.2's training; edge flags and pruning learn from losses of their own. Where the vertices lie
has one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.ovoxel import DualGrid, dual_grid_to_mesh

SMALLEST_PRODUCT = 1e-12
"""Of two split weights: both products of a quad may vanish in float32."""


@dataclass(frozen=True)
class Surface:
    """Triangles with gradients.

    Args:
        vertices: (V, 3) floating in object space.
        faces: (F, 3) int64 into them, on the same device.
    """

    vertices: Tensor
    faces: Tensor

    @cached_property
    def edges(self) -> Tensor:
        """(F, 3) int64 number of the undirected edge from corner k to corner k + 1."""
        ends = torch.stack([self.faces, self.faces.roll(-1, 1)], dim=2).sort(dim=2).values
        keys = ends[..., 0] * len(self.vertices) + ends[..., 1]
        return torch.unique(keys, return_inverse=True)[1]


@dataclass(frozen=True)
class Frame:
    """The cube that is looked at.

    Args:
        low: lowest voxel on each axis.
        size: voxels to a side.
    """

    low: tuple[int, int, int]
    size: int

    @classmethod
    def around(cls, coords: np.ndarray) -> "Frame":
        """The smallest cube that holds (N, 3) voxels, N > 0, which are in its middle."""
        low, high = coords.min(axis=0).astype(int), coords.max(axis=0).astype(int) + 1
        size = int((high - low).max())
        x, y, z = (low - (size - (high - low)) // 2).tolist()
        return cls((x, y, z), size)

    def place(self, coords: Tensor, dual_vertices: Tensor) -> Tensor:
        """(N, 3) vertices in the unit cube around the origin, with the gradient of the second."""
        low = torch.tensor(self.low, device=coords.device)
        return ((coords - low).to(dual_vertices.dtype) + dual_vertices) / self.size - 0.5


def quads_of(coords: np.ndarray, intersected: np.ndarray) -> np.ndarray:
    """(Q, 4) int64 rows of the voxels around each intersected edge, in order around it.

    Args:
        coords: (N, 3) integer voxels, sorted by x, y, z.
        intersected: (N, 3) bool.

    Raises:
        EngineError: ``grid_shape``.
    """
    nowhere = np.zeros((len(coords), 3), np.float32)
    size = int(coords.max(initial=0)) + 1
    grid = DualGrid(coords.astype(np.int32), nowhere, intersected, size)
    # Weights that are all the same cut every quad from corner 1 to 3: 0 1 3 and 3 1 2.
    faces = dual_grid_to_mesh(grid, np.ones(len(coords), np.float32)).faces.reshape(-1, 6)
    return faces[:, [0, 1, 5, 2]].astype(np.int64)


def split_softly(vertices: Tensor, split_weight: Tensor, quads: Tensor) -> Surface:
    """Every quad as four triangles around a point of its own, through which split weights learn.

    The point is the mean of the middles of both diagonals, weighted by the products of the split
    weights at their ends; extraction cuts along the diagonal with the larger product, and the more
    one outweighs the other, the nearer is the point to it (o_voxel, training mode).

    Args:
        vertices: (N, 3) of each voxel.
        split_weight: (N, 1) > 0 of each voxel.
        quads: (Q, 4) int64 of ``quads_of``.

    Returns:
        A surface of N + Q vertices and 4 Q triangles, wound as ``dual_grid_to_mesh`` does.
    """
    corners, weight = vertices[quads], split_weight[quads]
    along_02 = (weight[:, 0] * weight[:, 2]).clamp_min(SMALLEST_PRODUCT)
    along_13 = (weight[:, 1] * weight[:, 3]).clamp_min(SMALLEST_PRODUCT)
    middle_02 = (corners[:, 0] + corners[:, 2]) / 2
    middle_13 = (corners[:, 1] + corners[:, 3]) / 2
    centre = (along_02 * middle_02 + along_13 * middle_13) / (along_02 + along_13)
    number = len(vertices) + torch.arange(len(quads), device=quads.device)
    around = [torch.stack([quads[:, k], quads[:, (k + 1) % 4], number], dim=1) for k in range(4)]
    return Surface(torch.cat([vertices, centre]), torch.cat(around))


def true_faces(
    coords: np.ndarray, dual_vertices: np.ndarray, intersected: np.ndarray
) -> np.ndarray:
    """(F, 3) int64 triangles of given O-Voxels, each quad cut along the diagonal that bends less.

    Args:
        coords: (N, 3) integer voxels, sorted by x, y, z.
        dual_vertices: (N, 3) float32 in [0, 1].
        intersected: (N, 3) bool.

    Raises:
        EngineError: ``grid_shape``.
    """
    size = int(coords.max(initial=0)) + 1
    grid = DualGrid(coords.astype(np.int32), dual_vertices, intersected, size)
    return dual_grid_to_mesh(grid).faces.astype(np.int64)
