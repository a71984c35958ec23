"""The result of a pipeline: O-Voxels with materials, what they were decoded from, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from engine.mesh import Mesh, drop_unused_vertices
from engine.ovoxel import DualGrid, dual_grid_to_mesh, sample_attributes
from engine.ovoxel.placement import Placement
from engine.sparse import SparseTensor


@dataclass(frozen=True)
class Latent:
    """A latent in host memory.

    Args:
        coords: (N, 3) int32 cells of the latent grid.
        feats: (N, C) float32.
        resolution: voxels an axis that it stands for.
    """

    coords: Tensor
    feats: Tensor
    resolution: int

    @classmethod
    def of(cls, latent: SparseTensor, resolution: int) -> "Latent":
        """A copy of the only item of a batch."""
        return cls(latent.coords[:, 1:].cpu().clone(), latent.feats.cpu().clone(), resolution)


@dataclass(frozen=True)
class Latents:
    """What an asset was decoded from.

    Args:
        structure: (N, 3) int32 cells that the first shape was sampled on; None where there was
            none, because the shape came from a mesh.
        coarse: the shape that a cascade starts from; without a cascade the shape itself.
        shape: the final shape_latent.
        texture: the texture_latent, on the cells of ``shape``.
    """

    structure: Tensor | None
    coarse: Latent
    shape: Latent
    texture: Latent


@dataclass(frozen=True)
class Asset:
    """An O-Voxel mesh with materials.

    Args:
        grid: its voxels; dual vertices may lie outside of their voxel by a margin (half a voxel
            with the published networks).
        split_weight: (N, 1) float32 of each voxel, how quads are cut; None for a textured mesh.
        materials: (N, 6) float32 of each voxel: base colour, metallic, roughness, alpha; as
            decoded, so somewhat beyond 0 to 1.
        placement: from object space to the unit cube of the grid.
        latents: see there.
        recipe: what is needed to make it again, as JSON values.
        picture: what it was made from, mode "RGBA", the background transparent.
        given_mesh: the mesh that was textured, in its own coordinates; None: the shape is ours.
    """

    grid: DualGrid
    split_weight: np.ndarray | None
    materials: np.ndarray
    placement: Placement
    latents: Latents
    recipe: Mapping[str, Any]
    picture: Image.Image
    given_mesh: Mesh | None = None

    @cached_property
    def mesh(self) -> Mesh:
        """The surface in object space with colour, metallic and roughness of each vertex.

        Generated shapes have the winding made consistent and no vertex that no face uses; a given
        mesh keeps its vertices and faces.
        """
        if self.given_mesh is not None:
            mesh = Mesh(self.given_mesh.vertices, self.given_mesh.faces)
            return self._painted(mesh, self.placement.to_unit(mesh.vertices))
        mesh = drop_unused_vertices(dual_grid_to_mesh(self.grid, self.split_weight, orient=True))
        placed = replace(mesh, vertices=self.placement.to_object(mesh.vertices))
        return self._painted(placed, mesh.vertices)

    def materials_at(self, points: np.ndarray) -> np.ndarray:
        """(P, 6) materials at (P, 3) points of the unit cube, between voxels and clamped."""
        low = np.float32(self.grid.aabb[0][0])
        voxels = (np.asarray(points, np.float32) - low) / np.float32(self.grid.voxel_size[0])
        return np.clip(sample_attributes(self.grid.coords, self.materials, voxels), 0, 1)

    def _painted(self, mesh: Mesh, unit_vertices: np.ndarray) -> Mesh:
        values = self.materials_at(unit_vertices)
        return replace(mesh, colors=values[:, [0, 1, 2, 5]], metallic_roughness=values[:, 3:5])
