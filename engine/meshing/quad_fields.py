"""Two fields on a surface that say where quads go: their directions, and their places.

Jakob et al. 2015, "Instant Field-Aligned Meshes": each vertex has a cross of four directions in its
plane, and a lattice of cells in these directions; neighbours' crosses and lattices are averaged
after the turn and the steps that make them agree best, from coarse graphs to the mesh itself.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.creases import CORNER, FREE, ON_LINE

_ROUNDS = 6


@dataclass(frozen=True)
class Level:
    """A graph over the surface; each vertex stands for some of the finer level.

    Args:
        points, normals: (V, 3) float64.
        area: (V,) float64, for means.
        start, neighbours, weights: (V + 1,) int64, (M,) int32 and (M,) float64: the neighbours of v
            are ``neighbours[start[v] : start[v + 1]]``.
        kind, along: as those of ``find_kinds``.
        parent: (V,) int32 vertex of the next coarser level; None at the coarsest.
    """

    points: np.ndarray
    normals: np.ndarray
    area: np.ndarray
    start: np.ndarray
    neighbours: np.ndarray
    weights: np.ndarray
    kind: np.ndarray
    along: np.ndarray
    parent: np.ndarray | None = None


def levels_of(points, normals, area, pairs, kind, along) -> list[Level]:
    """Finest first: the mesh as a graph, and ever fewer vertices.

    Args:
        points, normals: (V, 3) float64.
        area: (V,) float64.
        pairs: (E, 2) int the edges.
        kind, along: of ``find_kinds``.
    """
    levels: list[Level] = []
    weights = np.ones(len(pairs))
    while True:
        start, neighbours, both = _graph(pairs, weights, len(points))
        level = Level(points, normals, area, start, neighbours, both, kind, along)
        parent, count = _matched(np.argsort(area, kind="stable"), start, neighbours, normals, area)
        if count > 0.9 * len(points):
            return [*levels, level]
        levels.append(replace(level, parent=parent))
        points = _mean(points, area, parent, count)
        normals = _mean(normals, area, parent, count)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        kind, along = _kept_lines(kind, along, parent, count)
        area = np.bincount(parent, area, count)
        ends = np.sort(parent[pairs], axis=1).astype(np.int64)
        apart = ends[:, 0] != ends[:, 1]
        keys, place = np.unique(ends[apart, 0] * count + ends[apart, 1], return_inverse=True)
        weights = np.bincount(place, weights[apart], len(keys))
        pairs = np.stack([keys // count, keys % count], axis=1)


def _graph(pairs, weights, count):
    at = np.concatenate([pairs[:, 0], pairs[:, 1]])
    to = np.concatenate([pairs[:, 1], pairs[:, 0]])
    order = np.lexsort((to, at))
    start = np.searchsorted(at[order], np.arange(count + 1))
    return start, to[order].astype(np.int32), np.concatenate([weights, weights])[order]


def _mean(values, area, parent, count):
    whole = np.maximum(np.bincount(parent, area, count), 1e-300)
    sums = [np.bincount(parent, area * values[:, k], count) for k in range(3)]
    return np.stack(sums, axis=1) / whole[:, None]


def _kept_lines(kind, along, parent, count):
    """A vertex that stands for one on a line is on that line."""
    new_kind, new_along = np.zeros(count, np.int8), np.zeros((count, 3))
    on = np.flatnonzero(kind != FREE)[::-1]  # of two the first is written last
    new_kind[parent[on]], new_along[parent[on]] = np.minimum(kind[on], ON_LINE), along[on]
    return new_kind, new_along


def field_of_directions(levels: list[Level]) -> np.ndarray:
    """(V, 3) float64 unit vectors in the planes of the vertices, along lines on these."""
    last = levels[-1]
    # Whichever axis of the world lies best in the plane: what is flat and free lies straight.
    way = np.eye(3)[np.argmin(np.abs(last.normals), axis=1)]
    for level in reversed(levels):
        if level.parent is not None:
            way = way[level.parent]
        way = way - level.normals * np.einsum("vi,vi->v", way, level.normals)[:, None]
        short = np.linalg.norm(way, axis=1) < 1e-6
        way[short] = np.cross(level.normals[short], level.normals[short][:, [1, 2, 0]] + 0.1)
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-300)
        on = level.kind != FREE
        way[on] = level.along[on]
        _smooth_directions(
            way, level.normals, level.start, level.neighbours, level.weights, level.kind, _ROUNDS
        )
    return way


def field_of_places(levels: list[Level], ways: np.ndarray, cell: float) -> np.ndarray:
    """(V, 3) float64: of each vertex the nearest point of its lattice.

    Args:
        ways: (V, 3) of ``field_of_directions``.
        cell: length of the sides of cells.
    """
    of_level = [ways]
    for level, coarser in pairwise(levels):
        assert level.parent is not None
        # The one with more area speaks for both.
        order = np.argsort(level.area, kind="stable")
        coarse = np.zeros((len(coarser.points), 3))
        coarse[level.parent[order]] = of_level[-1][order]
        of_level.append(coarse)
    for k, level in enumerate(levels):
        way = (
            of_level[k] - level.normals * np.einsum("vi,vi->v", of_level[k], level.normals)[:, None]
        )
        on = level.kind != FREE
        way[on] = level.along[on]
        of_level[k] = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-300)
    place = levels[-1].points.copy()
    for level, way in zip(reversed(levels), reversed(of_level), strict=True):
        if level.parent is not None:
            place = place[level.parent]
        _smooth_places(
            place, way, level.points, level.normals, level.start, level.neighbours,
            level.weights, level.kind, cell, _ROUNDS,
        )  # fmt: skip
    return place


@kernel
def _matched(order, start, neighbours, normals, area):
    """Each vertex with the free neighbour most like it, or, where there is none, with another's
    pair: (V,) int32 group, their count."""
    parent = np.full(area.shape[0], -1, np.int32)
    made = 0
    for v in order:
        if parent[v] >= 0:
            continue
        best, whom = -2.0, -1
        for m in range(start[v], start[v + 1]):
            w = neighbours[m]
            like = 0.0
            for k in range(3):
                like += normals[v, k] * normals[w, k]
            free = parent[w] < 0
            if (
                whom < 0
                or (free and parent[whom] >= 0)
                or (like > best and free == (parent[whom] < 0))
            ):
                best, whom = like, w
        if whom >= 0 and parent[whom] >= 0:
            parent[v] = parent[whom]
            continue
        parent[v] = made
        if whom >= 0:
            parent[whom] = made
        made += 1
    return parent, made


@tight
def cross(ax, ay, az, bx, by, bz):
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


@tight
def alike(ax, ay, az, nx, ny, nz, bx, by, bz, mx, my, mz):
    """Of two crosses, each of a direction and a normal, the two arms that are most alike."""
    cx, cy, cz = cross(nx, ny, nz, ax, ay, az)
    dx, dy, dz = cross(mx, my, mz, bx, by, bz)
    ab, ad = ax * bx + ay * by + az * bz, ax * dx + ay * dy + az * dz
    cb, cd = cx * bx + cy * by + cz * bz, cx * dx + cy * dy + cz * dz
    most = max(abs(ab), abs(ad), abs(cb), abs(cd))
    if abs(ab) == most:
        s = 1.0 if ab > 0 else -1.0
        return ax, ay, az, s * bx, s * by, s * bz
    if abs(cd) == most:
        s = 1.0 if cd > 0 else -1.0
        return cx, cy, cz, s * dx, s * dy, s * dz
    if abs(ad) == most:
        s = 1.0 if ad > 0 else -1.0
        return ax, ay, az, s * dx, s * dy, s * dz
    s = 1.0 if cb > 0 else -1.0
    return cx, cy, cz, s * bx, s * by, s * bz


@kernel
def _smooth_directions(way, normals, start, neighbours, weights, kind, rounds):
    for _ in range(rounds):
        for v in range(way.shape[0]):
            if kind[v] == ON_LINE:
                continue
            nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
            x, y, z = way[v, 0], way[v, 1], way[v, 2]
            whole = 0.0
            for m in range(start[v], start[v + 1]):
                w, weight = neighbours[m], weights[m]
                ax, ay, az, bx, by, bz = alike(
                    x, y, z, nx, ny, nz, way[w, 0], way[w, 1], way[w, 2],
                    normals[w, 0], normals[w, 1], normals[w, 2],
                )  # fmt: skip
                x, y, z = (
                    ax * whole + bx * weight,
                    ay * whole + by * weight,
                    az * whole + bz * weight,
                )
                whole += weight
                up = x * nx + y * ny + z * nz
                x, y, z = x - up * nx, y - up * ny, z - up * nz
                length = np.sqrt(x * x + y * y + z * z)
                if length > 1e-12:
                    x, y, z = x / length, y / length, z / length
                else:
                    x, y, z = way[v, 0], way[v, 1], way[v, 2]
            way[v, 0], way[v, 1], way[v, 2] = x, y, z


@tight
def _middle(px, py, pz, nx, ny, nz, qx, qy, qz, mx, my, mz):
    """The point between p and q that lies nearest to the planes of both."""
    np_, nq = nx * px + ny * py + nz * pz, nx * qx + ny * qy + nz * qz
    mp, mq = mx * px + my * py + mz * pz, mx * qx + my * qy + mz * qz
    nm = nx * mx + ny * my + nz * mz
    scale = 1.0 / (1.0 - nm * nm + 1e-4)
    a = 2 * (nq - np_ - nm * (mp - mq)) * scale / 4
    b = 2 * (mp - mq - nm * (nq - np_)) * scale / 4
    return (
        (px + qx) / 2 - a * nx - b * mx,
        (py + qy) / 2 - a * ny - b * my,
        (pz + qz) / 2 - a * nz - b * mz,
    )


@tight
def _below(px, py, pz, ax, ay, az, bx, by, bz, x, y, z, cell):
    """The lattice point of p, a and b before (x, y, z) along both arms."""
    dx, dy, dz = x - px, y - py, z - pz
    i = np.floor((dx * ax + dy * ay + dz * az) / cell) * cell
    j = np.floor((dx * bx + dy * by + dz * bz) / cell) * cell
    return px + i * ax + j * bx, py + i * ay + j * by, pz + i * az + j * bz


@kernel
def _smooth_places(place, way, points, normals, start, neighbours, weights, kind, cell, rounds):
    for _ in range(rounds):
        for v in range(place.shape[0]):
            px, py, pz = points[v, 0], points[v, 1], points[v, 2]
            if kind[v] == CORNER:
                place[v, 0], place[v, 1], place[v, 2] = px, py, pz
                continue
            nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
            ax, ay, az = way[v, 0], way[v, 1], way[v, 2]
            bx, by, bz = cross(nx, ny, nz, ax, ay, az)
            x, y, z = place[v, 0], place[v, 1], place[v, 2]
            whole = 0.0
            for m in range(start[v], start[v + 1]):
                w, weight = neighbours[m], weights[m]
                mx, my, mz = normals[w, 0], normals[w, 1], normals[w, 2]
                cx, cy, cz = way[w, 0], way[w, 1], way[w, 2]
                dx, dy, dz = cross(mx, my, mz, cx, cy, cz)
                ox, oy, oz = _middle(
                    px, py, pz, nx, ny, nz, points[w, 0], points[w, 1], points[w, 2], mx, my, mz
                )
                ux, uy, uz = _below(x, y, z, ax, ay, az, bx, by, bz, ox, oy, oz, cell)
                tx, ty, tz = _below(
                    place[w, 0], place[w, 1], place[w, 2], cx, cy, cz, dx, dy, dz, ox, oy, oz, cell
                )
                best = np.inf
                sx, sy, sz, rx, ry, rz = x, y, z, x, y, z
                for i in range(4):
                    i0, i1 = (i & 1) * cell, (i >> 1) * cell
                    ex, ey, ez = (
                        ux + i0 * ax + i1 * bx,
                        uy + i0 * ay + i1 * by,
                        uz + i0 * az + i1 * bz,
                    )
                    for j in range(4):
                        j0, j1 = (j & 1) * cell, (j >> 1) * cell
                        fx, fy, fz = (
                            tx + j0 * cx + j1 * dx,
                            ty + j0 * cy + j1 * dy,
                            tz + j0 * cz + j1 * dz,
                        )
                        far = (ex - fx) ** 2 + (ey - fy) ** 2 + (ez - fz) ** 2
                        if far < best:
                            best = far
                            sx, sy, sz, rx, ry, rz = ex, ey, ez, fx, fy, fz
                total = whole + weight
                x = (sx * whole + rx * weight) / total
                y = (sy * whole + ry * weight) / total
                z = (sz * whole + rz * weight) / total
                whole = total
                up = (x - px) * nx + (y - py) * ny + (z - pz) * nz
                x, y, z = x - up * nx, y - up * ny, z - up * nz
            dx, dy, dz = px - x, py - y, pz - z
            i = dx * ax + dy * ay + dz * az
            if kind[v] == ON_LINE:
                i = np.round(i / cell) * cell - i
                x, y, z = px + i * ax, py + i * ay, pz + i * az
            else:
                j = np.round((dx * bx + dy * by + dz * bz) / cell) * cell
                i = np.round(i / cell) * cell
                x, y, z = x + i * ax + j * bx, y + i * ay + j * by, z + i * az + j * bz
            place[v, 0], place[v, 1], place[v, 2] = x, y, z
