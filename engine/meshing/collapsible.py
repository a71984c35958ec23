"""Which edges may collapse, by what lies around their ends.

All take the lists of faces around vertices (``faces_around``; ``members`` are faces) as they were
when the pass began, and which faces are still ``alive``. The edge goes from u to v.
"""

import numpy as np

from engine.kernels import tight

_HEAVIEST_TURN = 0.2
"""Cosine of the angle by which a face may turn, about 78 degrees."""
_FOLDED = -0.9
"""Cosine of the angle between neighbours that lie on each other, about 154 degrees."""


@tight
def meets_link_condition(faces, alive, start, members, u, v, on_line, mark, token):
    """Link condition (Dey et al. 1999): common neighbours are the tips of the edge's faces.

    ``mark`` (V,) int64 is scratch in which ``token`` to ``token`` + 2 do not occur yet.
    """
    ring, common, shared = 0, 0, 0
    for i in range(start[u], start[u + 1]):
        f = members[i]
        if alive[f]:
            for s in range(3):
                w = faces[f, s]
                shared += w == v
                if w != u and w != v and mark[w] != token:
                    mark[w] = token
                    ring += 1
    for i in range(start[v], start[v + 1]):
        f = members[i]
        if alive[f]:
            for s in range(3):
                w = faces[f, s]
                if w == u or w == v:  # noqa: SIM109
                    continue
                if mark[w] == token:
                    mark[w] = token + 1
                    common += 1
                elif mark[w] != token + 1 and mark[w] != token + 2:
                    mark[w] = token + 2
                    ring += 1
    return common == shared and ring >= (2 if on_line else 3)


@tight
def keeps_edges_manifold(faces, alive, start, members, u, v, counts):
    """Whether no edge comes to have three faces where none had, no two faces become one, and no
    two that walk their side in the same direction become neighbours.

    Holes may close and surfaces may be pinched. ``counts`` (V, 4) int32 of zeros is scratch: for
    each w, faces at (u, w), at (v, w) and at both, and how many more walk away from w than to it.
    """
    for end in range(2):
        here, other = (u, v) if end == 0 else (v, u)
        for i in range(start[here], start[here + 1]):
            f = members[i]
            if not alive[f]:
                continue
            has_both = has_corner(faces, f, other)
            for s in range(3):
                w = faces[f, s]
                if w != here and w != other:
                    counts[w, end] += 1
                    counts[w, 2] += has_both
                    counts[w, 3] += 1 if faces[f, (s + 1) % 3] == here else -1
    allowed, remain = True, 0
    for end in range(2):
        here, other = (u, v) if end == 0 else (v, u)
        for i in range(start[here], start[here + 1]):
            f = members[i]
            if not alive[f]:
                continue
            has_both = has_corner(faces, f, other)
            remain += not has_both
            for s in range(3):
                w = faces[f, s]
                if w in (here, other) or counts[w, 0] == 0 or counts[w, 1] == 0:
                    continue
                # A face with all three is in each count, at each end it is met.
                after = counts[w, 0] + counts[w, 1] - counts[w, 2]
                if after > 2 and counts[w, 0] <= 2 and counts[w, 1] <= 2:
                    allowed = False
                if after == 2 and counts[w, 3] != 0:
                    allowed = False
            if allowed and end == 0 and not has_both:
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                w, x = (b, c) if a == u else ((c, a) if b == u else (a, b))
                if counts[w, 1] > 0 and counts[x, 1] > 0:
                    for j in range(start[v], start[v + 1]):
                        g = members[j]
                        if not alive[g]:
                            continue
                        if has_corner(faces, g, w) and has_corner(faces, g, x):
                            allowed = False
    for end in range(2):
        here = u if end == 0 else v
        for i in range(start[here], start[here + 1]):
            for s in range(3):
                for k in range(4):
                    counts[faces[members[i], s], k] = 0
    return allowed and remain > 0


