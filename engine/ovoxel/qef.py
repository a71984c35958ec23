"""Quadratic error functions: where inside a voxel the dual vertex lies best.

A QEF is the symmetric 4x4 matrix Q for which (x, 1) Q (x, 1)^T is the sum of squared distances
from x to planes and lines (Garland and Heckbert 1997; Ju et al. 2002 for its use in dual
contouring). A voxel's Q sums the planes of crossings, of triangles that touch the voxel, and lines
along open boundaries; a pull to the mean crossing regularises it (O-Voxel, TRELLIS.2).

Everything is float32 in the reference's order of operations: candidates on the border of a voxel
are often equally good up to rounding, and then the same one has to win.
"""

import numpy as np

from engine.kernels import kernel, tight
from engine.ovoxel.pivoted_qr import solve2, solve3

MEAN = 10
"""Columns 0-9 of a row are the upper triangle of Q (00 01 02 03 11 12 13 22 23 33), the next three
the sum of crossing points, the last but one their number."""
COUNT = 13
ROW = 16
"""A row fills one cache line."""


@tight
def plane_row(vertices, faces, f, row):
    """Fill ``row`` with what one crossing of face f adds to a voxel, all but the point.

    Returns:
        (nx, ny, nz, d) float32 of the plane n.x + d = 0; zeros for a triangle without area.
    """
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    px, py, pz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    qx, qy, qz = vertices[j, 0], vertices[j, 1], vertices[j, 2]
    ax, ay, az = qx - px, qy - py, qz - pz
    bx, by, bz = vertices[k, 0] - qx, vertices[k, 1] - qy, vertices[k, 2] - qz
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = np.sqrt(nx * nx + (ny * ny + nz * nz))
    if length > np.float32(0):
        nx, ny, nz = nx / length, ny / length, nz / length
    d = -(nx * px + (ny * py + nz * pz))
    row[0], row[1], row[2], row[3] = nx * nx, nx * ny, nx * nz, nx * d
    row[4], row[5], row[6] = ny * ny, ny * nz, ny * d
    row[7], row[8], row[9] = nz * nz, nz * d, d * d
    for column in range(MEAN, ROW):
        row[column] = 0
    row[COUNT] = 1
    return nx, ny, nz, d


@kernel
def edge_rows(vertices, edges, weight):
    """What each edge adds to a voxel: ``weight`` times the squared distance to its line.

    Args:
        vertices: (V, 3) float32.
        edges: (E, 2) int32.
        weight: float32.

    Returns:
        (E, MEAN) float32, columns as those of a row of sums.
    """
    rows = np.zeros((edges.shape[0], MEAN), np.float32)
    one = np.float32(1)
    for e in range(edges.shape[0]):
        a, b = edges[e, 0], edges[e, 1]
        px, py, pz = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        dx, dy, dz = vertices[b, 0] - px, vertices[b, 1] - py, vertices[b, 2] - pz
        length = np.sqrt(dx * dx + (dy * dy + dz * dz))
        if not length > np.float32(0):
            continue
        dx, dy, dz = dx / length, dy / length, dz / length
        xx, xy, xz = one - dx * dx, -dx * dy, -dx * dz
        yy, yz, zz = one - dy * dy, -dy * dz, one - dz * dz
        bx = -(xx * px + (xy * py + xz * pz))
        by = -(xy * px + (yy * py + yz * pz))
        bz = -(xz * px + (yz * py + zz * pz))
        c = -(bx * px + (by * py + bz * pz))
        rows[e, 0], rows[e, 1], rows[e, 2], rows[e, 3] = xx, xy, xz, bx
        rows[e, 4], rows[e, 5], rows[e, 6] = yy, yz, by
        rows[e, 7], rows[e, 8], rows[e, 9] = zz, bz, c
        for i in range(MEAN):
            rows[e, i] *= weight
    return rows


# Rows of the points in a workspace.
_LOW, _HIGH, _TRIED, _BEST = 0, 1, 2, 3


