"""Ambient occlusion: how much of the sky a point of a surface sees.

Parallel rays from directions spread over the whole sphere, each a picture of the depths at which
they meet the surface first (Williams 1978, "Casting curved shadows on curved surfaces"). A vertex
counts the directions of the hemisphere over it whose rays reach it, weighted by their cosine. That
is done for all vertices of the detailed surface, which lie about a voxel apart; texels take the
mean of the corners of the face that they lie on.
"""

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.meshing.depth_maps import draw_depths, frame_of, spread_axes, to_pixels
from engine.meshing.rows import unique_rows

AXES = 48
"""Each is used both ways."""
PIXELS = 256
"""Across the surface's longest side."""
CELLS = 192
"""Across the same: what hides the sky is drawn so coarse. Finer surfaces cost more and hide no
other pixels."""

_LIFT = 1.5
"""Pixels along its normal that a point is lifted by, so that its own neighbours do not hide it."""
_GROUPS = 8
"""Of axes; as many on any machine, since sums of floats depend on their order."""


def sky_of_vertices(
    vertices: np.ndarray,
    faces: np.ndarray,
    corner_normals: np.ndarray,
    *,
    threads: int | None = None,
) -> np.ndarray:
    """The cosine-weighted share of the sky that each vertex sees, in front and behind.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, at least one; both of their sides are opaque.
        corner_normals: (F, 3, 3) float32.
        threads: all cores when None; the result does not depend on it.

    Returns:
        (V, 2) float32 in [0, 1]: of the hemisphere around the vertex's normal, and of the other
        one, since a wall without thickness has two sides and raw surfaces are wound either way.
    """
    normals = _vertex_normals(len(vertices), faces, corner_normals)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    center = (low.astype(np.float64) + high) / 2
    scale = PIXELS / max(float((high - low).max()), 1e-30)
    size = int(PIXELS * 3**0.5) + 4 + 2 * int(np.ceil(_LIFT))
    directions = spread_axes(AXES)

    hiding_points, hiding_faces = _coarse(vertices, faces, low, CELLS * scale / PIXELS)

    def of_some(some: np.ndarray) -> np.ndarray:
        sky = np.zeros((len(vertices), 3), np.float32)
        for axis in some:
            frame = frame_of(axis)
            hiding = to_pixels(hiding_points, center, frame * scale, size)
            near, far = draw_depths(hiding, hiding_faces, size)[:2]
            points = to_pixels(vertices, center, frame * scale, size)
            _add_sky(points, normals @ frame.astype(np.float32), near, far, sky)
        return sky

    groups = [directions[k::_GROUPS] for k in range(_GROUPS)]
    sky = np.sum(map_chunks(of_some, groups, threads=threads), axis=0)
    light, weights = sky[:, :2], sky[:, 2:]
    open_to_sky = np.divide(light, weights, out=np.ones_like(light), where=weights > 0)
    return np.clip(open_to_sky, 0, 1)


def _coarse(
    vertices: np.ndarray, faces: np.ndarray, low: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """The surface with one vertex in each cell of size 1 / ``scale``, at the mean of its own."""
    first, cell = unique_rows(((vertices - low) * scale).astype(np.int32))
    count = np.bincount(cell, minlength=len(first))
    sums = [np.bincount(cell, vertices[:, axis], minlength=len(first)) for axis in range(3)]
    corners = cell[faces]
    a, b, c = corners.T
    kept = corners[(a != b) & (b != c) & (c != a)]
    return (np.stack(sums, axis=1) / count[:, None]).astype(np.float32), kept.astype(np.int32)


@kernel
def _vertex_normals(count, faces, corner_normals):
    """Means of the corners' unit normals; zero where they cancel out, which sees the whole sky."""
    normals = np.zeros((count, 3), np.float32)
    for f in range(faces.shape[0]):
        for k in range(3):
            for i in range(3):
                normals[faces[f, k], i] += corner_normals[f, k, i]
    for v in range(count):
        size = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        for i in range(3):
            normals[v, i] /= max(size, np.float32(1e-6))
    return normals


@kernel
def _add_sky(points, normals, near, far, sky):
    """Add one axis's light to both sides of each vertex, and the most that it could be to a third
    column; ``normals`` in the picture's frame."""
    for v in range(points.shape[0]):
        cosine = normals[v, 2]
        sky[v, 2] += abs(cosine)
        for side in range(2):
            lift = np.float32(_LIFT if side == 0 else -_LIFT)
            x = points[v, 0] + lift * normals[v, 0]
            y = points[v, 1] + lift * normals[v, 1]
            z = points[v, 2] + lift * normals[v, 2]
            i, j = int(x), int(y)
            fx, fy = x - i, y - j
            from_front = (cosine > 0) == (side == 0)
            seen = np.float32(0)
            # The four pixels around, by their nearness, make soft borders.
            for b in range(2):
                for a in range(2):
                    share = (fx if a == 1 else 1 - fx) * (fy if b == 1 else 1 - fy)
                    if from_front:
                        seen += share if z >= near[j + b, i + a] else np.float32(0)
                    else:
                        seen += share if z <= far[j + b, i + a] else np.float32(0)
            sky[v, side] += abs(cosine) * seen
