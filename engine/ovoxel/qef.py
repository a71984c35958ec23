"""Quadratic error functions: where inside a voxel the dual vertex lies best.

A QEF is the symmetric 4x4 matrix Q for which (x, 1) Q (x, 1)^T is the sum of squared distances
from x to planes and lines (Garland and Heckbert 1997; Ju et al. 2002 for its use in dual
contouring). A voxel's Q sums the planes of crossings, of triangles that touch the voxel, and lines
along open boundaries; a pull to the mean crossing makes it regular (O-Voxel, TRELLIS.2).

Everything is float32 in the reference's order of operations: candidates on the border of a voxel
are often equally good up to rounding, and then the same one has to win.
"""

import numpy as np

from engine.kernels import kernel
from engine.ovoxel.pivoted_qr import solve2, solve3

MEAN = 10
"""Columns 0-9 of a row are the upper triangle of Q (00 01 02 03 11 12 13 22 23 33), the next three
the sum of crossing points, the last but one their number."""
COUNT = 13
ROW = 16
"""A row fills one cache line."""


@kernel
def plane_row(corners, row):
    """Fill ``row`` with what one crossing of a triangle adds to a voxel, all but the point.

    Returns:
        (nx, ny, nz, d) float32 of the plane n.x + d = 0; zeros for a triangle without area.
    """
    ax, ay, az = (
        corners[1, 0] - corners[0, 0],
        corners[1, 1] - corners[0, 1],
        corners[1, 2] - corners[0, 2],
    )
    bx, by, bz = (
        corners[2, 0] - corners[1, 0],
        corners[2, 1] - corners[1, 1],
        corners[2, 2] - corners[1, 2],
    )
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = np.sqrt(nx * nx + (ny * ny + nz * nz))
    if length > np.float32(0):
        nx, ny, nz = nx / length, ny / length, nz / length
    d = -(nx * corners[0, 0] + (ny * corners[0, 1] + nz * corners[0, 2]))
    row[0], row[1], row[2], row[3] = nx * nx, nx * ny, nx * nz, nx * d
    row[4], row[5], row[6] = ny * ny, ny * nz, ny * d
    row[7], row[8], row[9] = nz * nz, nz * d, d * d
    row[MEAN:] = 0
    row[COUNT] = 1
    return nx, ny, nz, d


@kernel
def add_line(row, start, direction, weight):
    """Add ``weight`` times the squared distance to a line through ``start`` (float32)."""
    dx, dy, dz = direction[0], direction[1], direction[2]
    one = np.float32(1)
    xx, xy, xz = one - dx * dx, -dx * dy, -dx * dz
    yy, yz, zz = one - dy * dy, -dy * dz, one - dz * dz
    bx = -(xx * start[0] + (xy * start[1] + xz * start[2]))
    by = -(xy * start[0] + (yy * start[1] + yz * start[2]))
    bz = -(xz * start[0] + (yz * start[1] + zz * start[2]))
    c = -(bx * start[0] + (by * start[1] + bz * start[2]))
    row[0] += weight * xx
    row[1] += weight * xy
    row[2] += weight * xz
    row[3] += weight * bx
    row[4] += weight * yy
    row[5] += weight * yz
    row[6] += weight * by
    row[7] += weight * zz
    row[8] += weight * bz
    row[9] += weight * c


@kernel
def make_workspace():
    """Scratch space of ``solve_in_voxel``: Q and the points low, high, candidate and best."""
    return np.empty((4, 4), np.float32), np.empty((4, 4), np.float32)


