"""The point of a detailed surface that lies nearest to a point of its simplified one.

A triangle that faces away from the point's own normal counts as a little farther, since a thin
wall has two sides.
"""

from typing import NamedTuple

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.box_tree import STACK, WIDTH, box_distances, build_box_tree, to_triangle
from engine.meshing.normals import corner_normals
from protocol.errors import EngineError

FARTHEST = 40.0
"""Voxels; what has no surface within is not on the surface."""

_WRONG_WAY = 0.75
"""Added to the squared distance, in voxels, of a triangle that faces the other way: enough to
choose the right side of a wall, too little to search far where a whole sheet is turned round."""


class Source(NamedTuple):
    """A detailed surface, ready for ``project``; a plain tuple, so that kernels can take it.

    Triangles are in the order of the tree.

    Args:
        order: (F,) int64 which of the given triangles each is.
        corners, first, blocks: of the ``BoxTree``, in voxel units.
        faces: (F, 3) int32 into the surface's vertices.
        normals: (F, 3, 3) float32 per face corner.
        facing: (F, 3) float32 a normal of each triangle.
    """

    order: np.ndarray
    corners: np.ndarray
    first: np.ndarray
    blocks: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    facing: np.ndarray


def source_of(
    points: np.ndarray,
    faces: np.ndarray,
    normals: np.ndarray | None = None,
    *,
    threads: int | None = None,
) -> Source:
    """Make a surface ready: ``points`` (V, 3) in voxel units, ``faces`` (F, 3).

    Args:
        normals: (F, 3, 3) float32 unit vectors of the corners; None: from the faces.

    Raises:
        EngineError: ``mesh_empty`` without triangles.
    """
    if len(faces) == 0:
        raise EngineError(
            "mesh_empty", "The surface to bake from has no triangles.", "Check the O-Voxels."
        )
    points = np.ascontiguousarray(points, np.float32)
    tree = build_box_tree(points, faces)
    faces = np.ascontiguousarray(faces[tree.order], np.int32)
    if normals is None:
        normals = corner_normals(points, faces, welded=True, threads=threads)
    else:
        normals = np.ascontiguousarray(normals[tree.order], np.float32)
    facing = normals.mean(axis=1)
    return Source(tree.order, tree.corners, tree.first, tree.blocks, faces, normals, facing)


class Landed(NamedTuple):
    """Where points came to lie; a plain tuple, so that kernels can take it.

    Args:
        triangle: (P,) int64 in the source's order; -1 where there is no surface near.
        weights: (P, 3) float32 of its corners.
    """

    triangle: np.ndarray
    weights: np.ndarray


def project(source: Source, points: np.ndarray, facing: np.ndarray) -> Landed:
    """The nearest points of the surface.

    Args:
        source: of ``source_of``.
        points: (P, 3) float32 in voxel units, best in an order in which neighbours are near.
        facing: (P, 3) float32 normals of the simplified surface.
    """
    landed = Landed(np.empty(len(points), np.int64), np.empty((len(points), 3), np.float32))
    _project(source, points, facing, landed)
    return landed


@kernel
def _project(source, points, facing, landed):
    # Arrays are taken out of their tuples once: each time costs a count that threads fight for.
    levels, blocks_left = np.empty(STACK, np.int64), np.empty(STACK, np.int64)
    _search(
        source.corners,
        source.first,
        source.blocks,
        source.facing,
        points,
        facing,
        landed.triangle,
        landed.weights,
        levels,
        blocks_left,
        np.empty(STACK, np.float32),
        np.empty(WIDTH, np.float32),
    )


@tight
def _search(
    corners, first, blocks, normals, points, facing, triangle, weights, levels, left, away, boxes
):
    """``levels``, ``left``, ``away``: a stack of blocks to look into, and how far they are."""
    last = np.int64(-1)
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        nx, ny, nz = facing[p, 0], facing[p, 1], facing[p, 2]
        best, nearest = FARTHEST * FARTHEST, np.int64(-1)
        # The last point's triangle is mostly near this one too, and bounds the search.
        levels[0], left[0], away[0], top = first.shape[0] - 2, 0, np.float32(0), 1
        if last >= 0:
            levels[1], left[1], away[1], top = np.int64(-1), last, np.float32(0), 2
        while top > 0:
            top -= 1
            if away[top] >= best:
                continue
            level, block = levels[top], left[top]
            if level < 0:  # a triangle
                distance, wa, wb, wc = to_triangle(
                    corners, block, np.float64(x), np.float64(y), np.float64(z)
                )
                if normals[block, 0] * nx + normals[block, 1] * ny + normals[block, 2] * nz < 0:
                    distance += _WRONG_WAY
                if distance < best:
                    best, nearest = distance, block
                    weights[p, 0], weights[p, 1], weights[p, 2] = wa, wb, wc
                continue
            box_distances(blocks, first[level] + block, x, y, z, boxes)
            bottom = top
            for k in range(WIDTH):
                if boxes[k] < best:
                    place = top
                    if top > bottom and away[top - 1] < boxes[k]:  # the nearest stays on top
                        levels[top], left[top], away[top] = level - 1, left[top - 1], away[top - 1]
                        place = top - 1
                    levels[place], left[place] = level - 1, WIDTH * block + k
                    away[place] = boxes[k]
                    top += 1
        triangle[p] = last = nearest
