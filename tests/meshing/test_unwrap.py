"""UVs without overlap, in bounded time."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gallery_meshes import in_unit_cube
from benchmarks.raw_surfaces import noisy, torus, wheel
from engine.meshing import pack, unwrap
from engine.meshing.clean import CleanSettings, clean_mesh
from engine.meshing.edges import face_areas, face_normals, faces_across
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import (
    Unwrapped,
    UnwrapSettings,
    count_cover,
    unwrap_mesh,
    uv_fault,
    uvs_are_valid,
)
from engine.meshing.weld import weld_positions
from engine.ovoxel.dual_grid import mesh_to_dual_grid
from engine.ovoxel.extract import dual_grid_to_mesh
from protocol.errors import EngineError
from tests import meshes


def check(result: Unwrapped, arrays: meshes.Arrays) -> None:
    """The same faces at the same places; each in 0..1, unmirrored, alone."""
    vertices, faces = arrays
    np.testing.assert_array_equal(result.vertices[result.faces], vertices[faces])
    np.testing.assert_array_equal(vertices[result.source], result.vertices)
    assert result.uvs.min() >= 0
    assert result.uvs.max() <= 1
    assert (count_cover(result.corner_uvs, 4096) > 1).sum() <= 2
    a, b = (result.corner_uvs[:, k] - result.corner_uvs[:, 0] for k in (1, 2))
    assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] >= -1e-12).all()


def test_organic_mesh_of_200_000_faces() -> None:
    arrays = meshes.organic(100)
    result = unwrap_mesh(*arrays)
    check(result, arrays)
    assert result.method == "charts"
    report = report_mesh(result.vertices, result.faces, result.corner_uvs)
    assert report.charts is not None
    assert report.charts < 300
    assert report.charts == result.chart_of_face.max() + 1
    assert (count_cover(result.corner_uvs, 2048) > 0).mean() >= 0.6
    assert report.texel_density_spread is not None
    assert report.texel_density_spread < 2
    assert uvs_are_valid(result.corner_uvs)


@pytest.mark.parametrize("name", ["noisy", "cloth", "moebius", "box", "crumpled", "shells"])
def test_other_meshes(name: str) -> None:
    arrays = {
        "noisy": lambda: meshes.sphere(30, noise=0.01),
        "cloth": lambda: meshes.grid(50, 20, 0.1),
        "moebius": lambda: meshes.moebius(),
        "box": lambda: meshes.t_junctions(),
        "crumpled": lambda: meshes.sphere(20, noise=0.2),
        "shells": lambda: meshes.nested_shells(),
    }[name]()
    check(unwrap_mesh(*arrays), arrays)


def test_a_spiral_does_not_lie_on_itself() -> None:
    """Three turns of a ramp: every normal points up, and yet it overlaps seen from above."""
    turn = np.linspace(0, 6 * np.pi, 200)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    rim = np.concatenate([0.2 * ring, 0.5 * ring])
    vertices = np.column_stack([rim, np.tile(turn * 0.02, 2)]).astype(np.float32)
    i = np.arange(199)
    faces = np.concatenate(
        [np.stack([i, i + 200, i + 201], axis=1), np.stack([i, i + 201, i + 1], axis=1)]
    )
    result = unwrap_mesh(vertices, faces)
    check(result, (vertices, faces))
    assert 2 <= result.chart_of_face.max() + 1 < 100


def test_charts_keep_their_distance() -> None:
    settings = UnwrapSettings(texture_size=512, padding=8)
    result = unwrap_mesh(*meshes.sphere(20), settings)
    size = 512
    owner = np.full((size, size), -1)
    for k in (0, 1, 2):
        mean = np.roll(np.array([0.98, 0.01, 0.01]), k)
        at = (np.einsum("fkc,k->fc", result.corner_uvs, mean) * size).astype(int)
        owner[at[:, 1], at[:, 0]] = result.chart_of_face
    for dx in range(6):
        for dy in range(6):
            here, there = owner[dy:, dx:], owner[: size - dy, : size - dx]
            assert not ((here >= 0) & (there >= 0) & (here != there)).any()


def test_it_is_deterministic() -> None:
    first, second = (unwrap_mesh(*meshes.organic(20)) for _ in range(2))
    np.testing.assert_array_equal(first.uvs, second.uvs)
    np.testing.assert_array_equal(first.faces, second.faces)


def test_out_of_time_gives_blocks() -> None:
    arrays = meshes.organic(20)
    result = unwrap_mesh(*arrays, UnwrapSettings(time_limit=0.0))
    assert result.method == "blocks" and result.out_of_time
    check(result, arrays)


def test_time_is_looked_at_in_every_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock moves when it is read, so the limit can be set to run out at each place."""
    now = 0
    asked: dict[str, set[int]] = {}

    def process_time() -> float:
        nonlocal now
        now += 1
        asking = sys._getframe(2)  # beyond unwrap_mesh's out_of_time
        asked.setdefault(asking.f_code.co_name, set()).add(asking.f_lineno)
        return now

    clock = SimpleNamespace(monotonic=lambda: 0.0, process_time=process_time)
    monkeypatch.setattr(unwrap, "time", clock)
    arrays = meshes.sphere(12, noise=0.2)
    assert unwrap_mesh(*arrays, UnwrapSettings(time_limit=np.inf)).method == "charts"
    places = ("cut_into_charts", "_merge", "flatten_charts", "pack_charts", "_lay_out")
    assert [len(asked[place]) for place in places] == [2, 2, 3, 1, 1]
    steps = now
    assert steps > 40
    methods = set()
    for limit in np.linspace(1, steps, 8).astype(int).tolist():
        now = 0
        result = unwrap_mesh(*arrays, UnwrapSettings(time_limit=limit))
        assert now <= limit + 5
        check(result, arrays)
        methods.add(result.method)
    assert methods == {"blocks", "charts"}


