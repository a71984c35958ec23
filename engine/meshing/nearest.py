"""The nearest point of a surface to any point."""

import numpy as np
from numba import njit

from engine.host.parallel import map_chunks
from engine.kernels import kernel

MAX_CELLS = 160
CHUNK = 65536


def nearest_on_surface(
    vertices: np.ndarray, faces: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Project points onto a mesh.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, at least one.
        points: (N, 3) float, best not far from the surface: the search goes outwards cell by cell.

    Returns:
        (N, 3) float64 nearest points, (N,) int32 the face each lies on.
    """
    vertices = np.ascontiguousarray(vertices, dtype=np.float64)
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    points = np.ascontiguousarray(points, dtype=np.float64)
    low, high = vertices[faces].min(axis=(0, 1)), vertices[faces].max(axis=(0, 1))
    cells = min(MAX_CELLS, max(1, int(np.sqrt(len(faces)))))
    cell = max(float((high - low).max()), 1e-30) / cells
    shape = (np.floor((high - low) / cell).astype(np.int64) + 1).clip(1, cells + 1)
    start, members = sort_into_cells(vertices, faces, low, cell, shape)

    def search(begin: int) -> tuple[np.ndarray, np.ndarray]:
        return _nearest(
            vertices, faces, points[begin : begin + CHUNK], low, cell, shape, start, members
        )

    parts = map_chunks(search, range(0, len(points), CHUNK))
    if not parts:
        return np.zeros((0, 3)), np.zeros(0, dtype=np.int32)
    return np.concatenate([p for p, _ in parts]), np.concatenate([f for _, f in parts])


@kernel
def sort_into_cells(vertices, faces, low, cell, shape):
    """Faces of each cell that their boxes touch, as starts and members."""
    start = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    members = np.empty(0, np.int32)
    span = np.empty((3, 2), np.int64)
    for turn in range(2):
        if turn == 1:
            for i in range(start.shape[0] - 1):
                start[i + 1] += start[i]
            members = np.empty(start[-1], np.int32)
        for f in range(faces.shape[0]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            for k in range(3):
                least = min(vertices[a, k], vertices[b, k], vertices[c, k])
                most = max(vertices[a, k], vertices[b, k], vertices[c, k])
                span[k, 0] = min(shape[k] - 1, max(0, int((least - low[k]) / cell)))
                span[k, 1] = min(shape[k] - 1, max(0, int((most - low[k]) / cell)))
            for x in range(span[0, 0], span[0, 1] + 1):
                for y in range(span[1, 0], span[1, 1] + 1):
                    for z in range(span[2, 0], span[2, 1] + 1):
                        i = (x * shape[1] + y) * shape[2] + z
                        if turn == 0:
                            start[i + 1] += 1
                        else:
                            members[start[i]] = f
                            start[i] += 1
    # Filling moved each start to its end, which is the next one's start.
    for i in range(start.shape[0] - 1, 0, -1):
        start[i] = start[i - 1]
    start[0] = 0
    return start, members


@kernel
def _nearest(vertices, faces, points, low, cell, shape, start, members):
    """Shell after shell of cells around each point, until no nearer face can follow."""
    nearest = np.empty((points.shape[0], 3))
    nearest_face = np.full(points.shape[0], -1, np.int32)
    home = np.empty(3, np.int64)
    found = np.empty(3)
    for p in range(points.shape[0]):
        best = np.inf
        outside2 = 0.0
        for k in range(3):
            home[k] = min(shape[k] - 1, max(0, int(np.floor((points[p, k] - low[k]) / cell))))
            gap = max(low[k] - points[p, k], points[p, k] - (low[k] + shape[k] * cell), 0.0)
            outside2 += gap * gap
        for ring in range(max(shape[0], shape[1], shape[2])):
            # All cells of this ring are at least ring - 1 cells away, and outside adds to that.
            if best <= outside2 + ((ring - 1) * cell) ** 2 and ring > 0:
                break
            for x in range(max(0, home[0] - ring), min(shape[0] - 1, home[0] + ring) + 1):
                for y in range(max(0, home[1] - ring), min(shape[1] - 1, home[1] + ring) + 1):
                    rim = abs(x - home[0]) == ring or abs(y - home[1]) == ring
                    step = 1 if rim else max(1, 2 * ring)
                    for z in range(home[2] - ring, home[2] + ring + 1, step):
                        if z < 0 or z >= shape[2]:
                            continue
                        i = (x * shape[1] + y) * shape[2] + z
                        for m in range(start[i], start[i + 1]):
                            f = members[m]
                            d2 = to_triangle(vertices, faces[f], points[p], found)
                            if d2 < best or (d2 == best and f < nearest_face[p]):
                                best = d2
                                nearest_face[p] = f
                                nearest[p, 0], nearest[p, 1], nearest[p, 2] = (
                                    found[0],
                                    found[1],
                                    found[2],
                                )
    return nearest, nearest_face


@kernel
def to_triangle(vertices, face, point, found):
    """Squared distance from a triangle; ``found`` (3,) float64 becomes its nearest point."""
    a, b, c = vertices[face[0]], vertices[face[1]], vertices[face[2]]
    x, y, z = point[0], point[1], point[2]
    wa, wb, wc = nearest_weights(
        a[0] - x, a[1] - y, a[2] - z, b[0] - x, b[1] - y, b[2] - z, c[0] - x, c[1] - y, c[2] - z
    )
    distance2 = 0.0
    for k in range(3):
        found[k] = wa * a[k] + wb * b[k] + wc * c[k]
        distance2 += (found[k] - point[k]) ** 2
    return distance2


@njit(inline="always")
def _dot(ax, ay, az, bx, by, bz):
    return ax * bx + ay * by + az * bz


@kernel
def nearest_weights(ax, ay, az, bx, by, bz, cx, cy, cz):
    """Corner weights of the point of triangle abc nearest to the origin, by its regions.

    Ericson 2005, "Real-Time Collision Detection", section 5.1.5. Without area it may be any point
    of the sides, never nothing.
    """
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = cx - ax, cy - ay, cz - az
    d1, d2 = -_dot(ux, uy, uz, ax, ay, az), -_dot(vx, vy, vz, ax, ay, az)
    if d1 <= 0 and d2 <= 0:
        return 1.0, 0.0, 0.0
    d3, d4 = -_dot(ux, uy, uz, bx, by, bz), -_dot(vx, vy, vz, bx, by, bz)
    if d3 >= 0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    d5, d6 = -_dot(ux, uy, uz, cx, cy, cz), -_dot(vx, vy, vz, cx, cy, cz)
    if d6 >= 0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    wc = d1 * d4 - d3 * d2
    if wc <= 0 and d1 >= 0 and d3 <= 0:
        t = d1 / (d1 - d3) if d1 != d3 else 0.0
        return 1 - t, t, 0.0
    wb = d5 * d2 - d1 * d6
    if wb <= 0 and d2 >= 0 and d6 <= 0:
        t = d2 / (d2 - d6) if d2 != d6 else 0.0
        return 1 - t, 0.0, t
    wa = d3 * d6 - d5 * d4
    if wa <= 0 and d4 >= d3 and d5 >= d6:
        both = (d4 - d3) + (d5 - d6)
        t = (d4 - d3) / both if both > 0 else 0.0
        return 0.0, 1 - t, t
    total = wa + wb + wc
    if total == 0.0:
        return 1.0, 0.0, 0.0
    return wa / total, wb / total, wc / total
