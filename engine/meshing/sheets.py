"""Surfaces that cross or touch, taken apart."""

import numpy as np

from engine.meshing.edges import faces_across, parts_of


def separate_sheets(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces that share a vertex only if they are neighbours around it.

    Where more than two faces meet at an edge, the two that lie flattest to each other stay
    neighbours, then the next two (``faces_across``); what is left over gets an open edge there.

    Args:
        vertices: (V, 3) float.
        faces: (F, 3) int32, none with a vertex twice.

    Returns:
        (W,) int64 the vertex that each new one is a copy of, and (F, 3) int32 faces into these.
    """
    across = faces_across(vertices, faces)
    face, side = np.nonzero(across >= 0)
    other = across[face, side]
    alone = np.repeat(np.arange(faces.size), 2).reshape(-1, 2)
    same = [alone]
    for corner in (side, (side + 1) % 3):
        opposite = (faces[other] == faces[face, corner][:, None]).argmax(axis=1)
        same.append(np.stack([3 * face + corner, 3 * other + opposite], axis=1))
    vertex, count = parts_of(np.concatenate(same), faces.size)
    vertex = vertex[: faces.size]
    origin = np.empty(count, dtype=np.int64)
    origin[vertex] = faces.reshape(-1)
    return origin, vertex.reshape(-1, 3)
