"""Where triangles cross the lines of the grid: the scan that decides which voxels exist.

A grid edge is intersected when the line it lies on meets a triangle inside it. For each of the
three scan axes, the lines parallel to it form a lattice in the other two axes; a triangle is
walked over that lattice row by row like a scan-line rasteriser. The rounding rules are those of
the reference (docs/numerics.md), since they decide which voxels are active.

Work is cut into tiles of ``TILE`` x ``TILE`` columns: a tile's voxels fit into the cache of a core
and belong to nobody else, so sums are made in one fixed order whatever the number of threads.
"""

from typing import NamedTuple

import numpy as np

from engine.kernels import kernel, tight

TILE = 32
"""Columns of voxels per tile, along x and along y."""

_BATCH = 1 << 18
"""Crossings of a tile that are kept at a time, unless one triangle has more."""

_PLANE_MIN_SLOPE = 1e-4
"""Least |n_z| of a unit normal for which a triangle's height over a tile is worth bounding."""


class Hits(NamedTuple):
    """Buffers for the crossings of one tile, row by row; ``make_hits`` makes them.

    Args:
        face: (n,) int32, the triangle.
        axis: (n,) int8, the axis of the crossed edge.
        cell: (n, 3) int32, the voxel that owns the edge; may lie one voxel outside of the tile.
        point: (n, 3) float32, the crossing, relative to the lower corner of the box.
    """

    face: np.ndarray
    axis: np.ndarray
    cell: np.ndarray
    point: np.ndarray


@kernel
def make_hits(rows):
    return Hits(
        np.empty(rows, np.int32),
        np.empty(rows, np.int8),
        np.empty((rows, 3), np.int32),
        np.empty((rows, 3), np.float32),
    )


@tight
def voxel_around(hits, hit, side):
    """(x, y, z) of one of the four voxels around a crossed edge; side 0 is the edge's owner."""
    axis = hits.axis[hit]
    x, y, z = hits.cell[hit, 0], hits.cell[hit, 1], hits.cell[hit, 2]
    u, v = (axis + 1) % 3, (axis + 2) % 3
    if side & 1:
        x, y, z = x + (u == 0), y + (u == 1), z + (u == 2)
    if side & 2:
        x, y, z = x + (v == 0), y + (v == 1), z + (v == 2)
    return x, y, z


@tight
def next_batch(members, first, faces, cells, tile):
    """How many of ``members`` from ``first`` on to take so that ``_BATCH`` crossings suffice.

    Returns:
        (end, rows): take ``members[first:end]``, at least one, with buffers of ``rows`` rows.
    """
    rows = 0
    for m in range(first, members.shape[0]):
        low_x, high_x = _cell_span(faces, cells, members[m], 0)
        low_y, high_y = _cell_span(faces, cells, members[m], 1)
        low_z, high_z = _cell_span(faces, cells, members[m], 2)
        x = max(min(high_x, tile[1]) - max(low_x, tile[0] - 1) + 1, 0)
        y = max(min(high_y, tile[3]) - max(low_y, tile[2] - 1) + 1, 0)
        z = high_z - low_z + 1
        here = x * y + y * z + z * x
        if m > first and rows + here > _BATCH:
            return m, rows
        rows += here
    return members.shape[0], rows


@tight
def _cell_span(faces, cells, f, axis):
    a, b, c = cells[faces[f, 0], axis], cells[faces[f, 1], axis], cells[faces[f, 2], axis]
    return min(a, b, c) >> 1, max(a, b, c) >> 1


