"""A solid for 3D printing out of a closed surface: nothing thinner than a wall, nothing crossing.

A field is sampled on a grid: the distance from the surface, negative inside, less what a place is
too thin by. Where it is 0 lies the new surface, taken from tetrahedra (Doi and Koide 1991, "An
efficient method of triangulating equi-valued surfaces by using tetrahedral cells"): each piece of
it stays in a tetrahedron of its own, so the result is a manifold that never crosses itself,
whatever the input was like.
"""

import numpy as np

from engine.kernels import kernel
from engine.meshing.edges import face_normals, parts_of
from engine.meshing.nearest import nearest_on_surface, nearest_weights
from engine.meshing.normals import vertex_normals

CELLS_IN_WALL = 2.5
"""So many cells at least, so that a wall has nodes of the grid in it."""
MOST_CELLS = 384
OPPOSITE = -0.5
"""Cosine between the normals of two sides, from which on what lies between is a wall; the sides of
an edge of 60 degrees and more are none."""
REACH = 1.75
"""A little more than the diagonal of a cell."""
ROUNDS = 2
"""How many vertices beside a thin place count as thin: rims are seen from no side."""
LEAST_SHARE = 0.02
"""Vertices of the result keep so much of a grid edge's length away from its ends."""


def solidify(
    vertices: np.ndarray, faces: np.ndarray, wall: float, resolution: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rebuild a closed mesh as a solid.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, closed and wound outwards, though it may cross itself or lie on itself
            as the two sides of a sheet do.
        wall: least thickness, in the unit of the vertices: what is thinner grows to both sides.
        resolution: cells along the longest side; more where the wall needs them, at most 384.

    Returns:
        (W, 3) float32, (G, 3) int32: watertight, manifold, outward, without inner shells.
    """
    low = vertices.min(axis=0).astype(np.float64)
    size = vertices.max(axis=0) - low
    longest = float(size.max())
    cells = min(MOST_CELLS, max(resolution, int(np.ceil(CELLS_IN_WALL * longest / wall))))
    cell = longest / cells
    band = wall / 2 + 2 * cell
    margin = int(np.ceil(band / cell)) + 1
    # Off the mesh's own planes, which often lie on round numbers.
    origin = low - (margin + 0.37) * cell
    shape = np.floor(size / cell).astype(np.int64) + 2 + 2 * margin
    points = (vertices - origin) / cell
    field = _field(points, faces, shape, wall / cell, band / cell)
    made, triangles = _welded(*_polygonise(field))
    made, triangles = _without_inner_shells(made, triangles)
    return (origin + cell * made).astype(np.float32), triangles


def _field(
    points: np.ndarray, faces: np.ndarray, shape: np.ndarray, wall: float, band: float
) -> np.ndarray:
    """(X, Y, Z) float32 at the nodes, in cells; beyond the band only the sign counts."""
    inside = _inside(points, faces, *shape.tolist())
    field = np.full(shape, np.float32(band))
    _measure(points, faces, _growth(points, faces, wall), inside, field)
    np.negative(field, where=inside, out=field)
    return field


def _growth(points: np.ndarray, faces: np.ndarray, wall: float) -> np.ndarray:
    """(V,) float64: by how much the surface has to move outwards, at most half a wall.

    Half a wall under a vertex the surface beneath is looked for: when it faces the other way, it is
    the other side of a place that is too thin.
    """
    normals = vertex_normals(points.astype(np.float32), faces)
    probes = points - normals * (wall / 2)
    found, face = nearest_on_surface(points, faces, probes)
    facing = face_normals(points, faces)[face]
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-30)
    away = ((probes - found) * facing).sum(axis=1)
    thickness = wall / 2 - np.sign(away) * np.linalg.norm(probes - found, axis=1)
    opposite = (normals * facing).sum(axis=1) < OPPOSITE
    grow = np.where(opposite, np.clip((wall - thickness) / 2, 0, wall / 2), 0)
    for _ in range(ROUNDS):
        most = grow[faces].max(axis=1)
        wider = grow.copy()
        for k in range(3):
            np.maximum.at(wider, faces[:, k], most)
        grow = wider
    return grow


@kernel
def _measure(points, faces, grow, inside, field):
    """Lower the field to the distance from each face, which outside is less what the face grows.

    Each face reaches every node of the cells that its grown self can cross.
    """
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    normal = np.empty(3)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        more = max(grow[a], grow[b], grow[c])
        reach = more + REACH
        for k in range(3):
            least = min(points[a, k], points[b, k], points[c, k])
            most = max(points[a, k], points[b, k], points[c, k])
            first[k] = max(0, int(np.ceil(least - reach)))
            last[k] = min(field.shape[k] - 1, int(np.floor(most + reach)))
            u, v = (k + 1) % 3, (k + 2) % 3
            normal[k] = (points[b, u] - points[a, u]) * (points[c, v] - points[a, v]) - (
                points[b, v] - points[a, v]
            ) * (points[c, u] - points[a, u])
        length = max(np.sqrt((normal * normal).sum()), 1e-30)
        for x in range(first[0], last[0] + 1):
            for y in range(first[1], last[1] + 1):
                for z in range(first[2], last[2] + 1):
                    ax, ay, az = points[a, 0] - x, points[a, 1] - y, points[a, 2] - z
                    plane = abs(normal[0] * ax + normal[1] * ay + normal[2] * az) / length
                    less = 0.0 if inside[x, y, z] else more
                    if plane - less >= field[x, y, z]:
                        continue
                    bx, by, bz = points[b, 0] - x, points[b, 1] - y, points[b, 2] - z
                    cx, cy, cz = points[c, 0] - x, points[c, 1] - y, points[c, 2] - z
                    wa, wb, wc = nearest_weights(ax, ay, az, bx, by, bz, cx, cy, cz)
                    dx = wa * ax + wb * bx + wc * cx
                    dy = wa * ay + wb * by + wc * cy
                    dz = wa * az + wb * bz + wc * cz
                    away = np.sqrt(dx * dx + dy * dy + dz * dz)
                    if not inside[x, y, z]:
                        away -= wa * grow[a] + wb * grow[b] + wc * grow[c]
                    if away < field[x, y, z]:
                        field[x, y, z] = away


@kernel
def _inside(points, faces, width, height, depth):
    """(X, Y, Z) bool: nodes that a closed mesh winds around, column by column.

    What a column meets changes the winding number by 1. A point on a side belongs to one of its two
    faces: sides are measured from their lower vertex, so both faces get the same number.
    """
    change = np.zeros((width, height, depth), np.int8)
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        first_x = int(np.ceil(min(points[i, 0], points[j, 0], points[k, 0])))
        last_x = int(np.floor(max(points[i, 0], points[j, 0], points[k, 0])))
        first_y = int(np.ceil(min(points[i, 1], points[j, 1], points[k, 1])))
        last_y = int(np.floor(max(points[i, 1], points[j, 1], points[k, 1])))
        for x in range(first_x, last_x + 1):
            for y in range(first_y, last_y + 1):
                a, up_a = _side(points, j, k, x, y)
                b, up_b = _side(points, k, i, x, y)
                c, up_c = _side(points, i, j, x, y)
                if up_a != up_b or up_b != up_c:
                    continue
                total = a + b + c
                if total == 0.0:
                    continue
                z = (a * points[i, 2] + b * points[j, 2] + c * points[k, 2]) / total
                at = min(depth - 1, max(0, int(np.ceil(z))))
                change[x, y, at] += -1 if up_a else 1
    inside = np.zeros((width, height, depth), np.bool_)
    for x in range(width):
        for y in range(height):
            number = 0
            for z in range(depth):
                number += change[x, y, z]
                inside[x, y, z] = number > 0
    return inside


@kernel
def _side(points, i, j, x, y):
    """Twice the signed area of (x, y) and a side seen from above, and whether it is on the left."""
    turned = i > j
    if turned:
        i, j = j, i
    area = (points[i, 0] - x) * (points[j, 1] - y) - (points[i, 1] - y) * (points[j, 0] - x)
    left = area > 0.0
    if area == 0.0:  # the point moved to +x by next to nothing, and to +y by far less
        rise, run = points[j, 1] - points[i, 1], points[j, 0] - points[i, 0]
        left = rise < 0.0 or (rise == 0.0 and run > 0.0)
    return (-area, not left) if turned else (area, left)


_WAYS = np.array([(1, 2), (2, 1), (2, 4), (4, 2), (4, 1), (1, 4)], np.int64)
"""The first two steps from a cube's corner 0 to its corner 7, of each of six tetrahedra; every
second one is left-handed."""
_ALONE = np.array([(0, 1, 2, 3), (1, 0, 3, 2), (2, 0, 1, 3), (3, 0, 2, 1)], np.int64)
_PAIRS = np.array(
    [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (1, 2, 0, 3), (1, 3, 2, 0), (2, 3, 0, 1)], np.int64
)
"""Even orders of a tetrahedron's corners with one, or two, of them first."""


@kernel
def _polygonise(field):
    """Where the field is 0: (3G,) int64 names of the triangles' corners and (3G, 3) their places.

    A corner lies on an edge of a tetrahedron and is named by that edge's lower end and direction.
    """
    width, height, depth = field.shape
    names, places = np.empty(3 * 4096, np.int64), np.empty((3 * 4096, 3))
    count = 0
    corner, value = np.empty(4, np.int64), np.empty(4, np.float64)
    order, ring = np.empty(4, np.int64), np.empty((4, 2), np.int64)
    for x in range(width - 1):
        for y in range(height - 1):
            for z in range(depth - 1):
                below = 0
                for n in range(8):
                    below += field[x + (n & 1), y + (n >> 1 & 1), z + (n >> 2)] < 0
                if below == 0 or below == 8:
                    continue
                if count + 36 > names.shape[0]:
                    names = np.concatenate((names, np.empty_like(names)))
                    places = np.concatenate((places, np.empty_like(places)))
                for t in range(6):
                    corner[0], corner[1] = 0, _WAYS[t, 0]
                    corner[2], corner[3] = _WAYS[t, 0] | _WAYS[t, 1], 7
                    inner = 0
                    for k in range(4):
                        n = corner[k]
                        value[k] = field[x + (n & 1), y + (n >> 1 & 1), z + (n >> 2)]
                        inner += value[k] < 0
                    if inner == 0 or inner == 4:
                        continue
                    # Those inside first; a single one outside is first instead.
                    if inner == 2:
                        for n in range(6):
                            if value[_PAIRS[n, 0]] < 0 and value[_PAIRS[n, 1]] < 0:
                                order[:] = _PAIRS[n]
                        a, b, c, d = order[0], order[1], order[2], order[3]
                        ring[0, 0], ring[0, 1], ring[1, 0], ring[1, 1] = a, c, a, d
                        ring[2, 0], ring[2, 1], ring[3, 0], ring[3, 1] = b, d, b, c
                    else:
                        for n in range(4):
                            if (value[n] < 0) == (inner == 1):
                                order[:] = _ALONE[n]
                        for k in range(3):
                            ring[k, 0], ring[k, 1] = order[0], order[k + 1]
                    turned = (t % 2 == 1) != (inner == 3)
                    for triangle in range(2 if inner == 2 else 1):
                        for k in range(3):
                            at = 0 if k == 0 else triangle + k
                            if turned and k > 0:
                                at = triangle + 3 - k
                            p, q = ring[at, 0], ring[at, 1]
                            if corner[p] > corner[q]:
                                p, q = q, p
                            n, way = corner[p], corner[q] - corner[p]
                            share = value[p] / (value[p] - value[q])
                            share = min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)
                            i, j, h = x + (n & 1), y + (n >> 1 & 1), z + (n >> 2)
                            names[count] = ((i * height + j) * depth + h) * 8 + way
                            places[count, 0] = i + share * (way & 1)
                            places[count, 1] = j + share * (way >> 1 & 1)
                            places[count, 2] = h + share * (way >> 2)
                            count += 1
    return names[:count], places[:count]


def _welded(names: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One vertex for each name; (W, 3) float64, (G, 3) int32."""
    _, first, index = np.unique(names, return_index=True, return_inverse=True)
    return places[first], index.reshape(-1, 3).astype(np.int32)


def _without_inner_shells(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only the parts that are wound outwards: the others are the borders of bubbles."""
    part, count = parts_of(faces, len(points))
    volume = (points[faces[:, 0]] * face_normals(points, faces)).sum(axis=1)
    kept = (np.bincount(part, weights=volume, minlength=count) > 0)[part]
    faces = faces[kept]
    used = np.zeros(len(points), bool)
    used[faces] = True
    return points[used], (np.cumsum(used, dtype=np.int32) - 1)[faces]