@kernel
def solve_in_voxel(row, regularization, voxel, voxel_size, workspace, out):
    """Minimise a voxel's regularised QEF inside the voxel.

    Candidates are tried in the reference's order: the free minimum if it lies inside, else the
    best of those of the 6 faces that lie in their face, the 12 edges and the 8 corners.

    Args:
        row: (ROW,) float32 sums of the voxel.
        regularization: float32 weight per crossing of the pull to the mean crossing.
        voxel: (3,) int32 voxel index.
        voxel_size: (3,) float32.
        workspace: of ``make_workspace``.
        out: (3,) float32, receives the minimiser as a fraction of the voxel, in [0, 1].
    """
    q, points = workspace
    low, high, best = points[0], points[1], points[3]
    k = 0
    for i in range(4):
        for j in range(i, 4):
            q[i, j] = q[j, i] = row[k]
            k += 1
    pull = regularization * row[COUNT]
    mx, my, mz = row[MEAN] / row[COUNT], row[MEAN + 1] / row[COUNT], row[MEAN + 2] / row[COUNT]
    q[0, 0], q[1, 1], q[2, 2] = q[0, 0] + pull, q[1, 1] + pull, q[2, 2] + pull
    q[0, 3] = q[3, 0] = q[0, 3] - pull * mx
    q[1, 3] = q[3, 1] = q[1, 3] - pull * my
    q[2, 3] = q[3, 2] = q[2, 3] - pull * mz
    q[3, 3] += pull * (mx * mx + (my * my + mz * mz))
    best[0], best[1], best[2] = solve3(
        q[0, 0], q[0, 1], q[0, 2], q[1, 1], q[1, 2], q[2, 2], -q[0, 3], -q[1, 3], -q[2, 3]
    )
    inside = True
    for i in range(3):
        low[i] = np.float32(voxel[i]) * voxel_size[i]
        high[i] = np.float32(voxel[i] + 1) * voxel_size[i]
        inside = inside and low[i] <= best[i] <= high[i]
    if not inside:
        _solve_on_border(q, points)
    for i in range(3):
        # In float64: the difference of two near numbers is all that is left of them.
        fraction = (np.float64(best[i]) - voxel[i] * np.float64(voxel_size[i])) / voxel_size[i]
        out[i] = min(max(fraction, 0.0), 1.0)


@kernel
def _solve_on_border(q, points):
    """The best of the candidates on faces, edges and corners; the first of equals."""
    low, high, x, best = points[0], points[1], points[2], points[3]
    least = np.float32(np.inf)
    x[3] = np.float32(1)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in range(2):
            x[axis] = high[axis] if side else low[axis]
            x[u], x[v] = solve2(
                q[u, u],
                q[u, v],
                q[v, v],
                -(q[u, axis] * x[axis] + q[u, 3]),
                -(q[v, axis] * x[axis] + q[v, 3]),
            )
            if low[u] <= x[u] <= high[u] and low[v] <= x[v] <= high[v]:
                least = _keep_better(q, x, best, least)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for corner in range(4):
            x[u] = high[u] if corner & 2 else low[u]
            x[v] = high[v] if corner & 1 else low[v]
            x[axis] = -(q[axis, u] * x[u] + q[axis, v] * x[v] + q[axis, 3]) / q[axis, axis]
            if low[axis] <= x[axis] <= high[axis]:
                least = _keep_better(q, x, best, least)
    for corner in range(8):
        for i in range(3):
            x[i] = low[i] if corner >> i & 1 else high[i]
        least = _keep_better(q, x, best, least)


@kernel
def _keep_better(q, x, best, least):
    """Take x as the best if its error (x, 1) Q (x, 1)^T is below ``least``."""
    error = _dot4(
        _dot4(x[0], x[1], x[2], x[3], q[0, 0], q[1, 0], q[2, 0], q[3, 0]),
        _dot4(x[0], x[1], x[2], x[3], q[0, 1], q[1, 1], q[2, 1], q[3, 1]),
        _dot4(x[0], x[1], x[2], x[3], q[0, 2], q[1, 2], q[2, 2], q[3, 2]),
        _dot4(x[0], x[1], x[2], x[3], q[0, 3], q[1, 3], q[2, 3], q[3, 3]),
        x[0],
        x[1],
        x[2],
        x[3],
    )
    if error < least:
        best[:] = x
        return error
    return least


@kernel
def _dot4(a0, a1, a2, a3, b0, b1, b2, b3):
    """Dot product in the order in which a vector unit of four lanes sums."""
    return (a0 * b0 + a2 * b2) + (a1 * b1 + a3 * b3)
