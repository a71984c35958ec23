"""The voxels of one tile: found, summed up and put in order, for ``dual_grid``.

A tile's index maps the places of ``TILE`` x ``TILE`` columns, from the lowest to the highest voxel
that its triangles can touch, to rows of sums ("slots"), in the order in which they are first
touched; -1 where there is no voxel.
"""

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.overlap import overlaps, prepare_overlap
from engine.ovoxel.crossings import TILE, voxel_around
from engine.ovoxel.qef import MEAN, ROW, plane_row


@tight
def depth_of_tile(members, faces, vertex_cell, grid_size):
    """Lowest z that voxels of a tile can have, and how many there are from there up."""
    low, high = grid_size, 0
    for f in members:
        for i in range(3):
            z = vertex_cell[faces[f, i], 2] >> 1
            low, high = min(low, z), max(high, z)
    low = max(low - 1, 0)
    return low, max(min(high + 2, grid_size) - low, 0)


@tight
def add_crossings(
    hits, count, vertices, faces, tile, low_z, depth, index, voxels, flags, sums, active, addend
):
    """Activate the four voxels around each crossed edge and add the crossing to their sums.

    Args:
        hits, count: crossings of ``tile_crossings``.
        vertices, faces: the mesh.
        tile, low_z, depth, index: where the tile is, and its index.
        voxels, flags, sums: (n, 3), (n, 3) and (n, ROW), filled up to ``active``.
        active: how many slots are in use.
        addend: (ROW,) float32 scratch space.

    Returns:
        How many slots are in use now.
    """
    face = -1
    for hit in range(count):
        if hits.face[hit] != face:
            face = hits.face[hit]
            plane_row(vertices, faces, face, addend)
        for i in range(3):
            addend[MEAN + i] = hits.point[hit, i]
        for side in range(4):
            x, y, z = voxel_around(hits, hit, side)
            if not (tile[0] <= x < tile[1] and tile[2] <= y < tile[3]):
                continue
            place = ((x - tile[0]) * TILE + y - tile[2]) * depth + z - low_z
            slot = index[place]
            if slot < 0:
                slot = active
                active += 1
                index[place] = slot
                voxels[slot, 0], voxels[slot, 1], voxels[slot, 2] = x, y, z
                for i in range(3):
                    flags[slot, i] = False
                for i in range(ROW):
                    sums[slot, i] = addend[i]
            else:
                for i in range(ROW):
                    sums[slot, i] += addend[i]
            if side == 0:
                flags[slot, hits.axis[hit]] = True
    return active


@tight
def add_faces(
    members, vertices, faces, voxel_size, grid_size, tile, low_z, depth, index, sums, test, addend
):
    """Add every triangle's plane to each voxel of the tile that it touches.

    ``test`` (10, 5) and ``addend`` (ROW,) are float32 scratch space.
    """
    for f in members:
        _add_face(
            f,
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


@tight
def _add_face(
    f, vertices, faces, voxel_size, grid_size, tile, low_z, depth, index, sums, test, addend
):
    """Add a triangle's plane to every active voxel of the tile that it touches."""
    x0, x1 = _voxel_span(vertices, faces, f, 0, voxel_size, grid_size)
    y0, y1 = _voxel_span(vertices, faces, f, 1, voxel_size, grid_size)
    low, high = _voxel_span(vertices, faces, f, 2, voxel_size, grid_size)
    x0, x1 = max(x0, tile[0]), min(x1, tile[1])
    y0, y1 = max(y0, tile[2]), min(y1, tile[3])
    low, high = max(low, low_z), min(high, low_z + depth)
    if x0 >= x1 or y0 >= y1 or low >= high:
        return
    prepare_overlap(vertices, faces, f, voxel_size, test)
    nx, ny, nz, d = plane_row(vertices, faces, f, addend)
    for i in range(MEAN, ROW):
        addend[i] = 0
    # Tall triangles: only the z range that the plane has over a column, two voxels wider.
    tall = high - low > 8 and abs(nz) > np.float32(0.01)
    for x in range(x0, x1):
        px = np.float32(x) * voxel_size[0]
        for y in range(y0, y1):
            py = np.float32(y) * voxel_size[1]
            z0, z1 = low, high
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


@tight
def _voxel_span(vertices, faces, f, axis, voxel_size, grid_size):
    """Voxels of the triangle's bounding box in an axis, the end exclusive."""
    a, b, c = vertices[faces[f, 0], axis], vertices[faces[f, 1], axis], vertices[faces[f, 2], axis]
    smallest, largest = min(a, b, c) / voxel_size[axis], max(a, b, c) / voxel_size[axis]
    # Clamped before the cast, which truncates towards zero.
    zero, end = np.float32(0), np.float32(grid_size)
    return (
        int(min(max(smallest, zero), end)),
        int(min(max(largest + np.float32(1), zero), end)),
    )


@tight
def add_edges(walks, walk_cells, walk_edges, lines, tile, low_z, depth, index, sums):
    """Add the line of an open edge to each voxel of the tile that it passes through.

    Args:
        walks: which rows of ``walk_cells`` (M, 3) and ``walk_edges`` (M,) are in this tile.
        lines: (E, MEAN) float32 of ``edge_rows``.
    """
    for w in walks:
        x, y, z = walk_cells[w, 0], walk_cells[w, 1], walk_cells[w, 2]
        if not low_z <= z < low_z + depth:
            continue
        slot = index[((x - tile[0]) * TILE + y - tile[2]) * depth + z - low_z]
        if slot >= 0:
            for i in range(MEAN):
                sums[slot, i] += lines[walk_edges[w], i]


@kernel
def sorted_slots(voxels, active, tile, index, low_z, depth):
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