@tight
def tile_crossings(vertices, faces, cells, members, voxel_size, grid_size, tile, hits):
    """List the grid edges in and around a tile that triangles cross.

    Args:
        vertices: (V, 3) float32, relative to the lower corner of the box.
        faces: (F, 3) int32.
        cells: (V, 3) int32 of ``vertex_cells``.
        members: (m,) int32, the triangles to look at: a batch of the tile's.
        voxel_size: (3,) float32.
        grid_size: cells per axis.
        tile: (4,) int64 x0, x1, y0, y1 of the tile in voxels, ends exclusive.
        hits: receives the crossings, ordered by triangle, axis, row and column; must have as many
            rows as ``next_batch`` said.

    Returns:
        How many rows were written.
    """
    count = 0
    for f in members:
        corners = (faces[f, 0], faces[f, 1], faces[f, 2])
        low_z, high_z = _height_over_tile(vertices, cells, corners, voxel_size, grid_size, tile)
        for axis in range(3):
            # Most small triangles lie between two rows of lines, or between two lines of a row.
            row_axis, col_axis = (axis + 2) % 3, (axis + 1) % 3
            if _between_lines(cells, corners, row_axis, False):
                continue
            if _between_lines(cells, corners, col_axis, True):
                continue
            count = _axis_crossings(
                vertices,
                cells,
                f,
                corners,
                voxel_size,
                grid_size,
                tile,
                low_z,
                high_z,
                axis,
                hits,
                count,
            )
    return count


@tight
def _between_lines(cells, corners, axis, rounded):
    """Whether no line can meet the triangle in an axis.

    Rows depend on the corners' cells alone. Along a row, rounding may move a point that lies on
    a line to its other side, so corners so close to a line, which ``vertex_cells`` marks, count.
    """
    a, b, c = cells[corners[0], axis], cells[corners[1], axis], cells[corners[2], axis]
    if rounded and (a | b | c) & 1:
        return False
    return a >> 1 == b >> 1 and b >> 1 == c >> 1


@kernel
def vertex_cells(vertices, voxel_size, grid_size):
    """(V, 3) int32: twice the cell of each vertex, plus 1 where it all but lies on a grid line."""
    cells = np.empty(vertices.shape, np.int32)
    for axis in range(3):
        size = np.float64(voxel_size[axis])
        for i in range(vertices.shape[0]):
            position = min(max(vertices[i, axis] / size, 0.0), grid_size - 1.0)
            on_line = abs(position - np.rint(position)) < 1e-4
            cells[i, axis] = 2 * int(position) + on_line
    return cells


@tight
def _height_over_tile(vertices, cells, corners, voxel_size, grid_size, tile):
    """Range of z cells, ends inclusive, that the triangle can reach above a tile.

    Without it a large triangle would be scanned over its full height in each of its tiles.
    """
    i, j, k = corners
    low = min(cells[i, 2], cells[j, 2], cells[k, 2]) >> 1
    high = max(cells[i, 2], cells[j, 2], cells[k, 2]) >> 1
    size = np.float64(voxel_size[2])
    if high - low > 2 * TILE:
        px, py, pz = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), vertices[i, 2]
        ux, uy, uz = vertices[j, 0] - px, vertices[j, 1] - py, np.float64(vertices[j, 2]) - pz
        vx, vy, vz = vertices[k, 0] - px, vertices[k, 1] - py, np.float64(vertices[k, 2]) - pz
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        longest = max(ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz)
        # A sliver's normal is noise: then the bound would be, too.
        if length > 1e-6 * longest and abs(nz) > _PLANE_MIN_SLOPE * length:
            plane_low, plane_high = np.inf, -np.inf
            for ix in range(2):
                x = (tile[ix] + (4 * ix - 2)) * np.float64(voxel_size[0])
                for iy in range(2):
                    y = (tile[2 + iy] + (4 * iy - 2)) * np.float64(voxel_size[1])
                    z = pz - (nx * (x - px) + ny * (y - py)) / nz
                    plane_low, plane_high = min(plane_low, z), max(plane_high, z)
            low = max(low, _cell(plane_low - 2 * size, size, grid_size))
            high = min(high, _cell(plane_high + 2 * size, size, grid_size))
    return low, high


@tight
def _cell(position, size, grid_size):
    """Cell of a position, clamped to the grid (before the cast, which large values overflow)."""
    return int(min(max(position / size, 0.0), grid_size - 1.0))


