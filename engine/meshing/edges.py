"""Which faces meet at which edge, and which are connected."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.kernels import kernel, sort_in_place


@dataclass(frozen=True)
class Edges:
    """The sides of all faces, grouped by the undirected edge they lie on.

    Side ``3 * f + s`` of face f goes from its corner s to its corner (s + 1) % 3.

    Args:
        sides: (3F,) int32, ordered by the edge's lower and then higher vertex.
        first: (E + 1,) int64, where each edge's sides begin in ``sides``, and the end.
    """

    sides: np.ndarray
    first: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """(E,) int64, how many sides lie on each edge."""
        return np.diff(self.first)

    def of_sides(self) -> np.ndarray:
        """(3F,) int32, the edge that each side lies on."""
        edge = np.empty(len(self.sides), np.int32)
        edge[self.sides] = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)
        return edge

    def ends(self, faces: np.ndarray) -> np.ndarray:
        """(E, 2) int32, the vertices of each edge of (F, 3) ``faces``, as its first side goes."""
        return np.stack(side_ends(faces, self.sides[self.first[:-1]]), axis=1)

    def sides_of_open_edges(self) -> np.ndarray:
        """(B,) int32, the sides that have an edge to themselves."""
        return self.sides[self.first[:-1][self.counts == 1]]

    def pairs(self) -> np.ndarray:
        """(M, 2) int32, the two sides of each edge that has exactly two."""
        return _pairs(self.sides, self.first)


def find_edges(faces: np.ndarray, vertex_count: int) -> Edges:
    """Group the sides of (F, 3) int32 ``faces``; faces with a vertex twice must be gone."""
    return Edges(*_group_sides(np.ascontiguousarray(faces, dtype=np.int32), vertex_count))


def side_ends(faces: np.ndarray, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where (N,) sides start and end: two (N,) int32 arrays of vertex indices."""
    return _side_ends(np.ascontiguousarray(faces, np.int32), np.ascontiguousarray(sides, np.int32))


def sides_of(polygons: np.ndarray) -> np.ndarray:
    """(P * C, 2) vertices at the ends of the sides of (P, C) polygons, one after another."""
    return np.stack([polygons, np.roll(polygons, -1, axis=1)], axis=2).reshape(-1, 2)


def undirected(pairs: np.ndarray) -> np.ndarray:
    """(N,) int64: one number for each (N, 2) pair of vertices, whichever comes first."""
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1).astype(np.int64)
    return low * (1 << 32) + high


def face_neighbours(faces: np.ndarray, edges: Edges) -> np.ndarray:
    """(F, 3) int64: what lies across each side, as 2 * face + disagrees, or -1.

    Only edges with exactly two sides, of different faces, make neighbours. Two faces disagree when
    they walk their common edge in the same direction.
    """
    return _neighbours(np.ascontiguousarray(faces, np.int32), edges.sides, edges.first)


def faces_across(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) int64: the face that continues the surface across each side, or -1.

    Of an edge with two sides, the other one. Where more meet, sheets cross: the two that lie
    flattest to each other belong together, then the next two. Faces that walk their edge in the
    same direction never do: across it one would be seen from behind.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, none with a vertex twice.
    """
    edges = find_edges(faces, len(vertices))
    neighbours = face_neighbours(faces, edges)
    across = np.where((neighbours < 0) | (neighbours & 1 == 1), -1, neighbours >> 1)
    crowded = np.flatnonzero(edges.counts > 2)
    if len(crowded):
        normals = face_normals(vertices, faces)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        _pair_flattest(faces, normals, edges.sides, edges.first, crowded, across.reshape(-1))
    return across


def parts_of(simplices: np.ndarray, node_count: int) -> tuple[np.ndarray, int]:
    """Connected components of simplices that share nodes.

    Args:
        simplices: (N, K) int, rows of node indices: faces of vertices, or pairs of faces.

    Returns:
        (N,) int32 part of each row, numbered from 0 in order of first appearance; their count.
    """
    return _parts(np.ascontiguousarray(simplices, dtype=np.int32), node_count)


def parts_by_edges(faces: np.ndarray, vertex_count: int) -> tuple[np.ndarray, int]:
    """As ``parts_of``, where a vertex in common is not enough to hold two faces together."""
    edges = find_edges(faces, vertex_count)
    return parts_of(edges.of_sides().reshape(-1, 3), len(edges.counts))


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) float64: right-handed normals, as long as twice the area of the face."""
    return _normals(np.ascontiguousarray(vertices), np.ascontiguousarray(faces, dtype=np.int32))


def face_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) float64."""
    normals = face_normals(vertices, faces)
    return np.sqrt(np.einsum("fi,fi->f", normals, normals)) / 2


def faces_around(faces: np.ndarray, vertex_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Which corners lie at each vertex.

    Returns:
        start (V + 1,) int64 and corners (3F,) int32: those of vertex v are
        ``corners[start[v] : start[v + 1]]``, ascending; corner 3 f + k is corner k of face f.
    """
    return _group_corners(np.ascontiguousarray(faces, np.int32), vertex_count)


