"""Nasty meshes come out clean, and where they were."""

import numpy as np
import pytest

from engine.meshing.clean import CleanResult, CleanSettings, clean_mesh
from engine.meshing.edges import face_normals, find_edges, side_ends
from engine.meshing.nearest import nearest_on_surface
from engine.meshing.report import MeshReport, report_mesh
from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid
from protocol.errors import EngineError
from tests import meshes

VOXEL = 1 / 256
SPHERE = meshes.sphere(20)
KEEP_INNER = CleanSettings(remove_inner=False)
NASTY = {
    "noisy sphere": meshes.sphere(20, noise=0.01),
    "scrambled sphere": meshes.scrambled(SPHERE),
    "punched sphere": meshes.punched(meshes.sphere(60), 300),
    "cloth": meshes.scrambled(meshes.grid(40, 40, 0.1)),
    "t-junctions": meshes.scrambled(meshes.t_junctions()),
    "grid of 300,000": meshes.grid(400, 375),
}


def hausdorff(a: meshes.Arrays, b: meshes.Arrays) -> float:
    """Sampled, both ways."""
    return max(
        float(np.linalg.norm(nearest_on_surface(*to, points)[0] - points, axis=1).max())
        for points, to in ((meshes.sampled(a, 4000), b), (meshes.sampled(b, 4000), a))
    )


def short_loops(vertices: np.ndarray, faces: np.ndarray, limit: float) -> int:
    """Boundary loops below ``limit``, found by walking edges one by one."""
    sides = find_edges(faces, len(vertices)).sides_of_open_edges()
    follow: dict[int, list[int]] = {}
    for a, b in zip(*(ends.tolist() for ends in side_ends(faces, sides)), strict=True):
        follow.setdefault(a, []).append(b)
    short = 0
    while follow:
        here = start = next(iter(follow))
        perimeter = 0.0
        while follow.get(here):
            there = follow[here].pop()
            perimeter += float(np.linalg.norm(vertices[there] - vertices[here]))
            if not follow[here]:
                del follow[here]
            here = there
        short += here == start and perimeter < limit
    return short


def after(result: CleanResult) -> MeshReport:
    return report_mesh(result.vertices, result.faces)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_meshes_come_out_clean(name: str) -> None:
    vertices, faces = NASTY[name]
    result = clean_mesh(vertices, faces)
    found = after(result)
    assert found.flipped_edges == found.non_manifold_edges == 0
    assert found.degenerate_faces == found.duplicate_faces == 0
    assert found.components == 1
    assert result.one_sided_parts == 0
    assert short_loops(result.vertices, result.faces, 3e-2) == 0
    assert hausdorff((result.vertices, result.faces), (vertices, faces)) < VOXEL
    assert np.abs(vertices[result.source] - result.vertices).max() < 0.02


def test_open_borders_stay_open_and_closed_ones_close() -> None:
    cloth = clean_mesh(*NASTY["cloth"])
    assert (after(cloth).open_edges, after(cloth).boundary_loops) == (160, 1)
    assert after(clean_mesh(*NASTY["punched sphere"])).open_edges == 0
    box = clean_mesh(*NASTY["t-junctions"])
    assert after(box).open_edges == 0
    assert box.removed["t_junctions"] > 0


@pytest.mark.parametrize("name", ["noisy sphere", "scrambled sphere", "punched sphere"])
def test_closed_parts_face_outwards(name: str) -> None:
    result = clean_mesh(*NASTY[name])
    outward = (
        face_normals(result.vertices, result.faces) * result.vertices[result.faces].mean(axis=1)
    ).sum(axis=1)
    assert (outward > 0).mean() > 0.999


def test_a_punched_open_bowl_faces_outwards_by_what_is_seen() -> None:
    """Signed volume alone would depend on where the bowl's first vertex lies."""
    vertices, faces = SPHERE
    bowl = faces[vertices[faces].mean(axis=1)[:, 2] < 0.3]
    for order in (bowl, bowl[::-1, ::-1]):
        result = clean_mesh(vertices, np.ascontiguousarray(order))
        normals = face_normals(result.vertices, result.faces)
        outward = (normals * result.vertices[result.faces].mean(axis=1)).sum(axis=1)
        assert (outward > 0).all()