@tight
def _axis_crossings(
    vertices,
    cells,
    f,
    corners,
    voxel_size,
    grid_size,
    tile,
    low_z,
    high_z,
    axis,
    hits,
    count,
):
    """Crossings with the lines along one axis; rows run along ``row_axis``, lines in ``col_axis``.

    (col_axis, row_axis) is (y, z), (z, x), (x, y) for axis x, y, z.
    """
    col_axis, row_axis = (axis + 1) % 3, (axis + 2) % 3
    first, middle, last = _sorted_corners(vertices, corners, row_axis)
    col_size = np.float64(voxel_size[col_axis])
    depth_size = np.float64(voxel_size[axis])
    row_first = cells[first, row_axis] >> 1
    row_middle = cells[middle, row_axis] >> 1
    row_last = cells[last, row_axis] >> 1

    # What of rows, columns and depths can touch the tile; -1 since a line serves both neighbours.
    row_from, row_to = row_first, row_last
    col_from, col_to = 0, grid_size
    depth_from, depth_to = 0, grid_size
    if axis == 0:
        row_from, row_to = max(row_from, low_z - 1), min(row_to, high_z + 1)
        col_from, col_to = tile[2] - 1, tile[3]
        depth_from, depth_to = tile[0], tile[1]
    elif axis == 1:
        row_from, row_to = max(row_from, tile[0] - 1), min(row_to, tile[1])
        col_from, col_to = low_z - 1, high_z + 1
        depth_from, depth_to = tile[2], tile[3]
    else:
        row_from, row_to = max(row_from, tile[2] - 1), min(row_to, tile[3])
        col_from, col_to = tile[0] - 1, tile[1]

    for row in range(row_from, row_to):
        line = np.float32(row + 1) * voxel_size[row_axis]
        height = np.float64(line)
        # The two sides of the triangle that this row cuts start at its first or last corner.
        apex = first if row < row_middle else last
        other = last if row < row_middle else first
        near_col, near_depth = _along(vertices, apex, middle, row_axis, col_axis, axis, height)
        far_col, far_depth = _along(vertices, apex, other, row_axis, col_axis, axis, height)
        if near_col > far_col:
            near_col, far_col = far_col, near_col
            near_depth, far_depth = far_depth, near_depth
        col_first = max(_cell(near_col, col_size, grid_size), col_from)
        col_last = min(_cell(far_col, col_size, grid_size), col_to)
        for col in range(col_first, col_last):
            column = np.float32(col + 1) * voxel_size[col_axis]
            depth = near_depth
            if far_col != near_col:
                share = _share(np.float64(column), near_col, far_col)
                depth = (1.0 - share) * near_depth + share * far_depth
            cell = depth / depth_size
            # Truncation towards zero: a point up to one voxel below the box counts as inside.
            if not (-1.0 < cell < grid_size):
                continue
            cell_index = int(cell)
            if cell_index < depth_from or cell_index >= depth_to:
                continue
            hits.face[count] = f
            hits.axis[count] = axis
            hits.cell[count, axis] = cell_index
            hits.cell[count, col_axis] = col
            hits.cell[count, row_axis] = row
            hits.point[count, axis] = np.float32(depth)
            hits.point[count, col_axis] = column
            hits.point[count, row_axis] = line
            count += 1
    return count


@tight
def _sorted_corners(vertices, corners, axis):
    """The three corners in ascending order along an axis."""
    first, middle, last = corners
    if vertices[middle, axis] < vertices[first, axis]:
        first, middle = middle, first
    if vertices[last, axis] < vertices[middle, axis]:
        middle, last = last, middle
        if vertices[middle, axis] < vertices[first, axis]:
            first, middle = middle, first
    return first, middle, last


@tight
def _along(vertices, start, end, row_axis, col_axis, depth_axis, height):
    """Column and depth where the side from ``start`` to ``end`` reaches a row, in float64."""
    start_height = np.float64(vertices[start, row_axis])
    end_height = np.float64(vertices[end, row_axis])
    col = np.float64(vertices[start, col_axis])
    depth = np.float64(vertices[start, depth_axis])
    if start_height != end_height:
        # This form of the interpolation and no other: its rounding decides ties on grid lines.
        share = _share(height, start_height, end_height)
        col = (1.0 - share) * col + share * vertices[end, col_axis]
        depth = (1.0 - share) * depth + share * vertices[end, depth_axis]
    return col, depth


