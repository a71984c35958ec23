"""Cells cut into quads and laid on the surface, without folds."""

from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel, tight
from engine.meshing.creases import CORNER, FREE, ON_LINE, find_kinds
from engine.meshing.edges import face_normals, faces_around, sides_of, undirected
from engine.meshing.nearest import nearest_on_surface, to_triangle
from engine.meshing.quad_fields import cross
from engine.meshing.quad_surface import means_of_neighbours

_ROUNDS = 8
_GOOD = 0.35
"""A quad whose corners have a sine of so much may become worse, but not worse than that."""
_POOR = 0.2
_TRIES = 40
"""Rounds in which the corners of poor quads are moved about."""


class Surface:
    """What quads lie on.

    Points walk on it, so that they never come to the other side of a thin wall.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int32.
        lines: (L, 2) int64 edges on which line vertices lie.
    """

    def __init__(self, points: np.ndarray, faces: np.ndarray, lines: np.ndarray) -> None:
        self.points = points
        strokes = np.ascontiguousarray(lines[:, [0, 1, 1]], np.int32)
        self.pieces = (np.ascontiguousarray(faces, np.int32), strokes)
        # No walk goes past a corner, from which it could go on along another line.
        ends = find_kinds(points, lines)[0] == CORNER
        linked = np.where(ends[strokes], len(points), strokes)
        self.around = (
            faces_around(self.pieces[0], len(points)), faces_around(linked, len(points) + 1)
        )  # fmt: skip

    def begin(self, vertices: np.ndarray, kind: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(N,) int64 the face at each of its vertices, or for what is on a line the stroke.

        At the corners of lines that is the stroke nearest to the (N, 3) places.
        """
        start, corners = self.around[0]
        at = corners[start[vertices]].astype(np.int64) // 3
        line = np.flatnonzero(kind == ON_LINE)
        start, corners = self.around[1]
        of_corner = start[vertices[line]] == start[vertices[line] + 1]
        on = line[~of_corner]
        at[on] = corners[start[vertices[on]]] // 3
        others = line[of_corner]
        if len(others):
            at[others] = nearest_on_surface(self.points, self.pieces[1], places[others])[1]
        return at

    def walk(self, at: np.ndarray, places: np.ndarray, *, on_lines: bool) -> np.ndarray:
        """(N, 3) points near ``places``; ``at`` (N,) says where each walk begins, then its end."""
        start, corners = self.around[on_lines]
        return _walk(self.points, self.pieces[on_lines], start, corners, at, places)


@dataclass(frozen=True)
class _Net:
    """Args:
    quads: (Q, 4) int32.
    kind: (V,) int8 of ``find_kinds``.
    start, corners: of the quads around each vertex, see ``faces_around``.
    at, to: (M,) int64 pairs of neighbours that pull at each other, on lines along these only.
    ups: (Q, 3) float64 unit normals of the surface where each quad lies.
    at_piece: (V,) int64 face or stroke of the surface that each point lies on; changes.
    """

    quads: np.ndarray
    kind: np.ndarray
    start: np.ndarray
    corners: np.ndarray
    at: np.ndarray
    to: np.ndarray
    ups: np.ndarray
    at_piece: np.ndarray


def quads_of_cells(
    points: np.ndarray,
    cells: np.ndarray,
    lines: np.ndarray,
    kind: np.ndarray,
    normals: np.ndarray,
    surface: Surface,
    original: Surface,
    reach: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut each cell from its middle to the middles of its sides, and fit the quads.

    Args:
        points: (V, 3) float64.
        cells: (C, 4) int32, the last -1 where a cell has three corners.
        lines: (L, 2) int64 sides of cells that lie on lines.
        kind: (V,) int8 of ``find_kinds``.
        normals: (V, 3) float64 of the surface.
        surface: the even one, to walk on.
        original: to lie on in the end, where it is within ``reach``.

    Returns:
        (W, 3) float64 points and (Q, 4) int32 quads.
    """
    # What lies on a line has normals of either side; a cell that has others goes by these.
    weight = np.where((cells >= 0)[..., None], normals[cells], 0)
    free = (kind[cells] == FREE)[..., None]
    up = np.where(free.any(axis=1), (weight * free).sum(axis=1), weight.sum(axis=1))
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-300)
    ups = np.repeat(up, (cells >= 0).sum(axis=1), axis=0)
    points, quads, lines, kind, near = _cut(points, cells, lines, kind)
    net = _net(quads, lines, kind, ups, surface.begin(near, kind, points))
    points = _moved(points, net, points, surface)
    for _ in range(_ROUNDS):
        points = _moved(points, net, means_of_neighbours(points, net.at, net.to), surface)
    points = _unfolded(points, net, surface)
    return _snapped(points, net, original, reach), quads


