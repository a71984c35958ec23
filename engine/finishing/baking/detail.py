"""The surface before it was simplified, as baking asks it: nearest points, normals, open sky."""

from typing import NamedTuple

import numpy as np

from engine.finishing.baking.occlusion import sky_of_vertices
from engine.finishing.baking.project import Source, project, source_of
from engine.kernels import kernel
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


class Met(NamedTuple):
    """What points met on a surface.

    Args:
        triangle, weights: as in ``Landed``.
        normals: (P, 3) float32 unit normals of the surface there, zeros where it is not near.
        open_to_sky: (P,) float32 the share of the sky that the side on which the point lies sees.
    """

    triangle: np.ndarray
    weights: np.ndarray
    normals: np.ndarray
    open_to_sky: np.ndarray


def move_onto(detail: Detail, points: np.ndarray, facing: np.ndarray) -> Met:
    """Move points to the nearest ones of the surface.

    Args:
        points: (P, 3) float32 in voxel units, overwritten where the surface is near.
        facing: (P, 3) float32 normals of the simplified surface.
    """
    landed = project(detail.surface, points, facing)
    met = Met(*landed, np.zeros_like(points), np.ones(len(points), np.float32))
    _on_surface(detail, landed, facing, points, met.normals, met.open_to_sky)
    return met


@kernel
def _on_surface(detail, landed, facing, points, normals, open_to_sky):
    """Fills ``points``, ``normals`` and ``open_to_sky`` where something was near."""
    surface, sky = detail.surface, detail.sky
    corners, faces, corner_normals = surface.corners, surface.faces, surface.normals
    triangle, weights = landed.triangle, landed.weights
    for p in range(len(points)):
        t = triangle[p]
        if t < 0:
            continue
        size, along = 0.0, 0.0
        for i in range(3):
            x, n = np.float32(0), np.float32(0)
            for k in range(3):
                x += weights[p, k] * corners[t, k, i]
                n += weights[p, k] * corner_normals[t, k, i]
            points[p, i], normals[p, i] = x, n
            size += n * n
            along += n * facing[p, i]
        for i in range(3):
            normals[p, i] /= max(np.sqrt(size), 1e-12)
        side = 0 if along >= 0 else 1
        open_to_sky[p] = 0
        for k in range(3):
            open_to_sky[p] += weights[p, k] * sky[faces[t, k], side]
