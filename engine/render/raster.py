"""Which triangle is seen at each point of a picture.

Triangles are clipped at the near plane, projected, snapped to 1/256 of a point and filled by exact
integer edge functions with a tie rule for shared edges, so that a closed surface has neither gaps
nor doubles. Between two triangles at the same depth the earlier one wins. A picture is made in
bands of rows; each band is the same whoever computes it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.host.parallel import map_chunks
from engine.kernels import tight
from engine.meshing.bands import Bands, fill_bands
from engine.render.camera import Camera

BAND_ROWS = 32
"""Rows of points in a band; supersampled pixels must divide it."""

_SNAP = 256.0
_FARTHEST = float(1 << 29)
"""Largest snapped coordinate: products of two differences still fit into 64 bits."""
_CHUNK = 1 << 16


class View(NamedTuple):
    """A mesh in front of a camera; a plain tuple, so that kernels can take it.

    Args:
        points: (V, 3) float64 in camera space: right, up, forward.
        screen: (V, 3) float64 snapped place in the picture in 1/256 points, and nearness, which is
            linear across the picture; of no meaning in front of the near plane.
        faces: (F, 3) int32.
        width, height: of the picture, in points.
        focal: points per unit at depth 1 (perspective) or everywhere (orthographic).
        perspective: whether lines meet in the eye.
        near: depth of the near plane.
    """

    points: np.ndarray
    screen: np.ndarray
    faces: np.ndarray
    width: int
    height: int
    focal: float
    perspective: bool
    near: float


@njit(inline="always")
def _to_screen(view, x, y, z, corners, k):
    """Snapped place in the picture, and nearness, which is linear across the picture."""
    scale = view.focal / z if view.perspective else view.focal
    across = np.rint((view.width * 0.5 + x * scale) * _SNAP)
    down = np.rint((view.height * 0.5 - y * scale) * _SNAP)
    corners[k, 0] = min(max(across, -_FARTHEST), _FARTHEST)
    corners[k, 1] = min(max(down, -_FARTHEST), _FARTHEST)
    corners[k, 2] = 1.0 / z if view.perspective else -z


def view_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    camera: Camera,
    width: int,
    height: int,
    threads: int | None = None,
) -> View:
    """Bring a mesh in front of a camera, for a picture of ``width`` x ``height`` points."""
    vertices = np.ascontiguousarray(vertices, np.float32)
    view = View(
        np.empty((len(vertices), 3)),
        np.empty((len(vertices), 3)),
        np.ascontiguousarray(faces, np.int32),
        width,
        height,
        float(camera.pixels_per_unit(height)),
        camera.projection == "perspective",
        float(camera.near),
    )
    axes, eye = camera.axes, np.asarray(camera.eye, np.float64)
    chunks = [(i, min(i + _CHUNK, len(vertices))) for i in range(0, len(vertices), _CHUNK)]
    map_chunks(lambda part: _place(vertices, axes, eye, *part, view), chunks, threads=threads)
    return view


@tight
def _place(vertices, axes, eye, first, end, view):
    for i in range(first, end):
        x, y, z = vertices[i, 0] - eye[0], vertices[i, 1] - eye[1], vertices[i, 2] - eye[2]
        for k in range(3):
            view.points[i, k] = axes[k, 0] * x + axes[k, 1] * y + axes[k, 2] * z
        if view.points[i, 2] >= view.near:
            _to_screen(
                view, view.points[i, 0], view.points[i, 1], view.points[i, 2], view.screen, i
            )


def sort_into_bands(view: View, threads: int | None = None) -> Bands:
    """Find the bands that each triangle touches, in the order of triangles within a band."""
    reach = np.empty((len(view.faces), 2), np.int32)
    chunks = [(i, min(i + _CHUNK, len(reach))) for i in range(0, len(reach), _CHUNK)]
    map_chunks(
        lambda part: _fill_reach(view, *part, np.empty((4, 3)), reach), chunks, threads=threads
    )
    return fill_bands(reach, -(-view.height // BAND_ROWS))


@tight
def _fill_reach(view, first, end, corners, reach):
    """First and last band of each triangle; first > last when it is not in the picture."""
    for f in range(first, end):
        reach[f, 0], reach[f, 1] = 1, 0
        count = _screen_polygon(view, f, corners)
        if count == 0:
            continue
        left = right = corners[0, 0]
        top = bottom = corners[0, 1]
        for k in range(1, count):
            left, right = min(left, corners[k, 0]), max(right, corners[k, 0])
            top, bottom = min(top, corners[k, 1]), max(bottom, corners[k, 1])
        if right < 0 or left > view.width * _SNAP or bottom < 0 or top > view.height * _SNAP:
            continue
        last_row = view.height - 1
        reach[f, 0] = min(max(int(top / _SNAP - 0.5), 0), last_row) // BAND_ROWS
        reach[f, 1] = min(max(int(bottom / _SNAP + 0.5), 0), last_row) // BAND_ROWS


@njit(inline="always")
def _screen_polygon(view, f, corners):
    """What the near plane leaves of a triangle: 0, 3 or 4 corners."""
    points, near = view.points, view.near
    a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
    kept = 0
    if points[a, 2] >= near and points[b, 2] >= near and points[c, 2] >= near:
        for k in range(3):
            for i in range(3):
                corners[k, i] = view.screen[view.faces[f, k], i]
        kept = 3
    elif points[a, 2] >= near or points[b, 2] >= near or points[c, 2] >= near:
        for k in range(3):
            v, w = view.faces[f, k], view.faces[f, (k + 1) % 3]
            z0, z1 = points[v, 2], points[w, 2]
            if z0 >= near:
                _to_screen(view, points[v, 0], points[v, 1], z0, corners, kept)
                kept += 1
            if (z0 >= near) != (z1 >= near):
                t = (near - z0) / (z1 - z0)
                x = points[v, 0] + t * (points[w, 0] - points[v, 0])
                y = points[v, 1] + t * (points[w, 1] - points[v, 1])
                _to_screen(view, x, y, near, corners, kept)
                kept += 1
    return kept


def raster_band(
    view: View,
    bands: Bands,
    band: int,
    peel: bool,
    before_near: np.ndarray,
    before_face: np.ndarray,
    nearness: np.ndarray,
    face: np.ndarray,
) -> None:
    """Find the nearest triangle at each point of a band.

    Args:
        view, bands: of ``view_mesh`` and ``sort_into_bands``.
        band: which one.
        peel: whether only what lies behind the layer ``before`` counts.
        before_near, before_face: (R, W) layer found before; ``before_face`` -1 ends a point.
        nearness, face: (R, W) float64 and int32, receive the layer; face is -1 where nothing is.
    """
    face[:] = -1
    nearness[:] = -np.inf
    corners = np.empty((4, 3))
    _fill_band(view, bands, band, peel, before_near, before_face, corners, nearness, face)


@tight
def _fill_band(view, bands, band, peel, before_near, before_face, corners, nearness, face):
    top = band * BAND_ROWS
    rows = face.shape[0]
    for place in range(bands.start[band], bands.start[band + 1]):
        f = bands.faces[place]
        count = _screen_polygon(view, f, corners)
        for second in range(1, count - 1):
            _fill_triangle(
                corners, second, f, top, rows, peel, before_near, before_face, nearness, face
            )


@tight
def _fill_triangle(corners, second, f, top, rows, peel, before_near, before_face, nearness, face):
    """Fill the triangle of corners 0, ``second`` and the next."""
    b, c = second, second + 1
    ax, ay = np.int64(corners[0, 0]), np.int64(corners[0, 1])
    bx, by = np.int64(corners[b, 0]), np.int64(corners[b, 1])
    cx, cy = np.int64(corners[c, 0]), np.int64(corners[c, 1])
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return
    if area < 0:
        b, c = c, b
        bx, by, cx, cy = cx, cy, bx, by
        area = -area
    # Points stand in the middle of their cells.
    left = max((min(ax, bx, cx) + 127) >> 8, 0)
    right = min((max(ax, bx, cx) - 128) >> 8, face.shape[1] - 1)
    upper = max((min(ay, by, cy) + 127) >> 8, top)
    lower = min((max(ay, by, cy) - 128) >> 8, top + rows - 1)
    if left > right or upper > lower:
        return
    px, py = (left << 8) + 128, (upper << 8) + 128
    # Edge opposite of each corner: positive inside. On an edge, one of its two triangles has it.
    row_a = (cx - bx) * (py - by) - (cy - by) * (px - bx) - (0 if _owns(bx, by, cx, cy) else 1)
    row_b = (ax - cx) * (py - cy) - (ay - cy) * (px - cx) - (0 if _owns(cx, cy, ax, ay) else 1)
    row_c = (bx - ax) * (py - ay) - (by - ay) * (px - ax) - (0 if _owns(ax, ay, bx, by) else 1)
    step_a, step_b, step_c = (by - cy) << 8, (cy - ay) << 8, (ay - by) << 8
    down_a, down_b, down_c = (cx - bx) << 8, (ax - cx) << 8, (bx - ax) << 8
    qa, qb, qc = corners[0, 2], corners[b, 2], corners[c, 2]
    # Rounding must not bring a point nearer than its triangle.
    least, most = min(qa, qb, qc), max(qa, qb, qc)
    for y in range(upper, lower + 1):
        ea, eb, ec = row_a, row_b, row_c
        for x in range(left, right + 1):
            if (ea | eb | ec) >= 0:
                q = qa + (eb * (qb - qa) + ec * (qc - qa)) / area
                q = min(max(q, least), most)
                r = y - top
                old = nearness[r, x]
                if q > old or (q == old and f < face[r, x]):
                    if peel:
                        last = before_near[r, x]
                        g = before_face[r, x]
                        if g < 0 or q > last or (q == last and f <= g):
                            ea += step_a
                            eb += step_b
                            ec += step_c
                            continue
                    nearness[r, x] = q
                    face[r, x] = f
            ea += step_a
            eb += step_b
            ec += step_c
        row_a += down_a
        row_b += down_b
        row_c += down_c


@njit(inline="always")
def _owns(ax, ay, bx, by):
    """Whether points on the edge from a to b belong to the triangle that it bounds."""
    return by > ay or (by == ay and bx < ax)


@njit(inline="always")
def corner_weights(view, f, x, y):
    """Weights of the three corners of triangle ``f`` at a point of the picture, by its ray.

    Exact in perspective and for triangles that the near plane cuts; never negative, sum 1.
    """
    points = view.points
    a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
    dx, dy = (x - view.width * 0.5) / view.focal, (view.height * 0.5 - y) / view.focal
    ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
    bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
    cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
    if view.perspective:
        # Move the corners along their rays to the point's: triple products with its direction.
        ax, ay = ax - dx * az, ay - dy * az
        bx, by = bx - dx * bz, by - dy * bz
        cx, cy = cx - dx * cz, cy - dy * cz
    else:
        ax, ay, bx, by, cx, cy = ax - dx, ay - dy, bx - dx, by - dy, cx - dx, cy - dy
    wa, wb, wc = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    if wa + wb + wc < 0:
        wa, wb, wc = -wa, -wb, -wc
    wa, wb, wc = max(wa, 0.0), max(wb, 0.0), max(wc, 0.0)
    total = wa + wb + wc
    if not total > 0.0:
        return 1.0 / 3, 1.0 / 3, 1.0 / 3
    return wa / total, wb / total, wc / total
