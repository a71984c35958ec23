"""Quads: how many, on what lines, how near to the surface, and none folded."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.gallery_meshes import in_unit_cube
from benchmarks.raw_surfaces import lantern, noisy, torus
from benchmarks.solids import hausdorff
from engine.mesh import Mesh
from engine.meshing.clean import CleanSettings, clean_mesh
from engine.meshing.edges import face_areas
from engine.meshing.quads import ENOUGH, Quads, make_quads
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.ovoxel.dual_grid import mesh_to_dual_grid
from engine.ovoxel.extract import dual_grid_to_mesh
from protocol.errors import EngineError
from tests import meshes
from tests.finishing.shapes import box
from tests.meshes import Arrays

SIDES = (0.9, 0.6, 0.45)


def cleaned(mesh: Mesh, grid_size: int, noise: float = 0.0) -> Arrays:
    """A mesh as finishing has it before it is simplified."""
    mesh = in_unit_cube(mesh)
    grid = noisy(mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=grid_size), noise)
    raw = dual_grid_to_mesh(grid)
    clean = clean_mesh(raw.vertices, raw.faces, CleanSettings(hole_perimeter=12 / grid_size))
    return clean.vertices, clean.faces


def quads_of(surface: Arrays, count: int) -> Quads:
    low = simplify_mesh(*surface, ENOUGH * count)
    return make_quads(low.vertices, low.faces, count)


def corners(quads: Quads) -> np.ndarray:
    """(Q, 4) of the quads."""
    first = np.flatnonzero(quads.polygons[:-1] == quads.polygons[1:])
    assert (quads.faces[first, 0] == quads.faces[first + 1, 0]).all()
    assert (quads.faces[first, 2] == quads.faces[first + 1, 1]).all()
    return np.concatenate([quads.faces[first], quads.faces[first + 1, 2:]], axis=1)


def folded(quads: Quads) -> int:
    """Quads with a corner whose normal looks away from that of the whole."""
    at = quads.vertices[corners(quads)].astype(np.float64)
    normals = np.cross(np.roll(at, -1, axis=1) - at, np.roll(at, 1, axis=1) - at)
    whole = normals.sum(axis=1, keepdims=True)
    return int(((normals * whole).sum(axis=2) <= 0).any(axis=1).sum())


@pytest.mark.parametrize("make", [torus, lambda: box((0.9, 0.6, 0.5))], ids=["torus", "box"])
def test_ten_thousand_quads_lie_within_a_voxel(make: Callable[[], Mesh]) -> None:
    surface = cleaned(make(), 256)
    quads = quads_of(surface, 10_000)
    assert 9000 <= quads.count <= 10_000 and quads.share >= 0.95
    assert folded(quads) == 0
    assert hausdorff(surface, (quads.vertices, quads.faces)) < 1 / 256
    report = report_mesh(quads.vertices, quads.faces)
    assert (report.open_edges, report.non_manifold_edges, report.flipped_edges) == (0, 0, 0)
    assert report.components == 1 and report.degenerate_faces == 0
    # A field that does not agree with itself has an odd corner every few cells.
    valence = np.bincount(corners(quads).reshape(-1), minlength=len(quads.vertices))
    assert (valence != 4).mean() < 0.05


def test_no_quad_goes_round_an_edge_of_a_box() -> None:
    surface = cleaned(box(SIDES), 96)
    quads = quads_of(surface, 2000)
    at = quads.vertices[corners(quads)].astype(np.float64)
    half = np.ptp(surface[0], axis=0) / 2
    middle = surface[0].min(axis=0) + half
    on_side = np.abs(np.abs(at - middle) - half) < 0.02 / 96
    one_side = on_side & (np.sign(at - middle) == np.sign(at - middle)[:, :1])
    assert one_side.all(axis=1).any(axis=1).mean() > 0.995
    # And the eight corners are corners of quads.
    signs = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, 8).T
    gaps = np.linalg.norm((middle + signs * half)[:, None] - quads.vertices, axis=2).min(axis=1)
    assert gaps.max() < 0.1 / 96


def test_noise_of_half_a_voxel_folds_no_quad() -> None:
    surface = cleaned(torus(), 128, 0.5)
    quads = quads_of(surface, 5000)
    assert quads.share >= 0.95 and folded(quads) == 0
    assert hausdorff(surface, (quads.vertices, quads.faces)) < 2 / 128


def test_an_open_sheet_keeps_its_border() -> None:
    quads = make_quads(*meshes.grid(40, 40), 400)
    assert quads.share == 1 and folded(quads) == 0
    assert face_areas(quads.vertices, quads.faces).sum() == pytest.approx(1, rel=1e-4)
    report = report_mesh(quads.vertices, quads.faces)
    assert report.boundary_loops == 1 and report.non_manifold_edges == 0
    # Nothing bends here: cells lie straight, all but for a few alike.
    sides = np.diff(quads.vertices[corners(quads)][:, [0, 1, 2, 3, 0]], axis=1)
    straight = (np.abs(sides) < 1e-3).any(axis=2).mean()
    assert straight > 0.9


def test_the_same_again_is_the_same() -> None:
    surface = meshes.organic(30)
    first, second = (make_quads(*surface, 1500) for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)
    assert np.array_equal(first.faces, second.faces)


def test_parts_that_no_quad_can_show_go_and_others_stay() -> None:
    crumb = (meshes.sphere(4, 0.002)[0] + np.float32(0.49), meshes.sphere(4, 0.002)[1])
    surface = meshes.joined(meshes.sphere(20, 0.3), crumb)
    report = report_mesh(*(lambda q: (q.vertices, q.faces))(make_quads(*surface, 800)))
    assert report.components == 1
    nested = meshes.nested_shells()
    report = report_mesh(*(lambda q: (q.vertices, q.faces))(make_quads(*nested, 3000)))
    assert report.components == 3


def test_sheets_that_cross_and_bad_meshes() -> None:
    quads = make_quads(*meshes.joined(meshes.grid(20, 20), meshes.moebius()), 500)
    assert quads.share > 0.95 and folded(quads) == 0
    with pytest.raises(EngineError) as caught:
        make_quads(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), 500)
    assert caught.value.code == "mesh_empty"


def test_a_raw_surface_whose_slivers_go_altogether_has_no_lines_left_of_them() -> None:
    shape = in_unit_cube(lantern())
    raw = dual_grid_to_mesh(mesh_to_dual_grid(shape.vertices, shape.faces, grid_size=96))
    quads = quads_of((raw.vertices, raw.faces), 2000)
    assert 1800 <= quads.count <= 2040 and quads.share >= 0.95
    assert folded(quads) == 0