@tight
def _share(line, start, end):
    """How far a line lies between two different positions, 0 to 1.

    Lines are rounded to float32, so one that belongs between two positions an ulp apart may lie
    far outside of them in proportion; the reference extrapolates there, and finds crossings that
    are nowhere near the triangle.
    """
    return min(max((line - start) / (end - start), 0.0), 1.0)


@kernel
def slab_triangles(faces, cells, grid_size):
    """Which triangles can touch which slab of ``TILE`` voxels along x.

    Args:
        faces: (F, 3) int32.
        cells: (V, 3) int32 of ``vertex_cells``.
        grid_size: cells per axis.

    Returns:
        (start, triangles): slab s has ``triangles[start[s]:start[s + 1]]``, ascending.
    """
    slabs = (grid_size + TILE - 1) // TILE
    start = np.zeros(slabs + 1, np.int64)
    cursor = start
    triangles = np.empty(0, np.int32)
    for fill in range(2):
        for f in range(faces.shape[0]):
            low, high = _tile_span(faces, cells, f, 0, grid_size)
            for slab in range(low, high + 1):
                if fill == 0:
                    start[slab + 1] += 1
                else:
                    triangles[cursor[slab]] = f
                    cursor[slab] += 1
        if fill == 0:
            start = np.cumsum(start)
            cursor = start[:-1].copy()
            triangles = np.empty(start[-1], np.int32)
    return start, triangles


@kernel
def tile_triangles(vertices, faces, cells, triangles, slab, voxel_size, grid_size):
    """Split the triangles of a slab among its tiles along y; as ``slab_triangles`` does for x."""
    tiles = (grid_size + TILE - 1) // TILE
    start = np.zeros(tiles + 1, np.int64)
    cursor = start
    members = np.empty(0, np.int32)
    for fill in range(2):
        for f in triangles:
            low, high = _tile_span(faces, cells, f, 1, grid_size)
            for tile in range(low, high + 1):
                if high > low + 1 and not _near_tile(vertices, faces, f, slab, tile, voxel_size):
                    continue
                if fill == 0:
                    start[tile + 1] += 1
                else:
                    members[cursor[tile]] = f
                    cursor[tile] += 1
        if fill == 0:
            start = np.cumsum(start)
            cursor = start[:-1].copy()
            members = np.empty(start[-1], np.int32)
    return start, members


@tight
def _tile_span(faces, cells, f, axis, grid_size):
    """First and last tile along an axis that face f can touch: a crossing reaches one cell far."""
    low, high = _cell_span(faces, cells, f, axis)
    return max(low - 1, 0) // TILE, min(high + 1, grid_size - 1) // TILE


@tight
def _near_tile(vertices, faces, f, slab, tile, voxel_size):
    """Whether a triangle, seen along z, comes within two voxels of a tile (separating axes)."""
    half_x = (TILE / 2 + 2) * np.float64(voxel_size[0])
    half_y = (TILE / 2 + 2) * np.float64(voxel_size[1])
    center_x = (slab * TILE + TILE / 2) * np.float64(voxel_size[0])
    center_y = (tile * TILE + TILE / 2) * np.float64(voxel_size[1])
    for side in range(3):
        a, b, c = faces[f, side], faces[f, (side + 1) % 3], faces[f, (side + 2) % 3]
        ax, ay = vertices[a, 0] - center_x, vertices[a, 1] - center_y
        nx = np.float64(vertices[a, 1]) - vertices[b, 1]
        ny = np.float64(vertices[b, 0]) - vertices[a, 0]
        on_side = nx * ax + ny * ay
        opposite = nx * (vertices[c, 0] - center_x) + ny * (vertices[c, 1] - center_y)
        reach = abs(nx) * half_x + abs(ny) * half_y
        if min(on_side, opposite) > reach or max(on_side, opposite) < -reach:
            return False
    return True
