"""Mesh to O-Voxels: which voxels are active, which edges are crossed, where dual vertices lie.

After TRELLIS.2 (Xiang et al. 2025), "flexible dual grid": no signed distance, so open, nested and
non-manifold surfaces are kept as they are. Semantics: docs/numerics.md.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from engine.errors import EngineError
from engine.kernels import inlined, kernel
from engine.ovoxel.crossings import (
    TILE,
    crossing_capacity,
    slab_triangles,
    tile_triangles,
    triangle_crossings,
    vertex_cells,
)
from engine.ovoxel.grid import UNIT_CUBE, Aabb, DualGrid
from engine.ovoxel.overlap import boundary_edges, overlaps, prepare_overlap, walk_edge
from engine.ovoxel.qef import (
    MEAN,
    ROW,
    edge_rows,
    plane_row,
    solve_in_voxels,
)
from engine.parallel import map_chunks

MAX_GRID_SIZE = 4096


def mesh_to_dual_grid(
    vertices: np.ndarray,
    faces: np.ndarray,
    *,
    grid_size: int,
    aabb: Aabb = UNIT_CUBE,
    face_weight: float = 1.0,
    boundary_weight: float = 0.2,
    regularization_weight: float = 1e-2,
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> DualGrid:
    """Convert a triangle mesh to O-Voxels.

    Args:
        vertices: (V, 3) real, in the space of ``aabb``; parts outside of the box are left out.
        faces: (F, 3) integer indices into vertices; faces without area are harmless.
        grid_size: cells per axis, 1 to 4096.
        aabb: the box that the grid divides; the edges of a voxel may differ by axis.
        face_weight: above 0, the plane of every triangle that touches a voxel enters its error
            (once; the reference uses it as a switch, so do we).
        boundary_weight: weight of the lines along open edges, which keep rims sharp.
        regularization_weight: pull to the mean crossing, per crossing.
        on_progress: called with (slabs done, slabs in all); may raise to stop.
        threads: all cores when None; the result does not depend on it.

    Returns:
        Voxels sorted by x, y, z. A mesh that crosses no grid edge gives an empty grid.

    Raises:
        EngineError: mesh_empty, mesh_not_finite, mesh_index, grid_size, aabb, weight.
    """
    vertices, faces = checked_triangles(vertices, faces)
    box, voxel_size = checked_box(aabb, grid_size)
    for name, weight in (
        ("face_weight", face_weight),
        ("boundary_weight", boundary_weight),
        ("regularization_weight", regularization_weight),
    ):
        if not (np.isfinite(weight) and weight >= 0):
            raise EngineError(
                "weight", f"{name} is {weight}.", "Give a finite number that is not negative."
            )
    local = vertices - box[0]
    cells = vertex_cells(local, voxel_size, grid_size)
    start, triangles = slab_triangles(faces, cells, grid_size)
    slabs = len(start) - 1
    walk_start = np.zeros(slabs + 1, np.int64)
    walk_cells = np.empty((0, 3), np.int32)
    walk_edges = np.empty(0, np.int32)
    lines = np.empty((0, MEAN), np.float32)
    if boundary_weight > 0:
        edges = boundary_edges(faces, len(local))
        lines = edge_rows(local, edges, np.float32(boundary_weight))
        walk_start, walk_cells, walk_edges = _walk_edges(local, edges, voxel_size, grid_size)
    convert = partial(
        _convert_slab,
        local,
        faces,
        cells,
        start,
        triangles,
        lines,
        walk_start,
        walk_cells,
        walk_edges,
        voxel_size,
        grid_size,
        face_weight > 0,
        np.float32(regularization_weight),
    )
    parts = map_chunks(convert, range(slabs), threads=threads, on_done=on_progress)
    return DualGrid(
        coords=np.concatenate([part[0] for part in parts]),
        dual_vertices=np.concatenate([part[1] for part in parts]),
        intersected=np.concatenate([part[2] for part in parts]),
        grid_size=grid_size,
        aabb=aabb,
    )


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
    box = np.asarray(aabb, dtype=np.float32)
    if box.shape != (2, 3) or not np.isfinite(box).all() or not (box[1] > box[0]).all():
        raise EngineError(
            "aabb",
            f"The box {aabb} has no volume.",
            "Give a lower and an upper corner with lower < upper on each axis.",
        )
    return box, (box[1] - box[0]) / np.float32(grid_size)


@kernel
def _walk_edges(vertices, edges, voxel_size, grid_size):
    """Voxels along the boundary edges, grouped by slab: (start, cells (M, 3), edge of each)."""
    slabs = (grid_size + TILE - 1) // TILE
    start = np.zeros(slabs + 1, np.int64)
    cursor = start
    cells = np.empty((0, 3), np.int32)
    owner = np.empty(0, np.int32)
    walked = np.empty((3 * grid_size + 8, 3), np.int32)
    for fill in range(2):
        for e in range(edges.shape[0]):
            count = walk_edge(
                vertices[edges[e, 0]], vertices[edges[e, 1]], voxel_size, grid_size, walked
            )
            for i in range(count):
                slab = walked[i, 0] // TILE
                if fill == 0:
                    start[slab + 1] += 1
                else:
                    cells[cursor[slab]] = walked[i]
                    owner[cursor[slab]] = e
                    cursor[slab] += 1
        if fill == 0:
            start = np.cumsum(start)
            cursor = start[:-1].copy()
            cells = np.empty((start[-1], 3), np.int32)
            owner = np.empty(start[-1], np.int32)
    return start, cells, owner


@kernel
def _convert_slab(
    vertices,
    faces,
    vertex_cell,
    slab_start,
    slab_members,
    lines,
    walk_start,
    walk_cells,
    walk_edges,
    voxel_size,
    grid_size,
    with_faces,
    regularization,
    slab,
):
    """All voxels of one slab, tile by tile: (coords, dual_vertices, intersected), sorted."""
    triangles = slab_members[slab_start[slab] : slab_start[slab + 1]]
    tile_start, members = tile_triangles(
        vertices, faces, vertex_cell, triangles, slab, voxel_size, grid_size
    )
    walk_order, walk_tile_start = _walks_by_tile(
        walk_cells, walk_start[slab], walk_start[slab + 1], grid_size
    )
    capacity = crossing_capacity(grid_size)
    cells = np.empty((capacity, 3), np.int32)
    axes = np.empty(capacity, np.int8)
    points = np.empty((capacity, 3), np.float32)
    corners = np.empty((3, 3), np.float32)
    corner_cells = np.empty((3, 3), np.int32)
    index = np.full(TILE * TILE * (grid_size + 1), -1, np.int32)
    test = np.empty((10, 5), np.float32)
    addend = np.empty(ROW, np.float32)

    sums = np.empty((1024, ROW), np.float32)
    voxels = np.empty((1024, 3), np.int32)
    flags = np.empty((1024, 3), np.bool_)
    out_coords = np.empty((4096, 3), np.int32)
    out_dual = np.empty((4096, 3), np.float32)
    out_flags = np.empty((4096, 3), np.bool_)
    done = 0
    for tile_y in range(tile_start.shape[0] - 1):
        members_here = members[tile_start[tile_y] : tile_start[tile_y + 1]]
        tile = np.array(
            (
                slab * TILE,
                min((slab + 1) * TILE, grid_size),
                tile_y * TILE,
                min((tile_y + 1) * TILE, grid_size),
            )
        )
        active = 0
        low_z, depth = _depth_of(members_here, faces, vertex_cell, grid_size)
        for f in members_here:
            for i in range(3):
                for j in range(3):
                    corners[i, j] = vertices[faces[f, i], j]
                    corner_cells[i, j] = vertex_cell[faces[f, i], j]
            hits = triangle_crossings(
                corners, corner_cells, voxel_size, grid_size, tile, cells, axes, points
            )
            if hits == 0:
                continue
            plane_row(corners, addend)
            for hit in range(hits):
                for i in range(3):
                    addend[MEAN + i] = points[hit, i]
                axis = axes[hit]
                u, v = (axis + 1) % 3, (axis + 2) % 3
                # The four voxels around the edge; the edge belongs to the lower one.
                for side in range(4):
                    x, y, z = cells[hit, 0], cells[hit, 1], cells[hit, 2]
                    if side & 1:
                        x, y, z = x + (u == 0), y + (u == 1), z + (u == 2)
                    if side & 2:
                        x, y, z = x + (v == 0), y + (v == 1), z + (v == 2)
                    if not (tile[0] <= x < tile[1] and tile[2] <= y < tile[3]):
                        continue
                    place = ((x - tile[0]) * TILE + y - tile[2]) * depth + z - low_z
                    slot = index[place]
                    if slot < 0:
                        slot = active
                        active += 1
                        if slot == voxels.shape[0]:
                            sums = _grown(sums)
                            voxels = _grown(voxels)
                            flags = _grown(flags)
                        index[place] = slot
                        for i in range(ROW):
                            sums[slot, i] = 0
                        voxels[slot, 0], voxels[slot, 1], voxels[slot, 2] = x, y, z
                        for i in range(3):
                            flags[slot, i] = False
                    for i in range(ROW):
                        sums[slot, i] += addend[i]
                    if side == 0:
                        flags[slot, axis] = True
        if active == 0:
            continue
        if with_faces:
            for f in members_here:
                for i in range(3):
                    for j in range(3):
                        corners[i, j] = vertices[faces[f, i], j]
                _add_face(
                    corners, voxel_size, grid_size, tile, index, low_z, depth, test, addend, sums
                )
        for w in walk_order[walk_tile_start[tile_y] : walk_tile_start[tile_y + 1]]:
            x, y, z = walk_cells[w, 0], walk_cells[w, 1], walk_cells[w, 2]
            if not low_z <= z < low_z + depth:
                continue
            slot = index[((x - tile[0]) * TILE + y - tile[2]) * depth + z - low_z]
            if slot >= 0:
                for i in range(MEAN):
                    sums[slot, i] += lines[walk_edges[w], i]

        order = _column_order(voxels, active, tile, index, low_z, depth)
        while done + active > out_coords.shape[0]:
            out_coords = _grown(out_coords)
            out_dual = _grown(out_dual)
            out_flags = _grown(out_flags)
        solve_in_voxels(sums, order, regularization, voxels, voxel_size, out_dual, done)
        for slot in order:
            for i in range(3):
                out_coords[done, i] = voxels[slot, i]
                out_flags[done, i] = flags[slot, i]
            done += 1
        index[: TILE * TILE * depth] = -1
    order = _slab_order(out_coords[:done], slab)
    return out_coords[order], out_dual[order], out_flags[order]


@kernel
def _depth_of(members, faces, vertex_cell, grid_size):
    """Lowest z that voxels of a tile can have, and how many there are from there up.

    The index of a tile holds only these, so that it is small enough to stay in the cache.
    """
    low, high = grid_size, 0
    for f in members:
        for i in range(3):
            z = vertex_cell[faces[f, i], 2] >> 1
            low, high = min(low, z), max(high, z)
    low = max(low - 1, 0)
    return low, max(min(high + 2, grid_size) - low, 0)


@kernel
def _grown(array):
    """A copy with twice the rows."""
    bigger = np.empty((2 * array.shape[0], array.shape[1]), array.dtype)
    bigger[: array.shape[0]] = array
    return bigger


@kernel
def _walks_by_tile(walk_cells, first, last, grid_size):
    """Rows first..last of the walked cells, grouped by tile along y: (rows, start of each tile)."""
    tiles = (grid_size + TILE - 1) // TILE
    start = np.zeros(tiles + 1, np.int64)
    for w in range(first, last):
        start[walk_cells[w, 1] // TILE + 1] += 1
    start = np.cumsum(start)
    cursor = start[:-1].copy()
    rows = np.empty(last - first, np.int64)
    for w in range(first, last):
        tile = walk_cells[w, 1] // TILE
        rows[cursor[tile]] = w
        cursor[tile] += 1
    return rows, start


@inlined
def _add_face(corners, voxel_size, grid_size, tile, index, low_z, depth, test, addend, sums):
    """Add a triangle's plane to every active voxel of the tile that it touches."""
    low = np.empty(3, np.int64)
    high = np.empty(3, np.int64)
    one = np.float32(1)
    for i in range(3):
        smallest = min(corners[0, i], corners[1, i], corners[2, i]) / voxel_size[i]
        largest = max(corners[0, i], corners[1, i], corners[2, i]) / voxel_size[i]
        # Clamped before the cast, which truncates towards zero.
        low[i] = int(min(max(smallest, np.float32(0)), np.float32(grid_size)))
        high[i] = int(min(max(largest + one, np.float32(0)), np.float32(grid_size)))
    x0, x1 = max(low[0], tile[0]), min(high[0], tile[1])
    y0, y1 = max(low[1], tile[2]), min(high[1], tile[3])
    low[2], high[2] = max(low[2], low_z), min(high[2], low_z + depth)
    if x0 >= x1 or y0 >= y1 or low[2] >= high[2]:
        return
    prepare_overlap(corners, voxel_size, test)
    nx, ny, nz, d = plane_row(corners, addend)
    for i in range(MEAN, ROW):
        addend[i] = 0
    # Tall triangles: only the z range that the plane has over a column, two voxels wider.
    tall = high[2] - low[2] > 8 and abs(nz) > np.float32(0.01)
    for x in range(x0, x1):
        px = np.float32(x) * voxel_size[0]
        for y in range(y0, y1):
            py = np.float32(y) * voxel_size[1]
            z0, z1 = low[2], high[2]
            if tall:
                middle = -(
                    nx * (px + voxel_size[0] / np.float32(2))
                    + ny * (py + voxel_size[1] / np.float32(2))
                    + d
                )
                reach = abs(nx) * voxel_size[0] + abs(ny) * voxel_size[1]
                middle, reach = middle / nz, reach / abs(nz)
                z0 = max(z0, int(max((middle - reach) / voxel_size[2] - 2, -1.0)))
                z1 = min(z1, int(min((middle + reach) / voxel_size[2] + 3, grid_size + 1.0)))
            column = ((x - tile[0]) * TILE + y - tile[2]) * depth - low_z
            for z in range(z0, z1):
                slot = index[column + z]
                if slot >= 0 and overlaps(test, px, py, np.float32(z) * voxel_size[2]):
                    for i in range(ROW):
                        sums[slot, i] += addend[i]


