"""The surface that quads are made on: small triangles of about one size, with its lines."""

from collections.abc import Callable

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.collapsible import has_corner, meets_link_condition, merge_vertex
from engine.meshing.creases import CORNER, FREE, find_kinds
from engine.meshing.edges import faces_around, find_edges, side_ends, undirected
from engine.meshing.normals import vertex_normals

_SHORT = 0.45
"""Edges shorter than this share of the longest are collapsed,"""
_LONGER = 1.2
"""and edges so many times longer than what would lie across them are turned."""
_MOST_PASSES = 60
_UPRIGHT = 0.3
"""Cosine between a face and the surface, and its height by its longest side: what is less may only
become better."""
_NEEDLE = 0.05

Choice = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def edge_ends(faces: np.ndarray, count: int) -> np.ndarray:
    """(E, 2) int64 the vertices of each edge, for faces of ``count`` vertices."""
    return find_edges(faces, count).ends(faces).astype(np.int64)


def even(
    points: np.ndarray, faces: np.ndarray, lines: np.ndarray, longest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The surface with edges of about one length, at most ``longest``; its lines stay.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int32.
        lines: (L, 2) int64 edges.

    Returns:
        points, faces and lines.
    """
    for _ in range(2):
        points, faces, lines = split_long(points, faces, lines, longest)
        kind = find_kinds(points, lines)[0]
        normals = vertex_normals(points, faces).astype(np.float64)

        short = by_length(points, kind, _SHORT * longest)
        faces, lines = collapse(points, faces, normals, kind, lines, short)
        faces = turn_edges(points, faces, lines, _LONGER)
        used = np.unique(faces)
        number = np.full(len(points), -1, np.int32)
        number[used] = np.arange(len(used))
        points, normals, kind = points[used], normals[used], kind[used]
        faces, lines = number[faces], number[lines].astype(np.int64)
        ends = edge_ends(faces, len(points))
        both = np.concatenate([ends, ends[:, ::-1]])
        way = means_of_neighbours(points, both[:, 0], both[:, 1]) - points
        way -= normals * np.einsum("vi,vi->v", way, normals)[:, None]
        way[kind != FREE] = 0
        start, corners = faces_around(faces, len(points))
        settle(points, faces, start, corners, normals, points + way)
    return points, faces, lines


def means_of_neighbours(points: np.ndarray, at: np.ndarray, to: np.ndarray) -> np.ndarray:
    """(V, 3) float64: the mean of the points ``to`` beside each ``at``, (M,) int64 both; points
    beside which there are none stay."""
    count = np.bincount(at, minlength=len(points))
    sums = [np.bincount(at, points[to, k], len(points)) for k in range(3)]
    means = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
    return np.where((count > 0)[:, None], means, points)


def by_length(points: np.ndarray, kind: np.ndarray, shortest: float) -> Choice:
    """For ``collapse``: the edges below a length, the shortest first; what is free goes."""

    def choose(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
        swap = kind[ends[:, 0]] > kind[ends[:, 1]]
        pairs = np.where(swap[:, None], ends[:, ::-1], ends)
        return np.where(length < shortest, length, np.inf), pairs

    return choose


def split_long(
    points: np.ndarray, faces: np.ndarray, lines: np.ndarray, longest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Halve edges until none is longer than ``longest``: points, faces and lines."""
    while True:
        edges = find_edges(faces, len(points))
        ends = edges.ends(faces).astype(np.int64)
        long = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1) > longest
        if not long.any():
            return points, faces, lines
        middle = np.full(len(ends), -1)
        middle[long] = len(points) + np.arange(int(long.sum()))
        if len(lines):
            # Edges are in the order of these numbers.
            at = np.searchsorted(undirected(ends), undirected(lines))
            cut = middle[at] >= 0
            halves = [np.stack([lines[cut, k], middle[at[cut]]], axis=1) for k in range(2)]
            lines = np.concatenate([lines[~cut], *halves])
        points = np.concatenate([points, points[ends[long]].mean(axis=1)])
        faces = _split(faces, middle[edges.of_sides()].reshape(-1, 3), points)


