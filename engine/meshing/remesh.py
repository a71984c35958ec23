"""A new, closed surface around a mesh, whatever state that one is in.

All cells that the mesh touches, and all that these or a torn surface enclose
(engine/meshing/enclosed.py), are solid; the border between solid and outside is a closed surface of
squares, one or two cells off the mesh, whose vertices are then laid onto the mesh's nearest points.

What it can and cannot do:
- One surface comes out for any number of shells, and nothing that cannot be reached from outside.
- Nothing gets thicker: thin plates keep their thickness, down to none, and a cloth gets a front and
  a back a fiftieth of a cell apart. So an open surface ends up closed.
- Holes of up to a tenth of the size close, when the surface around them encloses a space. What is
  wider is meant: a cup of a single sheet stays a cup, as a wall with two sides.
- Gaps and crevices narrower than two cells close: parts that nearly touch grow together.
- Convex edges stay sharp where vertices happen to fall on them; concave ones are bevelled.
"""

from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel
from engine.meshing.clean import checked_mesh
from engine.meshing.enclosed import OUTSIDE, TOUCHED, fill_enclosed, flood_outside
from engine.meshing.nearest import nearest_on_surface
from engine.meshing.overlap import overlaps, prepare_overlap
from protocol.errors import EngineError
from protocol.finishes import check_remesh_cells

MARGIN = 2
OFFSET = 0.02
"""How far off the mesh vertices stay, in cells, so that two sides of a sheet do not coincide."""
LID_ROUNDS = 30
"""Of smoothing where a hole is closed and no mesh is near."""


@dataclass(frozen=True)
class Remeshed:
    """A closed, consistently outward wound mesh without non-manifold edges.

    Args:
        vertices: (W, 3) float32.
        faces: (G, 3) int32.
    """

    vertices: np.ndarray
    faces: np.ndarray


def remesh(vertices: np.ndarray, faces: np.ndarray, resolution: int = 256) -> Remeshed:
    """Wrap a mesh in a closed surface; see the top of this file for its limits.

    Args:
        vertices: (V, 3) float32, finite.
        faces: (F, 3) int32, wound consistently; else only holes narrower than a cell close.
        resolution: cells along the longest side of the mesh, 8 to 512. Needs that many cubed bytes.

    Raises:
        EngineError: ``mesh_empty``, ``mesh_broken``, ``mesh_not_finite``, ``remesh_resolution``.
    """
    vertices, faces = checked_mesh(vertices, faces)
    check_remesh_cells(resolution)
    corners = vertices[faces]
    if not np.isfinite(corners).all():
        raise EngineError(
            "mesh_not_finite", "The mesh has vertices that are not numbers.", "Clean it first."
        )
    low = corners.min(axis=(0, 1)).astype(np.float64)
    size = corners.max(axis=(0, 1)) - low
    cell = float(max(size.max(), 1e-20)) / resolution
    shape = np.floor(size / cell).astype(np.int64) + 1 + 2 * MARGIN
    origin = low - MARGIN * cell
    state = _occupy(((vertices - origin) / cell).astype(np.float32), faces, *shape.tolist())
    flood_outside(state)
    fill_enclosed(vertices, faces, state, origin, cell)
    solid = state != OUTSIDE
    while _repair_corners(solid):
        pass
    points, quads = _border(solid)
    in_lid = _is_free(state, points)
    points = origin + cell * (points + _mean_of_neighbours(points, quads)) / 2
    on_mesh, _ = nearest_on_surface(vertices, faces, points)
    away = points - on_mesh
    away *= OFFSET * cell / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-3 * cell)
    points = np.where(in_lid[:, None], points, on_mesh + away)
    for _ in range(LID_ROUNDS if in_lid.any() else 0):
        points[in_lid] = _mean_of_neighbours(points, quads)[in_lid]
    result = points.astype(np.float32)
    return Remeshed(result, _triangles(result, quads))


