"""Normals of face corners: smooth where a surface bends gently, hard at creases."""

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel, tight
from engine.meshing.edges import faces_around
from engine.meshing.rows import unique_rows

CREASE_DEGREES = 60.0
"""Two faces that bend by more than this meet in a hard edge."""

_CHUNK = 1 << 15


def corner_normals(
    vertices: np.ndarray,
    faces: np.ndarray,
    *,
    crease_degrees: float = CREASE_DEGREES,
    welded: bool = False,
    threads: int | None = None,
) -> np.ndarray:
    """Normals at the corners of faces.

    The normal of a corner is the mean of the normals of those faces around its position that bend
    from its own face by less than ``crease_degrees``, weighted by their angles at the position, so
    that it depends neither on how a surface is cut into triangles nor on vertices that are
    repeated at UV seams. A face without area takes part in nothing and gets the mean of the others.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
        crease_degrees: 0 gives flat faces, 180 a smooth surface.
        welded: equal positions are known to be one vertex, so the search for them is left out.

    Returns:
        (F, 3, 3) float32 unit vectors; (0, 0, 1) where nothing says otherwise.
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    if len(faces) == 0:
        return np.zeros((0, 3, 3), np.float32)
    if not welded:
        kept, new_index = unique_rows(vertices)
        vertices, faces = vertices[kept], new_index[faces]
    start, corners = faces_around(faces, len(vertices))
    face_normals, angles = np.empty((len(faces), 3), np.float32), np.empty(faces.shape, np.float32)
    normals = np.empty((len(faces), 3, 3), np.float32)
    least_cosine = np.float32(np.cos(np.radians(crease_degrees)))
    map_chunks(
        lambda part: _measure(vertices, faces, *part, face_normals, angles),
        _chunks(len(faces)),
        threads=threads,
    )
    map_chunks(
        lambda part: _blend(start, corners, face_normals, angles, least_cosine, *part, normals),
        _chunks(len(vertices)),
        threads=threads,
    )
    return normals


def _chunks(count: int) -> list[tuple[int, int]]:
    return [(i, min(i + _CHUNK, count)) for i in range(0, count, _CHUNK)]


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) float32 unit normals, weighted by area; (0, 0, 1) where no area says otherwise."""
    corners = np.asarray(vertices, np.float64)[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    weights = np.repeat(face_normals, 3, axis=0)
    flat = np.asarray(faces).ravel()
    normals = np.column_stack(
        [np.bincount(flat, weights[:, axis], minlength=len(vertices)) for axis in range(3)]
    )
    lengths = np.linalg.norm(normals, axis=1)
    normals[lengths == 0] = (0.0, 0.0, 1.0)
    lengths[lengths == 0] = 1.0
    return (normals / lengths[:, None]).astype(np.float32)


@kernel
def _measure(vertices, faces, first, end, face_normals, angles):
    """Unit normals (zero without area) and corner angles of faces first..end."""
    _fill_measures(vertices, faces, first, end, np.empty((3, 3)), face_normals, angles)


@tight
def _fill_measures(vertices, faces, first, end, edge, face_normals, angles):
    for f in range(first, end):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            for i in range(3):
                edge[k, i] = np.float64(vertices[b, i]) - vertices[a, i]
        nx = edge[0, 1] * edge[1, 2] - edge[0, 2] * edge[1, 1]
        ny = edge[0, 2] * edge[1, 0] - edge[0, 0] * edge[1, 2]
        nz = edge[0, 0] * edge[1, 1] - edge[0, 1] * edge[1, 0]
        size = np.sqrt(nx * nx + ny * ny + nz * nz)
        if not size > 0.0:
            for k in range(3):
                face_normals[f, k] = 0.0
                angles[f, k] = 0.0
            continue
        face_normals[f, 0], face_normals[f, 1], face_normals[f, 2] = nx / size, ny / size, nz / size
        for k in range(3):
            j = (k + 2) % 3
            dot = -(edge[k, 0] * edge[j, 0] + edge[k, 1] * edge[j, 1] + edge[k, 2] * edge[j, 2])
            angles[f, k] = np.arctan2(size, dot)


@tight
def _blend(start, corners, face_normals, angles, least_cosine, first, end, normals):
    """Normals of all corners at vertices first..end."""
    half = np.sqrt((1.0 + least_cosine) / 2) * 1.000001  # cosine of half of the crease's angle
    for v in range(first, end):
        x, y, z = 0.0, 0.0, 0.0
        for place in range(start[v], start[v + 1]):
            g, k = corners[place] // 3, corners[place] % 3
            weight = angles[g, k]
            x += weight * face_normals[g, 0]
            y += weight * face_normals[g, 1]
            z += weight * face_normals[g, 2]
        size = np.sqrt(x * x + y * y + z * z)
        gentle = size > 1e-12
        for place in range(start[v], start[v + 1]):
            g = corners[place] // 3
            nx, ny, nz = face_normals[g, 0], face_normals[g, 1], face_normals[g, 2]
            if nx * x + ny * y + nz * z < half * size and (nx != 0 or ny != 0 or nz != 0):
                gentle = False
                break
        for place in range(start[v], start[v + 1]):
            g, k = corners[place] // 3, corners[place] % 3
            if gentle:
                # All are near the mean, so no two of them bend by more than the crease.
                normals[g, k, 0], normals[g, k, 1], normals[g, k, 2] = x / size, y / size, z / size
            else:
                _blend_corner(start, corners, face_normals, angles, least_cosine, v, g, k, normals)


@tight
def _blend_corner(start, corners, face_normals, angles, least_cosine, v, f, k, normals):
    """The normal of corner k of face f at vertex v, of the faces that bend little from f."""
    ox, oy, oz = face_normals[f, 0], face_normals[f, 1], face_normals[f, 2]
    flat = ox == 0.0 and oy == 0.0 and oz == 0.0
    x, y, z = 0.0, 0.0, 0.0
    for place in range(start[v], start[v + 1]):
        corner = corners[place]
        g = corner // 3
        nx, ny, nz = face_normals[g, 0], face_normals[g, 1], face_normals[g, 2]
        if flat or g == f or ox * nx + oy * ny + oz * nz > least_cosine:
            weight = angles[g, corner - 3 * g]
            x += weight * nx
            y += weight * ny
            z += weight * nz
    size = np.sqrt(x * x + y * y + z * z)
    if size > 1e-12:
        normals[f, k, 0], normals[f, k, 1], normals[f, k, 2] = x / size, y / size, z / size
    elif flat:
        normals[f, k, 0], normals[f, k, 1], normals[f, k, 2] = 0.0, 0.0, 1.0
    else:
        normals[f, k, 0], normals[f, k, 1], normals[f, k, 2] = ox, oy, oz
