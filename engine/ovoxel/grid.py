"""The O-Voxel grid: which voxels, their dual vertices and their intersected edges."""

from dataclasses import dataclass

import numpy as np

Aabb = tuple[tuple[float, float, float], tuple[float, float, float]]
UNIT_CUBE: Aabb = ((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class DualGrid:
    """Sparse voxels of a ``grid_size``^3 grid over ``aabb``.

    Args:
        coords: (N, 3) int32 voxel indices in [0, grid_size), unique, sorted by x, then y, then z.
        dual_vertices: (N, 3) float32 in [0, 1], place of the dual vertex inside its voxel.
        intersected: (N, 3) bool, whether the surface crosses the grid edge that is parallel to
            x, y, z and lies at the far corner of the voxel in the other two axes.
        grid_size: cells per axis.
        aabb: lower and upper corner of the box in object space.
    """

    coords: np.ndarray
    dual_vertices: np.ndarray
    intersected: np.ndarray
    grid_size: int
    aabb: Aabb = UNIT_CUBE

    @property
    def voxel_size(self) -> np.ndarray:
        """(3,) float32 edge lengths of a voxel in object space."""
        low, high = np.asarray(self.aabb, dtype=np.float32)
        return (high - low) / np.float32(self.grid_size)