@kernel
def _column_order(voxels, active, tile, index, low_z, depth):
    """Slots of a tile sorted by x, y, z."""
    start = np.zeros(TILE * TILE + 1, np.int64)
    for slot in range(active):
        start[(voxels[slot, 0] - tile[0]) * TILE + voxels[slot, 1] - tile[2] + 1] += 1
    start = np.cumsum(start)
    cursor = start[:-1].copy()
    order = np.empty(active, np.int32)
    for slot in range(active):
        column = (voxels[slot, 0] - tile[0]) * TILE + voxels[slot, 1] - tile[2]
        order[cursor[column]] = slot
        cursor[column] += 1
    for column in range(TILE * TILE):
        first, last = start[column], start[column + 1]
        if last - first > 24:
            # A wall: reading the column of the index from its lowest voxel on is cheaper.
            z = voxels[order[first], 2]
            for i in range(first, last):
                z = min(z, voxels[order[i], 2])
            while first < last:
                slot = index[column * depth + z - low_z]
                if slot >= 0:
                    order[first] = slot
                    first += 1
                z += 1
            continue
        for i in range(first + 1, last):
            slot = order[i]
            j = i
            while j > first and voxels[order[j - 1], 2] > voxels[slot, 2]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = slot
    return order


@kernel
def _slab_order(coords, slab):
    """Rows of a slab, sorted within its tiles, in the order x, y, z of the whole slab."""
    start = np.zeros(TILE + 1, np.int64)
    for row in range(coords.shape[0]):
        start[coords[row, 0] - slab * TILE + 1] += 1
    start = np.cumsum(start)
    order = np.empty(coords.shape[0], np.int64)
    for row in range(coords.shape[0]):
        x = coords[row, 0] - slab * TILE
        order[start[x]] = row
        start[x] += 1
    return order
