"""A surface with as many faces as a level of detail may have, closed or solid on demand."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.finishing.targets import MISSED, quads_of, tell_quads, tell_target
from engine.mesh import Mesh
from engine.meshing.clean import CleanResult
from engine.meshing.quads import make_quads
from engine.meshing.remesh import remesh
from engine.meshing.self_intersections import without_self_intersections
from engine.meshing.simplify import Simplified, simplify_mesh
from engine.meshing.solidify import solidify
from engine.ovoxel.ovoxels import OVoxels
from engine.report import Report
from protocol.finishes import LEAST_CELLS, MOST_CELLS, Finish

_MOST_CELLS_OF_SOLIDS = 256
"""0.4 mm of a print of 10 cm, which is the width of a usual nozzle."""


@dataclass(frozen=True)
class Surface:
    """What the next level of detail is made from, in the unit cube.

    Args:
        vertices: (V, 3) float32.
        faces: (F, 3) int32.
        colors: (V, 3) float32 in [0, 1], whose seams stay; None where it was closed.
        cells: along the longest side with which it was closed, or would be.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None
    cells: int


def first_surface(voxels: OVoxels, clean: CleanResult, settings: Finish, report: Report) -> Surface:
    """The clean surface of O-Voxels, closed or solid where that is asked for.

    Raises:
        Cancelled: through ``report.cancel``, before it is closed.
    """
    cells = _remesh_cells(settings, voxels.grid.grid_size)
    if not settings.closed:
        colors = np.clip(voxels.base_color[clean.source], 0, 1)
        return Surface(clean.vertices, clean.faces, colors, cells)
    with report.stage("remesh"):
        closed = remesh(clean.vertices, clean.faces, cells)
        vertices, faces = closed.vertices, closed.faces
        if settings.solid:
            wall = settings.wall * float(np.ptp(vertices, axis=0).max())
            vertices, faces = solidify(vertices, faces, wall, cells)
    return Surface(vertices, faces, None, cells)


def simplified(
    surface: Surface,
    clean: CleanResult,
    settings: Finish,
    level: int,
    target: int,
    report: Report,
) -> Surface:
    """The surface with ``target`` faces at most, as the stage "simplify"; notes say what that took,
    or why there are more.

    Args:
        clean: what the surface was closed around.

    Raises:
        Cancelled: through ``report.cancel``, before it begins.
    """
    vertices, faces, colors = surface.vertices, surface.faces, surface.colors
    with report.stage("simplify"):
        if settings.solid:
            simple = _uncrossed(vertices, faces, settings, target, report)
        else:
            simple = simplify_mesh(vertices, faces, target, colors=colors)
            if settings.closed:
                simple = _closed_coarser(clean, surface.cells, simple, target, report)
            if settings.quads is None:
                tell_target(simple, target, level, settings.closed, report)
    colors = None if colors is None else colors[simple.source]
    return Surface(simple.vertices, simple.faces, colors, surface.cells)


def made_of(
    surface: Surface, settings: Finish, level: int, report: Report
) -> tuple[Mesh, dict[str, Any]]:
    """The surface as a mesh, of quads where they are asked for, and what the log says of them.

    Raises:
        Cancelled: through ``report.cancel``, before quads are made.
    """
    if settings.quads is None:
        return Mesh(surface.vertices, surface.faces), {}
    target = quads_of(settings)[level]
    with report.stage("quads"):
        quads = make_quads(surface.vertices, surface.faces, target)
    tell_quads(quads, target, level, report)
    mesh = Mesh(quads.vertices, quads.faces, polygons=quads.polygons)
    return mesh, {"quads": quads.count, "quad_share": round(quads.share, 4)}


def _uncrossed(
    vertices: np.ndarray, faces: np.ndarray, settings: Finish, target: int, report: Report
) -> Simplified:
    """A simplified solid that does not cross itself, with as many more faces as that takes.

    After a few tries it stays unsimplified, as it was rebuilt: without crossings.
    """
    most = settings.wall * float(np.ptp(vertices, axis=0).max())
    for enough in (target, 2 * target, 4 * target):
        simple = simplify_mesh(vertices, faces, enough)
        points, sound = without_self_intersections(simple.vertices, simple.faces, most)
        if sound and not simple.loosened:
            simple = replace(simple, vertices=points)
            break
    else:
        simple = simplify_mesh(vertices, faces, len(faces))
    if len(simple.faces) > target:
        report.note(
            f"With {target:,} faces the solid would cross itself; it has {len(simple.faces):,}."
        )
    return simple


def _closed_coarser(
    clean: CleanResult, cells: int, simple: Simplified, target: int, report: Report
) -> Simplified:
    """What misses its target has tunnels that no collapse may close; closed again with larger
    cells, a surface has fewer of them."""
    finest = kept = cells
    while len(simple.faces) > MISSED * target and cells > LEAST_CELLS:
        cells = max(LEAST_CELLS, cells * 2 // 3)
        closed = remesh(clean.vertices, clean.faces, cells)
        other = simplify_mesh(closed.vertices, closed.faces, target)
        if len(other.faces) < len(simple.faces):
            simple, kept = other, cells
    if kept < finest:
        report.note(
            f"For {target:,} faces the surface was closed with {kept} instead of {finest} cells "
            "along its longest side: tunnels and gaps that are finer are gone."
        )
    return simple


def _remesh_cells(settings: Finish, grid_size: int) -> int:
    """Cells along the longest side: the voxels' own size, within what ``remesh`` can do."""
    most = _MOST_CELLS_OF_SOLIDS if settings.solid else MOST_CELLS
    return settings.remesh_cells or min(max(grid_size, LEAST_CELLS), most)
