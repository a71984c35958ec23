"""The O-Voxel grid: which voxels, their dual vertices and their intersected edges."""

from dataclasses import dataclass

import numpy as np

from engine.ovoxel.pyramid import parents_of
from protocol.errors import EngineError

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

    def in_voxels(self, points: np.ndarray) -> np.ndarray:
        """(P, 3) float32 points of the box, in voxels from its lower corner."""
        return (points - np.asarray(self.aabb[0], np.float32)) / self.voxel_size

    def downsample(self, factor: int) -> "DualGrid":
        """The grid with ``factor`` times fewer cells per axis over the same box.

        A coarse voxel exists where it holds at least one voxel of this grid; its dual vertex is the
        mean of theirs. A coarse edge is made of ``factor`` edges of this grid (the others lie
        inside coarse voxels or on their sides) and is intersected when any of these is. "Any" and
        not "an odd number", because ``mesh_to_dual_grid`` flags an edge however often it is
        crossed: so the flags are just those of the same mesh converted at the coarse resolution,
        as long as it lies inside of the box. There are more voxels than such a conversion makes,
        for it leaves out those around which no coarse edge is crossed. They are kept, so that the
        levels of a ``subdivision_pyramid`` and of this agree.

        Args:
            factor: 1, 2, 4, ...; has to divide ``grid_size``.

        Raises:
            EngineError: factor.
        """
        whole = isinstance(factor, (int, np.integer)) and not isinstance(factor, bool)
        if not whole or factor < 1 or factor & (factor - 1) or self.grid_size % factor:
            raise EngineError(
                "factor",
                f"A grid of {self.grid_size} cells per axis cannot be made {factor!r} times "
                "coarser.",
                "Give a power of two that divides the number of cells.",
            )
        coords, rows = parents_of(self.coords, factor)
        inside = self.coords % factor
        places = (inside + self.dual_vertices.astype(np.float64)) / factor
        sums = [np.bincount(rows, places[:, i], len(coords)) for i in range(3)]
        means = np.stack(sums, axis=1) / np.bincount(rows, minlength=len(coords))[:, None]
        intersected = np.zeros((len(coords), 3), np.bool_)
        last = inside == factor - 1
        for axis in range(3):
            # An edge lies at the far corner of its voxel, in the two axes across it.
            on_coarse_edge = last[:, (axis + 1) % 3] & last[:, (axis + 2) % 3]
            intersected[rows[on_coarse_edge & self.intersected[:, axis]], axis] = True
        return DualGrid(
            coords=coords,
            # Rounding may carry the mean of a single far corner over 1.
            dual_vertices=np.clip(means, 0, 1).astype(np.float32),
            intersected=intersected,
            grid_size=self.grid_size // factor,
            aabb=self.aabb,
        )