def _cut(points, cells, lines, kind):
    """Points, quads, lines, kinds, and the old point near each; only points that cells use."""
    used, cells_flat = np.unique(cells[cells >= 0], return_inverse=True)
    new = np.full(cells.shape, -1, np.int64)
    new[cells >= 0] = cells_flat
    number = np.full(len(points), -1)
    number[used] = np.arange(len(used))
    points, kind, lines, cells = points[used], kind[used], number[lines], new
    size = (cells >= 0).sum(axis=1)
    cell = np.repeat(np.arange(len(cells)), size)
    begins = np.cumsum(size) - size
    corner = np.arange(len(cell)) - begins[cell]
    here = cells[cell, corner]
    following = cells[cell, (corner + 1) % size[cell]]
    keys = undirected(np.stack([here, following], axis=1))
    sides, side = np.unique(keys, return_inverse=True)
    ends = np.stack([sides >> 32, sides & 0xFFFFFFFF], axis=1)
    first_middle, first_centre = len(points), len(points) + len(sides)
    # Rows of a cell follow each other, so the side before is the row before, or the cell's last.
    before = np.arange(len(cell)) - 1
    before[begins] = begins + size - 1
    quads = np.stack(
        [here, first_middle + side, first_centre + cell, first_middle + side[before]], axis=1
    )
    centres = np.stack(
        [np.bincount(cell, points[here, k], len(cells)) / size for k in range(3)], axis=1
    )
    # Of a middle: lines go on from what is no corner of theirs.
    beside = np.where(kind[ends[:, 0]] == CORNER, ends[:, 1], ends[:, 0])
    on_line = np.isin(sides, undirected(lines)) if len(lines) else np.zeros(len(sides), bool)
    middle = first_middle + np.flatnonzero(on_line)
    halves = np.concatenate(
        [np.stack([ends[on_line, k], middle], axis=1) for k in range(2)]
    ).astype(np.int64)
    kind = np.concatenate(
        [kind, np.where(on_line, ON_LINE, FREE), np.full(len(cells), FREE)]
    ).astype(np.int8)
    near = np.concatenate([np.arange(len(used)), beside, cells[:, 0]])
    return (
        np.concatenate([points, points[ends].mean(axis=1), centres]),
        quads.astype(np.int32),
        halves,
        kind,
        used[near],
    )


def _net(quads, lines, kind, ups, at_piece) -> _Net:
    corners = np.argsort(quads.reshape(-1), kind="stable").astype(np.int32)
    start = np.searchsorted(quads.reshape(-1)[corners], np.arange(len(kind) + 1))
    keys = np.unique(undirected(sides_of(quads)))
    both = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)
    at, to = np.concatenate([both, both[:, ::-1]]).T
    free = kind[at] == FREE
    on = np.concatenate([lines, lines[:, ::-1]])
    return _Net(
        quads, kind, start, corners,
        np.concatenate([at[free], on[:, 0]]), np.concatenate([to[free], on[:, 1]]), ups, at_piece,
    )  # fmt: skip


def _moved(
    points: np.ndarray,
    net: _Net,
    places: np.ndarray,
    surface: Surface,
    chosen: np.ndarray | None = None,
    *,
    better: bool = False,
) -> np.ndarray:
    """Points at the places on the surface that are nearest to ``places``, if no quad gets bad.

    Args:
        chosen: (N,) of the points; all if absent.
        better: whether only what makes the worst quad better is allowed.
    """
    if chosen is None:
        chosen = np.arange(len(points))
    chosen = chosen[net.kind[chosen] != CORNER]
    places = places.copy()
    for kind in (FREE, ON_LINE):
        some = chosen[net.kind[chosen] == kind]
        at = net.at_piece[some]
        places[some] = surface.walk(at, places[some], on_lines=kind == ON_LINE)
        net.at_piece[some] = at
    moved = points.copy()
    _move(moved, net.quads, net.start, net.corners, net.ups, places, chosen, better)
    return moved


