"""Normals and tangents of a glTF file, placed with their vertices (glTF 2.0, section 3.7.2)."""

import numpy as np


def placed_normals(given: np.ndarray, turn: np.ndarray) -> np.ndarray | None:
    """(V, 3) float32 unit normals, zero for what has no direction; None for a flat placement.

    Args:
        given: (V, 3) NORMAL, in the node's space.
        turn: (3, 3) object_from_node; or (V, 3, 3), one for each vertex.
    """
    # Normals stay at right angles to the surface under the inverse transpose; the cofactors are
    # that times the determinant, and exist for every matrix.
    cofactors = np.stack(
        [np.cross(turn[..., k - 2, :], turn[..., k - 1, :]) for k in range(3)], axis=-2
    )
    determinant = np.asarray((cofactors[..., 0, :] * turn[..., 0, :]).sum(axis=-1))
    if not (np.abs(determinant) > 0).any():
        return None
    if turn.ndim == 2:
        return unit(given @ (cofactors.T * np.sign(determinant)))
    normals = np.einsum("...ij,...j->...i", cofactors, given)
    return unit(normals * np.sign(determinant)[..., None])


def corner_normals(
    normals: np.ndarray, vertices: np.ndarray, faces: np.ndarray, mirrored: bool
) -> np.ndarray:
    """(F, 3, 3) float32 unit normals of face corners.

    Args:
        normals: (V, 3) of ``placed_normals``; where one has no direction, a corner gets that of
            its face.
        vertices: (V, 3) in object space.
        faces: (F, 3), wound as in the node's space.
        mirrored: whether the placement turns front faces into back faces.
    """
    corners = normals.take(faces, axis=0)  # in a third of the time of an index
    x, y, z = normals.T  # in a fifth of the time of any(axis=1)
    lost = (x == 0) & (y == 0) & (z == 0)
    if lost.any():
        wrong = lost[faces]
        ends = vertices[faces]
        flat = unit(np.cross(ends[:, 1] - ends[:, 0], ends[:, 2] - ends[:, 0]))
        flat[~flat.any(axis=1)] = (0, 0, 1)
        corners[wrong] = flat[np.nonzero(wrong)[0]] * (-1 if mirrored else 1)
    return corners


def placed_tangents(given: np.ndarray, turn: np.ndarray, mirrored: bool) -> np.ndarray | None:
    """(V, 4) float32 tangents and signs; None when one of them has no direction.

    Args:
        given: (V, 4) TANGENT, in the node's space.
        turn, mirrored: as above.
        mirrored: whether the placement turns front faces into back faces.
    """
    along = given[..., :3]
    if turn.ndim == 2:
        tangents = unit(along @ turn.T)
    else:
        tangents = unit(np.einsum("...ij,...j->...i", turn, along))
    if not tangents.any(axis=-1).all() or not np.isfinite(given[..., 3]).all():
        return None
    # A mirror turns the side on which the bitangent lies.
    signs = np.where(given[..., 3:] < 0, -1, 1) * np.float32(-1 if mirrored else 1)
    return np.concatenate([tangents, signs], axis=-1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """float32 vectors of length 1; zero for what has no direction."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    sound = np.isfinite(lengths) & (lengths > 0)
    if not sound.all():
        vectors, lengths = np.where(sound, vectors, 0.0), np.where(sound, lengths, 1.0)
    return (vectors / lengths).astype(np.float32)
