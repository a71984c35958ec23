"""The surface before it was simplified, as baking asks it: nearest points, normals, open sky."""

from typing import NamedTuple

import numpy as np

from engine.finishing.baking.occlusion import sky_of_vertices
from engine.finishing.baking.project import Source, source_of
from engine.ovoxel import DualGrid


class Detail(NamedTuple):
    """Built by ``detail_of``, once for all levels; a plain tuple, so that kernels can take it.

    Args:
        surface: in voxel units.
        sky: (V, 2) float32 share of the sky that each vertex sees in front and behind.
        occlusion: whether that was looked for; else it is 1 everywhere.
    """

    surface: Source
    sky: np.ndarray
    occlusion: bool


def detail_of(
    grid: DualGrid,
    vertices: np.ndarray,
    faces: np.ndarray,
    *,
    occlusion: bool = True,
    threads: int | None = None,
) -> Detail:
    """Make a surface in the box of the grid ready: (V, 3) float32 vertices, (F, 3) int32 faces.

    Args:
        occlusion: whether the surface hides the sky from itself; else it is open everywhere.

    Raises:
        EngineError: ``mesh_empty`` without triangles.
    """
    points = np.ascontiguousarray(grid.in_voxels(vertices), np.float32)
    surface = source_of(points, faces, threads=threads)
    if occlusion:
        sky = sky_of_vertices(points, surface.faces, surface.normals, threads=threads)
    else:
        sky = np.ones((len(points), 2), np.float32)
    return Detail(surface, sky, occlusion)
