"""The result of a pipeline: O-Voxels with materials, what they were decoded from, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from engine.mesh import Mesh, drop_unused_vertices
from engine.ovoxel.ovoxels import OVoxels, painted
from engine.sparse import SparseTensor
from protocol.finishes import FinishAdvice


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
class Asset:
    """An O-Voxel mesh with materials.

    Args:
        voxels: over the unit cube, with materials as they were decoded.
        latents: what the voxels were decoded from, by the names that its system gives them.
        recipe: what is needed to make it again, as JSON values.
        picture: what it was made from, mode "RGBA", the background transparent.
        given_mesh: the mesh that was textured, in its own coordinates; None: the shape is ours.
        tensors: whatever else its system keeps to continue from, in host memory.
    """

    voxels: OVoxels
    latents: Mapping[str, Latent]
    recipe: Mapping[str, Any]
    picture: Image.Image
    given_mesh: Mesh | None = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def finish_advice(self) -> FinishAdvice | None:
        """How the checkpoint that made it says it is best finished; None for a given mesh."""
        return None if self.given_mesh else FinishAdvice.read(self.recipe.get("finishing"))

    @cached_property
    def mesh(self) -> Mesh:
        """The surface in object space with colour, metallic and roughness of each vertex.

        Generated shapes have the winding made consistent and no vertex that no face uses; a given
        mesh keeps its vertices and faces.
        """
        placement = self.voxels.placement
        if self.given_mesh is not None:
            mesh = Mesh(self.given_mesh.vertices, self.given_mesh.faces)
            return painted(mesh, self.voxels.materials_at(placement.to_unit(mesh.vertices)))
        mesh = drop_unused_vertices(self.voxels.grid_surface)
        placed = replace(mesh, vertices=placement.to_object(mesh.vertices))
        return painted(placed, self.voxels.materials_at(mesh.vertices))
