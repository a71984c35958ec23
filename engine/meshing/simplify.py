"""Fewer faces for the same shape.

Edge collapses by quadric error (Garland and Heckbert 1997, "Surface simplification using quadric
error metrics"), done in passes: each pass ranks all edges, then collapses the cheapest ones whose
ends no earlier collapse of the pass has made or moved.
"""

from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel
from engine.meshing.clean import checked_mesh
from engine.meshing.collapsible import (
    folds_no_edge,
    keeps_edges_manifold,
    meets_link_condition,
    merge_vertex,
    turns_no_face,
)
from engine.meshing.duplicates import is_repeated
from engine.meshing.edges import (
    Edges,
    face_areas,
    face_normals,
    faces_around,
    find_edges,
    parts_of,
)
from engine.meshing.orient import orient_faces
from engine.meshing.sheets import separate_sheets

BORDER_WEIGHT = 4.0
LOOSENED = 4
"""A surface that strict collapses cannot bring to its target is treated with more freedom from so
many times the faces on at which they ended: before they have crumpled all but the borders."""
_STRICT, _LOOSE, _FREE = range(3)
"""How much a collapse may change; the last one may also lay neighbours on each other."""
MOST_LEFT_OUT = 0.05
"""Share of the surface that small parts which go for the sake of a target may have in all."""
SEAM_CONTRAST = 0.15
"""Colours farther apart than this in a channel are different ones,"""
MAX_SEAM_SHARE = 0.1
"""and where more edges than this lie between such, they are texture, not seams."""


@dataclass(frozen=True)
class Simplified:
    """A mesh with fewer faces.

    Args:
        vertices: (W, 3) float32.
        faces: (G, 3) int32.
        source: (W,) int64 the old vertex nearest to each new one among those it took the place of.
        loosened: whether the target took more than collapses that keep every border and hole.
        parts_left_out: how many small parts had to go.
    """

    vertices: np.ndarray
    faces: np.ndarray
    source: np.ndarray
    loosened: bool = False
    parts_left_out: int = 0


def simplify_mesh(
    vertices: np.ndarray, faces: np.ndarray, target: int, *, colors: np.ndarray | None = None
) -> Simplified:
    """Collapse edges until at most ``target`` faces are left, or as few as the surface allows.

    First no collapse joins what was apart, turns a face by more than 78 degrees or makes an edge of
    three faces: holes, handles and open borders stay. Borders, edges of three faces and seams
    between colours keep their lines; their ends and crossings stay where they are.

    Where that does not reach the target, the last part is done again with more freedom:
    lines move as their quadrics allow and small holes close; when that ends, neighbours may lie on
    each other, and then surfaces that cross are taken apart, in turns. At last crumbs go. Still no
    collapse makes an edge of three faces, or one that its faces walk in the same direction, or
    turns a face.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, wound consistently, without degenerate faces.
        target: number of faces; a mesh that has no more comes back unchanged.
        colors: (V, C) float in [0, 1], whose seams are kept; UVs are not: unwrap afterwards.

    Raises:
        EngineError: ``mesh_empty`` or ``mesh_broken``.
    """
    vertices, faces = checked_mesh(vertices, faces)
    if target >= len(faces):
        return Simplified(vertices, faces, np.arange(len(vertices)))
    low = _simplified(vertices, faces, target, colors, loosen_at=0)
    if len(low.faces) > target:
        low = _simplified(vertices, faces, target, colors, loosen_at=LOOSENED * len(low.faces))
    return low