def test_what_is_in_glass_stays() -> None:
    """Of three nested shells: outer, just beneath it, and a small one in the middle."""
    vertices, faces = meshes.nested_shells()
    sphere_size = len(meshes.sphere(20)[0])
    shell = np.minimum(np.arange(len(vertices)) // sphere_size, 2)
    for glass, left in (([0], [0, 1]), ([0, 1], [0, 1, 2]), ([2], [0, 2])):
        result = clean_mesh(vertices, faces, see_through=np.isin(shell, glass))
        assert np.unique(shell[result.source]).tolist() == left


def test_inner_shells_go_and_visible_ones_stay() -> None:
    vertices, faces = meshes.nested_shells()
    result = clean_mesh(vertices, faces)
    assert result.removed["inner_parts"] == 2
    assert result.before.inner_faces == 8000 + 1280
    assert len(result.faces) == len(SPHERE[1])
    assert after(clean_mesh(vertices, faces, KEEP_INNER)).components == 3
    # With both shells opened at the top one can look at all of it.
    shells = vertices[faces[: 2 * len(SPHERE[1])]].mean(axis=1)
    opened = np.delete(faces, np.flatnonzero(shells[:, 2] > 0.25), axis=0)
    assert clean_mesh(vertices, opened).removed["inner_parts"] == 0


def test_floaters_go() -> None:
    result = clean_mesh(*meshes.with_floaters())
    assert result.removed["floater_parts"] == 10_000
    assert after(result).components == 1
    assert len(result.faces) == len(SPHERE[1])


def test_crumbs_that_hang_on_a_vertex_go() -> None:
    vertices, faces = meshes.sphere(40)
    far = vertices * np.float32(1.01)
    crumb = faces[np.random.default_rng(0).choice(len(faces), 20)] + len(vertices)
    crumb[:, 0] -= len(vertices)
    result = clean_mesh(np.concatenate([vertices, far]), np.concatenate([faces, crumb]))
    assert result.removed["floater_parts"] == len(crumb)
    assert len(result.faces) == len(faces)


def test_a_moebius_strip_is_left_alone_and_reported() -> None:
    vertices, faces = meshes.moebius()
    result = clean_mesh(vertices, faces)
    assert result.one_sided_parts == 1
    assert after(result).flipped_edges == 4
    assert after(result).boundary_loops == 1
    np.testing.assert_array_equal(result.vertices, vertices)
    np.testing.assert_array_equal(np.sort(result.faces, axis=1), np.sort(faces, axis=1))
    beside_a_sphere = clean_mesh(*meshes.scrambled(meshes.joined((vertices, faces), SPHERE)))
    assert beside_a_sphere.one_sided_parts == 1


def test_a_lone_triangle_stays() -> None:
    vertices = np.array([(0, 0, 0), (1e-3, 0, 0), (0, 1e-3, 0)], dtype=np.float32)
    result = clean_mesh(vertices, np.array([(0, 1, 2)]))
    assert len(result.faces) == 1
    assert after(result).open_edges == 3


def test_faces_at_nan_go_and_attributes_follow() -> None:
    vertices, faces = SPHERE
    broken = vertices.copy()
    broken[17] = np.nan
    result = clean_mesh(broken, faces, CleanSettings(hole_perimeter=0.0))
    assert result.removed["not_finite"] == (faces == 17).any(axis=1).sum()
    assert np.isfinite(result.vertices).all()
    np.testing.assert_array_equal(broken[result.source], result.vertices)


@pytest.mark.parametrize(
    ("vertices", "faces", "code"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3), int), "mesh_empty"),
        (np.zeros((3, 3)), np.zeros((0, 3), int), "mesh_empty"),
        (np.zeros((3, 3)), np.array([(0, 1, 2)]), "mesh_empty"),
        (np.full((3, 3), np.nan), np.array([(0, 1, 2)]), "mesh_empty"),
        (np.eye(3), np.array([(0, 1, 3)]), "mesh_broken"),
        (np.eye(3), np.array([(0, 1, -1)]), "mesh_broken"),
    ],
)
def test_bad_meshes_are_errors(vertices: np.ndarray, faces: np.ndarray, code: str) -> None:
    with pytest.raises(EngineError) as error:
        clean_mesh(vertices, faces)
    assert error.value.code == code


def test_a_needle_between_good_faces_leaves_no_gap() -> None:
    """A face without area is dropped, and the side it lay on is split instead."""
    vertices = np.array(
        [(0, 0, 0), (1, 0, 0), (0.5, 1, 0), (0.5, -1, 0), (0.5, 0, 0)], dtype=np.float32
    )
    faces = np.array([(0, 1, 2), (1, 0, 4), (0, 3, 4), (4, 3, 1)])
    result = clean_mesh(vertices, faces)
    assert after(result).open_edges == 4
    assert after(result).degenerate_faces == 0
    assert result.removed["degenerate"] == 1


def test_stray_flaps_go_and_walls_stay() -> None:
    vertices, faces = SPHERE
    tip = vertices[faces[0]].mean(axis=0) * np.float32(1.02)
    low, high = faces[0, :2]
    flap = (
        np.concatenate([vertices, [tip]]),
        np.concatenate([faces, [[low, high, len(vertices)]]]),
    )
    result = clean_mesh(*flap, CleanSettings(hole_perimeter=0.3))
    assert result.removed["fin"] == 1
    assert after(result).open_edges == after(result).non_manifold_edges == 0
    # Longer than the limit, it is a wall.
    assert after(clean_mesh(*flap, CleanSettings(hole_perimeter=1e-3))).non_manifold_edges == 1


def test_voxel_meshes_come_out_closed() -> None:
    """O-Voxel meshes have winding by axis and stray quads; limits in proportion to the voxel."""
    vertices, faces = meshes.organic(30)
    grid = mesh_to_dual_grid(vertices * np.float32(0.95), faces, grid_size=128)
    raw = dual_grid_to_mesh(grid, orient=False)
    result = clean_mesh(raw.vertices, raw.faces, CleanSettings(hole_perimeter=12 / 128))
    assert result.before.open_edges > 0
    assert result.before.flipped_edges > 1000
    assert after(result).open_edges == after(result).flipped_edges == 0
    assert after(result).non_manifold_edges <= result.before.non_manifold_edges / 10
    assert hausdorff((result.vertices, result.faces), (raw.vertices, raw.faces)) < 2 / 128