@kernel
def _normals(vertices, faces):
    normals = np.empty((faces.shape[0], 3), np.float64)
    u, v = np.empty(3), np.empty(3)
    for f in range(faces.shape[0]):
        for k in range(3):
            origin = np.float64(vertices[faces[f, 0], k])
            u[k] = vertices[faces[f, 1], k] - origin
            v[k] = vertices[faces[f, 2], k] - origin
        normals[f, 0] = u[1] * v[2] - u[2] * v[1]
        normals[f, 1] = u[2] * v[0] - u[0] * v[2]
        normals[f, 2] = u[0] * v[1] - u[1] * v[0]
    return normals


@kernel
def _group_sides(faces, vertex_count):
    """A counting sort by the lower vertex, then the few sides of each by their higher one."""
    side_count = faces.shape[0] * 3
    start = np.zeros(vertex_count + 1, np.int64)
    for f in range(faces.shape[0]):
        for s in range(3):
            start[min(faces[f, s], faces[f, (s + 1) % 3]) + 1] += 1
    for v in range(vertex_count):
        start[v + 1] += start[v]
    keys = np.empty(side_count, np.int64)  # the higher vertex, then the side
    for f in range(faces.shape[0]):
        for s in range(3):
            a, b = faces[f, s], faces[f, (s + 1) % 3]
            low = min(a, b)
            keys[start[low]] = np.int64(max(a, b)) << 32 | (3 * f + s)
            start[low] += 1
    sides = np.empty(side_count, np.int32)
    first = np.empty(side_count + 1, np.int64)
    edge_count = 0
    begin = 0
    for low in range(vertex_count):
        end = start[low]
        if end - begin > 1:
            sort_in_place(keys[begin:end])
        last_high = np.int64(-1)
        for i in range(begin, end):
            sides[i] = np.int32(keys[i] & 0xFFFFFFFF)
            if keys[i] >> 32 != last_high:
                last_high = keys[i] >> 32
                first[edge_count] = i
                edge_count += 1
        begin = end
    first[edge_count] = side_count
    return sides, first[: edge_count + 1].copy()


@kernel
def _side_ends(faces, sides):
    starts, ends = np.empty(len(sides), np.int32), np.empty(len(sides), np.int32)
    for i in range(len(sides)):
        f, s = sides[i] // 3, sides[i] % 3
        starts[i], ends[i] = faces[f, s], faces[f, s + 1 if s < 2 else 0]
    return starts, ends


@kernel
def _pairs(sides, first):
    pairs = np.empty((len(first) - 1, 2), np.int32)
    count = 0
    for e in range(len(first) - 1):
        if first[e + 1] - first[e] == 2:
            pairs[count, 0], pairs[count, 1] = sides[first[e]], sides[first[e] + 1]
            count += 1
    return pairs[:count].copy()


@kernel
def _neighbours(faces, sides, first):
    neighbours = np.full(faces.shape, -1, np.int64)
    for e in range(len(first) - 1):
        if first[e + 1] - first[e] != 2:
            continue
        a, b = sides[first[e]], sides[first[e] + 1]
        f, s, g, t = a // 3, a % 3, b // 3, b % 3
        if f != g:
            disagrees = np.int64(faces[f, s] == faces[g, t])
            neighbours[f, s], neighbours[g, t] = 2 * g + disagrees, 2 * f + disagrees
    return neighbours


@kernel
def _pair_flattest(faces, normals, sides, first, crowded, across):
    for edge in crowded:
        while True:
            best, at, other = -2.0, -1, -1
            for i in range(first[edge], first[edge + 1]):
                f, s = sides[i] // 3, sides[i] % 3
                if across[sides[i]] >= 0:
                    continue
                for j in range(i + 1, first[edge + 1]):
                    g, t = sides[j] // 3, sides[j] % 3
                    if across[sides[j]] >= 0 or f == g or faces[f, s] == faces[g, t]:
                        continue
                    dot = 0.0
                    for k in range(3):
                        dot += normals[f, k] * normals[g, k]
                    if dot > best:
                        best, at, other = dot, sides[i], sides[j]
            if at < 0:
                break
            across[at] = other // 3
            across[other] = at // 3


@kernel
def _parts(simplices, node_count):
    """Union by smaller root with path halving."""
    parent = np.empty(node_count, np.int32)
    for node in range(node_count):
        parent[node] = node
    for i in range(simplices.shape[0]):
        a = simplices[i, 0]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        for k in range(1, simplices.shape[1]):
            b = simplices[i, k]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a < b:
                parent[b] = a
            elif b < a:
                parent[a] = b
                a = b
    number = np.full(node_count, -1, np.int32)
    parts = np.empty(simplices.shape[0], np.int32)
    count = 0
    for i in range(simplices.shape[0]):
        a = simplices[i, 0]
        while parent[a] != a:
            a = parent[a]
        if number[a] < 0:
            number[a] = count
            count += 1
        parts[i] = number[a]
    return parts, count


@kernel
def _group_corners(faces, vertex_count):
    start = np.zeros(vertex_count + 1, np.int64)
    for f in range(len(faces)):
        for k in range(3):
            start[faces[f, k] + 1] += 1
    for v in range(vertex_count):
        start[v + 1] += start[v]
    place = start[:-1].copy()
    corners = np.empty(3 * len(faces), np.int32)
    for f in range(len(faces)):
        for k in range(3):
            v = faces[f, k]
            corners[place[v]] = 3 * f + k
            place[v] += 1
    return start, corners