def _simplified(
    vertices: np.ndarray,
    faces: np.ndarray,
    target: int,
    colors: np.ndarray | None,
    *,
    loosen_at: int,
) -> Simplified:
    """``simplify_mesh``, with more freedom from ``loosen_at`` faces on."""
    source = np.arange(len(vertices))
    center = vertices.mean(axis=0, dtype=np.float64)
    points = vertices - center
    faces = faces.copy()
    edges = find_edges(faces, len(points))
    seams = _seams(faces, edges, colors)
    keep_colors = colors if 0 < seams.sum() <= MAX_SEAM_SHARE * len(seams) else None
    quadrics = _quadrics(points, faces, face_normals(points, faces),
                         edges.sides, edges.first, (edges.counts != 2) | seams)  # fmt: skip
    share, fewest, freedom = 0.3, 0, _STRICT
    while len(faces) > target:
        if freedom == _STRICT and len(faces) <= loosen_at:
            freedom = _LOOSE
        is_line = edges.counts != 2
        if keep_colors is not None:
            is_line |= _seams(faces, edges, keep_colors[source])
        alive, removed = _pass(
            points,
            faces,
            source,
            quadrics,
            edges,
            is_line,
            share,
            target if freedom else max(target, loosen_at),
            freedom,
        )
        faces = faces[alive]
        if removed == 0 and share == 1.0:
            if not loosen_at or (freedom == _FREE and len(faces) == fewest):
                break
            # Beside edges of three faces two faces may have become one.
            faces = faces[~is_repeated(faces, len(points))]
            share = 0.3
            if freedom == _FREE:
                freedom, fewest = _LOOSE, len(faces)
                origin, faces = separate_sheets(points, faces)
                points, source, quadrics = points[origin], source[origin], quadrics[origin]
            else:
                freedom += 1
        elif removed < 0.002 * len(alive):
            share = 1.0
        edges = find_edges(faces, len(points))
    faces = faces[~is_repeated(faces, len(points))]
    left_out = 0
    if loosen_at:
        faces, left_out = _without_small_parts(points, faces, target)
    # And two others wound against each other may have become neighbours.
    faces = orient_faces(points, faces, votes=np.ones(len(faces), np.int64))
    used = np.zeros(len(points), dtype=bool)
    used[faces] = True
    return Simplified(
        (points[used] + center).astype(np.float32),
        (np.cumsum(used, dtype=np.int32) - 1)[faces],
        source[used],
        loosen_at > 0,
        left_out,
    )


def _pass(
    points: np.ndarray,
    faces: np.ndarray,
    source: np.ndarray,
    quadrics: np.ndarray,
    edges: Edges,
    is_line: np.ndarray,
    share: float,
    target: int,
    freedom: int,
) -> tuple[np.ndarray, int]:
    """Collapse the cheapest ``share`` of the edges, all arrays in place.

    Returns:
        (F,) bool faces that are left, and how many are not.
    """
    ends = edges.ends(faces)
    degree = np.bincount(ends[is_line].reshape(-1), minlength=len(points))
    cost, position = _costs(points, ends, quadrics, degree, is_line, freedom)
    possible = int(np.isfinite(cost).sum())
    wanted = min(int(share * len(cost)) + 1, 2 * (len(faces) - target) + 100, possible)
    if wanted == 0:
        return np.ones(len(faces), dtype=bool), 0
    order = np.argpartition(cost, wanted - 1)[:wanted]
    order = order[np.lexsort((order, cost[order]))]
    start, corners = faces_around(faces, len(points))
    return _collapse(
        points, faces, source, quadrics, degree, ends, order, position, start, corners // 3,
        len(faces) - target, freedom,
    )  # fmt: skip


def _without_small_parts(
    points: np.ndarray, faces: np.ndarray, target: int
) -> tuple[np.ndarray, int]:
    """The faces without the smallest parts that are too many, and how many parts these were.

    What goes is never more than crumbs: the target is missed rather than the stem of a mushroom.
    """
    if len(faces) <= target:
        return faces, 0
    part_of_face, count = parts_of(faces, len(points))
    area = np.bincount(part_of_face, weights=face_areas(points, faces))
    order = np.argsort(area, kind="stable")
    gone = np.cumsum(np.bincount(part_of_face, minlength=count)[order])
    enough = int(np.searchsorted(gone, len(faces) - target)) + 1
    crumbs = int((np.cumsum(area[order]) <= MOST_LEFT_OUT * area.sum()).sum())
    left_out = min(enough, crumbs)
    return faces[~np.isin(part_of_face, order[:left_out])], left_out


