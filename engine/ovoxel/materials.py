"""Material values for each voxel, read from the surface of the mesh it was made from.

As the reference does it (docs/numerics.md): every triangle that crosses an edge of a voxel gives
its material at the point of its plane nearest to the voxel's centre; a voxel takes the mean.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel, tight
from engine.mesh import Mesh
from engine.ovoxel.checks import checked_box, checked_coords, checked_triangles
from engine.ovoxel.columns import column_starts, row_in_column
from engine.ovoxel.crossings import (
    TILE,
    make_hits,
    next_batch,
    slab_triangles,
    tile_crossings,
    tile_triangles,
    vertex_cells,
    voxel_around,
)
from engine.ovoxel.face_materials import face_materials_of, material_at, mip_length_of
from engine.ovoxel.grid import DualGrid
from engine.ovoxel.textures import CHANNELS
from protocol.errors import EngineError


def sample_materials(
    mesh: Mesh,
    grid: DualGrid,
    *,
    mip_offset: float = 0.0,
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Material values of every voxel of a grid that was made from ``mesh``.

    Textures are multiplied by factors and by vertex colours, all sRGB-encoded (engine/mesh.py);
    vertex metallic and roughness replace factor and texture.

    Args:
        mesh: in the space of ``grid.aabb``.
        grid: of ``mesh_to_dual_grid`` for the same triangles.
        mip_offset: added to the mip level; 0 gives textures about the detail of the voxels.
        on_progress: called with (slabs done, slabs in all); may raise to stop.
        threads: all cores when None; the result does not depend on it.

    Returns:
        (N, 6) float32 in [0, 1], a row for each voxel: base colour (sRGB-encoded), metallic,
        roughness, alpha.

    Raises:
        EngineError: what ``mesh_to_dual_grid`` raises for a bad mesh; mesh_shape, mesh_material,
            texture, and grid_mismatch when a voxel is not on the mesh.
    """
    vertices, faces = checked_triangles(mesh.vertices, mesh.faces)
    box, voxel_size = checked_box(grid.aabb, grid.grid_size)
    materials = face_materials_of(mesh)
    local = vertices - box[0]
    cells = vertex_cells(local, voxel_size, grid.grid_size)
    start, triangles = slab_triangles(faces, cells, grid.grid_size)
    coords = checked_coords(grid)
    row_start = np.searchsorted(coords[:, 0], np.arange(len(start)) * TILE)
    values = np.zeros((len(coords), 6), np.float32)
    weights = np.zeros(len(coords), np.float32)
    sample = partial(
        _sample_slab,
        local,
        faces,
        cells,
        start,
        triangles,
        *materials,
        np.float32(mip_offset),
        voxel_size,
        grid.grid_size,
        coords,
        row_start,
        values,
        weights,
    )
    map_chunks(sample, range(len(start) - 1), threads=threads, on_done=on_progress)
    if not (weights > 0).all():
        raise EngineError(
            "grid_mismatch",
            f"{int((weights <= 0).sum())} of {len(weights)} voxels are not on the mesh.",
            "Sample materials from the mesh that the grid was made from.",
        )
    return values


@kernel
def _sample_slab(
    vertices,
    faces,
    cells,
    slab_start,
    slab_members,
    uvs,
    colors,
    metallic_roughness,
    face_material,
    table,
    pool,
    mip_offset,
    voxel_size,
    grid_size,
    coords,
    row_start,
    values,
    weights,
    slab,
):
    """Fill ``values`` and ``weights`` of the voxels of one slab, which nobody else touches."""
    first_row, last_row = row_start[slab], row_start[slab + 1]
    if first_row == last_row:
        return
    triangles = slab_members[slab_start[slab] : slab_start[slab + 1]]
    tile_start, members = tile_triangles(
        vertices, faces, cells, triangles, slab, voxel_size, grid_size
    )
    column_start = column_starts(coords, first_row, last_row, slab * TILE, TILE, grid_size)
    seen = np.full(last_row - first_row, -1, np.int32)
    hits = make_hits(1024)
    frame = np.empty((3, 3), np.float32)
    texel = np.empty(CHANNELS, np.float32)
    value = np.empty(6, np.float32)
    x0, x1 = slab * TILE, min((slab + 1) * TILE, grid_size)
    for tile_y in range(tile_start.shape[0] - 1):
        here = members[tile_start[tile_y] : tile_start[tile_y + 1]]
        tile = np.array((x0, x1, tile_y * TILE, min((tile_y + 1) * TILE, grid_size)))
        first = 0
        while first < here.shape[0]:
            end, rows = next_batch(here, first, faces, cells, tile)
            if rows > hits.face.shape[0]:
                hits = make_hits(rows)
            count = tile_crossings(
                vertices, faces, cells, here[first:end], voxel_size, grid_size, tile, hits
            )
            _add_samples(
                hits,
                count,
                vertices,
                faces,
                uvs,
                colors,
                metallic_roughness,
                face_material,
                table,
                pool,
                mip_offset,
                voxel_size,
                grid_size,
                tile,
                coords,
                column_start,
                first_row,
                seen,
                frame,
                texel,
                value,
                values,
                weights,
            )
            first = end
    _divide(values, weights, first_row, last_row)


