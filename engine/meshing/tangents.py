"""Tangents of face corners by the rules of MikkTSpace, which glTF and Blender use for normal maps.

The rules (Mikkelsen 2008, Simulation of Wrinkled Surfaces Revisited, and his published
description): corners with equal position, normal and UV are one vertex; a face's tangent is the
direction in which u grows; around a vertex, faces that are connected by edges and whose UVs have
the same handedness share one tangent: the sum of the faces' tangents, each laid into the plane of
the normal and weighted by the face's angle there. The sign says whether the UVs are mirrored.
"""

import numpy as np

from engine.kernels import kernel
from engine.meshing.rows import unique_rows


def corner_tangents(
    vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Tangents at the corners of faces.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
        uvs, normals: (F, 3, 2) and (F, 3, 3) float32 per face corner; v grows upwards.

    Returns:
        (F, 3, 4) float32: unit vectors at right angles to the normals, and 1 or -1; the bitangent
        is ``sign * cross(normal, tangent)``. Where UVs have no area: those of a neighbour at the
        same vertex, or else any.
    """
    faces = np.ascontiguousarray(faces, np.int32)
    if len(faces) == 0:
        return np.zeros((0, 3, 4), np.float32)
    vertices = np.ascontiguousarray(vertices, np.float32)
    uvs = np.ascontiguousarray(uvs, np.float32)
    normals = np.ascontiguousarray(normals, np.float32)
    _, welded = unique_rows(
        vertices[faces].reshape(-1, 3), normals.reshape(-1, 3), uvs.reshape(-1, 2)
    )
    welded = welded.reshape(-1, 3)
    direction, handed = _face_tangents(vertices, faces, uvs)
    pairs = _paired_edges(welded)
    group = _group(welded, handed, pairs)
    sums = _sum_groups(vertices, faces, normals, direction, handed, group)
    return _finish(normals, welded, handed, group, sums)


@kernel
def _face_tangents(vertices, faces, uvs):
    """Direction of growing u, and handedness: 1, -1, or 0 where the UVs have no area."""
    direction = np.zeros((len(faces), 3))
    handed = np.zeros(len(faces), np.int8)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        u1, v1 = np.float64(uvs[f, 1, 0]) - uvs[f, 0, 0], np.float64(uvs[f, 1, 1]) - uvs[f, 0, 1]
        u2, v2 = np.float64(uvs[f, 2, 0]) - uvs[f, 0, 0], np.float64(uvs[f, 2, 1]) - uvs[f, 0, 1]
        area = u1 * v2 - v1 * u2
        total = 0.0
        for i in range(3):
            e1 = np.float64(vertices[b, i]) - vertices[a, i]
            e2 = np.float64(vertices[c, i]) - vertices[a, i]
            direction[f, i] = v2 * e1 - v1 * e2
            total += direction[f, i] ** 2
        if abs(area) < 1e-20 or not total > 0.0:
            direction[f] = 0.0
            continue
        handed[f] = 1 if area > 0 else -1
        direction[f] *= handed[f] / np.sqrt(total)
    return direction, handed


def _paired_edges(welded: np.ndarray) -> np.ndarray:
    """(E, 2) int64 pairs of half-edges that are one edge; 3 f + k starts at corner k of face f."""
    tail, head = welded.reshape(-1).astype(np.int64), np.roll(welded, -1, axis=1).reshape(-1)
    key = np.minimum(tail, head) * (int(welded.max()) + 1) + np.maximum(tail, head)
    order = np.argsort(key, kind="stable")
    return _pair(order, key[order], (tail < head)[order])


@kernel
def _pair(order, key, forward):
    """Each half-edge with the first free one that runs the other way."""
    pairs = np.empty((len(order) // 2, 2), np.int64)
    taken = np.zeros(len(order), np.bool_)
    count = 0
    for i in range(len(order)):
        j = i + 1
        while not taken[i] and j < len(order) and key[j] == key[i]:
            if not taken[j] and forward[j] != forward[i]:
                taken[i] = taken[j] = True
                pairs[count, 0], pairs[count, 1] = order[i], order[j]
                count += 1
            j += 1
    return pairs[:count].copy()


@kernel
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _group(welded, handed, pairs):
    """(3F,) group of each corner: corners at a vertex whose faces are connected by edges."""
    parent = np.arange(welded.size)
    for e in range(len(pairs)):
        f, k = pairs[e, 0] // 3, pairs[e, 0] % 3
        g, m = pairs[e, 1] // 3, pairs[e, 1] % 3
        if handed[f] != handed[g] or handed[f] == 0:
            continue
        # The edges run against each other: the tail of one is the head of the other.
        for a, b in ((3 * f + k, 3 * g + (m + 1) % 3), (3 * f + (k + 1) % 3, 3 * g + m)):
            ra, rb = _root(parent, a), _root(parent, b)
            if ra != rb:
                parent[max(ra, rb)] = min(ra, rb)
    for i in range(len(parent)):
        parent[i] = _root(parent, i)
    return parent


@kernel
def _into_plane(x, n):
    """Lay a vector into the plane of the normal; unit length, or zero when nothing is left."""
    flat = x - n * (n[0] * x[0] + n[1] * x[1] + n[2] * x[2])
    size = np.sqrt(flat[0] ** 2 + flat[1] ** 2 + flat[2] ** 2)
    return flat / size if size > 1e-20 else np.zeros(3)


@kernel
def _sum_groups(vertices, faces, normals, direction, handed, group):
    sums = np.zeros((faces.size, 3))
    for f in range(len(faces)):
        if handed[f] == 0:
            continue
        for k in range(3):
            n = normals[f, k].astype(np.float64)
            here = vertices[faces[f, k]].astype(np.float64)
            ahead = _into_plane(vertices[faces[f, (k + 1) % 3]].astype(np.float64) - here, n)
            back = _into_plane(vertices[faces[f, (k + 2) % 3]].astype(np.float64) - here, n)
            cosine = ahead[0] * back[0] + ahead[1] * back[1] + ahead[2] * back[2]
            angle = np.arccos(min(max(cosine, -1.0), 1.0))
            sums[group[3 * f + k]] += angle * _into_plane(direction[f], n)
    return sums


@kernel
def _finish(normals, welded, handed, group, sums):
    tangents = np.zeros((len(welded), 3, 4), np.float32)
    # A corner of a good face at each vertex, for faces whose UVs say nothing.
    good = np.full(welded.max() + 1, -1, np.int64)
    for f in range(len(welded)):
        if handed[f] != 0:
            for k in range(3):
                if good[welded[f, k]] < 0:
                    good[welded[f, k]] = 3 * f + k
    for f in range(len(welded)):
        for k in range(3):
            n = normals[f, k].astype(np.float64)
            corner = 3 * f + k
            if handed[f] == 0 and good[welded[f, k]] >= 0:
                corner = good[welded[f, k]]
            t = _into_plane(sums[group[corner]], n)
            if t[0] == 0 and t[1] == 0 and t[2] == 0:
                axis = np.zeros(3)
                axis[0 if abs(n[0]) < 0.9 else 1] = 1
                t = _into_plane(axis, n)
            for i in range(3):
                tangents[f, k, i] = t[i]
            tangents[f, k, 3] = -1 if handed[corner // 3] < 0 else 1
    return tangents
