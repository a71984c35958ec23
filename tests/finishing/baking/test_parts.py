"""The pieces of baking: normals, tangents, atlas, padding, alpha, edges."""

import numpy as np
import pytest

from engine.finishing.baking.atlas import BAND_ROWS, bands_of, fill_atlas, place_corners
from engine.finishing.baking.edges import has_open_edges
from engine.finishing.baking.fill import fill_unknown
from engine.meshing.alpha import choose_alpha_mode
from engine.meshing.normals import corner_normals
from engine.meshing.rows import unique_rows
from engine.meshing.tangents import corner_tangents
from tests.finishing.baking.scenes import uv_sphere

BOX = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
SIDES = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)
BOX_FACES = np.concatenate([SIDES[:, [0, 1, 2]], SIDES[:, [0, 2, 3]]]).astype(np.int32)


def test_a_box_has_hard_edges_and_a_sphere_none() -> None:
    normals = corner_normals(BOX, BOX_FACES)
    assert set(np.abs(normals).sum(axis=2).ravel().round(6)) == {1.0}
    outward = BOX[BOX_FACES].mean(axis=1) - 0.5
    assert (np.einsum("fi,fki->fk", outward, normals) > 0.1).all()
    smooth = corner_normals(BOX, BOX_FACES, crease_degrees=180)
    np.testing.assert_allclose(np.abs(smooth), 3**-0.5, atol=1e-6)
    ball = uv_sphere(24, 48)
    directions = ball.vertices[ball.faces] / 0.4
    # The seam repeats its vertices; its normals must not show that.
    assert (corner_normals(ball.vertices, ball.faces) * directions).sum(axis=2).min() > 0.995


def test_normals_are_means_of_the_faces_that_bend_little() -> None:
    """Against the definition, on a surface with creases and gentle places."""
    random = np.random.default_rng(0)
    vertices, faces = uv_sphere(8, 12).vertices.copy(), uv_sphere(8, 12).faces
    vertices[::5] += random.normal(0, 0.1, vertices[::5].shape).astype(np.float32)
    edges = vertices[faces].astype(np.float64)
    flat = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    area = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, area, out=np.zeros_like(flat), where=area > 0)
    bends = 0
    normals = corner_normals(vertices, faces)
    for f, k in np.ndindex(*faces.shape):
        total = np.zeros(3)
        around = [
            (g, j)
            for g, j in np.argwhere((vertices[faces] == vertices[faces[f, k]]).all(axis=2))
            if area[g] > 0
        ]
        for g, j in around:
            if g != f and area[f] > 0 and flat[f] @ flat[g] <= 0.5:
                bends += 1
                continue
            a, b = (edges[g, (j + i) % 3] - edges[g, j] for i in (1, 2))
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            total += np.arccos(np.clip(cosine, -1, 1)) * flat[g]
        np.testing.assert_allclose(normals[f, k], total / np.linalg.norm(total), atol=1e-5)
    assert 20 < bends < 1000


def test_normals_of_faces_without_area() -> None:
    faces = np.array([[0, 0, 0], [0, 1, 1]], np.int32)
    np.testing.assert_array_equal(corner_normals(BOX, faces)[..., 2], 1.0)


def test_unique_rows_are_those_of_numpy() -> None:
    rows = np.random.default_rng(0).integers(0, 4, (500, 3))
    first, inverse = unique_rows(rows.astype(np.float32) - 2)
    np.testing.assert_array_equal(rows[first][inverse], rows)
    assert len(first) == len(np.unique(rows, axis=0))
    assert (np.diff(first) > 0).all()
    assert len(unique_rows(np.array([0.0, -0.0], np.float32))[0]) == 1


