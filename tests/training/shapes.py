"""A few voxelised spheres and boxes, and small networks for them."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.mesh import Mesh
from engine.networks.material_vae import (
    MaterialDecoder,
    MaterialDecoderConfig,
    MaterialEncoder,
    MaterialEncoderConfig,
)
from engine.networks.sc_vae import DOWN_BLOCK, TORSO_BLOCK, UP_BLOCK
from engine.networks.shape_vae import (
    ShapeDecoder,
    ShapeDecoderConfig,
    ShapeEncoder,
    ShapeEncoderConfig,
)
from engine.ovoxel import mesh_to_dual_grid
from engine.training.data.dataset import Voxels
from tests import meshes


def voxels_of(vertices: np.ndarray, faces: np.ndarray, resolution: int, tint: float) -> Voxels:
    """O-Voxels as a data set stores them; colours vary with the place."""
    grid = mesh_to_dual_grid(vertices, faces, grid_size=resolution)
    place = (grid.coords + 0.5) / resolution
    plain = np.tile(np.array([tint, 1 - tint, 1.0]), (len(place), 1))
    return Voxels(
        coords=grid.coords.astype(np.uint16),
        dual_vertices=(grid.dual_vertices * 255).astype(np.uint8),
        intersected=grid.intersected,
        materials=np.rint(np.concatenate([place, plain], axis=1) * 255).astype(np.uint8),
    )


def shape_mesh(number: int) -> Mesh:
    """Even numbers are spheres, odd ones boxes, each of another size."""
    size = 0.2 + 0.03 * (number % 7)
    if number % 2 == 0:
        vertices, faces = meshes.sphere(6, size)
        return Mesh(vertices, faces)
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    scale = np.array([size, 0.8 * size, 1.1 * size], np.float32)
    return Mesh(corners * scale + np.float32(0.011), np.array(faces, np.int32))


@dataclass
class ShapeSource:
    """Stands for a data set of some shapes."""

    count: int = 4

    def __post_init__(self) -> None:
        self.names = tuple(f"shape {number}" for number in range(self.count))
        self._made: dict[tuple[int, int], Voxels] = {}

    def voxel_count(self, index: int, resolution: int) -> int:
        return len(self.voxels(index, resolution).coords)

    def voxels(self, index: int, resolution: int) -> Voxels:
        key = (index, resolution)
        if key not in self._made:
            mesh = shape_mesh(index)
            tint = index / max(self.count - 1, 1)
            self._made[key] = voxels_of(mesh.vertices, mesh.faces, resolution, tint)
        return self._made[key]


def levels(widths: list[int], blocks: list[int], latent: int) -> dict:
    return {
        "model_channels": widths,
        "latent_channels": latent,
        "num_blocks": blocks,
        "block_type": [TORSO_BLOCK] * len(widths),
    }


def shape_vae(
    widths: tuple[int, ...] = (16, 32, 32), latent: int = 8, blocks: int = 1, seed: int = 0
) -> tuple[ShapeEncoder, ShapeDecoder]:
    """Widths finest first; the decoder mirrors the encoder and has no blocks at the finest."""
    torch.manual_seed(seed)
    down = [DOWN_BLOCK] * (len(widths) - 1)
    up = [UP_BLOCK] * (len(widths) - 1)
    counts = [0, *[blocks] * (len(widths) - 1)]
    encoder = ShapeEncoderConfig(**levels(list(widths), counts, latent), down_block_type=down)
    mirrored = levels(list(widths[::-1]), counts[::-1], latent)
    return ShapeEncoder(encoder), ShapeDecoder(ShapeDecoderConfig(**mirrored, up_block_type=up))


def material_vae(
    widths: tuple[int, ...] = (16, 32, 32), latent: int = 8, blocks: int = 1, seed: int = 0
) -> tuple[MaterialEncoder, MaterialDecoder]:
    torch.manual_seed(seed)
    down = [DOWN_BLOCK] * (len(widths) - 1)
    up = [UP_BLOCK] * (len(widths) - 1)
    counts = [0, *[blocks] * (len(widths) - 1)]
    encoder = MaterialEncoderConfig(**levels(list(widths), counts, latent), down_block_type=down)
    mirrored = levels(list(widths[::-1]), counts[::-1], latent)
    decoder = MaterialDecoderConfig(**mirrored, up_block_type=up, out_channels=6, pred_subdiv=False)
    return MaterialEncoder(encoder), MaterialDecoder(decoder)
