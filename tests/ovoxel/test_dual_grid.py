"""Mesh to O-Voxels against a slow oracle, and against what anybody can see in simple shapes."""

import numpy as np
import pytest
import trimesh

from engine.ovoxel import DualGrid, mesh_to_dual_grid
from tests.ovoxel import oracle

UNIT = ((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
OBLONG = ((-1.0, 0.25, -3.0), (1.5, 1.25, -1.0))


def _soup(seed: int, count: int = 12, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Triangles that share some corners, in [-spread, spread]^3."""
    random = np.random.default_rng(seed)
    vertices = random.uniform(-spread, spread, (2 * count, 3))
    return vertices, random.integers(0, len(vertices), (count, 3))


def _shape(name: str) -> tuple[np.ndarray, np.ndarray]:
    shapes = {
        # Sides exactly on grid lines of 8 and 16 cells: every rule for ties is used.
        "box on grid lines": trimesh.creation.box(extents=(0.5, 0.25, 0.75)),
        "whole box": trimesh.creation.box(extents=(1, 1, 1)),
        "octahedron": trimesh.creation.icosphere(subdivisions=0, radius=0.41),
        "cone": trimesh.creation.cone(radius=0.3, height=0.6, sections=9),
    }
    return np.asarray(shapes[name].vertices), np.asarray(shapes[name].faces)


def _assert_like_oracle(vertices, faces, grid_size, aabb=UNIT) -> DualGrid:
    grid = mesh_to_dual_grid(vertices, faces, grid_size=grid_size, aabb=aabb)
    local, voxel_size = oracle.to_box(vertices, grid_size, aabb)
    coords, flags = oracle.grid_of(oracle.crossings(local, faces, voxel_size, grid_size))
    np.testing.assert_array_equal(grid.coords, coords)
    np.testing.assert_array_equal(grid.intersected, flags)
    return grid


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("grid_size", [1, 2, 7, 16, 33])
def test_crossings_of_soups(seed: int, grid_size: int) -> None:
    grid = _assert_like_oracle(*_soup(seed), grid_size)
    assert grid_size < 7 or len(grid.coords) > 20


@pytest.mark.parametrize("seed", range(4))
def test_crossings_of_what_leaves_the_box(seed: int) -> None:
    _assert_like_oracle(*_soup(seed, spread=1.1), 19)


@pytest.mark.parametrize("name", ["box on grid lines", "whole box", "octahedron", "cone"])
@pytest.mark.parametrize("grid_size", [8, 16, 20])
def test_crossings_of_shapes(name: str, grid_size: int) -> None:
    _assert_like_oracle(*_shape(name), grid_size)


@pytest.mark.parametrize("seed", range(3))
def test_box_that_is_no_cube(seed: int) -> None:
    vertices, faces = _soup(seed)
    low, high = np.array(OBLONG)
    grid = _assert_like_oracle((vertices + 0.5) * (high - low) + low, faces, 24, OBLONG)
    assert grid.aabb == OBLONG
    np.testing.assert_allclose(grid.voxel_size, [2.5 / 24, 1 / 24, 2 / 24], rtol=1e-6)


def test_large_triangles_over_many_tiles() -> None:
    vertices = np.array([[-0.47, -0.43, -0.49], [0.46, -0.2, 0.41], [-0.1, 0.48, 0.13]])
    steep = np.array([[-0.4, -0.39, -0.45], [0.42, 0.44, -0.41], [0.01, 0.05, 0.47]])
    _assert_like_oracle(np.concatenate([vertices, steep]), np.arange(6).reshape(2, 3), 70)


@pytest.mark.parametrize("seed", range(3))
def test_edges_are_those_that_lines_hit(seed: int) -> None:
    """No scan lines here: each grid line against each triangle, by its barycentrics."""
    vertices, faces = _soup(seed, count=8, spread=0.49)
    grid = mesh_to_dual_grid(vertices, faces, grid_size=20)
    expected = oracle.edges_crossed_geometrically(*_local(vertices, faces, 20))
    found = {
        (tuple(int(v) for v in grid.coords[row]), int(axis))
        for row, axis in np.argwhere(grid.intersected)
    }
    assert found == expected


def _local(vertices, faces, grid_size, aabb=UNIT):
    local, voxel_size = oracle.to_box(vertices, grid_size, aabb)
    return local, faces, voxel_size, grid_size


# Which points a voxel's error has: every 1/12 of it, borders included.
_SAMPLES = np.stack(np.meshgrid(*[np.linspace(0, 1, 13)] * 3), axis=-1).reshape(-1, 3)

OPTIONS = [
    {},
    {"face_weight": 0.0},
    {"boundary_weight": 0.0},
    {"boundary_weight": 1.0, "regularization_weight": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("aabb", [UNIT, OBLONG], ids=["cube", "oblong"])
def test_no_place_in_the_voxel_is_better(options: dict, aabb) -> None:
    """The error at each dual vertex is that of the best of 2197 places in its voxel, or less."""
    low, high = np.array(aabb)
    checked = 0
    for seed in range(3):
        vertices, faces = _soup(seed, count=7)
        vertices = (vertices + 0.5) * (high - low) + low
        grid = mesh_to_dual_grid(vertices, faces, grid_size=6, aabb=aabb, **options)
        local, _, voxel_size, _ = _local(vertices, faces, 6, aabb)
        errors = oracle.errors_of_voxels(
            local,
            faces,
            voxel_size,
            6,
            with_faces=options.get("face_weight", 1.0) > 0,
            boundary_weight=options.get("boundary_weight", 0.2),
            regularization=options.get("regularization_weight", 1e-2),
        )
        for coord, dual in zip(grid.coords, grid.dual_vertices, strict=True):
            q, count = errors[tuple(coord.tolist())]
            places = (np.vstack([dual, _SAMPLES]) + coord) * voxel_size
            homogeneous = np.column_stack([places, np.ones(len(places))])
            error = np.einsum("pi,ij,pj->p", homogeneous, q, homogeneous)
            scale = count * (voxel_size**2).max()
            assert error[0] <= error[1:].min() + 2e-6 * scale, (seed, coord, dual)
            checked += 1
    assert checked > 200


def test_vertices_lie_on_a_plane() -> None:
    vertices = np.array([[-0.5, -0.5, -0.113], [0.5, -0.5, 0.21], [0, 0.5, 0.02]], np.float64)
    vertices[:, :2] *= 3  # its borders outside of the box
    grid = mesh_to_dual_grid(vertices, np.array([[0, 1, 2]]), grid_size=16)
    normal = np.cross(vertices[1] - vertices[0], vertices[2] - vertices[0])
    normal /= np.linalg.norm(normal)
    places = (grid.coords + grid.dual_vertices.astype(np.float64)) / 16 - 0.5
    inside = (grid.dual_vertices > 0).all(axis=1) & (grid.dual_vertices < 1).all(axis=1)
    assert inside.sum() > 200
    np.testing.assert_allclose((places - vertices[0])[inside] @ normal, 0, atol=1e-5)


def test_corners_and_edges_of_a_box_are_found() -> None:
    """Sharp features are what QEFs are for: a box with sides between grid lines."""
    half = np.array([0.3071, 0.2313, 0.4177])
    box = trimesh.creation.box(extents=2 * half)
    grid = mesh_to_dual_grid(np.asarray(box.vertices), np.asarray(box.faces), grid_size=16)
    places = (grid.coords + grid.dual_vertices.astype(np.float64)) / 16 - 0.5
    for corner in np.stack(np.meshgrid(*[(-1, 1)] * 3), axis=-1).reshape(-1, 3) * half:
        # The regularisation pulls a hundredth of the way to the mean crossing.
        assert np.linalg.norm(places - corner, axis=1).min() < 0.05 / 16
    outside = (np.abs(places) - half).max(axis=1)
    assert np.abs(outside).max() < 0.05 / 16


def _square(half: float) -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[-half, -half, 0.013], [half, -half, 0.013], [half, half, 0.013]])
    corners = np.vstack([corners, [-half, half, 0.013]])
    return corners, np.array([[0, 1, 2], [0, 2, 3]])


def _distance_of_rim(boundary_weight: float) -> float:
    """How far the outermost vertices lie from the rim of a square, in voxels; the worst of all."""
    half = 0.3371
    grid = mesh_to_dual_grid(*_square(half), grid_size=16, boundary_weight=boundary_weight)
    places = (grid.coords + grid.dual_vertices.astype(np.float64)) / 16 - 0.5
    radius = np.abs(places[:, :2]).max(axis=1)
    outermost = (grid.coords[:, :2] == grid.coords[:, :2].min(axis=0)).any(axis=1)
    outermost |= (grid.coords[:, :2] == grid.coords[:, :2].max(axis=0)).any(axis=1)
    return float(np.abs(radius[outermost] - half).max() * 16)


def test_boundary_weight_keeps_rims() -> None:
    assert _distance_of_rim(0.0) > 0.2
    assert _distance_of_rim(0.2) < 0.1
    assert _distance_of_rim(1.0) < 0.02


def test_face_weight_is_a_switch() -> None:
    vertices, faces = _soup(1)
    default, tiny, off = (
        mesh_to_dual_grid(vertices, faces, grid_size=16, face_weight=weight).dual_vertices
        for weight in (1.0, 1e-3, 0.0)
    )
    np.testing.assert_array_equal(default, tiny)
    assert (default != off).any()


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads: int) -> None:
    vertices, faces = _soup(3, count=60)
    one = mesh_to_dual_grid(vertices, faces, grid_size=70, threads=1)
    many = mesh_to_dual_grid(vertices, faces, grid_size=70, threads=threads)
    assert len(one.coords) > 5000
    assert one.coords.tobytes() == many.coords.tobytes()
    assert one.dual_vertices.tobytes() == many.dual_vertices.tobytes()
    assert one.intersected.tobytes() == many.intersected.tobytes()


def test_inputs_stay_as_they_are() -> None:
    vertices, faces = _soup(2)
    before = vertices.copy(), faces.copy()
    mesh_to_dual_grid(vertices, faces, grid_size=9)
    np.testing.assert_array_equal(vertices, before[0])
    np.testing.assert_array_equal(faces, before[1])


def test_layout_of_arrays_does_not_matter() -> None:
    vertices, faces = _soup(2)
    plain = mesh_to_dual_grid(vertices.astype(np.float32), faces.astype(np.int32), grid_size=9)
    other = mesh_to_dual_grid(
        np.asfortranarray(vertices.astype(np.float32).astype(np.float64)),
        np.asfortranarray(faces.astype(np.uint64)),
        grid_size=np.int64(9),  # pyright: ignore[reportArgumentType]
    )
    np.testing.assert_array_equal(plain.coords, other.coords)
    np.testing.assert_array_equal(plain.dual_vertices, other.dual_vertices)


def test_progress_counts_up_to_all() -> None:
    calls: list[tuple[int, int]] = []
    vertices, faces = _soup(0)
    mesh_to_dual_grid(
        vertices, faces, grid_size=64, on_progress=lambda done, total: calls.append((done, total))
    )
    total = calls[0][1]
    assert total > 1
    assert calls == [(i + 1, total) for i in range(total)]


def test_progress_can_stop() -> None:
    class Stop(Exception):
        pass

    calls: list[int] = []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if done == 2:
            raise Stop

    vertices, faces = _soup(0)
    with pytest.raises(Stop):
        mesh_to_dual_grid(vertices, faces, grid_size=128, on_progress=stop)
    assert calls == [1, 2]