def test_tangents_follow_u_and_know_mirrors() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (2, 3, 1))
    uv = vertices[:, :2]
    tangents = corner_tangents(vertices, faces, uv[faces], normals)
    np.testing.assert_allclose(
        tangents, np.tile(np.array([1, 0, 0, 1], np.float32), (2, 3, 1)), atol=1e-6
    )
    mirrored = corner_tangents(vertices, faces, uv[faces] * [-1, 1], normals)
    np.testing.assert_allclose(
        mirrored, np.tile(np.array([-1, 0, 0, -1], np.float32), (2, 3, 1)), atol=1e-6
    )
    turned = corner_tangents(vertices, faces, uv[:, ::-1][faces] * [1, -1], normals)
    np.testing.assert_allclose(
        turned, np.tile(np.array([0, 1, 0, 1], np.float32), (2, 3, 1)), atol=1e-6
    )
    nothing = corner_tangents(vertices, faces, uv[faces] * 0, normals)
    np.testing.assert_allclose((nothing[..., :3] * normals).sum(axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(nothing[..., :3], axis=2), 1, atol=1e-6)


def test_a_mirror_line_splits_tangents() -> None:
    """Two triangles share an edge; UVs of the second are mirrored across it."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.5, -1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [1, 0, 3]], np.int32)
    uv = np.array([[0, 0], [1, 0], [0.5, 1], [0.5, 1]], np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (2, 3, 1))
    tangents = corner_tangents(vertices, faces, uv[faces], normals)
    np.testing.assert_array_equal(tangents[..., 3], [[1, 1, 1], [-1, -1, -1]])
    np.testing.assert_allclose(tangents[..., 0], 1, atol=1e-6)


def atlas(uvs: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    corners = place_corners(uvs, size)
    bands = bands_of(corners, size)
    face = np.empty((size, size), np.int32)
    weights = np.zeros((size, size, 3), np.float32)
    for band in range(len(bands.start) - 1):
        some = slice(band * BAND_ROWS, (band + 1) * BAND_ROWS)
        fill_atlas(corners, bands.start, bands.faces, band, face[some], weights[some])
    return face, weights


def test_every_texel_that_a_filter_reads_is_in_the_atlas() -> None:
    size = 150
    random = np.random.default_rng(1)
    uvs = (0.1 + 0.8 * random.random((6, 3, 2))).astype(np.float32)
    face, weights = atlas(uvs, size)
    shares = random.dirichlet([1, 1, 1], 4000)
    points = np.einsum("pk,fkc->fpc", shares, uvs).reshape(-1, 2)
    x, y = points[:, 0] * size - 0.5, (1 - points[:, 1]) * size - 0.5
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = np.floor(x).astype(int) + dx, np.floor(y).astype(int) + dy
            assert (face[row, column] >= 0).all()
    inside = face >= 0
    np.testing.assert_allclose(weights[inside].sum(axis=1), 1, atol=1e-5)
    assert weights[inside].min() >= 0


def test_a_texel_inside_has_its_own_point() -> None:
    uvs = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], np.float32)
    face, weights = atlas(uvs, 64)
    row, column = np.mgrid[:64, :64] + 0.5
    place = np.einsum("rck,rckd->rcd", weights, uvs[face])
    np.testing.assert_allclose(place[..., 0], column / 64, atol=1e-5)
    np.testing.assert_allclose(place[..., 1], 1 - row / 64, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (37, 91), (1, 5)])
def test_fill_continues_charts(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    known = np.zeros(shape, bool)
    known[:, : shape[1] // 2] = True
    pixels[known] = 200, 100, 50
    fill_unknown(pixels, known)
    assert (pixels == [200, 100, 50]).all()


def test_fill_mixes_and_leaves_the_known() -> None:
    pixels, known = np.zeros((32, 32, 1), np.uint8), np.zeros((32, 32), bool)
    pixels[:, 0], pixels[:, -1] = 100, 200
    known[:, [0, -1]] = True
    fill_unknown(pixels, known)
    assert pixels[known.nonzero()].min() == 100
    assert pixels.min() == 100
    assert pixels.max() == 200
    assert pixels[10, 3, 0] < 125
    assert pixels[10, 28, 0] > 175
    empty = np.zeros((4, 4, 3), np.uint8)
    fill_unknown(empty, np.zeros((4, 4), bool))
    assert not empty.any()


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ([255] * 5000, "opaque"),
        ([250] * 5000, "opaque"),
        ([255] * 9999 + [0], "opaque"),
        ([255] * 100 + [0] * 100, "mask"),
        ([255] * 100 + [0] * 95 + [128] * 5, "mask"),
        ([255] * 100 + [128] * 100, "blend"),
        ([231] * 100, "opaque"),  # a network's noise
        ([229] * 100, "blend"),
        ([], "opaque"),
    ],
)
def test_alpha_mode(values: list[int], mode: str) -> None:
    assert choose_alpha_mode(np.array(values, np.uint8)) == mode


def test_open_edges() -> None:
    assert not has_open_edges(BOX, BOX_FACES)
    assert has_open_edges(BOX, BOX_FACES[1:])
    assert not has_open_edges(BOX[BOX_FACES].reshape(-1, 3), np.arange(36).reshape(12, 3))
