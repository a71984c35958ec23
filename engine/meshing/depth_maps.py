"""What parallel rays along an axis meet of a mesh: first, seen from in front, and last.

One axis serves two viewers at once: one in front, who sees the nearest faces, and one behind, who
sees the farthest.
"""

import numpy as np

from engine.kernels import kernel


def spread_axes(count: int) -> np.ndarray:
    """(count, 3) directions spread over a half sphere (a Fibonacci spiral), none along an axis."""
    i = np.arange(count) + 0.5
    z = 1 - i / count
    turn = i * (np.pi * (5**0.5 - 1)) + 0.3
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def frame_of(axis: np.ndarray) -> np.ndarray:
    """(3, 3): columns right, up and towards the viewer in front; right-handed."""
    right = np.cross((0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0), axis)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(axis, right), axis], axis=1)


@kernel
def to_pixels(points, center, frame, size):
    """(N, 3) float32 column, row and height above the picture's plane, of a picture ``size`` wide
    that looks at ``center``; ``frame`` is that of ``frame_of``, scaled to pixels."""
    moved = np.empty(points.shape, np.float32)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2]
        for k in range(3):
            moved[i, k] = x * frame[0, k] + y * frame[1, k] + z * frame[2, k] + size / 2
    return moved


@kernel
def draw_depths(points, faces, size):
    """Heights of the nearest and the farthest face at each pixel's whole coordinates.

    Args:
        points: of ``to_pixels``.

    Returns:
        near, far: (size, size) float32; -inf and inf where there is nothing.
        near_face, far_face: (size, size) int32; -1 where there is nothing.
        front: (F,) int8, 1 where the viewer in front looks at the front of a face, -1 at its back.
        covered: (F,) int32 pixels that a face lies over, seen or hidden.
    """
    near = np.full((size, size), -np.inf, np.float32)
    far = np.full((size, size), np.inf, np.float32)
    near_face = np.full((size, size), -1, np.int32)
    far_face = np.full((size, size), -1, np.int32)
    front = np.zeros(faces.shape[0], np.int8)
    covered = np.zeros(faces.shape[0], np.int32)
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = np.float64(points[i, 0]), np.float64(points[i, 1]), points[i, 2]
        bx, by, bz = np.float64(points[j, 0]), np.float64(points[j, 1]), points[j, 2]
        cx, cy, cz = np.float64(points[k, 0]), np.float64(points[k, 1]), points[k, 2]
        x0, x1 = int(np.ceil(min(ax, bx, cx))), int(np.floor(max(ax, bx, cx)))
        y0, y1 = int(np.ceil(min(ay, by, cy))), int(np.floor(max(ay, by, cy)))
        if x0 > x1 or y0 > y1:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        front[f] = 1 if area > 0 else -1
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                # Borders count as covered, so there is no crack between neighbours.
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w = 1.0 - u - v
                if u < -1e-9 or v < -1e-9 or w < -1e-9:
                    continue
                covered[f] += 1
                z = np.float32(u * az + v * bz + w * cz)
                if z > near[y, x]:
                    near[y, x], near_face[y, x] = z, f
                if z < far[y, x]:
                    far[y, x], far_face[y, x] = z, f
    return near, far, near_face, far_face, front, covered