@pytest.mark.parametrize("width", [0.2, 0.3, 0.5, 1.0])
def test_long_strips_stay_inside(width: float) -> None:
    """One chart as long as the texture: a larger scale, tried next, has to fit too."""
    vertices, faces = meshes.grid(59, 1)
    strip = (vertices / np.ptp(vertices, axis=0).clip(1e-9) * (10, width, 0)).astype(np.float32)
    result = unwrap_mesh(strip, faces)
    check(result, (strip, faces))
    assert np.ptp(result.uvs, axis=0).max() > 0.95
    with pytest.raises(ValueError, match="does not fit"):
        pack._lay_out(None, np.array([[pack.CELLS + 1, 4]]), None, None, None)


def test_more_padding_than_texture() -> None:
    arrays = meshes.grid(3, 3)
    check(unwrap_mesh(*arrays, UnwrapSettings(texture_size=16, padding=100)), arrays)


def test_bad_meshes() -> None:
    triangle = (np.eye(3, dtype=np.float32), np.array([(0, 1, 2)]))
    check(unwrap_mesh(*triangle), triangle)
    flat = (np.zeros((3, 3), np.float32), np.array([(0, 1, 2), (2, 1, 0)]))
    blocks = unwrap_mesh(*flat)
    assert np.isfinite(blocks.uvs).all()
    assert blocks.method == "blocks" and not blocks.out_of_time
    vertices, faces = meshes.sphere(5)
    partly = (vertices, np.concatenate([faces, [[0, 0, 1], [3, 3, 3]]]).astype(np.int32))
    assert np.isfinite(unwrap_mesh(*partly).uvs).all()
    for bad, code in (
        ((vertices * np.nan, faces), "mesh_not_finite"),
        ((vertices, faces[:0]), "mesh_empty"),
    ):
        with pytest.raises(EngineError) as error:
            unwrap_mesh(*bad)
        assert error.value.code == code
    for size in (0, 32768):
        with pytest.raises(EngineError, match=str(size)):
            unwrap_mesh(vertices, faces, UnwrapSettings(texture_size=size))