@tight
def turns_no_face(points, faces, alive, start, members, u, v, place):
    """Whether no face that remains turns over or becomes a needle, with both ends at ``place``."""
    for end in range(2):
        moved, other = (u, v) if end == 0 else (v, u)
        for i in range(start[moved], start[moved + 1]):
            f = members[i]
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            if not alive[f] or has_corner(faces, f, other):
                continue
            # The side opposite to the moved corner, in the face's order.
            if b == moved:
                b, c = c, a
            elif c == moved:
                b, c = a, b
            sx, sy, sz = (
                points[c, 0] - points[b, 0],
                points[c, 1] - points[b, 1],
                points[c, 2] - points[b, 2],
            )
            ox, oy, oz = (
                points[moved, 0] - points[b, 0],
                points[moved, 1] - points[b, 1],
                points[moved, 2] - points[b, 2],
            )
            nx, ny, nz = (
                place[0] - points[b, 0],
                place[1] - points[b, 1],
                place[2] - points[b, 2],
            )
            o0, o1, o2 = sy * oz - sz * oy, sz * ox - sx * oz, sx * oy - sy * ox
            n0, n1, n2 = sy * nz - sz * ny, sz * nx - sx * nz, sx * ny - sy * nx
            old2, new2 = o0 * o0 + o1 * o1 + o2 * o2, n0 * n0 + n1 * n1 + n2 * n2
            turn = o0 * n0 + o1 * n1 + o2 * n2
            side2 = sx * sx + sy * sy + sz * sz
            reach2 = max(side2, nx * nx + ny * ny + nz * nz)
            # No needle lower than a fiftieth of its length, unless it was one before.
            if turn <= _HEAVIEST_TURN * np.sqrt(old2 * new2) or (
                new2 < 4e-4 * reach2 * reach2 and new2 < old2
            ):
                return False
    return True


@tight
def folds_no_edge(points, faces, alive, start, members, u, v, place):
    """Whether no two neighbours come to lie on each other when u and v become one at ``place``."""
    for end in range(2):
        here, other = (u, v) if end == 0 else (v, u)
        for i in range(start[here], start[here + 1]):
            f = members[i]
            if not alive[f] or has_corner(faces, f, other):
                continue
            new = _normal(points, faces, f, u, v, place)
            old = _normal(points, faces, f, -1, -1, place)
            for s in range(3):
                a, b = faces[f, s], faces[f, (s + 1) % 3]
                for turn in range(2):
                    # What lies across a side: around either of its ends, a merged one has two.
                    middle, far = (a, b) if turn == 0 else (b, a)
                    if a == here or b == here:
                        middle, far = u if turn == 0 else v, a + b - here
                    for j in range(start[middle], start[middle + 1]):
                        g = members[j]
                        if g == f or not alive[g] or not has_corner(faces, g, far):
                            continue
                        if not has_corner(faces, g, middle):
                            continue
                        if has_corner(faces, g, u) and has_corner(faces, g, v):
                            continue
                        to = _normal(points, faces, g, u, v, place)
                        was = _normal(points, faces, g, -1, -1, place)
                        if (
                            new[0] * to[0] + new[1] * to[1] + new[2] * to[2] < _FOLDED
                            and old[0] * was[0] + old[1] * was[1] + old[2] * was[2] >= _FOLDED
                        ):
                            return False
    return True


@tight
def merge_vertex(faces, alive, start, members, goes, stays):
    """Faces around ``goes`` have ``stays`` instead; those that had both are no longer alive, and
    their number is returned."""
    removed = 0
    for i in range(start[goes], start[goes + 1]):
        f = members[i]
        if not alive[f]:
            continue
        if has_corner(faces, f, stays):
            alive[f] = False
            removed += 1
            continue
        for s in range(3):
            if faces[f, s] == goes:
                faces[f, s] = stays
    return removed


@tight
def has_corner(faces, f, w):
    """Whether w is a corner of face f."""
    return faces[f, 0] == w or faces[f, 1] == w or faces[f, 2] == w


@tight
def _normal(points, faces, f, u, v, place):
    """Unit normal of a face whose corners u and v lie at ``place``; zeros without an area."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    moved = 0 if a in (u, v) else (1 if b in (u, v) else (2 if c in (u, v) else -1))
    ax = place[0] if moved == 0 else points[a, 0]
    ay = place[1] if moved == 0 else points[a, 1]
    az = place[2] if moved == 0 else points[a, 2]
    bx = (place[0] if moved == 1 else points[b, 0]) - ax
    by = (place[1] if moved == 1 else points[b, 1]) - ay
    bz = (place[2] if moved == 1 else points[b, 2]) - az
    cx = (place[0] if moved == 2 else points[c, 0]) - ax
    cy = (place[1] if moved == 2 else points[c, 1]) - ay
    cz = (place[2] if moved == 2 else points[c, 2]) - az
    x, y, z = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    length = np.sqrt(x * x + y * y + z * z)
    if length > 0:
        x, y, z = x / length, y / length, z / length
    return x, y, z
