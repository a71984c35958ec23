"""Consistent winding: neighbouring faces agree, and closed parts face outwards."""

import numpy as np

from engine.kernels import kernel, sort_in_place


def orient_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Flip faces until neighbours agree wherever that is possible.

    Faces are neighbours across an edge that belongs to exactly two of them; edges with more faces
    tell nothing. A connected part is then turned so that its signed volume is not negative. Where a
    part cannot be oriented (a Moebius strip), one seam remains.

    Args:
        vertices: (V, 3) float.
        faces: (F, 3) int32.

    Returns:
        (F, 3) int32, the same faces in the same order, some with two corners swapped.
    """
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    if len(faces) == 0:
        return faces.copy()
    neighbours = _neighbours(faces, len(vertices))
    return _flood(np.ascontiguousarray(vertices, dtype=np.float64), faces, neighbours)


@kernel
def _neighbours(faces, vertex_count):
    """(F, 3) int64: what lies across each side, as 2 * face + disagrees, or -1.

    Side s of a face goes from corner s to corner s + 1. Two faces disagree when they walk their
    common edge in the same direction.
    """
    start = np.zeros(vertex_count + 1, np.int64)
    for f in range(faces.shape[0]):
        for s in range(3):
            start[min(faces[f, s], faces[f, (s + 1) % 3]) + 1] += 1
    start = np.cumsum(start)
    cursor = start[:-1].copy()
    # The higher corner and the side in one number, so that equal edges are neighbours when sorted.
    sides = 3 * np.int64(faces.shape[0])
    keys = np.empty(start[-1], np.int64)
    for f in range(faces.shape[0]):
        for s in range(3):
            a, b = faces[f, s], faces[f, (s + 1) % 3]
            slot = cursor[min(a, b)]
            cursor[min(a, b)] += 1
            keys[slot] = max(a, b) * sides + f * 3 + s
    neighbours = np.full((faces.shape[0], 3), -1, np.int64)
    for low in range(vertex_count):
        first, last = start[low], start[low + 1]
        sort_in_place(keys[first:last])
        for i in range(first, last - 1):
            high = keys[i] // sides
            alone = i + 2 == last or keys[i + 2] // sides != high
            first_of_edge = i == first or keys[i - 1] // sides != high
            if not (first_of_edge and alone and keys[i + 1] // sides == high) or high == low:
                continue
            f, s = keys[i] % sides // 3, keys[i] % 3
            g, t = keys[i + 1] % sides // 3, keys[i + 1] % 3
            if f != g:
                disagrees = faces[f, s] == faces[g, t]
                neighbours[f, s] = 2 * g + disagrees
                neighbours[g, t] = 2 * f + disagrees
    return neighbours


@kernel
def _flood(vertices, faces, neighbours):
    """Walk each connected part once, flipping what disagrees; then turn parts inside out."""
    result = faces.copy()
    # 0 not seen, 1 kept, 2 flipped.
    state = np.zeros(faces.shape[0], np.int8)
    queue = np.empty(faces.shape[0], np.int64)
    for seed in range(faces.shape[0]):
        if state[seed] != 0:
            continue
        state[seed] = 1
        queue[0] = seed
        head, tail = 0, 1
        origin = vertices[faces[seed, 0]]
        volume = 0.0
        while head < tail:
            f = queue[head]
            head += 1
            a = vertices[faces[f, 0]] - origin
            b = vertices[faces[f, 1]] - origin
            c = vertices[faces[f, 2]] - origin
            part = (
                a[0] * (b[1] * c[2] - b[2] * c[1])
                + a[1] * (b[2] * c[0] - b[0] * c[2])
                + a[2] * (b[0] * c[1] - b[1] * c[0])
            )
            volume += part if state[f] == 1 else -part
            for s in range(3):
                if neighbours[f, s] < 0:
                    continue
                g, disagrees = neighbours[f, s] >> 1, neighbours[f, s] & 1
                if state[g] == 0:
                    state[g] = 3 - state[f] if disagrees else state[f]
                    queue[tail] = g
                    tail += 1
        for i in range(tail):
            f = queue[i]
            if (state[f] == 2) != (volume < 0.0):
                result[f, 1], result[f, 2] = faces[f, 2], faces[f, 1]
    return result
