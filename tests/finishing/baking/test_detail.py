"""What baking asks of the surface before it was simplified: nearest points and open sky."""

import numpy as np
import pytest

from engine.finishing.baking.bake import bake
from engine.finishing.baking.detail import detail_of
from engine.finishing.baking.from_voxels import VoxelSource
from engine.finishing.baking.occlusion import sky_of_vertices
from engine.finishing.baking.project import FARTHEST, project, source_of
from engine.meshing.nearest import nearest_weights
from engine.meshing.normals import corner_normals
from tests.finishing.baking.scenes import bright_ball, in_charts, uv_sphere


def distances(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(P, F) from each point to each triangle, one by one."""
    found = np.empty((len(points), len(corners)))
    for p, f in np.ndindex(*found.shape):
        a, b, c = corners[f].astype(np.float64) - points[p]
        wa, wb, wc = nearest_weights(*a, *b, *c)
        found[p, f] = np.linalg.norm(wa * a + wb * b + wc * c)
    return found


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 65, 700])
def test_the_nearest_triangle_of_all(count: int) -> None:
    random = np.random.default_rng(count)
    middles = random.normal(0, 5, (count, 1, 3))
    corners = (middles + random.normal(0, 2, (count, 3, 3))).astype(np.float32)
    points = random.normal(0, 6, (100, 3)).astype(np.float32)
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    source = source_of(corners.reshape(-1, 3), faces)
    landed = project(source, points, np.zeros_like(points))
    nearest = np.einsum("pk,pki->pi", landed.weights, source.corners[landed.triangle])
    away = np.linalg.norm(nearest - points, axis=1)
    np.testing.assert_allclose(away, distances(points, corners).min(axis=1), atol=1e-4)


def test_a_wall_without_thickness_has_its_right_side_and_far_away_is_nothing() -> None:
    square = np.array([[0, 0, 0], [9, 0, 0], [9, 9, 0], [0, 9, 0]], np.float32)
    up = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    walls = np.concatenate([square, square + np.array([0, 0, 0.2], np.float32)])
    source = source_of(walls, np.concatenate([up[:, ::-1], up + 4]))
    points = np.asarray([[4, 4, 0.1], [5, 4, 0.02], [4, 5, 0.18], [4, 4, FARTHEST + 1]], np.float32)
    for sign, height in ((1.0, 0.2), (-1.0, 0.0)):
        landed = project(source, points, np.tile(np.array([0, 0, sign], np.float32), (4, 1)))
        heights = source.corners[landed.triangle[:3], 0, 2]
        np.testing.assert_allclose(heights, height)
        assert landed.triangle[3] == -1


def test_few_faces_land_where_many_do() -> None:
    """Far from the surface, by a mesh of a few faces, the nearest point is still the nearest."""
    ball = uv_sphere(60, 120, radius=30.0)
    source = source_of(ball.vertices, ball.faces)
    random = np.random.default_rng(0)
    directions = random.normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = (directions * random.uniform(5, 65, (500, 1))).astype(np.float32)
    landed = project(source, points, directions.astype(np.float32))
    nearest = np.einsum("pk,pki->pi", landed.weights, source.corners[landed.triangle])
    np.testing.assert_allclose(nearest, 30 * directions, atol=1.2)


def grid(size: float, cells: int, height: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A square that faces up, its middle at the origin."""
    line = np.linspace(-size / 2, size / 2, cells + 1)
    x, y = np.meshgrid(line, line, indexing="ij")
    vertices = np.stack([x, y, np.full_like(x, height)], axis=-1).reshape(-1, 3)
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    a, b, c, d = corner, corner + cells + 1, corner + cells + 2, corner + 1
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return vertices.astype(np.float32), faces.astype(np.int32)


def sky(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return sky_of_vertices(vertices, faces, corner_normals(vertices, faces))


def test_a_ball_sees_all_of_the_sky_and_nothing_from_inside() -> None:
    ball = uv_sphere(60, 120)
    seen = sky(ball.vertices, ball.faces)[np.unique(ball.faces)]  # poles repeat unused vertices
    assert seen[:, 0].min() > 0.97 and seen[:, 1].max() < 0.03


def test_a_floor_under_a_ceiling_sees_what_the_view_factor_says() -> None:
    """A square ceiling of side 2 h at height h hides 4/π · √½ · atan √½ of the sky from the point
    under its middle (Howell, "A catalog of radiation heat transfer configuration factors", B-3)."""
    floor, faces = grid(4.0, 80)
    ceiling, above = grid(2.0, 40, height=1.0)
    seen = sky(np.concatenate([floor, ceiling]), np.concatenate([faces, above + len(floor)]))
    middle = np.linalg.norm(floor, axis=1).argmin()
    hidden = 4 / np.pi * np.sqrt(0.5) * np.arctan(np.sqrt(0.5))
    assert seen[middle, 0] == pytest.approx(1 - hidden, abs=0.04)
    assert seen[middle, 1] > 0.97  # from below nothing is hidden
    corner = np.linalg.norm(floor - floor[0], axis=1).argmin()
    assert seen[corner, 0] > 0.9


def test_threads_change_nothing() -> None:
    ball = uv_sphere(20, 40)
    normals = corner_normals(ball.vertices, ball.faces)
    one, three = (sky_of_vertices(ball.vertices, ball.faces, normals, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_baked_into_red_on_the_side_that_is_textured() -> None:
    scene = bright_ball()
    ball = uv_sphere(60, 120)
    # A lid over the upper half, a few voxels away.
    lid = uv_sphere(60, 120, radius=0.45)
    half = lid.faces[(lid.vertices[lid.faces][..., 2] > 0.0).all(axis=1)]
    vertices = np.concatenate([ball.vertices, lid.vertices])
    faces = np.concatenate([ball.faces, half + len(ball.vertices)])
    grid = scene.voxels.grid
    lidded, bare = (
        bake(
            scene.low,
            VoxelSource(scene.voxels, detail_of(grid, vertices, faces, occlusion=occlusion)),
            size=128,
        )
        for occlusion in (True, False)
    )
    for baked, upper in ((lidded, 60), (bare, 255)):
        material = baked.mesh.materials[0]
        assert material.metallic_roughness_texture is not None
        red = material.metallic_roughness_texture.pixels[..., 0]
        charts = in_charts(scene.low, 128)
        rows = np.nonzero(charts)[0]
        values = red[charts]
        assert np.median(values[rows < 50]) <= upper
        assert np.median(values[rows > 90]) > 240
    red = bare.mesh.materials[0].metallic_roughness_texture
    assert red is not None and (red.pixels[..., 0] == 255).all()
