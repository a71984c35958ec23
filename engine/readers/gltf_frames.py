"""Normals and tangents of a glTF file, placed with their vertices (glTF 2.0, section 3.7.2)."""

import numpy as np


def corner_normals(
    given: np.ndarray, vertices: np.ndarray, faces: np.ndarray, turn: np.ndarray
) -> np.ndarray | None:
    """(F, 3, 3) float32 unit normals of face corners; None when the placement flattens the mesh.

    Args:
        given: (F, 3, 3) NORMAL of each corner, in the node's space.
        vertices: (V, 3) in object space, for corners whose normal has no direction: they get that
            of their face.
        faces: (F, 3), wound as in the node's space.
        turn: (3, 3) object_from_node; or (F, 3, 3, 3), one for each corner.
    """
    # Normals stay at right angles to the surface under the inverse transpose; the cofactors are
    # that times the determinant, and exist for every matrix.
    cofactors = np.stack(
        [np.cross(turn[..., k - 2, :], turn[..., k - 1, :]) for k in range(3)], axis=-2
    )
    sign = 1.0
    if turn.ndim == 2:
        determinant = np.linalg.det(turn)
        if not abs(determinant) > 0:
            return None
        sign = float(np.sign(determinant))
        normals = _unit(given @ (cofactors.T * sign))
    else:
        determinant = np.einsum("...i,...i->...", cofactors[..., 0, :], turn[..., 0, :])
        normals = np.einsum("...ij,...j->...i", cofactors, given)
        normals = _unit(normals * np.sign(determinant)[..., None])
        sign = float(np.sign(determinant.sum())) or 1.0
    wrong = ~(np.abs(normals).sum(axis=2) > 0)
    if wrong.any():
        ends = vertices[faces]
        flat = _unit(np.cross(ends[:, 1] - ends[:, 0], ends[:, 2] - ends[:, 0])) * sign
        flat[~np.abs(flat).any(axis=1)] = (0, 0, 1)
        normals[wrong] = flat[np.nonzero(wrong)[0]]
    return normals.astype(np.float32)


def corner_tangents(given: np.ndarray, turn: np.ndarray, mirrored: bool) -> np.ndarray | None:
    """(F, 3, 4) tangents and signs of face corners; None when one of them has no direction.

    Args:
        given: (F, 3, 4) TANGENT of each corner, in the node's space.
        turn: as above.
        mirrored: whether the placement turns front faces into back faces.
    """
    along = given[..., :3]
    if turn.ndim == 2:
        tangents = _unit(along @ turn.T)
    else:
        tangents = _unit(np.einsum("...ij,...j->...i", turn, along))
    if not (np.abs(tangents).sum(axis=2) > 0).all() or not np.isfinite(given[..., 3]).all():
        return None
    # A mirror turns the side on which the bitangent lies.
    signs = np.where(given[..., 3:] < 0, -1.0, 1.0) * (-1.0 if mirrored else 1.0)
    return np.concatenate([tangents, signs], axis=2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; zero for what has no direction."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    sound = np.isfinite(lengths) & (lengths > 0)
    return np.where(sound, vectors, 0.0) / np.where(sound, lengths, 1.0)