@tight
def _add_samples(
    hits,
    count,
    vertices,
    faces,
    uvs,
    colors,
    metallic_roughness,
    face_material,
    table,
    pool,
    mip_offset,
    voxel_size,
    grid_size,
    tile,
    coords,
    column_start,
    first_row,
    seen,
    frame,
    texel,
    value,
    values,
    weights,
):
    """Add the material of each crossing triangle to the voxels around the crossing, once each.

    ``frame`` (3, 3), ``texel`` (CHANNELS,) and ``value`` (6,) are float32 scratch space.
    """
    f = -1
    mip_length = np.float32(0)
    for hit in range(count):
        if hits.face[hit] != f:
            f = hits.face[hit]
            _surface_frame(vertices, faces, f, frame)
            mip_length = mip_length_of(vertices, faces, uvs, f, voxel_size)
        for side in range(4):
            x, y, z = voxel_around(hits, hit, side)
            if not (tile[0] <= x < tile[1] and tile[2] <= y < tile[3]):
                continue
            row = row_in_column(coords, column_start, (x - tile[0]) * grid_size + y, z)
            if row < 0 or seen[row - first_row] == f:
                continue
            seen[row - first_row] = f
            distance, b0, b1, b2 = _project(vertices, faces[f, 0], frame, voxel_size, x, y, z)
            material_at(
                f,
                faces,
                uvs,
                colors,
                metallic_roughness,
                face_material[f],
                table,
                pool,
                mip_length,
                mip_offset,
                b0,
                b1,
                b2,
                texel,
                value,
            )
            weight = np.float32(1) - distance
            weights[row] += weight
            for c in range(6):
                values[row, c] += weight * value[c]


@tight
def _divide(values, weights, first_row, last_row):
    """Turn weighted sums into means in [0, 1]."""
    for row in range(first_row, last_row):
        if weights[row] > np.float32(0):
            for c in range(6):
                mean = values[row, c] / weights[row]
                values[row, c] = min(max(mean, np.float32(0)), np.float32(1))


@tight
def _surface_frame(vertices, faces, f, frame):
    """Rows: the unit normal, and the two vectors whose dot products give barycentrics 1 and 2."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    px, py, pz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    ux, uy, uz = vertices[j, 0] - px, vertices[j, 1] - py, vertices[j, 2] - pz
    vx, vy, vz = vertices[k, 0] - px, vertices[k, 1] - py, vertices[k, 2] - pz
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    if not length > np.float32(0):
        length = np.float32(np.inf)  # no area: all rows become zero, the first corner counts
    nx, ny, nz = nx / length, ny / length, nz / length
    frame[0, 0], frame[0, 1], frame[0, 2] = nx, ny, nz
    frame[1, 0] = (vy * nz - vz * ny) / length
    frame[1, 1] = (vz * nx - vx * nz) / length
    frame[1, 2] = (vx * ny - vy * nx) / length
    frame[2, 0] = (ny * uz - nz * uy) / length
    frame[2, 1] = (nz * ux - nx * uz) / length
    frame[2, 2] = (nx * uy - ny * ux) / length


@tight
def _project(vertices, corner, frame, voxel_size, x, y, z):
    """Signed distance of a voxel's centre to the triangle's plane, and barycentrics of its foot."""
    half = np.float32(0.5)
    px = (np.float32(x) + half) * voxel_size[0] - vertices[corner, 0]
    py = (np.float32(y) + half) * voxel_size[1] - vertices[corner, 1]
    pz = (np.float32(z) + half) * voxel_size[2] - vertices[corner, 2]
    # The frame's vectors lie in the plane, so the foot and the centre have the same products.
    distance = px * frame[0, 0] + py * frame[0, 1] + pz * frame[0, 2]
    b1 = px * frame[1, 0] + py * frame[1, 1] + pz * frame[1, 2]
    b2 = px * frame[2, 0] + py * frame[2, 1] + pz * frame[2, 2]
    return distance, np.float32(1) - b1 - b2, b1, b2