def _seams(faces: np.ndarray, edges: Edges, colors: np.ndarray | None) -> np.ndarray:
    """(E,) bool: edges at the rim of a colour: both ends alike, and only one face of one colour."""
    if colors is None:
        return np.zeros(len(edges.first) - 1, dtype=bool)
    return _are_seams(faces, edges.sides, edges.first, colors)


@kernel
def _are_seams(faces, sides, first, colors):
    contrasts = np.zeros(faces.shape[0], np.uint8)  # bit s: the ends of side s differ
    for f in range(faces.shape[0]):
        for s in range(3):
            a, b = faces[f, s], faces[f, (s + 1) % 3]
            for channel in range(colors.shape[1]):
                if abs(colors[a, channel] - colors[b, channel]) > SEAM_CONTRAST:
                    contrasts[f] |= np.uint8(1 << s)
                    break
    seams = np.zeros(first.shape[0] - 1, np.bool_)
    for e in range(first.shape[0] - 1):
        if first[e + 1] - first[e] != 2:
            continue
        side, other = sides[first[e]], sides[first[e] + 1]
        own = contrasts[side // 3]
        mixed = own != 0
        seams[e] = mixed != (contrasts[other // 3] != 0) and (own >> (side % 3)) & 1 == 0
    return seams


@kernel
def _quadrics(points, faces, normals, sides, first, is_line):
    """(V, 10) float64: xx xy xz yy yz zz x y z 1 of the planes around each vertex.

    Faces weigh as much as their area. A line weighs as a strip beside it, upright on its faces.
    """
    quadrics = np.zeros((points.shape[0], 10))
    plane = np.empty(4)
    for f in range(faces.shape[0]):
        length = np.sqrt(normals[f, 0] ** 2 + normals[f, 1] ** 2 + normals[f, 2] ** 2)
        if length == 0.0:
            continue
        plane[3] = 0.0
        for k in range(3):
            plane[k] = normals[f, k] / length
            plane[3] -= plane[k] * points[faces[f, 0], k]
        for s in range(3):
            n = 0
            for i in range(4):
                for j in range(i, 4):
                    # Rows of the upper triangle: the last column goes to 6, 7, 8 and 9.
                    slot = n if j < 3 else 6 + i
                    quadrics[faces[f, s], slot] += length / 6 * plane[i] * plane[j]
                    if j < 3:
                        n += 1
    for e in range(first.shape[0] - 1):
        if not is_line[e]:
            continue
        for m in range(first[e], first[e + 1]):
            f, s = sides[m] // 3, sides[m] % 3
            a, b = faces[f, s], faces[f, (s + 1) % 3]
            dx, dy, dz = (
                points[b, 0] - points[a, 0],
                points[b, 1] - points[a, 1],
                points[b, 2] - points[a, 2],
            )
            plane[0] = dy * normals[f, 2] - dz * normals[f, 1]
            plane[1] = dz * normals[f, 0] - dx * normals[f, 2]
            plane[2] = dx * normals[f, 1] - dy * normals[f, 0]
            length = np.sqrt(plane[0] ** 2 + plane[1] ** 2 + plane[2] ** 2)
            if length == 0.0:
                continue
            plane[3] = 0.0
            for k in range(3):
                plane[k] /= length
                plane[3] -= plane[k] * points[a, k]
            weight = BORDER_WEIGHT * (dx * dx + dy * dy + dz * dz)
            for v in (a, b):
                n = 0
                for i in range(4):
                    for j in range(i, 4):
                        slot = n if j < 3 else 6 + i
                        quadrics[v, slot] += weight * plane[i] * plane[j]
                        if j < 3:
                            n += 1
    return quadrics


@kernel
def _costs(points, ends, quadrics, degree, is_line, freedom):
    """(E,) float64 error that each collapse adds, infinite where forbidden; (E, 3) where to."""
    cost = np.full(ends.shape[0], np.inf)
    position = np.empty((ends.shape[0], 3))
    q = np.empty(10)
    for e in range(ends.shape[0]):
        u, v = ends[e, 0], ends[e, 1]
        on_u, on_v = degree[u] > 0, degree[v] > 0
        # An inner edge between two lines would join them.
        if on_u and on_v and not is_line[e] and freedom == _STRICT:
            continue
        # Ends and crossings of lines stay; so does a line that an inner vertex falls onto.
        stay_u = (degree[u] != 2) if is_line[e] else on_u
        stay_v = (degree[v] != 2) if is_line[e] else on_v
        if stay_u and stay_v:
            if freedom == _STRICT:
                continue
            stay_u = stay_v = False
        length2 = 0.0
        for k in range(10):
            q[k] = quadrics[u, k] + quadrics[v, k]
        for k in range(3):
            length2 += (points[u, k] - points[v, k]) ** 2
            position[e, k] = (points[u, k] + points[v, k]) / 2
        if stay_u or stay_v:
            w = u if stay_u else v
            for k in range(3):
                position[e, k] = points[w, k]
        else:
            # Pulled a little to the middle, so that flat and straight regions have a unique answer.
            pull = 1e-6 * (q[0] + q[3] + q[5]) + 1e-300
            xx, yy, zz = q[0] + pull, q[3] + pull, q[5] + pull
            xy, xz, yz = q[1], q[2], q[4]
            rx = pull * position[e, 0] - q[6]
            ry = pull * position[e, 1] - q[7]
            rz = pull * position[e, 2] - q[8]
            cx, cy, cz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
            det = xx * cx + xy * cy + xz * cz
            if det > 0.0:
                x = (rx * cx + ry * cy + rz * cz) / det
                y = (rx * cy + ry * (xx * zz - xz * xz) + rz * (xy * xz - xx * yz)) / det
                z = (rx * cz + ry * (xy * xz - xx * yz) + rz * (xx * yy - xy * xy)) / det
                off2 = (
                    (x - position[e, 0]) ** 2
                    + (y - position[e, 1]) ** 2
                    + (z - position[e, 2]) ** 2
                )
                if off2 <= length2:
                    position[e, 0], position[e, 1], position[e, 2] = x, y, z
        x, y, z = position[e, 0], position[e, 1], position[e, 2]
        error = (
            x * (q[0] * x + 2 * (q[1] * y + q[2] * z + q[6]))
            + y * (q[3] * y + 2 * (q[4] * z + q[7]))
            + z * (q[5] * z + 2 * q[8])
            + q[9]
        )
        # Among equals the shortest first, which keeps triangles round.
        cost[e] = max(error, 0.0) + 1e-5 * length2 * length2
    return cost, position


@kernel
def _collapse(
    points, faces, source, quadrics, degree, ends, order, position, start, members, surplus, freedom
):
    """Collapse edges in ``order`` until ``surplus`` faces are gone; alive faces, faces gone.

    The lists of faces stay true for all vertices but the two of a collapse, which are locked.
    """
    alive = np.ones(faces.shape[0], np.bool_)
    locked = np.zeros(points.shape[0], np.bool_)
    mark = np.zeros(points.shape[0], np.int64)
    counts = np.zeros((points.shape[0] if freedom else 0, 4), np.int32)
    token = 0
    removed = 0
    for e in order:
        if removed >= surplus:
            break
        u, v = ends[e, 0], ends[e, 1]
        if locked[u] or locked[v]:
            continue
        if freedom:
            fits = keeps_edges_manifold(faces, alive, start, members, u, v, counts)
        else:
            token += 3
            on_line = degree[u] > 0 or degree[v] > 0
            fits = meets_link_condition(faces, alive, start, members, u, v, on_line, mark, token)
        if fits and freedom == _LOOSE:
            fits = folds_no_edge(points, faces, alive, start, members, u, v, position[e])
        if not fits or not turns_no_face(points, faces, alive, start, members, u, v, position[e]):
            continue
        to_u, to_v = 0.0, 0.0
        for k in range(3):
            to_u += (position[e, k] - points[u, k]) ** 2
            to_v += (position[e, k] - points[v, k]) ** 2
            points[u, k] = position[e, k]
        if to_v < to_u:
            source[u] = source[v]
        for k in range(10):
            quadrics[u, k] += quadrics[v, k]
        removed += merge_vertex(faces, alive, start, members, v, u)
        locked[u] = True
        locked[v] = True
    return alive, removed
