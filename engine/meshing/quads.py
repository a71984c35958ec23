"""A surface as quads that follow its shape.

A field of directions and one of places (``engine/meshing/quad_fields.py``) say where cells lie
whose sides are twice as long as those of the quads; edges of a fine, even copy of the surface
collapse to them, pairs of triangles become cells, and each cell is cut from its middle to the
middles of its sides, which makes quads of cells with any number of corners.
"""

from dataclasses import dataclass

import numpy as np

from engine.meshing.clean import checked_mesh
from engine.meshing.creases import find_kinds, find_lines
from engine.meshing.edges import face_areas, faces_around, parts_of, sides_of, undirected
from engine.meshing.mirror import Plane, both_halves, half_beside, mirror_planes
from engine.meshing.normals import vertex_normals
from engine.meshing.quad_cells import collapse_cells, corner_sines, pair_triangles
from engine.meshing.quad_fields import Level, field_of_directions, field_of_places, levels_of
from engine.meshing.quad_fit import Surface, quads_of_cells
from engine.meshing.quad_surface import (
    by_length,
    collapse,
    edge_ends,
    even,
    settle,
    turn_edges,
)
from engine.meshing.sheets import separate_sheets

ENOUGH = 3
"""Faces for each quad of a surface that quads are made of. More show nothing more, and edges that
voxels have rounded off stay round."""
_FINER = 2.5
"""Edges of the even surface in a side of a cell, at least."""
_SHORT = 0.6
"""Sides of cells that are shorter than this share of what they should be go."""
_LONGER = 1.35
_REACH = 0.15
"""Of the side of a cell, the farthest that the even surface may be from the one it was made of."""
_ALIKE = 0.125
"""Of the side of a cell, how far halves that mirror each other may differ."""
_ENOUGH_QUADS, _FOLDED = 0.85, 0.02
"""Of mirrored quads: their share of those wanted at least, and that of folded ones at most."""
_TRIES = 5
_CLOSE = 0.93
"""Quads got for quads wanted that need no other try."""


@dataclass(frozen=True)
class Quads:
    """A mesh of quads, as triangles and as what these are pieces of.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32; the two of a quad follow each other, and are the corners 0, 1, 2 and
            0, 2, 3 of it.
        polygons: (F,) int32 number of each one's polygon, from 0 and rising.
    """

    vertices: np.ndarray
    faces: np.ndarray
    polygons: np.ndarray

    @property
    def count(self) -> int:
        """Of the quads."""
        return len(self.faces) - (int(self.polygons[-1]) + 1)

    @property
    def share(self) -> float:
        """Of the polygons that are quads; the others are triangles."""
        return self.count / (int(self.polygons[-1]) + 1)


def make_quads(vertices: np.ndarray, faces: np.ndarray, count: int) -> Quads:
    """About ``count`` quads, and no more where the shape allows it.

    Their sides lie on borders and sharp edges, their corners on the surface. None is folded: what
    would be is two triangles instead. Where more than two faces meet at an edge, the sheets are
    taken apart, as ``separate_sheets`` does; parts smaller than four quads are left out. A surface
    that mirrors itself gets quads that do, and sides of them on the plane between. The same input
    gives the same output.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, wound consistently, best of ``ENOUGH`` times ``count`` faces.
        count: at least 1; a shape of many small parts gets more than a very small number.

    Raises:
        EngineError: ``mesh_empty`` or ``mesh_broken``.
    """
    vertices, faces = checked_mesh(vertices, faces)
    origin, faces = separate_sheets(vertices, faces)
    points = vertices[origin].astype(np.float64)
    middle = points.mean(axis=0)
    points -= middle
    area = face_areas(points, faces)
    wanted = 2 * np.sqrt(area.sum() / count)
    part, parts = parts_of(faces, len(points))
    sizes = np.bincount(part, area, parts)
    faces = faces[(sizes >= min(wanted**2, sizes.max()))[part]]
    planes = mirror_planes(points, faces, _ALIKE * wanted, -middle)
    lines = find_lines(points, faces, wanted)
    while True:
        made = _mirroring_quads(points, faces, lines, planes, count, wanted)
        if not planes or _is_good(*made, count):
            break
        # Too few quads for so many halves, or halves that touch where they should not.
        planes = planes[:-1]
    points, quads = made
    return _as_triangles((points + middle).astype(np.float32), quads)


