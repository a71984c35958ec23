"""Mesh to O-Voxels, slowly: plain loops in float64, written from docs/numerics.md alone.

Imports nothing of ours. Only the few roundings that decide which side of a grid line a point falls
on are kept in float32, as the rule says.
"""

import itertools
from collections.abc import Sequence

import numpy as np

Cell = tuple[int, int, int]
Hit = tuple[Cell, int, np.ndarray, int]
"""Owner voxel, axis of the grid edge, crossing point, triangle."""


def to_box(vertices: np.ndarray, grid_size: int, aabb) -> tuple[np.ndarray, np.ndarray]:
    """Vertices relative to the box's lower corner and the voxel size, float32 values as float64."""
    low, high = np.asarray(aabb, np.float32)
    voxel_size = (high - low) / np.float32(grid_size)
    return (vertices.astype(np.float32) - low).astype(np.float64), voxel_size.astype(np.float64)


def _mix(a: float, b: float, share: float) -> float:
    return (1 - share) * a + share * b


def _at_height(start: np.ndarray, end: np.ndarray, axis: int, height: float) -> np.ndarray:
    if start[axis] == end[axis]:
        return start
    share = (height - start[axis]) / (end[axis] - start[axis])
    return np.array([_mix(a, b, share) for a, b in zip(start, end, strict=True)])


def crossings(
    local: np.ndarray, faces: np.ndarray, voxel_size: np.ndarray, grid_size: int
) -> list[Hit]:
    """All crossings of triangles with grid edges, scan line by scan line."""

    def cell(position: float, axis: int) -> int:
        return min(max(int(position / voxel_size[axis]), 0), grid_size - 1)

    def line(index: int, axis: int) -> float:
        return float(np.float32(np.float32(index + 1) * np.float32(voxel_size[axis])))

    hits: list[Hit] = []
    for number, face in enumerate(faces):
        for a2 in range(3):
            a0, a1 = (a2 + 1) % 3, (a2 + 2) % 3
            t0, t1, t2 = sorted(local[face], key=lambda corner: corner[a1])
            rows = [cell(t[a1], a1) for t in (t0, t1, t2)]
            for i in range(rows[0], rows[2]):
                y = line(i, a1)
                if i < rows[1]:
                    ends = [_at_height(t0, t1, a1, y), _at_height(t0, t2, a1, y)]
                else:
                    ends = [_at_height(t2, t1, a1, y), _at_height(t2, t0, a1, y)]
                near, far = sorted(ends, key=lambda end: end[a0])
                for j in range(cell(near[a0], a0), cell(far[a0], a0)):
                    x = line(j, a0)
                    share = 0.0
                    if far[a0] != near[a0]:
                        share = (x - near[a0]) / (far[a0] - near[a0])
                    depth = _mix(near[a2], far[a2], share)
                    k = int(depth / voxel_size[a2])
                    if 0 <= k < grid_size:
                        owner, point = [0, 0, 0], np.zeros(3)
                        owner[a0], owner[a1], owner[a2] = j, i, k
                        point[a0], point[a1], point[a2] = x, y, depth
                        hits.append(((owner[0], owner[1], owner[2]), a2, point, number))
    return hits


def around(owner: Cell, axis: int) -> list[Cell]:
    """The four voxels around the grid edge that ``owner`` has at its far corner."""
    cells: list[Cell] = []
    for d0, d1 in itertools.product((0, 1), repeat=2):
        voxel = list(owner)
        voxel[(axis + 1) % 3] += d0
        voxel[(axis + 2) % 3] += d1
        cells.append((voxel[0], voxel[1], voxel[2]))
    return cells


def grid_of(hits: Sequence[Hit]) -> tuple[np.ndarray, np.ndarray]:
    """(coords, intersected) of all active voxels, sorted."""
    flags: dict[Cell, list[bool]] = {}
    for owner, axis, _, _ in hits:
        for voxel in around(owner, axis):
            flags.setdefault(voxel, [False] * 3)
        flags[owner][axis] = True
    cells = sorted(flags)
    return (
        np.array(cells, int).reshape(-1, 3),
        np.array([flags[cell] for cell in cells], bool).reshape(-1, 3),
    )


