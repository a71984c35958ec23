"""Quads."""

import numpy as np

from engine.meshing.edges import find_edges, side_ends


def split_long(points, faces, lines, longest):
    """Halve edges until none is longer than ``longest``; points, faces, lines."""
    while True:
        edges = find_edges(faces, len(points))
        ends = np.stack(side_ends(faces, edges.sides[edges.first[:-1]]), axis=1).astype(np.int64)
        long = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1) > longest
        if not long.any():
            return points, faces, lines
        middle = np.full(len(ends), -1)
        middle[long] = len(points) + np.arange(int(long.sum()))
        keys = ends.min(axis=1) * (1 << 32) + ends.max(axis=1)  # ascending, as edges are
        if len(lines):
            at = np.searchsorted(keys, lines.min(axis=1) * (1 << 32) + lines.max(axis=1))
            cut = middle[at] >= 0
            lines = np.concatenate(
                [
                    lines[~cut],
                    np.stack([lines[cut, 0], middle[at[cut]]], axis=1),
                    np.stack([middle[at[cut]], lines[cut, 1]], axis=1),
                ]
            )
        points = np.concatenate([points, points[ends[long]].mean(axis=1)])
        of_side = np.empty(3 * len(faces), np.int64)
        of_side[edges.sides] = np.repeat(middle, edges.counts)
        faces = _split(faces, of_side.reshape(-1, 3), points)


def _split(faces, middle, points):
    """Triangles with their cut sides: each is cut into as many as it has such, and one."""
    cuts = (middle >= 0).sum(axis=1)
    made = [faces[cuts == 0]]
    for count in (1, 2, 3):
        chosen = np.flatnonzero(cuts == count)
        if len(chosen) == 0:
            continue
        # The first cut side leads; of two that follow each other the first.
        cut = middle[chosen] >= 0
        turn = cut.argmax(axis=1)
        if count == 2:
            turn = ((~cut).argmax(axis=1) + 1) % 3
        rows = (turn[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[chosen].astype(np.int64), rows, axis=1).T
        ab, bc, ca = np.take_along_axis(middle[chosen], rows, axis=1).T
        if count == 1:
            new = [(a, ab, c), (ab, b, c)]
        elif count == 2:
            shorter = np.linalg.norm(points[ab] - points[c], axis=1) < np.linalg.norm(
                points[a] - points[bc], axis=1
            )
            new = [(ab, b, bc)]
            new += [
                (a, ab, np.where(shorter, c, bc)),
                (np.where(shorter, ab, a), bc, c),
            ]
        else:
            new = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        made += [np.stack(corners, axis=1) for corners in new]
    return np.concatenate(made).astype(np.int32)