def test_given_uvs_are_judged() -> None:
    vertices, faces = meshes.grid(10, 10)
    good = vertices[faces][..., :2] + 0.5
    assert uvs_are_valid(good) and uv_fault(good) is None
    mirrored = good.copy()
    mirrored[..., 0] = np.abs(mirrored[..., 0] - 0.5)
    for uvs, fault in (
        (None, "are missing"),
        (good * 0, "have no area"),
        (good + 0.1, "leave the unit square"),
        (np.where(good > 0.9, np.nan, good), "are not numbers"),
        (np.concatenate([good, good]), "overlap"),
        (mirrored, "overlap"),
    ):
        assert uv_fault(uvs) == fault and not uvs_are_valid(uvs)


def test_polygons_are_not_cut() -> None:
    vertices, faces, polygons = meshes.quad_torus(24, 12)
    cut = unwrap_mesh(vertices, faces)
    # The test would show nothing of a mesh that is never cut between the halves of its quads.
    assert (cut.chart_of_face[0::2] != cut.chart_of_face[1::2]).any()
    whole = unwrap_mesh(vertices, faces, polygons=polygons)
    check(whole, (vertices, faces))
    assert (whole.chart_of_face[0::2] == whole.chart_of_face[1::2]).all()
    # Both triangles name the corners that they share alike.
    assert (whole.faces[0::2, 0] == whole.faces[1::2, 0]).all()
    assert (whole.faces[0::2, 2] == whole.faces[1::2, 1]).all()


def test_polygons_of_one_triangle_each_change_nothing() -> None:
    vertices, faces = meshes.organic(20)
    plain = unwrap_mesh(vertices, faces)
    same = unwrap_mesh(vertices, faces, polygons=np.arange(len(faces)) * 7)
    assert np.array_equal(plain.uvs, same.uvs) and np.array_equal(plain.faces, same.faces)


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_noise_does_not_cut(noise: float) -> None:
    """O-Voxels whose dual vertices are off by up to a voxel; once 569 and 28,171 charts."""
    mesh = in_unit_cube(torus())
    grid = noisy(mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=96), noise)
    raw = dual_grid_to_mesh(grid, orient=True)
    used, index = np.unique(raw.faces, return_inverse=True)
    arrays = raw.vertices[used], index.reshape(-1, 3).astype(np.int32)
    result = unwrap_mesh(*arrays)
    check(result, arrays)
    assert result.chart_of_face.max() < 150


def test_sheets_that_cross_are_not_cut_where_they_cross(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet, faces = meshes.grid(6, 6)
    up = sheet[:, [2, 1, 0]]  # the plane x = 0
    vertices, faces = meshes.joined((sheet, faces), (up, faces))
    kept, index = weld_positions(vertices)
    vertices, faces = vertices[kept], index[faces].astype(np.int32)
    across = faces_across(vertices, faces)
    assert (across >= 0).sum() == 2 * (3 * 72 - 24)
    flat = np.abs(face_normals(vertices, faces)).argmax(axis=1)
    assert (flat[across] == flat[:, None])[across >= 0].all()
    monkeypatch.setattr(unwrap, "MAX_SHARES", (1.0,))
    assert unwrap_mesh(vertices, faces).chart_of_face.max() == 1


def test_no_face_is_left_without_room() -> None:
    """Smoothing flattens teeth of thin parts to nothing; alone, they lie in their true places."""
    shape = in_unit_cube(wheel())
    grid = noisy(mesh_to_dual_grid(shape.vertices, shape.faces, grid_size=64), 1.0)
    raw = dual_grid_to_mesh(grid)
    clean = clean_mesh(raw.vertices, raw.faces, CleanSettings(hole_perimeter=0.1))
    low = simplify_mesh(clean.vertices, clean.faces, 3000)
    uvs = unwrap_mesh(low.vertices, low.faces, UnwrapSettings(texture_size=1024)).corner_uvs
    a, b = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    room = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    area = face_areas(low.vertices, low.faces)
    assert (room / room.sum() >= 0.05 * area / area.sum()).all()
