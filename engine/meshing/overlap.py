"""Which cells of a grid a triangle touches.

Follows the reference in float32 (docs/numerics.md), because it decides which planes enter a voxel's
QEF.
"""

import numpy as np

from engine.kernels import tight


@tight
def prepare_overlap(vertices, faces, f, voxel_size, test):
    """Fill ``test`` (10, 5) float32 with what ``overlaps`` needs to know of face f.

    Triangle against box after Schwarz and Seidel 2010, "Fast parallel surface and solid
    voxelization on GPUs", section 3. Row 0 is the plane: normal and the distances of the voxel's
    two extreme corners. Rows 1-9 are the three sides seen along z, x and y: normal and distance.
    """
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    px, py, pz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    qx, qy, qz = vertices[j, 0], vertices[j, 1], vertices[j, 2]
    ax, ay, az = qx - px, qy - py, qz - pz
    bx, by, bz = vertices[k, 0] - qx, vertices[k, 1] - qy, vertices[k, 2] - qz
    zero = np.float32(0)
    normal = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    cx = voxel_size[0] if normal[0] > zero else zero
    cy = voxel_size[1] if normal[1] > zero else zero
    cz = voxel_size[2] if normal[2] > zero else zero
    test[0, 0], test[0, 1], test[0, 2] = normal[0], normal[1], normal[2]
    test[0, 3] = normal[0] * (cx - px) + normal[1] * (cy - py) + normal[2] * (cz - pz)
    test[0, 4] = (
        normal[0] * (voxel_size[0] - cx - px)
        + normal[1] * (voxel_size[1] - cy - py)
        + normal[2] * (voxel_size[2] - cz - pz)
    )
    for plane in range(3):
        # Projections along z, x, y: coordinates (x, y), (y, z), (z, x).
        u, v, w = plane, (plane + 1) % 3, (plane + 2) % 3
        flip = np.float32(-1) if normal[w] < zero else np.float32(1)
        for side in range(3):
            here, there = faces[f, side], faces[f, (side + 1) % 3]
            nu = -(vertices[there, v] - vertices[here, v]) * flip
            nv = (vertices[there, u] - vertices[here, u]) * flip
            row = 1 + plane * 3 + side
            test[row, 0], test[row, 1] = nu, nv
            test[row, 2] = (
                -(nu * vertices[here, u] + nv * vertices[here, v])
                + max(zero, nu * voxel_size[u])
                + max(zero, nv * voxel_size[v])
            )


@tight
def overlaps(test, x, y, z):
    """Whether the prepared triangle touches the closed voxel with lower corner (x, y, z)."""
    zero = np.float32(0)
    along = test[0, 0] * x + test[0, 1] * y + test[0, 2] * z
    if (along + test[0, 3]) * (along + test[0, 4]) > zero:
        return False
    for row in range(1, 4):
        if test[row, 0] * x + test[row, 1] * y + test[row, 2] < zero:
            return False
    for row in range(4, 7):
        if test[row, 0] * y + test[row, 1] * z + test[row, 2] < zero:
            return False
    for row in range(7, 10):  # noqa: SIM110 (numba compiles the loop, not the generator)
        if test[row, 0] * z + test[row, 1] * x + test[row, 2] < zero:
            return False
    return True