@tight
def solve_in_voxels(sums, order, regularization, voxels, voxel_size, q, points, out, first):
    """Minimise each voxel's regularised QEF inside the voxel.

    Candidates are tried in the reference's order: the free minimum if it lies inside, else the
    best of those of the 6 faces that lie in their face, the 12 edges and the 8 corners.

    Args:
        sums: (n, ROW) float32.
        order: (m,) which rows of ``sums`` and ``voxels``, in the order of the output.
        regularization: float32 weight per crossing of the pull to the mean crossing.
        voxels: (n, 3) int32 voxel indices.
        voxel_size: (3,) float32.
        q, points: (4, 4) and (4, 3) float32 scratch space.
        out: (k, 3) float32, receives the minimisers as fractions of their voxels, in [0, 1].
        first: where in ``out`` to begin.
    """
    for o in range(order.shape[0]):
        n = order[o]
        k = 0
        for i in range(4):
            for j in range(i, 4):
                q[i, j] = sums[n, k]
                q[j, i] = sums[n, k]
                k += 1
        count = sums[n, COUNT]
        pull = regularization * count
        mx, my, mz = sums[n, MEAN] / count, sums[n, MEAN + 1] / count, sums[n, MEAN + 2] / count
        q[0, 0] += pull
        q[1, 1] += pull
        q[2, 2] += pull
        q[0, 3] -= pull * mx
        q[1, 3] -= pull * my
        q[2, 3] -= pull * mz
        q[3, 3] += pull * (mx * mx + (my * my + mz * mz))
        for i in range(3):
            q[3, i] = q[i, 3]
        points[_BEST, 0], points[_BEST, 1], points[_BEST, 2] = solve3(
            q[0, 0], q[0, 1], q[0, 2], q[1, 1], q[1, 2], q[2, 2], -q[0, 3], -q[1, 3], -q[2, 3]
        )
        inside = True
        for i in range(3):
            points[_LOW, i] = np.float32(voxels[n, i]) * voxel_size[i]
            points[_HIGH, i] = np.float32(voxels[n, i] + 1) * voxel_size[i]
            inside = inside and points[_LOW, i] <= points[_BEST, i] <= points[_HIGH, i]
        if not inside:
            _solve_on_border(q, points)
        for i in range(3):
            # In float64: the difference of two near numbers is all that is left of them.
            low = voxels[n, i] * np.float64(voxel_size[i])
            fraction = (np.float64(points[_BEST, i]) - low) / voxel_size[i]
            out[first + o, i] = min(max(fraction, 0.0), 1.0)


@tight
def _solve_on_border(q, points):
    """The best of the candidates on faces, edges and corners; the first of equals."""
    least = np.float32(np.inf)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in range(2):
            at = points[side, axis]
            on_u, on_v = solve2(
                q[u, u],
                q[u, v],
                q[v, v],
                -(q[u, axis] * at + q[u, 3]),
                -(q[v, axis] * at + q[v, 3]),
            )
            if (
                points[_LOW, u] <= on_u <= points[_HIGH, u]
                and points[_LOW, v] <= on_v <= points[_HIGH, v]
            ):
                points[_TRIED, axis], points[_TRIED, u], points[_TRIED, v] = at, on_u, on_v
                least = _keep_better(q, points, least)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for corner in range(4):
            on_u, on_v = points[corner >> 1, u], points[corner & 1, v]
            at = -(q[axis, u] * on_u + q[axis, v] * on_v + q[axis, 3]) / q[axis, axis]
            if points[_LOW, axis] <= at <= points[_HIGH, axis]:
                points[_TRIED, axis], points[_TRIED, u], points[_TRIED, v] = at, on_u, on_v
                least = _keep_better(q, points, least)
    for corner in range(8):
        for i in range(3):
            points[_TRIED, i] = points[_LOW if corner >> i & 1 else _HIGH, i]
        least = _keep_better(q, points, least)


@tight
def _keep_better(q, points, least):
    """Take the tried point as the best if its error (x, 1) Q (x, 1)^T is below ``least``."""
    x, y, z = points[_TRIED, 0], points[_TRIED, 1], points[_TRIED, 2]
    one = np.float32(1)
    error = _dot4(
        _dot4(x, y, z, one, q[0, 0], q[1, 0], q[2, 0], q[3, 0]),
        _dot4(x, y, z, one, q[0, 1], q[1, 1], q[2, 1], q[3, 1]),
        _dot4(x, y, z, one, q[0, 2], q[1, 2], q[2, 2], q[3, 2]),
        _dot4(x, y, z, one, q[0, 3], q[1, 3], q[2, 3], q[3, 3]),
        x,
        y,
        z,
        one,
    )
    if error < least:
        for i in range(3):
            points[_BEST, i] = points[_TRIED, i]
        least = error
    return least


@tight
def _dot4(a0, a1, a2, a3, b0, b1, b2, b3):
    """Dot product in the order in which a vector unit of four lanes sums."""
    return (a0 * b0 + a2 * b2) + (a1 * b1 + a3 * b3)
