"""O-Voxels to a mesh: one quad around each intersected edge."""

from typing import Literal

import numpy as np

from engine.kernels import tight
from engine.mesh import Mesh
from engine.meshing.orient import orient_faces
from engine.ovoxel.checks import checked_box, checked_coords
from engine.ovoxel.columns import column_starts, row_in_column
from engine.ovoxel.grid import DualGrid
from protocol.errors import EngineError


def dual_grid_to_mesh(
    grid: DualGrid,
    split_weight: np.ndarray | None = None,
    *,
    orient: bool = False,
    diagonals: Literal["aligned", "first"] = "aligned",
) -> Mesh:
    """The surface that O-Voxels describe.

    An intersected edge whose four voxels exist gives one quad of their dual vertices. It is cut
    into two triangles along the diagonal with the larger product of learned weights, or else as
    ``diagonals`` says.

    Args:
        grid: voxels sorted by x, y, z.
        split_weight: (N,) or (N, 1) float32 > 0 of each voxel, from the shape decoder.
        orient: make the winding consistent and outward; without, every quad faces the negative
            side of its axis, as the reference leaves it.
        diagonals: without learned weights: "aligned" cuts so that the two triangles bend less;
            "first" from corner 0 to 2 unless triangle 012 has no area, which is what the reference
            does (it means to align, but compares the wrong normals).

    Returns:
        A mesh in object space with one vertex for each voxel, used or not, in the same order.

    Raises:
        EngineError: grid_size, aabb, grid_shape, split_weight, diagonals.
    """
    box, voxel_size = checked_box(grid.aabb, grid.grid_size)
    coords = checked_coords(grid)
    weight = np.empty(0, np.float32)
    if split_weight is not None:
        weight = np.ascontiguousarray(split_weight, dtype=np.float32).reshape(-1)
        if split_weight.shape not in ((len(coords),), (len(coords), 1)):
            raise EngineError(
                "split_weight",
                f"Split weights of shape {split_weight.shape} do not fit {len(coords)} voxels.",
                "Give one for each voxel.",
            )
    vertices = (coords.astype(np.float32) + grid.dual_vertices) * voxel_size + box[0]
    vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    intersected = np.ascontiguousarray(grid.intersected, dtype=np.bool_)
    column_start = column_starts(coords, 0, len(coords), 0, grid.grid_size, grid.grid_size)
    if diagonals not in ("aligned", "first"):
        raise EngineError(
            "diagonals", f"Quads cannot be cut {diagonals!r}.", "Choose aligned or first."
        )
    aligned = diagonals == "aligned"
    faces, quad = np.empty((2 * int(intersected.sum()), 3), np.int32), np.empty(4, np.int64)
    count = _fill_quads(
        coords, intersected, column_start, vertices, weight, aligned, grid.grid_size, quad, faces
    )
    faces = faces[:count].copy()
    if orient:
        faces = orient_faces(vertices, faces)
    return Mesh(vertices, faces)


@tight
def _find(coords, column_start, grid_size, x, y, z):
    """Row of a voxel, -1 where there is none."""
    if x >= grid_size or y >= grid_size or z >= grid_size:
        return -1
    return row_in_column(coords, column_start, x * grid_size + y, z)


@tight
def _fill_quads(
    coords, intersected, column_start, vertices, weight, aligned, grid_size, quad, faces
):
    """Write triangles, two after each other for a quad, by voxel and axis; returns how many."""
    count = 0
    for row in range(coords.shape[0]):
        x, y, z = np.int64(coords[row, 0]), np.int64(coords[row, 1]), np.int64(coords[row, 2])
        for axis in range(3):
            if not intersected[row, axis]:
                continue
            # First along u, then along both, then along v: (z, y), (x, z), (y, x).
            quad[0] = row
            if axis == 0:
                quad[1] = _find(coords, column_start, grid_size, x, y, z + 1)
                quad[2] = _find(coords, column_start, grid_size, x, y + 1, z + 1)
                quad[3] = _find(coords, column_start, grid_size, x, y + 1, z)
            elif axis == 1:
                quad[1] = _find(coords, column_start, grid_size, x + 1, y, z)
                quad[2] = _find(coords, column_start, grid_size, x + 1, y, z + 1)
                quad[3] = _find(coords, column_start, grid_size, x, y, z + 1)
            else:
                quad[1] = _find(coords, column_start, grid_size, x, y + 1, z)
                quad[2] = _find(coords, column_start, grid_size, x + 1, y + 1, z)
                quad[3] = _find(coords, column_start, grid_size, x + 1, y, z)
            if quad[1] < 0 or quad[2] < 0 or quad[3] < 0:
                continue
            if _cut_first(quad, vertices, weight, aligned):
                faces[count, 0], faces[count, 1], faces[count, 2] = quad[0], quad[1], quad[2]
                faces[count + 1, 0], faces[count + 1, 1] = quad[0], quad[2]
                faces[count + 1, 2] = quad[3]
            else:
                faces[count, 0], faces[count, 1], faces[count, 2] = quad[0], quad[1], quad[3]
                faces[count + 1, 0], faces[count + 1, 1] = quad[3], quad[1]
                faces[count + 1, 2] = quad[2]
            count += 2
    return count


@tight
def _cut_first(quad, vertices, weight, aligned):
    """Whether the quad is cut along its diagonal from corner 0 to corner 2."""
    if weight.shape[0] > 0:
        return weight[quad[0]] * weight[quad[2]] > weight[quad[1]] * weight[quad[3]]
    if not aligned:
        n = _normal(vertices, quad[0], quad[1], quad[2])
        return n[0] != 0.0 or n[1] != 0.0 or n[2] != 0.0
    along_02 = _alignment(vertices, quad[0], quad[1], quad[2], quad[0], quad[2], quad[3])
    along_13 = _alignment(vertices, quad[0], quad[1], quad[3], quad[3], quad[1], quad[2])
    return along_02 >= along_13


@tight
def _alignment(vertices, a, b, c, d, e, f):
    """Cosine between the normals of triangles abc and def; -2 when one has no area."""
    n0 = _normal(vertices, a, b, c)
    n1 = _normal(vertices, d, e, f)
    lengths = (n0[0] * n0[0] + n0[1] * n0[1] + n0[2] * n0[2]) * (
        n1[0] * n1[0] + n1[1] * n1[1] + n1[2] * n1[2]
    )
    if not lengths > 0.0:
        return -2.0
    return (n0[0] * n1[0] + n0[1] * n1[1] + n0[2] * n1[2]) / np.sqrt(lengths)


@tight
def _normal(vertices, a, b, c):
    ux = np.float64(vertices[b, 0]) - vertices[a, 0]
    uy = np.float64(vertices[b, 1]) - vertices[a, 1]
    uz = np.float64(vertices[b, 2]) - vertices[a, 2]
    vx = np.float64(vertices[c, 0]) - vertices[a, 0]
    vy = np.float64(vertices[c, 1]) - vertices[a, 1]
    vz = np.float64(vertices[c, 2]) - vertices[a, 2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
