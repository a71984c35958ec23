"""Fewer faces, the same shape."""

import numpy as np
import pytest

from engine.meshing.clean import clean_mesh
from engine.meshing.edges import face_normals, find_edges
from engine.meshing.report import report_mesh
from engine.meshing.simplify import Simplified, simplify_mesh
from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid
from protocol.errors import EngineError
from tests import meshes
from tests.meshing.test_clean import hausdorff

VOXEL = 1 / 256


@pytest.mark.parametrize(
    ("name", "target", "limit"),
    [("organic", 10_000, 2 * VOXEL), ("cloth", 1_000, 2 * VOXEL), ("flat", 100, 1e-6)],
)
def test_shape_and_topology_stay(name: str, target: int, limit: float) -> None:
    arrays = {
        "organic": lambda: meshes.organic(50),
        "cloth": lambda: meshes.grid(80, 80, 0.1),
        "flat": lambda: meshes.grid(50, 50),
    }[name]()
    before = report_mesh(*arrays)
    result = simplify_mesh(*arrays, target)
    after = report_mesh(result.vertices, result.faces)
    assert target - 4 <= after.faces <= target
    assert after.non_manifold_edges == after.flipped_edges == after.degenerate_faces == 0
    assert after.duplicate_faces == 0
    assert after.components == before.components
    assert after.boundary_loops == before.boundary_loops
    # Euler's number: no handle or hole came or went.
    assert euler(result.vertices, result.faces) == euler(*arrays)
    assert hausdorff((result.vertices, result.faces), arrays) < limit
    assert result.source.shape == (len(result.vertices),)
    # What a vertex took the place of lies within the faces around it, by their longest side.
    corners = result.vertices[result.faces]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    longest = np.zeros(len(result.vertices))
    np.maximum.at(longest, result.faces, sides[:, None])
    away = np.linalg.norm(arrays[0][result.source] - result.vertices, axis=1)
    assert (away < 0.6 * longest).all()


def euler(vertices: np.ndarray, faces: np.ndarray) -> int:
    edges = np.unique(
        np.sort(np.stack([faces, np.roll(faces, -1, 1)], 2).reshape(-1, 2), 1), axis=0
    )
    return len(vertices) - len(edges) + len(faces)


