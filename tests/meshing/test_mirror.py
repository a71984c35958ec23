"""Planes of symmetry: which are found, halves beside them, and quads that mirror each other."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.raw_surfaces import lantern, torus
from engine.mesh import Mesh
from engine.meshing.creases import find_lines
from engine.meshing.edges import face_areas
from engine.meshing.mirror import Plane, both_halves, half_beside, mirror_planes
from engine.meshing.report import report_mesh
from tests import meshes
from tests.finishing.shapes import box
from tests.meshing.test_quads import cleaned, corners, folded, quads_of

ORIGIN = np.zeros(3)
EAR = np.array([0.35, 0.12, 0.2], np.float32)


def ball(frequency: int, radius: float) -> meshes.Arrays:
    points, faces = meshes.sphere(frequency)
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True), faces


def eared() -> meshes.Arrays:
    """A ball with an ear: of all planes only that through both middles mirrors it."""
    ear = ball(16, 0.1)
    return meshes.joined(ball(24, 0.3), (ear[0] + EAR, ear[1]))


def test_the_world_s_planes_come_first_and_go_through_the_origin() -> None:
    points, faces = ball(24, 0.3)
    points = points.astype(np.float64)
    planes = mirror_planes(points + 1e-5, faces, 1e-3, ORIGIN)
    assert np.array_equal([plane.normal for plane in planes], np.eye(3))
    assert [plane.offset for plane in planes] == [0, 0, 0]
    planes = mirror_planes(points + 0.2 * np.eye(3)[0], faces, 1e-3, ORIGIN)
    assert planes[0].offset == pytest.approx(0.2, abs=1e-4)


def test_a_plane_at_any_angle_is_found_and_no_other() -> None:
    points, faces = eared()
    planes = mirror_planes(points.astype(np.float64), faces, 0.01, ORIGIN)
    assert len(planes) == 2
    # Both hold the line through the middles.
    for plane in planes:
        assert abs(plane.normal @ EAR) < 2e-3 and abs(plane.offset) < 2e-3


@pytest.mark.parametrize("surface", [meshes.organic(24), meshes.moebius()])
def test_what_has_no_symmetry_has_no_plane(surface: meshes.Arrays) -> None:
    assert mirror_planes(surface[0].astype(np.float64), surface[1], 1e-3, ORIGIN) == []


def test_a_sheet_does_not_mirror_itself_in_its_own_plane() -> None:
    points, faces = meshes.grid(12, 12)
    planes = mirror_planes(points.astype(np.float64), faces, 0.01, ORIGIN)
    assert np.abs([plane.normal[2] for plane in planes]).max() < 1e-6 and len(planes) == 2


def test_a_half_has_half_the_area_and_both_are_closed_again() -> None:
    points, faces = ball(30, 0.4)
    points = points.astype(np.float64)
    normal = np.array([0.6, 0, 0.8])
    for plane in (Plane(normal, 0.0), Plane(np.eye(3)[1], 0.0), Plane(np.eye(3)[2], 0.01)):
        half, sides, lines = half_beside(points, faces, find_lines(points, faces, 0.1), plane)
        assert plane.heights(half).min() > -1e-12
        share = face_areas(half, sides).sum() / face_areas(points, faces).sum()
        assert np.abs(plane.heights(half[lines])).max() < 1e-12
        assert share == pytest.approx(0.5 - plane.offset / 0.8, abs=0.005)
        # A triangle is a polygon whose last corner comes twice.
        whole, polygons = both_halves(half, sides[:, [0, 1, 2, 2]], plane)
        both = np.concatenate([polygons[: len(sides), :3], polygons[len(sides) :, 1:]])
        report = report_mesh(whole.astype(np.float32), both)
        assert (report.open_edges, report.non_manifold_edges, report.flipped_edges) == (0, 0, 0)


def test_nothing_above_the_plane_leaves_nothing() -> None:
    points, faces = ball(8, 0.3)
    none = np.zeros((0, 2), np.int64)
    half, sides, lines = half_beside(
        points.astype(np.float64), faces, none, Plane(np.eye(3)[0], 1.0)
    )
    assert half.shape == (0, 3) and sides.shape == (0, 3) and lines.shape == (0, 2)


def test_lines_are_cut_with_the_surface() -> None:
    points, faces = box_arrays()
    lines = find_lines(points, faces, 0.01)
    assert len(lines) == 12
    half, _, cut = half_beside(points, faces, lines, Plane(np.eye(3)[0], 0.0))
    # Four edges across are halved, four above stay, and there are four sides of the cut, each in
    # two pieces where the diagonal of its face ends.
    length = np.linalg.norm(half[cut[:, 0]] - half[cut[:, 1]], axis=1)
    assert len(cut) == 16 and length.sum() == pytest.approx(4 * 0.5 + 4 + 4)


def box_arrays() -> tuple[np.ndarray, np.ndarray]:
    """A cube of side 1 around the origin."""
    mesh = box((1, 1, 1))
    vertex, first = np.unique(mesh.vertices, axis=0, return_inverse=True)
    return vertex.astype(np.float64), first[mesh.faces].astype(np.int32)


@pytest.mark.parametrize(
    ("make", "axes"), [(torus, (0, 1, 2)), (lantern, (0, 1))], ids=["torus", "lantern"]
)
def test_quads_of_a_symmetric_shape_mirror_each_other(
    make: Callable[[], Mesh], axes: tuple[int, ...]
) -> None:
    quads = quads_of(cleaned(make(), 96), 3000)
    assert quads.share > 0.95 and folded(quads) == 0

    def quads_by_place(factor: np.ndarray) -> set[frozenset[tuple[float, ...]]]:
        at = (quads.vertices * factor).round(6) + 0.0
        return {frozenset(map(tuple, quad)) for quad in at[corners(quads)].tolist()}

    for axis in axes:
        factor = np.where(np.arange(3) == axis, np.float32(-1), np.float32(1))
        assert quads_by_place(factor) == quads_by_place(np.ones(3, np.float32))
        assert (quads.vertices[:, axis] == 0).sum() > 20
