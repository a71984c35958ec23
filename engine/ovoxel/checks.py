"""What every conversion asks of a mesh, a box and a grid."""

import numpy as np

from engine.kernels import kernel
from engine.ovoxel.grid import Aabb, DualGrid
from protocol.errors import EngineError

MAX_GRID_SIZE = 4096

# Within these, no square of a square leaves the range of float32.
_FARTHEST_VERTEX = 1e9
_FARTHEST_CORNER = 1e6
_SMALLEST_BOX = 1e-3


def checked_triangles(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices as (V, 3) float32 and faces as (F, 3) int32, both contiguous, or an EngineError."""
    vertices, faces = np.asarray(vertices), np.asarray(faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise EngineError(
            "mesh_shape",
            f"Vertices have shape {vertices.shape} and faces {faces.shape}.",
            "Give (V, 3) vertices and (F, 3) triangles.",
        )
    if len(vertices) == 0 or len(faces) == 0:
        raise EngineError("mesh_empty", "The mesh has no faces.", "Give a mesh with triangles.")
    if not np.issubdtype(faces.dtype, np.integer):
        raise EngineError("mesh_index", f"Faces are {faces.dtype}.", "Give integer indices.")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise EngineError(
            "mesh_index",
            f"Faces name vertices {faces.min()} to {faces.max()}, but there are {len(vertices)}.",
            "Export the mesh again; its indices are damaged.",
        )
    with np.errstate(over="ignore"):
        vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    if not np.isfinite(vertices).all():
        bad = int(np.flatnonzero(~np.isfinite(vertices).all(axis=1))[0])
        raise EngineError(
            "mesh_not_finite",
            f"Vertex {bad} is {vertices[bad].tolist()}.",
            "Remove vertices that are not finite numbers.",
        )
    if np.abs(vertices).max() > _FARTHEST_VERTEX:
        bad = int(np.abs(vertices).max(axis=1).argmax())
        raise EngineError(
            "mesh_extent",
            f"Vertex {bad} is {vertices[bad].tolist()}, farther than {_FARTHEST_VERTEX:g} away.",
            "Remove stray vertices, or scale the mesh to about the size of the box.",
        )
    return vertices, np.ascontiguousarray(faces, dtype=np.int32)


def checked_box(aabb: Aabb, grid_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The box as (2, 3) float32 and its voxel size (3,) float32, or an EngineError."""
    if isinstance(grid_size, bool) or not isinstance(grid_size, (int, np.integer)):
        raise EngineError("grid_size", f"The resolution is {grid_size!r}.", "Give a whole number.")
    if not 1 <= grid_size <= MAX_GRID_SIZE:
        raise EngineError(
            "grid_size",
            f"The resolution is {grid_size}.",
            f"Choose 1 to {MAX_GRID_SIZE} cells per axis.",
        )
    corners = np.asarray(aabb, dtype=np.float64)
    if (
        corners.shape != (2, 3)
        or not (np.abs(corners) <= _FARTHEST_CORNER).all()
        or not (corners[1] - corners[0] >= _smallest_box(corners)).all()
    ):
        raise EngineError(
            "aabb",
            f"The box {aabb} cannot be divided into voxels.",
            "Give a lower and an upper corner with lower < upper on each axis, "
            "not too far from the origin for its size; the unit cube is usual.",
        )
    box = corners.astype(np.float32)
    return box, (box[1] - box[0]) / np.float32(grid_size)


def _smallest_box(corners: np.ndarray) -> float:
    """Sizes below it vanish beside the corners when these are rounded to float32."""
    return max(_SMALLEST_BOX, 1e-3 * float(np.abs(corners).max()))


def checked_coords(grid: DualGrid) -> np.ndarray:
    """The grid's coords as contiguous (N, 3) int32, or an EngineError ``grid_shape``.

    Kernels rely on this: a row that is out of order or out of the grid would be out of bounds.
    """
    n = len(grid.coords)
    if not grid.coords.shape == grid.dual_vertices.shape == grid.intersected.shape == (n, 3):
        raise EngineError(
            "grid_shape",
            f"The grid has coords {grid.coords.shape}, dual vertices {grid.dual_vertices.shape} "
            f"and edge flags {grid.intersected.shape}.",
            "Give (N, 3) of each.",
        )
    coords = np.ascontiguousarray(grid.coords)
    if coords.dtype.kind not in "iu" or not _sorted_inside(coords.astype(np.int64), grid.grid_size):
        raise EngineError(
            "grid_shape",
            f"The voxels are not distinct, sorted by x, y, z and inside of {grid.grid_size}^3.",
            "Sort the rows by x, then y, then z, and remove double ones.",
        )
    return coords.astype(np.int32, copy=False)


@kernel
def _sorted_inside(coords, grid_size):
    previous = np.int64(-1)
    for row in range(coords.shape[0]):
        key = np.int64(0)
        for i in range(3):
            if not 0 <= coords[row, i] < grid_size:
                return False
            key = key * grid_size + coords[row, i]
        if key <= previous:
            return False
        previous = key
    return True
