"""Normals and tangents of a glTF file, placed with their vertices (glTF 2.0, section 3.7.2)."""

import numpy as np


def corner_normals(
    given: np.ndarray, vertices: np.ndarray, faces: np.ndarray, object_from_node: np.ndarray
) -> np.ndarray | None:
    """(F, 3, 3) float64 unit normals of face corners; None when the placement flattens the mesh.

    Args:
        given: (V, 3) NORMAL, in the node's space.
        vertices: (V, 3) in object space, for corners whose normal has no direction: they get that
            of their face.
        faces: (F, 3), wound for object space.
        object_from_node: (3, 4).
    """
    turn = object_from_node[:, :3]
    if not abs(np.linalg.det(turn)) > 0:
        return None
    # Normals stay at right angles to the surface under the inverse transpose.
    normals = _unit(np.asarray(given, np.float64) @ np.linalg.inv(turn))[faces]
    wrong = ~(np.abs(normals).sum(axis=2) > 0)
    if wrong.any():
        ends = vertices[faces]
        flat = _unit(np.cross(ends[:, 1] - ends[:, 0], ends[:, 2] - ends[:, 0]))
        flat[~np.abs(flat).any(axis=1)] = (0, 0, 1)
        normals[wrong] = flat[np.nonzero(wrong)[0]]
    return normals


def corner_tangents(
    given: np.ndarray, faces: np.ndarray, object_from_node: np.ndarray
) -> np.ndarray | None:
    """(F, 3, 4) float64 tangents and signs of face corners; None when one of them has no direction.

    Args:
        given: (V, 4) TANGENT, in the node's space.
        faces, object_from_node: as above.
    """
    turn = object_from_node[:, :3]
    given = np.asarray(given, np.float64)
    tangents = _unit(given[:, :3] @ turn.T)
    if not (np.abs(tangents).sum(axis=1) > 0).all() or not np.isfinite(given[:, 3]).all():
        return None
    # A mirror turns the side on which the bitangent lies.
    signs = np.where(given[:, 3:] < 0, -1.0, 1.0) * (-1.0 if np.linalg.det(turn) < 0 else 1.0)
    return np.concatenate([tangents, signs], axis=1)[faces]


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; zero for what has no direction."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    sound = np.isfinite(lengths) & (lengths > 0)
    return np.where(sound, vectors, 0.0) / np.where(sound, lengths, 1.0)
