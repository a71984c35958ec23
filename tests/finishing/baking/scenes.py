"""Assets with known UVs for baking."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.finishing.baking.detail import detail_of
from engine.finishing.baking.from_voxels import VoxelSource
from engine.mesh import Mesh
from engine.meshing.unwrap import count_cover
from engine.meshing.weld import weld_positions
from engine.ovoxel import OVoxels, mesh_to_dual_grid, sample_materials
from engine.ovoxel.placement import fit_unit_cube
from engine.readers.load import load_mesh

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Scene:
    """A simple mesh with UVs, and the O-Voxels of a detailed one."""

    low: Mesh
    voxels: OVoxels


def uv_sphere(rows: int, columns: int, radius: float = 0.4) -> Mesh:
    """A sphere whose chart leaves a margin on all sides of the picture."""
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    around, down = 2 * np.pi * (u % 1), np.pi * v  # the seam closes exactly
    points = np.stack(
        [np.sin(down) * np.cos(around), np.sin(down) * np.sin(around), np.cos(down)], axis=-1
    ).reshape(-1, 3)
    points = points.round(9)  # the poles are one point each
    index = np.arange(len(points)).reshape(u.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate(
        [np.stack([a, b, c], -1)[:-1].reshape(-1, 3), np.stack([a, c, d], -1)[1:].reshape(-1, 3)]
    ).astype(np.int32)
    uv = (0.1 + 0.8 * np.stack([u, 1 - v], axis=-1)).reshape(-1, 2).astype(np.float32)
    return Mesh((radius * points).astype(np.float32), faces, uvs=uv[faces])


def voxelised(mesh: Mesh, low: Mesh, grid_size: int) -> Scene:
    kept, new_index = weld_positions(mesh.vertices)
    grid = mesh_to_dual_grid(mesh.vertices[kept], new_index[mesh.faces], grid_size=grid_size)
    return Scene(low, OVoxels(grid, sample_materials(mesh, grid)))


def voxel_source(voxels: OVoxels) -> VoxelSource:
    """Of the voxels' own surface."""
    raw = voxels.grid_surface
    return VoxelSource(voxels, detail_of(voxels.grid, raw.vertices, raw.faces))


def in_charts(mesh: Mesh, size: int) -> np.ndarray:
    """(size, size) bool: texels whose middle lies in a face."""
    assert mesh.uvs is not None
    return count_cover(mesh.uvs, size)[::-1] > 0


@functools.cache
def lantern() -> Scene:
    """The example: its own UVs are a fine atlas."""
    mesh = load_mesh(ROOT / "examples" / "lantern.glb")
    mesh = replace(mesh, vertices=fit_unit_cube(mesh.vertices, mesh.faces).to_unit(mesh.vertices))
    return voxelised(mesh, replace(mesh, materials=(), face_material=None), 256)


@functools.cache
def bright_ball(grid_size: int = 96) -> Scene:
    """A smooth ball in bright colours, on a coarse sphere."""
    detail = uv_sphere(90, 180)
    colors = np.ones((len(detail.vertices), 4), np.float32)
    colors[:, :3] = 0.75 + 0.25 * np.sin(9 * detail.vertices)
    surface = np.stack([0.5 + detail.vertices[:, 0], 0.6 + detail.vertices[:, 1]], axis=1)
    mesh = replace(detail, uvs=None, colors=colors, metallic_roughness=surface.clip(0, 1))
    return voxelised(mesh, uv_sphere(24, 48), grid_size)
