"""What of a mesh can be seen from outside, and which of its sides.

Parallel light from many directions, 384 samples across the mesh. Every direction serves two
viewers at once: one in front, who sees the nearest faces, and one behind, who sees the farthest.
"""

from dataclasses import dataclass

import numpy as np

from engine.host.parallel import map_chunks
from engine.kernels import kernel
from engine.meshing.depth_maps import draw_depths, frame_of, spread_axes, to_pixels

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
    axes = spread_axes(directions)

    def look(axis: np.ndarray) -> np.ndarray:
        return _look(vertices, faces, center, frame_of(axis) * scale, int(SAMPLES * 3**0.5) + 4)

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


@kernel
def _look(vertices, faces, center, frame, size):
    """(3, F) int32: votes, seen and covered of each face, from both ends of one axis."""
    points = to_pixels(vertices, center, frame, size)
    _, _, near_face, far_face, front, covered = draw_depths(points, faces, size)
    counts = np.zeros((3, faces.shape[0]), np.int32)
    counts[2] = covered
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
