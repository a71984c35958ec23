"""Which voxels a triangle touches, and which an edge passes through.

Both follow the reference in float32 (docs/numerics.md), because they decide which planes and lines
enter a voxel's QEF.
"""

import numpy as np

from engine.kernels import kernel, sort_in_place, tight


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


@kernel
def boundary_edges(faces, vertex_count):
    """Edges that belong to one face side only, (E, 2) int32 with the lower index first, sorted."""
    start = np.zeros(vertex_count + 1, np.int64)
    for f in range(faces.shape[0]):
        for side in range(3):
            start[min(faces[f, side], faces[f, (side + 1) % 3]) + 1] += 1
    start = np.cumsum(start)
    cursor = start[:-1].copy()
    partners = np.empty(start[-1], np.int32)
    for f in range(faces.shape[0]):
        for side in range(3):
            a, b = faces[f, side], faces[f, (side + 1) % 3]
            low = min(a, b)
            partners[cursor[low]] = max(a, b)
            cursor[low] += 1
    edges = np.empty((partners.shape[0], 2), np.int32)
    count = 0
    for low in range(vertex_count):
        group = partners[start[low] : start[low + 1]]
        sort_in_place(group)
        for i in range(group.shape[0]):
            repeated = (i > 0 and group[i - 1] == group[i]) or (
                i + 1 < group.shape[0] and group[i + 1] == group[i]
            )
            if not repeated:
                edges[count, 0] = low
                edges[count, 1] = group[i]
                count += 1
    return edges[:count].copy()


@kernel
def walk_edge(start, end, voxel_size, grid_size, cells):
    """Voxels from ``start`` to ``end`` in walking order (Amanatides and Woo 1987), float32.

    Args:
        start, end: (3,) float32 relative to the lower corner of the box.
        cells: (3 * grid_size + 3, 3) int32, receives the voxels inside of the grid.

    Returns:
        How many voxels were written.
    """
    start, end = _clip_far(start, end, voxel_size, grid_size)
    delta = end - start
    length = np.sqrt(delta[0] * delta[0] + delta[1] * delta[1] + delta[2] * delta[2])
    if length < np.float32(1e-6):
        return 0
    step = np.empty(3, np.int64)
    cell = np.empty(3, np.int64)
    next_t = np.empty(3, np.float32)
    step_t = np.empty(3, np.float32)
    for i in range(3):
        direction = delta[i] / length
        cell[i] = int(np.floor(start[i] / voxel_size[i]))
        if direction == np.float32(0):
            step[i] = 0
            next_t[i] = np.float32(np.inf)
            step_t[i] = np.float32(np.inf)
        else:
            step[i] = 1 if direction > np.float32(0) else -1
            border = np.float32(cell[i] + (1 if step[i] > 0 else 0)) * voxel_size[i]
            next_t[i] = (border - start[i]) / direction
            step_t[i] = voxel_size[i] / abs(direction)
    count = 0
    while True:
        inside = True
        for i in range(3):
            inside = inside and 0 <= cell[i] < grid_size
        if inside:
            for i in range(3):
                cells[count, i] = cell[i]
            count += 1
        if next_t[0] < next_t[1] and next_t[0] < next_t[2]:
            i = 0
        elif next_t[1] <= next_t[0] and next_t[1] < next_t[2]:
            i = 1
        else:
            i = 2
        if not next_t[i] <= length:
            return count
        next_t[i] += step_t[i]
        cell[i] += step[i]


@kernel
def _clip_far(start, end, voxel_size, grid_size):
    """Cut off what lies more than one box size outside of the box, where walking would not end."""
    low, high = 0.0, 1.0
    for i in range(3):
        size = np.float64(voxel_size[i]) * grid_size
        a, b = np.float64(start[i]), np.float64(end[i])
        if a == b:
            if not -size <= a <= 2 * size:
                high = -1.0
            continue
        enter, leave = (-size - a) / (b - a), (2 * size - a) / (b - a)
        low = max(low, min(enter, leave))
        high = min(high, max(enter, leave))
    if low > high:
        return start, start
    if low == 0.0 and high == 1.0:
        return start, end
    clipped_start = np.empty(3, np.float32)
    clipped_end = np.empty(3, np.float32)
    for i in range(3):
        a, b = np.float64(start[i]), np.float64(end[i])
        clipped_start[i] = a + low * (b - a)
        clipped_end[i] = a + high * (b - a)
    return clipped_start, clipped_end
