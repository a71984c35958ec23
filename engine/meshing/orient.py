"""Consistent winding: neighbouring faces agree, and parts face outwards."""

import numpy as np

from engine.kernels import kernel
from engine.meshing.edges import Edges, face_neighbours, face_normals, find_edges, parts_of
from engine.meshing.nearest import nearest_on_surface

DECIDED = 0.1
"""Votes count when their balance is at least this share of them; a sheet is seen from both sides
alike, and then only keeps the winding that most of its faces have."""
_ASKED = 20_000
"""Faces at most that are compared with a model."""


def orient_faces(
    vertices: np.ndarray,
    faces: np.ndarray,
    *,
    votes: np.ndarray | None = None,
    edges: Edges | None = None,
) -> np.ndarray:
    """Flip faces until neighbours agree wherever that is possible.

    Faces are neighbours across an edge that belongs to exactly two of them; edges with more faces
    say nothing. A connected patch is then turned so that it shows its front to the outside; where
    votes do not decide, so that its signed volume is not negative. Where a patch cannot be oriented
    (a Moebius strip), one seam remains.

    Args:
        vertices: (V, 3) float.
        faces: (F, 3) int32.
        votes: (F,) int64 how often each face showed its front, less how often its back, to a viewer
            outside (engine/meshing/visibility.py); an open patch without a clear vote keeps the
            winding of most of its faces. Without votes all patches go by their signed volume.
        edges: those of ``faces``, if they are known already.

    Returns:
        (F, 3) int32, the same faces in the same order, some with two corners swapped.
    """
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    if len(faces) == 0:
        return faces.copy()
    if edges is None:
        edges = find_edges(faces, len(vertices))
    has_votes = votes is not None
    if votes is None:
        votes = np.zeros(0, dtype=np.int64)
    flips = _flood(
        np.ascontiguousarray(vertices, dtype=np.float32),
        faces,
        face_neighbours(faces, edges),
        np.ascontiguousarray(votes, dtype=np.int64),
        has_votes,
    )
    oriented = faces.copy()
    oriented[flips] = faces[flips][:, [0, 2, 1]]
    return oriented


def turn_sheets(
    vertices: np.ndarray,
    faces: np.ndarray,
    votes: np.ndarray,
    model: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Open parts whose votes do not decide show their front where a model of the surface does.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32 of ``orient_faces``.
        votes: (F,) int64, for these faces as they are wound now.
        model: (U, 3) float vertices and (G, 3) int32 faces of what the surface was made from, at
            least one.

    Returns:
        (F, 3) int32, the same faces in the same order.
    """
    edges = find_edges(faces, len(vertices))
    part, count = parts_of(edges.of_sides().reshape(-1, 3), len(edges.counts))
    turns = np.zeros(count, bool)
    turns[part[edges.sides_of_open_edges() // 3]] = True
    balance, all_votes = (np.bincount(part, values, count) for values in (votes, np.abs(votes)))
    turns &= ~((balance != 0) & (np.abs(balance) >= DECIDED * all_votes))
    chosen = np.flatnonzero(turns[part])
    chosen = chosen[:: max(1, len(chosen) // _ASKED)]
    if len(chosen) == 0:
        return faces
    _, near = nearest_on_surface(*model, vertices[faces[chosen]].mean(axis=1))
    own, theirs = face_normals(vertices, faces[chosen]), face_normals(*model)
    theirs /= np.maximum(np.linalg.norm(theirs, axis=1, keepdims=True), 1e-300)
    agreement = np.bincount(part[chosen], np.einsum("fi,fi->f", own, theirs[near]), count)
    return np.where((turns & (agreement < 0))[part][:, None], faces[:, [0, 2, 1]], faces)


@kernel
def _flood(vertices, faces, neighbours, votes, has_votes):
    """(F,) bool: walk each patch once, noting who disagrees with its first face; then decide."""
    flips = np.zeros(faces.shape[0], np.bool_)
    seen = np.zeros(faces.shape[0], np.bool_)
    queue = np.empty(faces.shape[0], np.int64)
    a, b, c = np.empty(3), np.empty(3), np.empty(3)
    for seed in range(faces.shape[0]):
        if seen[seed]:
            continue
        seen[seed] = True
        queue[0] = seed
        head, tail = 0, 1
        volume = 0.0
        balance, all_votes, flipped = 0, 0, 0
        closed = True
        while head < tail:
            f = queue[head]
            head += 1
            # The tetrahedron from the first face's first corner; other origins give the same sum
            # on a closed patch.
            for k in range(3):
                origin = np.float64(vertices[faces[seed, 0], k])
                a[k] = vertices[faces[f, 0], k] - origin
                b[k] = vertices[faces[f, 1], k] - origin
                c[k] = vertices[faces[f, 2], k] - origin
            part = (
                a[0] * (b[1] * c[2] - b[2] * c[1])
                + a[1] * (b[2] * c[0] - b[0] * c[2])
                + a[2] * (b[0] * c[1] - b[1] * c[0])
            )
            sign = -1 if flips[f] else 1
            volume += sign * part
            flipped += flips[f]
            if has_votes:
                balance += sign * votes[f]
                all_votes += abs(votes[f])
            for s in range(3):
                if neighbours[f, s] < 0:
                    closed = False
                    continue
                g, disagrees = neighbours[f, s] >> 1, neighbours[f, s] & 1
                if not seen[g]:
                    seen[g] = True
                    flips[g] = flips[f] != (disagrees == 1)
                    queue[tail] = g
                    tail += 1
        if has_votes and abs(balance) > 0 and abs(balance) >= DECIDED * all_votes:
            turn = balance < 0
        elif has_votes and not closed:
            turn = 2 * flipped > tail
        else:
            turn = volume < 0.0
        if turn:
            for i in range(tail):
                flips[queue[i]] = not flips[queue[i]]
    return flips