def _border(solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(W, 3) float64 cell corners on the border, (Q, 4) int64 squares wound outwards."""
    quads = []
    stride = (np.array(solid.shape) + 1).astype(np.int64)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        ahead = np.moveaxis(solid, axis, 0)
        at = np.argwhere(ahead[1:] != ahead[:-1])
        outward = ahead[tuple(at.T)]
        rest = [k for k in range(3) if k != axis]
        base = np.empty_like(at)
        base[:, axis] = at[:, 0] + 1
        base[:, rest[0]], base[:, rest[1]] = at[:, 1], at[:, 2]
        square = np.repeat(base[:, None], 4, axis=1)
        square[:, 1:3, u] += 1
        square[:, 2:, v] += 1
        square[~outward] = square[~outward][:, ::-1]
        quads.append(square)
    corners = np.concatenate(quads)
    keys = (corners[..., 0] * stride[1] + corners[..., 1]) * stride[2] + corners[..., 2]
    used, index = np.unique(keys, return_inverse=True)
    points = np.stack(
        [used // (stride[1] * stride[2]), used // stride[2] % stride[1], used % stride[2]], axis=1
    )
    return points.astype(np.float64), index.reshape(-1, 4)


def _is_free(state: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(W,) bool: whether none of the eight cells around a corner touches the mesh."""
    free = np.ones(len(points), np.bool_)
    at = points.astype(np.int64)
    for corner in np.ndindex(2, 2, 2):
        free &= state[tuple((at - corner).T)] != TOUCHED
    return free


def _mean_of_neighbours(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(W, 3): the mean of the ends of each point's sides; softens the steps of the cells."""
    total = np.zeros_like(points)
    for k in range(4):
        for axis in range(3):
            total[:, axis] += np.bincount(
                quads[:, k], weights=points[quads[:, (k + 1) % 4], axis], minlength=len(points)
            )
    return total / np.bincount(quads.reshape(-1), minlength=len(points))[:, None]


def _triangles(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Squares cut along their shorter diagonal."""
    first, second = (
        np.linalg.norm(points[quads[:, k]] - points[quads[:, k + 2]], axis=1) for k in range(2)
    )
    turned = np.where((second < first)[:, None], np.roll(quads, -1, axis=1), quads)
    return turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32)


@kernel
def _occupy(points, faces, width, height, depth):
    """(width, height, depth) uint8: 1 where a triangle touches the closed cell. Unit cells."""
    state = np.zeros((width, height, depth), np.uint8)
    unit = np.ones(3, np.float32)
    test = np.zeros((10, 5), np.float32)
    corners = np.empty((3, 3), np.float32)
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for f in range(faces.shape[0]):
        for s in range(3):
            for k in range(3):
                corners[s, k] = points[faces[f, s], k]
        for k in range(3):
            first[k] = int(min(corners[0, k], corners[1, k], corners[2, k]))
            last[k] = int(max(corners[0, k], corners[1, k], corners[2, k]))
        if first[0] == last[0] and first[1] == last[1] and first[2] == last[2]:
            state[first[0], first[1], first[2]] = 1
            continue
        prepare_overlap(points, faces, f, unit, test)
        for x in range(first[0], last[0] + 1):
            for y in range(first[1], last[1] + 1):
                for z in range(first[2], last[2] + 1):
                    if state[x, y, z] == 0 and overlaps(
                        test, np.float32(x), np.float32(y), np.float32(z)
                    ):
                        state[x, y, z] = 1
        for s in range(3):  # a triangle thinner than float32 can tell still has its corners
            state[int(corners[s, 0]), int(corners[s, 1]), int(corners[s, 2])] = 1
    return state


@kernel
def _repair_corners(solid):
    """Fill cells where solid ones meet only in an edge or a corner; how many were filled.

    Without such places the border is a manifold (Latecki 1997, "3D well-composed pictures").
    """
    filled = 0
    width, height, depth = solid.shape
    for x in range(width - 1):
        for y in range(height - 1):
            for z in range(depth - 1):
                a, b = solid[x, y, z], solid[x, y, z + 1]
                c, d = solid[x, y + 1, z], solid[x, y + 1, z + 1]
                e, f = solid[x + 1, y, z], solid[x + 1, y, z + 1]
                g, h = solid[x + 1, y + 1, z], solid[x + 1, y + 1, z + 1]
                count = 0 + a + b + c + d + e + f + g + h
                if count < 2 or count > 6:
                    continue
                # Two solid ones across a square of four, in the three planes at this corner; the
                # other three squares of the cube are their neighbours' own.
                if a != b and ((a == d and b == c) or (a == f and b == e)):
                    solid[x, y, z] = solid[x, y, z + 1] = True
                    filled += 1
                elif a == g and c == e and a != c:
                    solid[x, y, z] = solid[x, y + 1, z] = True
                    filled += 1
                elif (count == 2 or count == 6) and (
                    (a == h and a != b and a != c and a != e and b == g)
                    or (b == g and b != a and b != d and b != f and a == h)
                    or (c == f and c != a and c != d and c != g and a == h)
                    or (d == e and d != b and d != c and d != f and a == h)
                ):
                    solid[x, y, z] = solid[x, y, z + 1] = True
                    solid[x, y + 1, z] = solid[x, y + 1, z + 1] = True
                    filled += 1
    return filled
