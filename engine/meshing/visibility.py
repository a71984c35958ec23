"""What of a mesh can be seen from outside, and which of its sides.

Parallel light from many directions, 384 samples across the mesh. Every direction serves two
viewers at once: one in front, who sees the nearest faces, and one behind, who sees the farthest.
"""

from dataclasses import dataclass

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel

SAMPLES = 384
FIRST_DIRECTIONS = 7
MORE_DIRECTIONS = 48
MIN_SAMPLES = 30
SEEN_SHARE = 1e-3


@dataclass(frozen=True)
class Visibility:
    """What all viewers together counted, per face.

    Args:
        votes: (F,) int64 samples that showed the front, less those that showed the back.
        seen: (F,) int64 samples that showed the face.
        covered: (F,) int64 samples that met the face, seen or hidden.
    """

    votes: np.ndarray
    seen: np.ndarray
    covered: np.ndarray


def look_from_outside(
    vertices: np.ndarray, faces: np.ndarray, directions: int = FIRST_DIRECTIONS
) -> Visibility:
    """Count what parallel rays along ``directions`` axes, both ways, see of each face."""
    vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    center = (low.astype(np.float64) + high) / 2
    scale = SAMPLES / max(float((high - low).max()), 1e-30)
    axes = _axes(directions)

    def look(axis: np.ndarray) -> np.ndarray:
        return _look(vertices, faces, center, _frame(axis) * scale, int(SAMPLES * 3**0.5) + 4)

    # A few axes at a time: each answer has three numbers a face.
    counts = np.zeros((3, len(faces)), dtype=np.int64)
    for start in range(0, len(axes), 4):
        for part in map_chunks(look, list(axes[start : start + 4])):
            counts += part
    return Visibility(*counts)


def hidden_parts(
    vertices: np.ndarray, faces: np.ndarray, part_of_face: np.ndarray, first: Visibility
) -> np.ndarray:
    """(P,) bool: the parts that no viewer outside sees.

    More viewers look for the parts that the first ones missed. A part that too few samples met to
    tell is held to be visible, and so is all that a straight ray can reach through an opening.

    Args:
        part_of_face: (F,) int from 0 to P - 1.
        first: what ``look_from_outside`` saw of these faces.
    """
    count = int(part_of_face.max()) + 1 if len(part_of_face) else 0
    seen, covered = (
        np.bincount(part_of_face, weights=c, minlength=count) for c in (first.seen, first.covered)
    )
    hidden = (seen <= SEEN_SHARE * covered) & (covered >= MIN_SAMPLES)
    if hidden.any():
        more = look_from_outside(vertices, faces, MORE_DIRECTIONS)
        seen = np.bincount(part_of_face, weights=more.seen, minlength=count)
        covered = np.bincount(part_of_face, weights=more.covered, minlength=count)
        hidden &= seen <= SEEN_SHARE * covered
    return hidden


def _axes(count: int) -> np.ndarray:
    """(count, 3) directions spread over a half sphere (a Fibonacci spiral), none along an axis."""
    i = np.arange(count) + 0.5
    z = 1 - i / count
    turn = i * (np.pi * (5**0.5 - 1)) + 0.3
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def _frame(axis: np.ndarray) -> np.ndarray:
    """(3, 3): columns right, up and towards the viewer in front; right-handed."""
    right = np.cross((0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0), axis)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(axis, right), axis], axis=1)


@kernel
def _look(vertices, faces, center, frame, size):
    """(3, F) int32: votes, seen and covered of each face, from both ends of one axis."""
    points = np.empty(vertices.shape, np.float32)
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0] - center[0], vertices[i, 1] - center[1], vertices[i, 2] - center[2]
        for k in range(3):
            points[i, k] = x * frame[0, k] + y * frame[1, k] + z * frame[2, k] + size / 2
    counts = np.zeros((3, faces.shape[0]), np.int32)
    near = np.full((size, size), -np.inf, np.float32)
    far = np.full((size, size), np.inf, np.float32)
    near_face = np.full((size, size), -1, np.int32)
    far_face = np.full((size, size), -1, np.int32)
    front = np.zeros(faces.shape[0], np.int8)
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
                counts[2, f] += 1
                z = np.float32(u * az + v * bz + w * cz)
                if z > near[y, x]:
                    near[y, x], near_face[y, x] = z, f
                if z < far[y, x]:
                    far[y, x], far_face[y, x] = z, f
    for y in range(size):
        for x in range(size):
            f = near_face[y, x]
            if f >= 0:
                counts[0, f] += front[f]
                counts[1, f] += 1
                g = far_face[y, x]
                counts[0, g] -= front[g]
                counts[1, g] += 1
    return counts
