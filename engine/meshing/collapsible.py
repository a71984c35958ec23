"""Which edges may collapse, by what lies around their ends.

All take the lists of faces around vertices (``faces_around``; ``members`` are faces) as they were
when the pass began, and which faces are still ``alive``. The edge goes from u to v.
"""

import numpy as np

from engine.kernels import tight

_HEAVIEST_TURN = 0.2
"""Cosine of the angle by which a face may turn, about 78 degrees."""


@tight
def keeps_topology(faces, alive, start, members, u, v, on_line, mark, token):
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
def crowds_no_edge(faces, alive, start, members, u, v, counts):
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
            has_both = faces[f, 0] == other or faces[f, 1] == other or faces[f, 2] == other
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
            has_both = faces[f, 0] == other or faces[f, 1] == other or faces[f, 2] == other
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
                        has_w = faces[g, 0] == w or faces[g, 1] == w or faces[g, 2] == w
                        has_x = faces[g, 0] == x or faces[g, 1] == x or faces[g, 2] == x
                        if has_w and has_x:
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
    """Whether no face that remains turns over or becomes a needle when both ends go to ``place``."""
    for end in range(2):
        moved, other = (u, v) if end == 0 else (v, u)
        for i in range(start[moved], start[moved + 1]):
            f = members[i]
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            if not alive[f] or a == other or b == other or c == other:
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
