"""The cells of a real mesh on all grids of a generation, so that counts are those of real work."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.networks.sc_vae import Pyramid
from engine.sparse import Topology
from protocol.errors import EngineError

LEVELS = 4
"""Subdivisions from a latent cell to its voxels: 16 = 2^4."""
COUNTED_AT = 64
"""Latent grid on which the requested number of tokens is counted."""
SAMPLED_AT = 256


@dataclass(frozen=True)
class Scene:
    """A mesh, welded, at the size that gives the requested number of tokens.

    Attributes:
        vertices: (V, 3) float32 in the unit cube.
        faces: (F, 3) int32.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def pyramid(self, resolution: int, device: torch.device) -> Pyramid:
        """The subdivisions from the latent grid (``resolution`` / 16) to the mesh's voxels.

        In the order in which a decoder makes its cells: parent by parent.
        """
        return decoder_order(self._voxels(resolution).to(device))

    def _voxels(self, resolution: int) -> Topology:
        from engine.ovoxel import mesh_to_dual_grid

        grid = mesh_to_dual_grid(self.vertices, self.faces, grid_size=resolution)
        if len(grid.coords) == 0:
            raise EngineError(
                "grid_empty",
                f"At a resolution of {resolution} the surface crosses no grid edge.",
                "Choose a larger --scale.",
            )
        coords = torch.from_numpy(grid.coords)
        return Topology(torch.cat([coords.new_zeros(len(coords), 1), coords], dim=1))


def load_scene(path: Path, tokens: int) -> Scene:
    """Read a mesh and shrink it until it has about ``tokens`` cells on a latent grid of 64^3.

    A mesh that has fewer when it fills the unit cube is left unchanged.

    Raises:
        EngineError: what reading and fitting raise.
    """
    from engine.meshing.weld import weld_positions
    from engine.ovoxel.placement import fit_unit_cube
    from engine.readers.load import load_mesh

    mesh = load_mesh(path)
    vertices = fit_unit_cube(mesh.vertices, mesh.faces).to_unit(mesh.vertices)
    kept, new_index = weld_positions(vertices)
    scene = Scene(vertices[kept], new_index[mesh.faces])
    cells = scene._voxels(SAMPLED_AT)
    for _ in range(int(math.log2(SAMPLED_AT // COUNTED_AT))):
        cells = cells.coarsen().parents
    # A surface has cells in proportion to the square of its size.
    size = min(1.0, math.sqrt(tokens / len(cells)))
    return Scene(scene.vertices * np.float32(size), scene.faces)


def decoder_order(voxels: Topology) -> Pyramid:
    """The pyramid above voxels, each level's rows as a decoder that predicts it would have them."""
    links = []
    for _ in range(LEVELS):
        links.append(voxels.coarsen())
        voxels = links[-1].parents
    order = torch.arange(len(voxels), device=voxels.device)
    pyramid, cells = [], voxels
    for link in reversed(links):
        down = cells.subdivide(link.mask[order])
        order = _rows(len(link.parents), link.places)[order[down.parent_rows] * 8 + down.slots]
        pyramid.append(down)
        cells = down.children
    return tuple(pyramid)


def _rows(parents: int, places: Tensor) -> Tensor:
    """Row of the child in each of the 8 places of every parent, anything where there is none."""
    rows = places.new_zeros(parents * 8)
    rows[places] = torch.arange(len(places), device=places.device)
    return rows