def _snapped(points: np.ndarray, net: _Net, original: Surface, reach: float) -> np.ndarray:
    """Points on the original surface, but not on the other side of a thin wall."""
    places = points.copy()
    ups = np.stack(
        [np.bincount(net.quads.reshape(-1), np.repeat(net.ups[:, k], 4)) for k in range(3)], axis=1
    )
    for kind, pieces in zip((FREE, ON_LINE), original.pieces, strict=True):
        some = np.flatnonzero(net.kind == kind)
        if len(some) == 0 or len(pieces) == 0:
            continue
        near, piece = nearest_on_surface(original.points, pieces, points[some])
        fits = np.linalg.norm(near - points[some], axis=1) < reach
        if kind == FREE:
            normals = face_normals(original.points, pieces)[piece]
            fits &= np.einsum("pi,pi->p", normals, ups[some]) > 0
        places[some[fits]] = near[fits]
    snapped, chosen = points.copy(), np.flatnonzero(net.kind != CORNER)
    _move(snapped, net.quads, net.start, net.corners, net.ups, places, chosen, False)
    return snapped


def _unfolded(points: np.ndarray, net: _Net, surface: Surface) -> np.ndarray:
    """Corners of poor quads moved about until they are better, or nothing helps."""
    random = np.random.default_rng(0)
    for turn in range(_TRIES):
        poor = _worsts(points, net.quads, net.ups) < _POOR
        if not poor.any():
            break
        chosen = np.unique(net.quads[poor])
        if turn % 8 == 0:
            places = means_of_neighbours(points, net.at, net.to)
        else:
            size = np.linalg.norm(points[net.quads[poor]].std(axis=1), axis=1).mean()
            places = points.copy()
            places[chosen] += random.normal(0, 0.4 * size / (1 + turn % 8), (len(chosen), 3))
        points = _moved(points, net, places, surface, chosen, better=True)
    return points


@kernel
def _walk(points, pieces, start, corners, at, places):
    """From piece to piece around their corners, as long as that comes nearer."""
    reached = np.empty((len(places), 3))
    found = np.empty(3)
    for p in range(len(places)):
        best, nearest = at[p], np.inf
        while True:
            middle = best
            if nearest == np.inf:
                nearest = to_triangle(points, pieces[best], places[p], found)
                reached[p] = found
            for s in range(3):
                v = pieces[middle, s]
                for i in range(start[v], start[v + 1]):
                    far = to_triangle(points, pieces[corners[i] // 3], places[p], found)
                    if far < nearest:
                        best, nearest = corners[i] // 3, far
                        reached[p] = found
            if best == middle:
                break
        at[p] = best
    return reached


@kernel
def _move(points, quads, start, corners, ups, places, chosen, better):
    for v in chosen:
        before = 1.0
        for i in range(start[v], start[v + 1]):
            before = min(before, _worst(points, quads, ups, corners[i] // 4))
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        share = 1.0
        while share > 0.2:
            points[v, 0] = x + share * (places[v, 0] - x)
            points[v, 1] = y + share * (places[v, 1] - y)
            points[v, 2] = z + share * (places[v, 2] - z)
            after = 1.0
            for i in range(start[v], start[v + 1]):
                after = min(after, _worst(points, quads, ups, corners[i] // 4))
            if after > before or (not better and after >= min(before, _GOOD)):
                break
            share = 0.0 if better else share / 2
        if share <= 0.2:
            points[v, 0], points[v, 1], points[v, 2] = x, y, z


@kernel
def _worsts(points, quads, ups):
    worsts = np.empty(len(quads))
    for q in range(len(quads)):
        worsts[q] = _worst(points, quads, ups, q)
    return worsts


@tight
def _worst(points, quads, ups, q):
    """The least of ``corner_sines`` of a quad, or less where it lies on its face."""
    nx, ny, nz = 0.0, 0.0, 0.0
    for k in range(4):
        a, b, c = quads[q, (k + 3) % 4], quads[q, k], quads[q, (k + 1) % 4]
        x, y, z = _corner(points, a, b, c)
        nx, ny, nz = nx + x, ny + y, nz + z
    length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-300)
    worst = 1.0
    for k in range(4):
        a, b, c = quads[q, (k + 3) % 4], quads[q, k], quads[q, (k + 1) % 4]
        x, y, z = _corner(points, a, b, c)
        to, back = 0.0, 0.0
        for i in range(3):
            to += (points[c, i] - points[b, i]) ** 2
            back += (points[a, i] - points[b, i]) ** 2
        sine = (x * nx + y * ny + z * nz) / length / max(np.sqrt(to * back), 1e-300)
        worst = min(worst, sine)
    up = (nx * ups[q, 0] + ny * ups[q, 1] + nz * ups[q, 2]) / length
    return min(worst, 2 * up)


@tight
def _corner(points, a, b, c):
    return cross(
        points[c, 0] - points[b, 0], points[c, 1] - points[b, 1], points[c, 2] - points[b, 2],
        points[a, 0] - points[b, 0], points[a, 1] - points[b, 1], points[a, 2] - points[b, 2],
    )  # fmt: skip
