"""Open borders of a mesh, and which voxels an edge passes through.

Follows the reference in float32 (docs/numerics.md), because it decides which lines enter a voxel's
QEF.
"""

import numpy as np

from engine.kernels import kernel, sort_in_place


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