def _mirroring_quads(
    points: np.ndarray,
    faces: np.ndarray,
    lines: np.ndarray,
    planes: list[Plane],
    count: int,
    wanted: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Points and (Q, 4) quads of the part above all planes, and of its images."""
    for plane in planes:
        points, faces, lines = half_beside(points, faces, lines, plane)
    points, quads = _quads(points, faces, lines, max(count >> len(planes), 1), wanted)
    for plane in planes:
        points, quads = both_halves(points, quads, plane)
    return points, quads


def _is_good(points: np.ndarray, quads: np.ndarray, count: int) -> bool:
    """Whether quads are enough, not folded and on two sides of each edge at most."""
    used = np.unique(undirected(sides_of(quads)), return_counts=True)[1]
    folded = corner_sines(points, quads)[0].min(axis=1) <= 0
    enough = _ENOUGH_QUADS * count <= len(quads) <= count
    return bool(enough and used.max() <= 2 and folded.mean() <= _FOLDED)


@dataclass(frozen=True)
class _Base:
    """The even surface with its lines and its field of directions; see ``Level``."""

    points: np.ndarray
    faces: np.ndarray
    lines: np.ndarray
    kind: np.ndarray
    normals: np.ndarray
    levels: list[Level]
    ways: np.ndarray


def _quads(
    points: np.ndarray, faces: np.ndarray, lines: np.ndarray, count: int, wanted: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points and (Q, 4) quads; ``wanted`` is about the length of the sides of their cells."""
    original = Surface(points, faces, lines)
    base = _base(*even(points, faces, lines, wanted / _FINER))
    points, cells, lines = _best_cells(base, count, wanted)
    surface = Surface(base.points, base.faces, base.lines)
    return quads_of_cells(
        points, cells, lines, base.kind, base.normals, surface, original, _REACH * wanted
    )


def _best_cells(
    base: _Base, count: int, wanted: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of a size at which they make about ``count`` quads, and not more if that can be."""
    best, cell = _cells(base, wanted), wanted
    got = _count(best)
    small, large = 0.0, np.inf
    for _ in range(_TRIES - 1):
        if _CLOSE * count <= _count(best) <= count:
            break
        if got > count:
            small = cell
        else:
            large = cell
        cell *= np.sqrt(got / (0.97 * count))
        if not small < cell < large:
            cell = np.sqrt(small * large) if large < np.inf else 1.1 * small
        # Smaller cells than the even surface allows make no more of them.
        cell = max(cell, 0.8 * wanted)
        other = _cells(base, cell)
        got = _count(other)
        # Not above is better than above, and then the nearer one.
        if _missed(got, count) < _missed(_count(best), count):
            best = other
    return best


def _base(points: np.ndarray, faces: np.ndarray, lines: np.ndarray) -> _Base:
    kind, along = find_kinds(points, lines)
    normals = vertex_normals(points, faces).astype(np.float64)
    thirds = np.repeat(face_areas(points, faces) / 3, 3)
    area = np.bincount(faces.reshape(-1), thirds, len(points))
    levels = levels_of(points, normals, area, edge_ends(faces, len(points)), kind, along)
    return _Base(points, faces, lines, kind, normals, levels, field_of_directions(levels))


def _cells(base: _Base, cell: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, (C, 4) cells and lines: one corner for each point of the lattice."""
    places = field_of_places(base.levels, base.ways, cell)
    faces, lines = collapse_cells(
        base.points, base.faces, base.normals, base.ways, places, base.kind, base.lines, cell
    )
    points = base.points.copy()
    start, corners = faces_around(faces, len(points))
    settle(points, faces, start, corners, base.normals, places)
    short = by_length(points, base.kind, _SHORT * cell)
    faces, lines = collapse(points, faces, base.normals, base.kind, lines, short)
    faces = turn_edges(points, faces, lines, _LONGER)
    return points, pair_triangles(points, faces, lines), lines


def _count(cells: tuple[np.ndarray, np.ndarray, np.ndarray]) -> int:
    return int((cells[1] >= 0).sum())


def _missed(got: int, count: int) -> float:
    return abs(got - count) + (10 * count if got > count else 0)


def _as_triangles(vertices: np.ndarray, quads: np.ndarray) -> Quads:
    """Each quad by its shorter diagonal; one that is folded by that which leaves two upright."""
    at = vertices[quads].astype(np.float64)
    one, other = (np.linalg.norm(at[:, k] - at[:, k + 2], axis=1) for k in range(2))
    sines, _ = corner_sines(vertices, quads)
    folded = sines.min(axis=1) <= 0
    # A diagonal through the corner that is folded in.
    turned = np.where(folded, np.isin(sines.argmin(axis=1), (1, 3)), other < one)
    quads = np.where(turned[:, None], np.roll(quads, -1, axis=1), quads)
    faces = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    pieces = np.where(folded, 2, 1)
    first = np.cumsum(pieces) - pieces
    polygons = np.stack([first, first + pieces - 1], axis=1).reshape(-1)
    return Quads(vertices, np.ascontiguousarray(faces, np.int32), polygons.astype(np.int32))