def _split(faces, middle, points):
    """Triangles with some sides cut: each becomes as many as these, and one more."""
    cuts = (middle >= 0).sum(axis=1)
    made = [faces[cuts == 0]]
    for count in (1, 2, 3):
        chosen = np.flatnonzero(cuts == count)
        cut = middle[chosen] >= 0
        # Turned so that the only cut side comes first, or that the only whole one comes last.
        turn = ((~cut).argmax(axis=1) + 1) % 3 if count == 2 else cut.argmax(axis=1)
        rows = (turn[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[chosen].astype(np.int64), rows, axis=1).T
        ab, bc, ca = np.take_along_axis(middle[chosen], rows, axis=1).T
        if count == 1:
            new = [(a, ab, c), (ab, b, c)]
        elif count == 2:
            one = np.linalg.norm(points[ab] - points[c], axis=1)
            shorter = one < np.linalg.norm(points[a] - points[bc], axis=1)
            new = [
                (ab, b, bc),
                (a, ab, np.where(shorter, c, bc)),
                (np.where(shorter, ab, a), bc, c),
            ]
        else:
            new = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        made += [np.stack(corners, axis=1) for corners in new]
    return np.concatenate(made).astype(np.int32)


def collapse(points, faces, normals, kind, lines, choose):
    """Collapse the edges that ``choose`` names, in passes, as far as the surface allows.

    Topology stays, what lies on a line moves only along it, corners stay; no face comes to stand
    across the surface or becomes a needle that was none.

    Args:
        points, normals: (V, 3) float64.
        faces: (F, 3) int32.
        kind: (V,) int8 of ``find_kinds``.
        lines: (L, 2) int64 edges.
        choose: from (E, 2) edges to (E,) float64 costs, infinite for what stays, and (E, 2) int64
            what goes and where to.

    Returns:
        (G, 3) int32 faces, into the same vertices; (M, 2) int64 lines.
    """
    faces = faces.copy()
    for _ in range(_MOST_PASSES):
        ends = edge_ends(faces, len(points))
        cost, pairs = choose(ends)
        may = np.isfinite(cost) & (kind[pairs[:, 0]] != CORNER)
        may &= (kind[pairs[:, 0]] == FREE) | np.isin(undirected(ends), undirected(lines))
        pairs, cost = pairs[may], cost[may]
        order = np.lexsort((pairs[:, 0], pairs[:, 1], cost))
        start, corners = faces_around(faces, len(points))
        alive, kept = _collapse(points, faces, normals, pairs[order], start, corners // 3, kind)
        if alive.all():
            break
        faces = faces[alive]
        lines = kept[lines]
        lines = lines[lines[:, 0] != lines[:, 1]]
    # Of a sliver that went altogether the lines would stay, on edges that no face has.
    lines = lines[np.isin(undirected(lines), undirected(edge_ends(faces, len(points))))]
    return faces, np.unique(np.sort(lines, axis=1), axis=0).astype(np.int64).reshape(-1, 2)


@kernel
def _collapse(points, faces, normals, order, start, members, kind):
    """Collapse in ``order``; (F,) bool faces that are left, (V,) int64 what became of vertices."""
    alive = np.ones(faces.shape[0], np.bool_)
    locked = np.zeros(points.shape[0], np.bool_)
    mark = np.zeros(points.shape[0], np.int64)
    kept = np.arange(points.shape[0])
    token = 0
    for e in range(order.shape[0]):
        goes, stays = order[e, 0], order[e, 1]
        if locked[goes] or locked[stays]:
            continue
        token += 3
        if not meets_link_condition(
            faces, alive, start, members, stays, goes, kind[goes] != FREE, mark, token
        ) or not _lies_well(points, faces, normals, alive, start, members, goes, stays):
            continue
        merge_vertex(faces, alive, start, members, goes, stays)
        kept[goes] = stays
        locked[goes] = True
        locked[stays] = True
    return alive, kept


@tight
def _lies_well(points, faces, normals, alive, start, members, goes, stays):
    """Whether all that remains around ``goes`` lies on the surface when that is at ``stays``."""
    for i in range(start[goes], start[goes + 1]):
        f = members[i]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if not alive[f] or stays in (a, b, c):
            continue
        if a != goes:  # turned so that it comes first
            b, c = (c, a) if b == goes else (a, b)
        up, height = measure_face(points, normals, stays, b, c)
        if up < _UPRIGHT or height < _NEEDLE:
            up_before, height_before = measure_face(points, normals, goes, b, c)
            if up < min(up_before, _UPRIGHT) or height < min(height_before, _NEEDLE):
                return False
    return True


@tight
def measure_face(points, normals, a, b, c):
    """Cosine between a triangle and the normals of its corners, its height by its longest side."""
    ux, uy, uz = (
        points[b, 0] - points[a, 0],
        points[b, 1] - points[a, 1],
        points[b, 2] - points[a, 2],
    )
    vx, vy, vz = (
        points[c, 0] - points[a, 0],
        points[c, 1] - points[a, 1],
        points[c, 2] - points[a, 2],
    )
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    longest = max(
        ux * ux + uy * uy + uz * uz,
        vx * vx + vy * vy + vz * vz,
        (ux - vx) ** 2 + (uy - vy) ** 2 + (uz - vz) ** 2,
        1e-300,
    )
    area = np.sqrt(x * x + y * y + z * z)
    nx = normals[a, 0] + normals[b, 0] + normals[c, 0]
    ny = normals[a, 1] + normals[b, 1] + normals[c, 1]
    nz = normals[a, 2] + normals[b, 2] + normals[c, 2]
    size = area * np.sqrt(nx * nx + ny * ny + nz * nz)
    return (x * nx + y * ny + z * nz) / max(size, 1e-300), area / longest


def turn_edges(
    points: np.ndarray, faces: np.ndarray, lines: np.ndarray, longer: float
) -> np.ndarray:
    """(F, 3) int32: edges so many times ``longer`` than what would lie across them are turned."""
    faces = faces.copy()
    fixed = undirected(lines)
    for _ in range(10):
        edges = find_edges(faces, len(points))
        pairs = edges.pairs()
        ends = np.stack(side_ends(faces, pairs[:, 0]), axis=1)
        pairs = pairs[~np.isin(undirected(ends), fixed)]
        start, corners = faces_around(faces, len(points))
        if _turn(points, faces, pairs, start, corners // 3, longer * longer) == 0:
            break
    return faces


@kernel
def _turn(points, faces, pairs, start, members, ratio):
    locked = np.zeros(points.shape[0], np.bool_)
    normals = np.empty((4, 3))
    turned = 0
    for p in range(pairs.shape[0]):
        f, s = pairs[p, 0] // 3, pairs[p, 0] % 3
        g, t = pairs[p, 1] // 3, pairs[p, 1] % 3
        a, b, c = faces[f, s], faces[f, (s + 1) % 3], faces[f, (s + 2) % 3]
        d = faces[g, (t + 2) % 3]
        if faces[g, t] != b or c == d or locked[a] or locked[b] or locked[c] or locked[d]:
            continue
        old, new = 0.0, 0.0
        for k in range(3):
            old += (points[a, k] - points[b, k]) ** 2
            new += (points[c, k] - points[d, k]) ** 2
        if old < ratio * new:
            continue
        there = False
        for i in range(start[c], start[c + 1]):
            if has_corner(faces, members[i], d):
                there = True
        if there:
            continue
        _fill_normal(points, a, b, c, normals[0])
        _fill_normal(points, b, a, d, normals[1])
        _fill_normal(points, c, d, b, normals[2])
        _fill_normal(points, d, c, a, normals[3])
        if _cosine(normals[2], normals[3]) < 0.7 or (
            _cosine(normals[0], normals[2]) + _cosine(normals[0], normals[3]) < 1.0
            and _cosine(normals[1], normals[2]) + _cosine(normals[1], normals[3]) < 1.0
        ):
            continue
        faces[f, 0], faces[f, 1], faces[f, 2] = c, d, b
        faces[g, 0], faces[g, 1], faces[g, 2] = d, c, a
        locked[a] = locked[b] = locked[c] = locked[d] = True
        turned += 1
    return turned


@kernel
def settle(points, faces, start, corners, normals, places):
    """Move vertices, (V, 3) float64 in place, towards their places as far as all faces lie well."""
    for v in range(points.shape[0]):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        up_before, height_before = _lie(points, faces, start, corners, normals, v)
        share = 1.0
        while share > 0.1:
            points[v, 0] = x + share * (places[v, 0] - x)
            points[v, 1] = y + share * (places[v, 1] - y)
            points[v, 2] = z + share * (places[v, 2] - z)
            up, height = _lie(points, faces, start, corners, normals, v)
            if up >= min(2 * _UPRIGHT, up_before) and height >= min(6 * _NEEDLE, height_before):
                break
            share /= 2
        if share <= 0.1:
            points[v, 0], points[v, 1], points[v, 2] = x, y, z


@tight
def _lie(points, faces, start, corners, normals, v):
    """The least of ``measure_face`` around a vertex."""
    up, height = 1.0, 1.0
    for i in range(start[v], start[v + 1]):
        f = corners[i] // 3
        one, other = measure_face(points, normals, faces[f, 0], faces[f, 1], faces[f, 2])
        up, height = min(up, one), min(height, other)
    return up, height


@tight
def _fill_normal(points, a, b, c, normal):
    ux, uy, uz = (
        points[b, 0] - points[a, 0],
        points[b, 1] - points[a, 1],
        points[b, 2] - points[a, 2],
    )
    vx, vy, vz = (
        points[c, 0] - points[a, 0],
        points[c, 1] - points[a, 1],
        points[c, 2] - points[a, 2],
    )
    normal[0], normal[1], normal[2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@tight
def _cosine(a, b):
    both = (a[0] ** 2 + a[1] ** 2 + a[2] ** 2) * (b[0] ** 2 + b[1] ** 2 + b[2] ** 2)
    return (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / np.sqrt(max(both, 1e-300))
