"""What the networks gave, made into an asset."""

import numpy as np

from engine.networks.material_vae import DecodedMaterial
from engine.networks.shape_vae import DecodedShape
from engine.ovoxel import DualGrid, OVoxels
from engine.ovoxel.placement import Placement


def voxels_of(
    shape: DecodedShape, material: DecodedMaterial, resolution: int, placement: Placement
) -> OVoxels:
    """What two decoders gave, ordered by x, y, z."""
    coords = shape.raw.coords[:, 1:].cpu().numpy()
    order = np.lexsort(coords.T[::-1])
    grid = DualGrid(
        coords=coords[order],
        dual_vertices=shape.dual_vertices.cpu().numpy()[order],
        intersected=shape.intersected.cpu().numpy()[order],
        grid_size=resolution,
    )
    return OVoxels(
        grid,
        material.attributes.cpu().numpy()[order],
        placement,
        split_weight=shape.split_weight.cpu().numpy()[order],
    )
