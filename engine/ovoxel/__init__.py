"""O-Voxels: meshes to sparse voxels with dual vertices and materials, and back."""

from engine.ovoxel.attributes import sample_attributes
from engine.ovoxel.dual_grid import mesh_to_dual_grid
from engine.ovoxel.extract import dual_grid_to_mesh
from engine.ovoxel.grid import DualGrid
from engine.ovoxel.materials import sample_materials
from engine.ovoxel.ovoxels import OVoxels
from engine.ovoxel.pyramid import PyramidLevel, subdivision_pyramid
from engine.ovoxel.vxz import VxzFile, read_vxz, write_vxz

__all__ = [
    "DualGrid",
    "OVoxels",
    "PyramidLevel",
    "VxzFile",
    "dual_grid_to_mesh",
    "mesh_to_dual_grid",
    "read_vxz",
    "sample_attributes",
    "sample_materials",
    "subdivision_pyramid",
    "write_vxz",
]
