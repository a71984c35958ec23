"""The block-in: the boxes of a structure, a few seconds after the button was pressed."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .build import Fit, new_mesh

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_COLOR_NAME = "Block-in"
CLAY = (0.56, 0.40, 0.29)
"""Linear RGB; every box has it a little lighter or darker, so that boxes can be told apart."""
_SIDES = np.array(
    [
        # Of each side: its direction, then its corners, counter-clockwise from outside.
        [(-1, 0, 0), (0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0)],
        [(1, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)],
        [(0, -1, 0), (0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)],
        [(0, 1, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1), (1, 1, 0)],
        [(0, 0, -1), (0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0)],
        [(0, 0, 1), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
    ],
    dtype=np.int32,
)


def points_of_cells(coords: "NDArray[np.int32]", grid_size: int) -> "NDArray[np.float32]":
    """(2, 3) the two outermost corners of all boxes, in the space of the meshes to come."""
    ends = np.stack([coords.min(axis=0), coords.max(axis=0) + 1])
    return (ends / grid_size - 0.5).astype(np.float32)


def mesh_of_cells(name: str, coords: "NDArray[np.int32]", grid_size: int, fit: Fit) -> Any:
    """A new mesh of the sides that show.

    Args:
        coords: (N, 3) cells, each once.
        grid_size: cells an axis.
        fit: of its points, which lie in [-0.5, 0.5].
    """
    lattice, quads, cell_of_face = visible_sides(coords, grid_size)
    position = fit.apply(lattice.astype(np.float32) / grid_size - np.float32(0.5))
    starts = np.arange(0, 4 * len(quads), 4, dtype=np.int32)
    mesh = new_mesh(name, position, np.ascontiguousarray(quads.reshape(-1)), starts)
    flat = mesh.attributes.new("sharp_face", "BOOLEAN", "FACE")
    flat.data.foreach_set("value", np.ones(len(quads), bool))
    colors = np.ones((len(quads), 4), np.float32)
    colors[:, :3] = (0.8 + 0.4 * _noise(coords)[cell_of_face])[:, None] * np.float32(CLAY)
    attribute = mesh.attributes.new(BLOCK_COLOR_NAME, "FLOAT_COLOR", "FACE")
    attribute.data.foreach_set("color", colors.reshape(-1))
    return mesh


def visible_sides(
    coords: "NDArray[np.int32]", grid_size: int
) -> "tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]":
    """(V, 3) lattice points, (Q, 4) vertices of the sides without a neighbour, (Q,) their cells."""
    side = grid_size + 2
    filled = np.zeros((side, side, side), bool)
    filled[tuple((coords + 1).T)] = True
    corners: list[NDArray[np.int32]] = []
    cells: list[NDArray[np.int64]] = []
    for one in _SIDES:
        open_ = np.flatnonzero(~filled[tuple((coords + 1 + one[0]).T)])
        corners.append(coords[open_][:, None, :] + one[None, 1:])
        cells.append(open_)
    points = np.concatenate(corners).reshape(-1, 3).astype(np.int64)
    keys = (points[:, 0] * side + points[:, 1]) * side + points[:, 2]
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    quads = index.astype(np.int32).reshape(-1, 4)
    return points[first].astype(np.int32), quads, np.concatenate(cells)


def _noise(coords: "NDArray[np.int32]") -> "NDArray[np.float32]":
    """(N,) a number from 0 to 1 that depends on the cell alone."""
    mixed = (coords.astype(np.uint32) * np.array([73856093, 19349663, 83492791], np.uint32)).sum(
        axis=1, dtype=np.uint32
    )
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0x5BD1E995)
    return ((mixed >> np.uint32(8)) / np.float32(1 << 24)).astype(np.float32)
