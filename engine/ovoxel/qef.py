"""Quadratic error functions: where inside a voxel the dual vertex lies best.

A QEF is the symmetric 4x4 matrix Q for which (x, 1) Q (x, 1)^T is the sum of squared distances
from x to planes and lines (Garland and Heckbert 1997; Ju et al. 2002 for its use in dual
contouring). A voxel's Q sums the planes of crossings, of triangles that touch the voxel, and lines
along open boundaries; a pull to the mean crossing makes it regular (O-Voxel, TRELLIS.2).

Sums are made in float32 in the reference's order, so that near ties fall as they do there; the
small systems are solved in float64, which is where the reference loses digits.
"""

import numpy as np

from engine.kernels import kernel

MEAN = 10
"""Columns 0-9 of a row are the upper triangle of Q (00 01 02 03 11 12 13 22 23 33), the next three
the sum of crossing points, the last but one their number."""
COUNT = 13
ROW = 16
"""A row fills one cache line."""

_LEAST_REGULARIZATION = 1e-6
"""Below it a flat surface would leave Q singular: the nearest minimiser to the mean is meant."""


@kernel
def add_plane(row, nx, ny, nz, d):
    """Add the squared distance to the plane n.x + d = 0 (float32)."""
    row[0] += nx * nx
    row[1] += nx * ny
    row[2] += nx * nz
    row[3] += nx * d
    row[4] += ny * ny
    row[5] += ny * nz
    row[6] += ny * d
    row[7] += nz * nz
    row[8] += nz * d
    row[9] += d * d


@kernel
def triangle_plane(corners):
    """(nx, ny, nz, d) float32 of the triangle's plane; zeros for a triangle without area."""
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
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    if length > np.float32(0):
        nx, ny, nz = nx / length, ny / length, nz / length
    return nx, ny, nz, -(nx * corners[0, 0] + ny * corners[0, 1] + nz * corners[0, 2])


@kernel
def add_line(row, start, direction, weight):
    """Add ``weight`` times the squared distance to a line through ``start`` (float32)."""
    dx, dy, dz = direction[0], direction[1], direction[2]
    one = np.float32(1)
    xx, xy, xz = one - dx * dx, -dx * dy, -dx * dz
    yy, yz, zz = one - dy * dy, -dy * dz, one - dz * dz
    bx = -(xx * start[0] + xy * start[1] + xz * start[2])
    by = -(xy * start[0] + yy * start[1] + yz * start[2])
    bz = -(xz * start[0] + yz * start[1] + zz * start[2])
    c = -(bx * start[0] + by * start[1] + bz * start[2])
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
def solve_in_voxel(row, regularization, low, high, out):
    """Minimise a voxel's regularised QEF inside the voxel.

    Candidates are tried in the reference's order: the free minimum if it lies inside, else the
    best of those of the 6 faces that lie in their face, the 12 edges and the 8 corners.

    Args:
        row: (ROW,) float32 sums of the voxel.
        regularization: weight per crossing of the pull to the mean crossing.
        low, high: (3,) float64 corners of the voxel.
        out: (3,) float64, receives the minimiser, in the coordinates of the sums.
    """
    n = np.float64(row[COUNT])
    pull = max(regularization, _LEAST_REGULARIZATION) * n
    mx, my, mz = row[MEAN] / n, row[MEAN + 1] / n, row[MEAN + 2] / n
    # Q relative to the low corner: small numbers keep their digits in the comparisons below.
    a = np.empty((3, 3))
    b = np.empty(3)
    a[0, 0], a[1, 1], a[2, 2] = row[0] + pull, row[4] + pull, row[7] + pull
    a[0, 1] = a[1, 0] = row[1]
    a[0, 2] = a[2, 0] = row[2]
    a[1, 2] = a[2, 1] = row[5]
    b[0], b[1], b[2] = row[3] - pull * mx, row[6] - pull * my, row[8] - pull * mz
    for i in range(3):
        b[i] += a[i, 0] * low[0] + a[i, 1] * low[1] + a[i, 2] * low[2]
    size = high - low

    x = np.empty(3)
    c00 = a[1, 1] * a[2, 2] - a[1, 2] * a[1, 2]
    c01 = a[0, 2] * a[1, 2] - a[0, 1] * a[2, 2]
    c02 = a[0, 1] * a[1, 2] - a[0, 2] * a[1, 1]
    det = a[0, 0] * c00 + a[0, 1] * c01 + a[0, 2] * c02
    if det > 0:
        c11 = a[0, 0] * a[2, 2] - a[0, 2] * a[0, 2]
        c12 = a[0, 1] * a[0, 2] - a[0, 0] * a[1, 2]
        c22 = a[0, 0] * a[1, 1] - a[0, 1] * a[0, 1]
        x[0] = -(c00 * b[0] + c01 * b[1] + c02 * b[2]) / det
        x[1] = -(c01 * b[0] + c11 * b[1] + c12 * b[2]) / det
        x[2] = -(c02 * b[0] + c12 * b[1] + c22 * b[2]) / det
        inside = True
        for i in range(3):
            inside = inside and 0.0 <= x[i] <= size[i]
        if inside:
            out[:] = low + x
            return
    _solve_on_boundary(a, b, size, x)
    out[:] = low + x


@kernel
def _solve_on_boundary(a, b, size, best):
    """The best point on the faces, edges and corners of the box [0, size]; first of equals."""
    best_error = np.inf
    x = np.empty(3)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        det = a[u, u] * a[v, v] - a[u, v] * a[u, v]
        for side in range(2):
            x[axis] = side * size[axis]
            bu = b[u] + a[u, axis] * x[axis]
            bv = b[v] + a[v, axis] * x[axis]
            if det <= 0:
                continue
            x[u] = (a[u, v] * bv - a[v, v] * bu) / det
            x[v] = (a[u, v] * bu - a[u, u] * bv) / det
            if 0.0 <= x[u] <= size[u] and 0.0 <= x[v] <= size[v]:
                best_error = _keep_better(a, b, x, best, best_error)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for corner in range(4):
            x[u], x[v] = (corner >> 1) * size[u], (corner & 1) * size[v]
            x[axis] = -(b[axis] + a[axis, u] * x[u] + a[axis, v] * x[v]) / a[axis, axis]
            if 0.0 <= x[axis] <= size[axis]:
                best_error = _keep_better(a, b, x, best, best_error)
    for corner in range(8):
        for i in range(3):
            x[i] = 0.0 if corner >> (2 - i) & 1 else size[i]
        best_error = _keep_better(a, b, x, best, best_error)


@kernel
def _keep_better(a, b, x, best, best_error):
    error = 0.0
    for i in range(3):
        error += x[i] * (a[i, 0] * x[0] + a[i, 1] * x[1] + a[i, 2] * x[2] + 2 * b[i])
    if error < best_error:
        best[:] = x
        return error
    return best_error
