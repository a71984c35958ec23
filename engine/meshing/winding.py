"""Generalised winding numbers: how far a surface that may have holes encloses a point.

Inside of a closed surface that is wound outwards the number is 1, outside 0; near a hole it changes
smoothly, by the solid angle that the hole takes (Jacobson et al. 2013, "Robust inside-outside
segmentation using generalized winding numbers"). Faces far away count as one dipole for all in a
node of a tree (Barill et al. 2018, "Fast winding numbers for soups and clouds").
"""

from dataclasses import dataclass

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.meshing.box_tree import morton_codes
from engine.meshing.edges import face_normals, find_edges, side_ends

LEAF = 8
"""Faces of a leaf, at most."""
NEAR = 2.0
"""A node counts as one dipole from so many of its radii on: the sum is then good to 0.03."""
CHUNK = 16384


@dataclass(frozen=True)
class DipoleTree:
    """Faces in a complete binary tree; the children of node i are 2i + 1 and 2i + 2.

    Args:
        corners: (F, 3, 3) float64 corners of the faces, in the order of the leaves.
        leaf_start: (L + 1,) int64 faces of each leaf.
        center: (N, 3) float64 mean of the faces' centres by area.
        dipole: (N, 3) float64 sum of the faces' area vectors.
        reach: (N,) float64 farthest that a face reaches from the centre.
    """

    corners: np.ndarray
    leaf_start: np.ndarray
    center: np.ndarray
    dipole: np.ndarray
    reach: np.ndarray


def has_balanced_edges(faces: np.ndarray, vertex_count: int) -> bool:
    """Whether every edge is walked as often in either direction, as on closed surfaces: then the
    winding number is a whole number everywhere."""
    edges = find_edges(faces, vertex_count)
    starts, ends = side_ends(faces, edges.sides)
    balance = np.add.reduceat(np.where(starts < ends, 1, -1), edges.first[:-1])
    return not balance.any()


def dipole_tree(vertices: np.ndarray, faces: np.ndarray) -> DipoleTree:
    """Prepare a mesh for ``winding_numbers``.

    Args:
        vertices: (V, 3) float.
        faces: (F, 3) int32, at least one, wound outwards.
    """
    vertices = np.asarray(vertices, np.float64)
    faces = faces[np.argsort(morton_codes(vertices[faces].astype(np.float32)), kind="stable")]
    levels = max(0, int(np.ceil(np.log2(len(faces) / LEAF))))
    leaf_start = np.arange(2**levels + 1) * len(faces) // 2**levels
    corners = vertices[faces]
    center, dipole, reach = _fill(corners, face_normals(vertices, faces) / 2, leaf_start)
    return DipoleTree(corners, leaf_start, center, dipole, reach)


def winding_numbers(tree: DipoleTree, points: np.ndarray) -> np.ndarray:
    """(N,) float64 winding numbers of (N, 3) points, good to about 0.03."""
    points = np.ascontiguousarray(points, np.float64)

    def count(begin: int) -> np.ndarray:
        return _winding(
            points[begin : begin + CHUNK], tree.corners, tree.leaf_start, tree.center,
            tree.dipole, tree.reach,
        )  # fmt: skip

    parts = map_chunks(count, range(0, len(points), CHUNK))
    return np.concatenate(parts) if parts else np.zeros(0)


@kernel
def _fill(corners, area_vectors, leaf_start):
    """Centre, dipole and reach of each node, leaves first."""
    leaves = leaf_start.shape[0] - 1
    nodes = 2 * leaves - 1
    center, dipole = np.zeros((nodes, 3)), np.zeros((nodes, 3))
    reach, area = np.zeros(nodes), np.zeros(nodes)
    low, high = np.full((nodes, 3), np.inf), np.full((nodes, 3), -np.inf)
    for node in range(nodes - 1, -1, -1):
        leaf = node - (leaves - 1)
        if leaf >= 0:
            for f in range(leaf_start[leaf], leaf_start[leaf + 1]):
                size = 0.0
                for k in range(3):
                    size += area_vectors[f, k] ** 2
                    dipole[node, k] += area_vectors[f, k]
                size = max(np.sqrt(size), 1e-30)
                area[node] += size
                for k in range(3):
                    a, b, c = corners[f, 0, k], corners[f, 1, k], corners[f, 2, k]
                    center[node, k] += size * (a + b + c) / 3
                    low[node, k] = min(low[node, k], a, b, c)
                    high[node, k] = max(high[node, k], a, b, c)
        else:
            for child in range(2 * node + 1, 2 * node + 3):
                area[node] += area[child]
                for k in range(3):
                    dipole[node, k] += dipole[child, k]
                    center[node, k] += area[child] * center[child, k]
                    low[node, k] = min(low[node, k], low[child, k])
                    high[node, k] = max(high[node, k], high[child, k])
        far = 0.0
        for k in range(3):
            center[node, k] /= area[node]
            far += max(high[node, k] - center[node, k], center[node, k] - low[node, k]) ** 2
        reach[node] = np.sqrt(far)
    return center, dipole, reach


@kernel
def _winding(points, corners, leaf_start, center, dipole, reach):
    leaves = leaf_start.shape[0] - 1
    numbers = np.zeros(points.shape[0])
    waiting = np.empty(64, np.int64)
    for p in range(points.shape[0]):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        angle = 0.0
        waiting[0] = 0
        count = 1
        while count > 0:
            count -= 1
            node = waiting[count]
            dx, dy, dz = center[node, 0] - x, center[node, 1] - y, center[node, 2] - z
            away2 = dx * dx + dy * dy + dz * dz
            if away2 > (NEAR * reach[node]) ** 2:
                flux = dipole[node, 0] * dx + dipole[node, 1] * dy + dipole[node, 2] * dz
                angle += flux / (away2 * np.sqrt(away2))
            elif node < leaves - 1:
                waiting[count], waiting[count + 1] = 2 * node + 1, 2 * node + 2
                count += 2
            else:
                leaf = node - (leaves - 1)
                for f in range(leaf_start[leaf], leaf_start[leaf + 1]):
                    angle += _solid_angle(corners, f, x, y, z)
        numbers[p] = angle / (4 * np.pi)
    return numbers


@kernel
def _solid_angle(corners, f, x, y, z):
    """Of a triangle, positive from behind (van Oosterom and Strackee 1983)."""
    ax, ay, az = corners[f, 0, 0] - x, corners[f, 0, 1] - y, corners[f, 0, 2] - z
    bx, by, bz = corners[f, 1, 0] - x, corners[f, 1, 1] - y, corners[f, 1, 2] - z
    cx, cy, cz = corners[f, 2, 0] - x, corners[f, 2, 1] - y, corners[f, 2, 2] - z
    a = np.sqrt(ax * ax + ay * ay + az * az)
    b = np.sqrt(bx * bx + by * by + bz * bz)
    c = np.sqrt(cx * cx + cy * cy + cz * cz)
    volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    share = (
        a * b * c
        + (ax * bx + ay * by + az * bz) * c
        + (bx * cx + by * cy + bz * cz) * a
        + (cx * ax + cy * ay + cz * az) * b
    )
    return 2 * np.arctan2(volume, share)