def test_winding_stays_consistent_beside_edges_of_three_faces() -> None:
    noisy = meshes.punched(meshes.sphere(40, noise=0.02, seed=1), 100, seed=1)
    raw = dual_grid_to_mesh(mesh_to_dual_grid(*noisy, grid_size=64), orient=True)
    clean = clean_mesh(raw.vertices, raw.faces)
    before = report_mesh(clean.vertices, clean.faces)
    assert before.non_manifold_edges > 1000 and before.flipped_edges == 0
    few = simplify_mesh(clean.vertices, clean.faces, len(clean.faces) // 10)
    assert report_mesh(few.vertices, few.faces).flipped_edges == 0


def test_sharp_edges_and_corners_stay() -> None:
    """A box of six grids ends as its twelve triangles."""
    parts = []
    for k in range(6):
        vertices, faces = meshes.grid(10, 10)
        vertices[:, 2] = 0.5 if k % 2 else -0.5
        parts.append((np.roll(vertices, k // 2, axis=1), faces if k % 2 else faces[:, ::-1]))
    box = clean_mesh(*meshes.joined(*parts))
    result = simplify_mesh(box.vertices, box.faces, 12)
    assert len(result.faces) == 12
    np.testing.assert_allclose(np.abs(result.vertices), 0.5, atol=1e-5)


def test_colour_seams_stay() -> None:
    vertices, faces = meshes.grid(60, 60)
    # A wavy seam that runs along vertices, so that there is a line to keep.
    red = vertices[:, 0] < 0.1 * np.sin(6 * vertices[:, 1])
    colors = np.where(red[:, None], (0.9, 0.1, 0.1, 1), (0.1, 0.1, 0.9, 1)).astype(np.float32)

    def misplaced(result: Simplified) -> float:
        centers = result.vertices[result.faces].mean(axis=1)
        true_red = centers[:, 0] < 0.1 * np.sin(6 * centers[:, 1])
        shown = colors[result.source][result.faces][..., 0].mean(axis=1) > 0.5
        area = np.abs(face_normals(result.vertices, result.faces)[:, 2])
        return float((area * (true_red != shown)).sum() / area.sum())

    kept = simplify_mesh(vertices, faces, 400, colors=colors)
    lost = simplify_mesh(vertices, faces, 400)
    assert misplaced(kept) < 0.02
    assert misplaced(kept) < misplaced(lost) / 2


def test_noise_in_colours_is_no_seam() -> None:
    vertices, faces = meshes.grid(30, 30)
    colors = np.random.default_rng(0).random((len(vertices), 4))
    result = simplify_mesh(vertices, faces, 100, colors=colors)
    assert len(result.faces) <= 100 and not result.loosened


def test_a_moebius_strip_stays_one() -> None:
    vertices, faces = meshes.moebius(200, 8)
    result = simplify_mesh(vertices, faces, 400)
    report = report_mesh(result.vertices, result.faces)
    assert len(result.faces) <= 400
    assert (report.boundary_loops, report.components) == (1, 1)
    assert report.flipped_edges > 0


def folds(vertices: np.ndarray, faces: np.ndarray) -> int:
    """How many edges have two faces that lie nearly on each other."""
    normals = face_normals(vertices, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    pairs = find_edges(faces, len(vertices)).pairs() // 3
    return int(((normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(axis=1) < -0.95).sum())


@pytest.mark.parametrize(("target", "shrunk"), [(2000, 0.05), (500, 0.1), (100, 0.25)])
def test_torn_surfaces_reach_their_target(target: int, shrunk: float) -> None:
    """A noisy shell, torn all over, whose sheets meet at thousands of edges: the strict collapses
    end at 2,900 faces."""
    noisy = meshes.punched(meshes.sphere(40, noise=0.02, seed=1), 100, seed=1)
    raw = dual_grid_to_mesh(mesh_to_dual_grid(*noisy, grid_size=64), orient=True)
    clean = clean_mesh(raw.vertices, raw.faces)
    low = simplify_mesh(clean.vertices, clean.faces, target)
    assert 0.98 * target - 4 <= len(low.faces) <= target
    assert low.loosened
    after = report_mesh(low.vertices, low.faces)
    before = report_mesh(clean.vertices, clean.faces)
    assert after.non_manifold_edges < before.non_manifold_edges / 10
    assert after.flipped_edges == after.degenerate_faces == after.duplicate_faces == 0
    assert folds(low.vertices, low.faces) < folds(clean.vertices, clean.faces) / 4
    np.testing.assert_allclose(
        np.ptp(low.vertices, axis=0), np.ptp(clean.vertices, axis=0), rtol=shrunk
    )
    np.testing.assert_array_less(low.source, len(clean.vertices))


def test_crumbs_go_last() -> None:
    crumbs = [(0.05 * v + 0.1 * k, f) for k in range(10) for v, f in [meshes.sphere(2)]]
    vertices, faces = meshes.joined(meshes.sphere(8), *crumbs)
    low = simplify_mesh(vertices, faces, 60)
    assert 0 < len(low.faces) <= 60 and low.parts_left_out == 0
    report = report_mesh(low.vertices, low.faces)
    assert report.components == 11 and report.open_edges == report.non_manifold_edges == 0
    fewer = simplify_mesh(vertices, faces, 20)
    assert len(fewer.faces) <= 20 and fewer.parts_left_out >= 6
    assert np.ptp(fewer.vertices, axis=0).min() > 0.5


def test_parts_that_are_more_than_crumbs_stay_and_the_target_is_missed() -> None:
    balls = [(v + 3 * k, f) for k in range(6) for v, f in [meshes.sphere(6)]]
    vertices, faces = meshes.joined(*balls)
    low = simplify_mesh(vertices, faces, 12)
    assert low.parts_left_out == 0 and len(low.faces) >= 24
    assert report_mesh(low.vertices, low.faces).components == 6


def test_a_target_out_of_reach_ends_early() -> None:
    vertices, faces = meshes.sphere(5)
    assert 4 <= len(simplify_mesh(vertices, faces, 0).faces) < 20
    triangle = simplify_mesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)]), 0)
    assert len(triangle.faces) == 1


def test_enough_faces_stay_untouched() -> None:
    vertices, faces = meshes.sphere(5)
    result = simplify_mesh(vertices, faces, len(faces))
    np.testing.assert_array_equal(result.vertices, vertices)
    np.testing.assert_array_equal(result.faces, faces)


def test_no_faces_are_an_error() -> None:
    with pytest.raises(EngineError, match="no faces"):
        simplify_mesh(np.zeros((0, 3)), np.zeros((0, 3), int), 10)


def test_the_same_mesh_gives_the_same_result() -> None:
    first, second = (simplify_mesh(*meshes.organic(20), 2000) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.faces, second.faces)
