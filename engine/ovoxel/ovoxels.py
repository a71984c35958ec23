"""The currency between rooms: O-Voxels with materials, and the surface that they describe."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from engine.mesh import Mesh
from engine.ovoxel.attributes import sample_attributes
from engine.ovoxel.extract import dual_grid_to_mesh
from engine.ovoxel.grid import DualGrid
from engine.ovoxel.placement import Placement
from protocol.errors import EngineError

MATERIAL_COLUMNS = {
    "base_color": slice(0, 3),
    "metallic": slice(3, 4),
    "roughness": slice(4, 5),
    "alpha": slice(5, 6),
}
"""Where each attribute lies in a row of materials."""

PLAIN = np.array([1, 1, 1, 0, 1, 1], np.float32)
"""The materials of a voxel about which nothing is known: white, rough, opaque."""


@dataclass(frozen=True)
class OVoxels:
    """O-Voxels with materials, from whatever made them.

    Args:
        grid: the voxels, sorted; networks may place dual vertices outside of their voxel by a
            margin (half a voxel with the published ones).
        materials: (N, 6) float32 of each voxel: base colour r, g, b, metallic, roughness, alpha,
            nominally in [0, 1]; as decoded they may lie somewhat beyond.
        placement: from object space to the box of the grid.
        split_weight: (N, 1) float32 > 0 of each voxel, how quads are cut; None: so that the two
            triangles bend less.

    Raises:
        EngineError: ``materials_shape`` unless there is a row of 6 values for each voxel.
    """

    grid: DualGrid
    materials: np.ndarray
    placement: Placement = field(default_factory=Placement)
    split_weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        if np.shape(self.materials) != (len(self.grid.coords), len(PLAIN)):
            raise EngineError(
                "materials_shape",
                f"Materials of shape {np.shape(self.materials)} do not fit "
                f"{len(self.grid.coords)} voxels.",
                "Give a row of 6 values for each voxel.",
            )

    @classmethod
    def plain(cls, grid: DualGrid, placement: Placement | None = None) -> "OVoxels":
        """White, rough and opaque voxels."""
        return cls(grid, np.tile(PLAIN, (len(grid.coords), 1)), placement or Placement())

    @property
    def base_color(self) -> np.ndarray:
        """(N, 3) float32 sRGB-encoded."""
        return self.materials[:, MATERIAL_COLUMNS["base_color"]]

    @property
    def alpha(self) -> np.ndarray:
        """(N,) float32."""
        return self.materials[:, MATERIAL_COLUMNS["alpha"]][:, 0]

    @cached_property
    def grid_surface(self) -> Mesh:
        """The bare surface in the box of the grid, its winding consistent and outward.

        It has a vertex for each voxel, used or not, in their order.
        """
        return dual_grid_to_mesh(self.grid, self.split_weight, orient=True)

    def surface(self) -> Mesh:
        """``grid_surface`` in object space with each voxel's own materials at its vertex."""
        mesh = self.grid_surface
        placed = replace(mesh, vertices=self.placement.to_object(mesh.vertices))
        return painted(placed, self.materials)

    def materials_at(self, points: np.ndarray) -> np.ndarray:
        """(P, 6) float32 in [0, 1]: materials between voxels, at (P, 3) points of the grid's box.

        Each is the trilinear mean of the voxels around the point, over those that are there.
        """
        inside = self.grid.in_voxels(np.asarray(points, np.float32))
        return np.clip(sample_attributes(self.grid.coords, self.materials, inside), 0, 1)


def painted(mesh: Mesh, materials: np.ndarray) -> Mesh:
    """The mesh with a row of materials (V, 6), clamped to [0, 1], at each of its vertices."""
    columns = {name: np.clip(materials[:, at], 0, 1) for name, at in MATERIAL_COLUMNS.items()}
    return replace(
        mesh,
        colors=np.concatenate([columns["base_color"], columns["alpha"]], axis=1),
        metallic_roughness=np.concatenate([columns["metallic"], columns["roughness"]], axis=1),
    )
