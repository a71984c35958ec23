"""Assets to write."""

from dataclasses import replace

import numpy as np

from engine.export.gltf import NamedMesh
from engine.export.hull import collision_hull
from engine.finishing.baking.bake import bake
from engine.mesh import Mesh
from tests.finishing.baking.scenes import bright_ball, uv_sphere, voxel_source


def textured_ball(*, see_through: bool = False) -> Mesh:
    """A baked ball with a normal map; glass above, when asked for."""
    scene = bright_ball()
    materials = scene.voxels.materials.copy()
    if see_through:
        materials[scene.voxels.grid.coords[:, 2] > 60, 5] = 0.4
    voxels = replace(scene.voxels, materials=materials)
    return bake(scene.low, voxel_source(voxels), size=128, normal_map=True, name="ball").mesh


def game_asset() -> list[NamedMesh]:
    """Two levels of detail and a hull."""
    scene = bright_ball()
    levels = [textured_ball()]
    baked = bake(uv_sphere(8, 16), voxel_source(scene.voxels), size=64, normal_map=True)
    levels.append(baked.mesh)
    hull = collision_hull(levels[0].vertices)
    assert hull is not None
    meshes = [NamedMesh(f"ball_LOD{i}", mesh, level=i) for i, mesh in enumerate(levels)]
    return [*meshes, NamedMesh("UCX_ball", hull, bare=True)]


def sheet() -> Mesh:
    """An open, flat square with vertex colours, one of its vertices unused."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [9, 9, 9]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    colors = np.linspace(0, 1, 20).reshape(5, 4).astype(np.float32)
    return replace(Mesh(vertices, faces), colors=colors)