def edges_crossed_geometrically(
    local: np.ndarray, faces: np.ndarray, voxel_size: np.ndarray, grid_size: int
) -> set[tuple[Cell, int]]:
    """(owner, axis) of crossed edges by testing every grid line against every triangle.

    For triangles in general position inside of the box only: no rule for ties.
    """
    found: set[tuple[Cell, int]] = set()
    i, j = np.meshgrid(np.arange(grid_size - 1), np.arange(grid_size - 1), indexing="ij")
    for a, b, c in local[faces]:
        for axis in range(3):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            points = np.stack([(i + 1) * voxel_size[u], (j + 1) * voxel_size[v]], axis=-1)
            (ax, ay), (bx, by), (cx, cy) = (corner[[u, v]] for corner in (a, b, c))
            area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
            if area == 0:
                continue
            px, py = points[..., 0], points[..., 1]
            wb = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) / area
            wc = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) / area
            wa = 1 - wb - wc
            depth = wa * a[axis] + wb * b[axis] + wc * c[axis]
            for p, q in np.argwhere((wa > 0) & (wb > 0) & (wc > 0)):
                owner = [0, 0, 0]
                owner[u], owner[v], owner[axis] = p, q, int(depth[p, q] / voxel_size[axis])
                found.add(((int(owner[0]), int(owner[1]), int(owner[2])), axis))
    return found


def _plane(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    normal = np.cross(b - a, c - b)
    length = np.linalg.norm(normal)
    normal = normal / length if length > 0 else normal
    return np.array([*normal, -normal @ a])


def _triangle_meets_box(triangle: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Separating axes of a triangle and a box: 3 sides, 1 normal, 9 products."""
    corners = triangle - (low + high) / 2
    half = (high - low) / 2
    sides = np.roll(corners, -1, axis=0) - corners
    axes = [*np.eye(3), np.cross(sides[0], sides[1])]
    axes += [np.cross(unit, side) for unit in np.eye(3) for side in sides]
    for axis in axes:
        along, reach = corners @ axis, half @ np.abs(axis)
        if along.min() > reach or along.max() < -reach:
            return False
    return True


def _segment_meets_box(a: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    enter, leave = 0.0, 1.0
    for i in range(3):
        if a[i] == b[i]:
            if not low[i] <= a[i] <= high[i]:
                return False
            continue
        t = sorted([(low[i] - a[i]) / (b[i] - a[i]), (high[i] - a[i]) / (b[i] - a[i])])
        enter, leave = max(enter, t[0]), min(leave, t[1])
    return enter <= leave


def open_edges(faces: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of vertices that are a side of exactly one face."""
    sides = [tuple(sorted((int(f[i]), int(f[i - 1])))) for f in faces for i in range(3)]
    return [(s[0], s[1]) for s in sorted(set(sides)) if sides.count(s) == 1]


def errors_of_voxels(
    local: np.ndarray,
    faces: np.ndarray,
    voxel_size: np.ndarray,
    grid_size: int,
    *,
    with_faces: bool = True,
    boundary_weight: float = 0.2,
    regularization: float = 1e-2,
) -> dict[Cell, tuple[np.ndarray, int]]:
    """For each active voxel its regularised (4, 4) QEF and the number of its crossings."""
    error: dict[Cell, np.ndarray] = {}
    points: dict[Cell, list[np.ndarray]] = {}
    planes = [_plane(*local[face]) for face in faces]
    for owner, axis, point, number in crossings(local, faces, voxel_size, grid_size):
        for voxel in around(owner, axis):
            error.setdefault(voxel, np.zeros((4, 4)))
            error[voxel] += np.outer(planes[number], planes[number])
            points.setdefault(voxel, []).append(point)
    borders = open_edges(faces)
    for voxel, q in error.items():
        low = np.array(voxel) * voxel_size
        high = low + voxel_size
        if with_faces:
            for face, plane in zip(faces, planes, strict=True):
                if _triangle_meets_box(local[face], low, high):
                    q += np.outer(plane, plane)
        for a, b in borders:
            start, end = local[a], local[b]
            if np.linalg.norm(end - start) < 1e-6:
                continue
            if boundary_weight > 0 and _segment_meets_box(start, end, low, high):
                d = (end - start) / np.linalg.norm(end - start)
                across = np.eye(3) - np.outer(d, d)
                bordered = np.column_stack([across, -across @ start])
                q += boundary_weight * np.vstack(
                    [bordered, [*(-across @ start), start @ across @ start]]
                )
        mean = np.mean(points[voxel], axis=0)
        pull = np.column_stack([np.eye(3), -mean])
        pull = np.vstack([pull, [*-mean, mean @ mean]])
        q += regularization * len(points[voxel]) * pull
    return {voxel: (q, len(points[voxel])) for voxel, q in error.items()}
