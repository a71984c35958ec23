"""Assets through the auto-encoders and back, as at generation: no noise, no look at the truth."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from engine.mesh import Mesh
from engine.networks.material_vae import MaterialDecoder, MaterialEncoder
from engine.networks.sc_vae import Encoded
from engine.networks.shape_vae import ShapeDecoder, ShapeEncoder
from engine.networks.structure_vae import StructureDecoder, StructureEncoder
from engine.ovoxel.grid import DualGrid
from engine.ovoxel.ovoxels import MATERIAL_COLUMNS, OVoxels
from engine.render.camera import orbit
from engine.render.picture import render
from engine.sparse import SparseTensor
from engine.training.data.dataset import VoxelBatch, Voxels, collate

BACKGROUND = 40


def encode_shape(encoder: ShapeEncoder, batch: VoxelBatch) -> Encoded:
    """Shape latents of a batch; the mean is the latent that flows learn."""
    return encoder(batch.topology, batch.dual_vertices, batch.intersected)


def encode_material(encoder: MaterialEncoder, batch: VoxelBatch) -> Encoded:
    """Texture latents of a batch, on the same cells as the shape latents."""
    return encoder(SparseTensor(batch.topology, batch.materials * 2 - 1))


@torch.inference_mode()
def reconstruct_shape(
    encoder: ShapeEncoder, decoder: ShapeDecoder, voxels: Voxels, resolution: int
) -> OVoxels:
    """The voxels that the decoder makes of an asset's latent, pruned by its own predictions.

    Args:
        voxels: of the asset at ``resolution``.

    Returns:
        Plain voxels sorted by x, y, z, perhaps none, with split weights.
    """
    encoded = encode_shape(encoder, collate([voxels], _device(encoder)))
    decoded = decoder(encoded.mean)
    coords = decoded.raw.coords[:, 1:].cpu().numpy()
    order = np.lexsort(coords.T[::-1])
    grid = DualGrid(
        coords=coords[order],
        dual_vertices=_rows(decoded.dual_vertices, order),
        intersected=_rows(decoded.intersected, order),
        grid_size=resolution,
    )
    return replace(OVoxels.plain(grid), split_weight=_rows(decoded.split_weight, order))


@torch.inference_mode()
def reconstruct_material(
    encoder: MaterialEncoder, decoder: MaterialDecoder, voxels: Voxels
) -> np.ndarray:
    """(N, 6) float32 materials of the asset's own voxels, not clamped."""
    encoded = encode_material(encoder, collate([voxels], _device(encoder)))
    return decoder(encoded.mean, encoded.pyramid).attributes.float().cpu().numpy()


@torch.inference_mode()
def reconstruct_structure(
    encoder: StructureEncoder, decoder: StructureDecoder, occupied: np.ndarray
) -> np.ndarray:
    """(B, 1, G, G, G) bool occupancy of as much."""
    given = torch.from_numpy(occupied).to(_device(encoder), torch.float32)
    return (decoder(encoder(given)[0]) > 0).cpu().numpy()


def ovoxels_of(voxels: Voxels, resolution: int) -> OVoxels:
    """The stored voxels of an asset."""
    coords = voxels.coords.astype(np.int32)
    grid = DualGrid(coords, voxels.dual(), voxels.intersected, resolution)
    return OVoxels(grid, (voxels.materials / 255).astype(np.float32))


def opaque_surface(voxels: OVoxels) -> Mesh:
    """The coloured surface as if nothing were see-through: a picture is to show all voxels."""
    materials = voxels.materials.copy()
    materials[:, MATERIAL_COLUMNS["alpha"]] = 1
    return replace(voxels, materials=materials).surface()


def side_by_side(meshes: list[Mesh], size: int = 192) -> np.ndarray:
    """(size, size * n, 3) uint8 pictures of meshes in the unit cube from above in front."""
    camera = orbit(30, 25)
    tiles = []
    for mesh in meshes:
        rgba = np.zeros((size, size, 4), np.uint8)
        if len(mesh.faces):
            rgba = render(mesh, camera, width=size).rgba
        alpha = rgba[..., 3:].astype(np.float32) / 255
        tiles.append(np.rint(rgba[..., :3] * alpha + BACKGROUND * (1 - alpha)).astype(np.uint8))
    return np.concatenate(tiles, axis=1)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _rows(values: Tensor, order: np.ndarray) -> np.ndarray:
    return values.cpu().numpy()[order]
