"""Mesh to O-Voxels: which voxels are active, which edges are crossed, where dual vertices lie.

After TRELLIS.2 (Xiang et al. 2025), "flexible dual grid": no signed distance, so open, nested and
non-manifold surfaces are kept. Semantics: docs/numerics.md.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.ovoxel.checks import checked_box, checked_triangles
from engine.ovoxel.crossings import (
    TILE,
    make_hits,
    next_batch,
    slab_triangles,
    tile_crossings,
    tile_triangles,
    vertex_cells,
)
from engine.ovoxel.edge_walk import boundary_edges, walk_edge
from engine.ovoxel.grid import UNIT_CUBE, Aabb, DualGrid
from engine.ovoxel.qef import MEAN, ROW, edge_rows, solve_in_voxels
from engine.ovoxel.tile import add_crossings, add_edges, add_faces, depth_of_tile, sorted_slots
from protocol.errors import EngineError

LARGEST_WEIGHT = 1e6


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
        EngineError: mesh_shape, mesh_empty, mesh_index, mesh_not_finite, mesh_extent, grid_size,
            aabb, weight.
    """
    vertices, faces = checked_triangles(vertices, faces)
    box, voxel_size = checked_box(aabb, grid_size)
    for name, weight in (
        ("face_weight", face_weight),
        ("boundary_weight", boundary_weight),
        ("regularization_weight", regularization_weight),
    ):
        if not 0 <= weight <= LARGEST_WEIGHT:
            raise EngineError(
                "weight", f"{name} is {weight}.", f"Give a number from 0 to {LARGEST_WEIGHT:g}."
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
                    for axis in range(3):
                        cells[cursor[slab], axis] = walked[i, axis]
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
    cells,
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
        vertices, faces, cells, triangles, slab, voxel_size, grid_size
    )
    walk_order, walk_tile_start = _walks_by_tile(
        walk_cells, walk_start[slab], walk_start[slab + 1], grid_size
    )
    hits = make_hits(1024)
    index = np.full(TILE * TILE * (grid_size + 1), -1, np.int32)
    test = np.empty((10, 5), np.float32)
    addend = np.empty(ROW, np.float32)
    q, points = np.empty((4, 4), np.float32), np.empty((4, 3), np.float32)
    sums = np.empty((1024, ROW), np.float32)
    voxels = np.empty((1024, 3), np.int32)
    flags = np.empty((1024, 3), np.bool_)
    out_coords = np.empty((4096, 3), np.int32)
    out_dual = np.empty((4096, 3), np.float32)
    out_flags = np.empty((4096, 3), np.bool_)
    done = 0
    x0, x1 = slab * TILE, min((slab + 1) * TILE, grid_size)
    for tile_y in range(tile_start.shape[0] - 1):
        here = members[tile_start[tile_y] : tile_start[tile_y + 1]]
        tile = np.array((x0, x1, tile_y * TILE, min((tile_y + 1) * TILE, grid_size)))
        low_z, depth = depth_of_tile(here, faces, cells, grid_size)
        active, first = 0, 0
        while first < here.shape[0]:
            end, rows = next_batch(here, first, faces, cells, tile)
            if rows > hits.face.shape[0]:
                hits = make_hits(rows)
            count = tile_crossings(
                vertices, faces, cells, here[first:end], voxel_size, grid_size, tile, hits
            )
            most = min(active + 4 * count, TILE * TILE * depth)
            if most > sums.shape[0]:
                sums = _grown(sums, active, most)
                voxels = _grown(voxels, active, most)
                flags = _grown(flags, active, most)
            active = add_crossings(
                hits,
                count,
                vertices,
                faces,
                tile,
                low_z,
                depth,
                index,
                voxels,
                flags,
                sums,
                active,
                addend,
            )
            first = end
        if active == 0:
            continue
        if with_faces:
            add_faces(
                here,
                vertices,
                faces,
                voxel_size,
                grid_size,
                tile,
                low_z,
                depth,
                index,
                sums,
                test,
                addend,
            )
        walks = walk_order[walk_tile_start[tile_y] : walk_tile_start[tile_y + 1]]
        add_edges(walks, walk_cells, walk_edges, lines, tile, low_z, depth, index, sums)
        order = sorted_slots(voxels, active, tile, index, low_z, depth)
        if done + active > out_coords.shape[0]:
            out_coords = _grown(out_coords, done, done + active)
            out_dual = _grown(out_dual, done, done + active)
            out_flags = _grown(out_flags, done, done + active)
        solve_in_voxels(sums, order, regularization, voxels, voxel_size, q, points, out_dual, done)
        for slot in order:
            for i in range(3):
                out_coords[done, i] = voxels[slot, i]
                out_flags[done, i] = flags[slot, i]
            done += 1
        for place in range(TILE * TILE * depth):
            index[place] = -1
    return _sorted_by_x(out_coords, out_dual, out_flags, done, slab)


@kernel
def _grown(array, used, rows):
    """A copy of the first ``used`` rows with room for ``rows`` and as many again."""
    bigger = np.empty((2 * rows, array.shape[1]), array.dtype)
    for row in range(used):
        for column in range(array.shape[1]):
            bigger[row, column] = array[row, column]
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


@kernel
def _sorted_by_x(coords, dual_vertices, flags, count, slab):
    """The first ``count`` rows, sorted within their tiles, in the order x, y, z of the slab."""
    start = np.zeros(TILE + 1, np.int64)
    for row in range(count):
        start[coords[row, 0] - slab * TILE + 1] += 1
    start = np.cumsum(start)
    sorted_coords = np.empty((count, 3), np.int32)
    sorted_dual = np.empty((count, 3), np.float32)
    sorted_flags = np.empty((count, 3), np.bool_)
    for row in range(count):
        x = coords[row, 0] - slab * TILE
        for i in range(3):
            sorted_coords[start[x], i] = coords[row, i]
            sorted_dual[start[x], i] = dual_vertices[row, i]
            sorted_flags[start[x], i] = flags[row, i]
        start[x] += 1
    return sorted_coords, sorted_dual, sorted_flags
