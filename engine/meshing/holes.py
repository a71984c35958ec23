"""Small holes closed."""

import numpy as np

from engine.kernels import kernel
from engine.meshing.edges import Edges, face_areas, find_edges, parts_of, side_ends


def close_holes(
    vertices: np.ndarray, faces: np.ndarray, max_perimeter: float, *, edges: Edges | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Fill the loops of open edges that are shorter than ``max_perimeter``.

    As the reference does (docs/numerics.md), but with faces wound like their neighbours: three
    edges get one triangle, more get a fan around a new vertex in their middle, which cannot
    coincide with an existing edge. A loop around a part not clearly larger (by half) than its
    filling, as around a lone triangle, is left open: closing it would make a bag of it.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, wound consistently.
        max_perimeter: in the unit of the vertices.

    Returns:
        (V + new, 3) vertices, (F + new, 3) faces, (new,) int64 old vertex beside each new one,
        and how many holes were closed.
    """
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    if edges is None:
        edges = find_edges(faces, len(vertices))
    open_sides = edges.sides_of_open_edges()
    if len(open_sides) == 0 or max_perimeter <= 0:
        return vertices, faces, np.zeros(0, dtype=np.int64), 0
    start, end = side_ends(faces, open_sides)
    used, ends = np.unique(np.stack([start, end], axis=1), return_inverse=True)
    parts, _ = parts_of(faces, len(vertices))
    part_area = np.bincount(parts, weights=face_areas(vertices, faces))
    part_of_vertex = np.zeros(len(vertices), dtype=np.int32)
    part_of_vertex[faces] = parts[:, None]
    loops, first = _simple_loops(ends.reshape(-1, 2).astype(np.int32), len(used))
    new_vertices, new_faces, beside = [], [], []
    closed = 0
    for k in range(len(first) - 1):
        loop = loops[first[k] : first[k + 1]]
        corners = used[loop]
        points = vertices[corners].astype(np.float64)
        perimeter = np.linalg.norm(points - np.roll(points, -1, axis=0), axis=1).sum()
        if perimeter >= max_perimeter or len(loop) < 3:
            continue
        center = points.mean(axis=0)
        fan = np.cross(points - center, np.roll(points, -1, axis=0) - center)
        if part_area[part_of_vertex[corners[0]]] <= 0.75 * np.linalg.norm(fan, axis=1).sum():
            continue
        closed += 1
        after = np.roll(corners, -1)
        if len(loop) == 3:
            new_faces.append(corners[None, ::-1])
            continue
        middle = len(vertices) + len(new_vertices)
        new_vertices.append(((points + np.roll(points, -1, axis=0)) / 2).mean(axis=0))
        beside.append(corners[0])
        new_faces.append(np.stack([after, corners, np.full(len(loop), middle)], axis=1))
    if new_vertices:
        vertices = np.concatenate([vertices, np.array(new_vertices, dtype=np.float32)])
    if new_faces:
        faces = np.concatenate([faces, np.concatenate(new_faces).astype(np.int32)])
    return vertices, faces, np.array(beside, dtype=np.int64), closed


@kernel
def _simple_loops(ends, node_count):
    """Walk directed edges into loops that pass no node twice.

    A walk that comes back to one of its own nodes has closed a loop there; the walk continues from
    that node without it. Walks that end nowhere (beside edges of three faces) are dropped.
    """
    start = np.zeros(node_count + 1, np.int64)
    for e in range(ends.shape[0]):
        start[ends[e, 0] + 1] += 1
    for v in range(node_count):
        start[v + 1] += start[v]
    cursor = start[:-1].copy()
    leaving = np.empty(ends.shape[0], np.int32)
    for e in range(ends.shape[0]):
        leaving[cursor[ends[e, 0]]] = e
        cursor[ends[e, 0]] += 1
    for v in range(node_count):  # assigning the row takes seconds to compile
        cursor[v] = start[v]
    place = np.full(node_count, -1, np.int64)
    walk = np.empty(ends.shape[0] + 1, np.int32)
    loops = np.empty(ends.shape[0], np.int32)
    first = np.zeros(ends.shape[0] + 1, np.int64)
    loop_count, used = 0, 0
    for node in range(node_count):
        while cursor[node] < start[node + 1]:
            length = 1
            walk[0] = node
            place[node] = 0
            while True:
                at = walk[length - 1]
                if cursor[at] == start[at + 1]:
                    break
                to = ends[leaving[cursor[at]], 1]
                cursor[at] += 1
                if place[to] >= 0:
                    for i in range(place[to], length):
                        loops[used] = walk[i]
                        used += 1
                        if i > place[to]:
                            place[walk[i]] = -1
                    length = place[to] + 1
                    loop_count += 1
                    first[loop_count] = used
                else:
                    place[to] = length
                    walk[length] = to
                    length += 1
            for i in range(length):
                place[walk[i]] = -1
    return loops[:used].copy(), first[: loop_count + 1].copy()
