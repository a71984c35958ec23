"""What a torn surface encloses, and solids for printing."""

import numpy as np
import pytest

from benchmarks.solids import boxes, hausdorff, single_cup, torn_sphere, volume
from engine.meshing.remesh import remesh
from engine.meshing.report import report_mesh
from engine.meshing.self_intersections import self_intersecting_faces, without_self_intersections
from engine.meshing.simplify import simplify_mesh
from engine.meshing.solidify import solidify
from engine.meshing.winding import dipole_tree, has_balanced_edges, winding_numbers
from tests import meshes
from tests.meshes import Arrays

CELLS = 64
WALL = 0.04


def closed(arrays: Arrays) -> Arrays:
    made = remesh(*arrays, CELLS)
    return made.vertices, made.faces


def test_winding_numbers_tell_inside_from_outside() -> None:
    vertices, faces = meshes.sphere(40, noise=0.0)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 3))
    radius = np.linalg.norm(points, axis=1)
    inside, outside = points[radius < 0.37], points[radius > 0.47]
    tree = dipole_tree(vertices, faces)
    assert has_balanced_edges(faces, len(vertices))
    assert winding_numbers(tree, inside) == pytest.approx(1, abs=0.05)
    assert winding_numbers(tree, outside) == pytest.approx(0, abs=0.05)
    # Without its upper half, the middle sees half of the directions covered.
    lower = faces[vertices[faces].mean(axis=1)[:, 2] < 0]
    assert not has_balanced_edges(lower, len(vertices))
    middle = winding_numbers(dipole_tree(vertices, lower), np.zeros((1, 3)))
    assert middle == pytest.approx(0.5, abs=0.03)


def test_a_torn_sphere_is_full_again() -> None:
    whole = meshes.sphere(60)
    made = closed(torn_sphere())
    assert volume(made) == pytest.approx(volume(whole), rel=0.01)
    assert report_mesh(*made).components == 1
    assert hausdorff(whole, made) < 2 / CELLS


@pytest.mark.parametrize("wound", [1, -1])
def test_winding_all_inwards_makes_no_difference(wound: int) -> None:
    vertices, faces = torn_sphere()
    assert volume(closed((vertices, faces[:, ::wound]))) > 0.3


@pytest.mark.parametrize("name", ["cup", "bowl", "folds", "roll"])
def test_what_is_open_on_purpose_is_not_filled(name: str) -> None:
    sphere, sheet = meshes.sphere(60), meshes.grid(60, 40)
    turn = sheet[0][:, 0] * np.float32(5.2)
    roll = np.stack([0.3 * np.sin(turn), 0.9 * sheet[0][:, 1], 0.3 * np.cos(turn)], axis=1)
    arrays = {
        "cup": single_cup,
        "bowl": lambda: (sphere[0], sphere[1][sphere[0][sphere[1]].mean(axis=1)[:, 2] < 0.2]),
        "folds": lambda: meshes.grid(60, 60, 0.08),
        "roll": lambda: (roll.astype(np.float32), sheet[1]),
    }[name]()
    made = closed(arrays)
    assert 0 < volume(made) < 0.002  # two sides a fiftieth of a cell apart
    assert hausdorff(arrays, made) < 1.8 / CELLS


@pytest.mark.parametrize(
    ("name", "true"), [("boxes", 0.21), ("torn", 0.308), ("nested", 0.308), ("sheet", None)]
)
def test_a_solid_is_a_manifold_without_crossings(name: str, true: float | None) -> None:
    arrays = {
        "boxes": boxes,
        "torn": torn_sphere,
        "nested": meshes.nested_shells,
        "sheet": lambda: meshes.grid(40, 40, 0.08),
    }[name]()
    made = solidify(*closed(arrays), WALL, CELLS)
    report = report_mesh(*made)
    assert report.open_edges == report.non_manifold_edges == report.flipped_edges == 0
    assert report.components == 1
    assert not self_intersecting_faces(*made).any()
    if true is not None:
        assert volume(made) == pytest.approx(true, rel=0.01)
    manifold3d = pytest.importorskip("manifold3d", reason="needs manifold3d, of the extra dev")
    few = simplify_mesh(*made, 3000)
    points, sound = without_self_intersections(few.vertices, few.faces, WALL / 2)
    assert sound
    solid = manifold3d.Manifold(manifold3d.Mesh(points, few.faces.astype(np.uint32)))
    assert solid.status() == manifold3d.Error.NoError
    assert solid.genus() == 0
    assert solid.volume() == pytest.approx(volume((points, few.faces)), rel=1e-3)


@pytest.mark.parametrize(("thickness", "expected"), [(0.0, 0.04), (0.02, 0.04), (0.1, 0.1)])
def test_what_is_thinner_than_a_wall_becomes_one(thickness: float, expected: float) -> None:
    top = meshes.grid(8, 8)
    bottom = (top[0] - np.array([0, 0, thickness], np.float32), top[1][:, ::-1])
    plate = meshes.joined(top, bottom) if thickness else top
    vertices, _ = solidify(*closed(plate), WALL, CELLS)
    middle = np.abs(vertices[:, :2]).max(axis=1) < 0.4
    assert np.ptp(vertices[middle, 2]) == pytest.approx(expected, abs=0.003)
    assert np.abs(vertices[:, :2]).max() < 0.5 + WALL / 2 + 1 / CELLS


def test_crossing_faces() -> None:
    vertices = np.array(
        [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0.2, 0.2, -1), (0.3, 0.2, 1), (0.2, 0.3, 1),
         (5, 0, 0), (6, 0, 0), (5, 1, 0)], np.float32
    )  # fmt: skip
    faces = np.arange(9, dtype=np.int32).reshape(3, 3)
    assert self_intersecting_faces(vertices, faces).tolist() == [True, True, False]
    # Two that share a corner, one's side going through the other.
    shared = np.array([(0, 1, 2), (0, 3, 4)], np.int32)
    assert self_intersecting_faces(vertices, shared).tolist() == [True, True]
    assert not self_intersecting_faces(*meshes.sphere(20)).any()


def test_crossings_are_smoothed_away() -> None:
    vertices, faces = meshes.sphere(20)
    ring = np.unique(faces[(faces == 100).any(axis=1)])
    wider = np.unique(faces[np.isin(faces, ring).any(axis=1)])
    other = np.setdiff1d(wider, ring)[0]
    folded = vertices.copy()
    folded[[100, other]] = vertices[[other, 100]]
    assert self_intersecting_faces(folded, faces).any()
    points, sound = without_self_intersections(folded, faces, 1.0)
    assert sound and not self_intersecting_faces(points, faces).any()
    far = np.linalg.norm(vertices - vertices[100], axis=1) > 0.3
    assert np.array_equal(points[far], folded[far])
    assert not without_self_intersections(folded, faces, 1e-6)[1]


def test_sheets_on_top_of_each_other_reach_the_border_of_the_grid_and_stay_sheets() -> None:
    """Four, wound alike: the winding number is over a half beside them as well."""
    top = meshes.grid(8, 8)
    stack = [(top[0] - np.array([0, 0, 0.1 * k], np.float32), top[1]) for k in range(4)]
    made = closed(meshes.joined(*stack))
    assert report_mesh(*made).open_edges == 0
    assert 0 < volume(made) < 0.02
