"""Materials of voxels: where they come from, and what happens where they are missing."""

from dataclasses import replace

import numpy as np
import pytest

from engine.mesh import Material, Mesh, Texture
from engine.ovoxel import DualGrid, mesh_to_dual_grid, sample_materials
from protocol.errors import EngineError

SIZE = 16


def _square(**changes) -> Mesh:
    """A sheet at z = 0.03 (between grid lines) over most of the box, with UVs over it."""
    corners = np.array([[-0.4, -0.4], [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4]], np.float32)
    vertices = np.column_stack([corners, np.full(4, 0.03, np.float32)])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uvs = ((corners + 0.4) / 0.8)[faces].astype(np.float32)
    return replace(Mesh(vertices, faces, uvs=uvs), **changes)


def _grid(mesh: Mesh) -> DualGrid:
    return mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=SIZE)


def _values(mesh: Mesh, **options) -> np.ndarray:
    values = sample_materials(mesh, _grid(mesh), **options)
    assert values.dtype == np.float32
    assert ((values >= 0) & (values <= 1)).all()
    return values


def _centres(mesh: Mesh) -> np.ndarray:
    return (_grid(mesh).coords + 0.5) / SIZE - 0.5


def _constant(color: tuple[int, ...]) -> Texture:
    return Texture(np.full((4, 4, len(color)), color, np.uint8))


def test_default_material() -> None:
    values = _values(_square())
    assert len(values) > 100
    np.testing.assert_allclose(values, np.broadcast_to([1, 1, 1, 0, 1, 1], values.shape))


def test_factors() -> None:
    material = Material(
        base_color_factor=(0.1, 0.2, 0.3),
        alpha_factor=0.4,
        metallic_factor=0.5,
        roughness_factor=0.6,
        alpha_mode="blend",
    )
    values = _values(_square(materials=(material,)))
    np.testing.assert_allclose(
        values, np.broadcast_to([0.1, 0.2, 0.3, 0.5, 0.6, 0.4], values.shape), atol=1e-6
    )


def test_textures_are_multiplied_by_factors() -> None:
    material = Material(
        base_color_factor=(0.5, 1.0, 0.25),
        alpha_factor=0.5,
        metallic_factor=0.5,
        roughness_factor=0.8,
        alpha_mode="blend",
        base_color_texture=_constant((200, 100, 40, 102)),
        metallic_roughness_texture=_constant((255, 51, 204)),
    )
    values = _values(_square(materials=(material,)))
    expected = np.array([100, 100, 10, 102, 51 * 0.8, 51]) / 255
    np.testing.assert_allclose(values, np.broadcast_to(expected, values.shape), atol=1e-5)


def test_picture_lies_where_its_uvs_say() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0], pixels[0, 1] = (255, 0, 0), (0, 255, 0)  # top left red, top right green
    pixels[1, 0], pixels[1, 1] = (0, 0, 255), (255, 255, 0)  # bottom left blue, right yellow
    mesh = _square(materials=(Material(base_color_texture=Texture(pixels, filter="nearest")),))
    values, centres = _values(mesh), _centres(mesh)
    for right, up, color in (
        (0, 1, (1, 0, 0)),
        (1, 1, (0, 1, 0)),
        (0, 0, (0, 0, 1)),
        (1, 0, (1, 1, 0)),
    ):
        inner = np.abs(centres[:, :2]).min(axis=1) > 1 / SIZE
        inner &= np.abs(centres[:, :2]).max(axis=1) < 0.4
        here = inner & ((centres[:, 0] > 0) == right) & ((centres[:, 1] > 0) == up)
        assert here.sum() >= 16
        np.testing.assert_array_equal(values[here, :3], np.broadcast_to(color, (here.sum(), 3)))


def test_texture_without_uvs_leaves_the_factors() -> None:
    material = Material(
        base_color_factor=(0.5, 0.25, 1.0), base_color_texture=_constant((10, 20, 30))
    )
    values = _values(_square(materials=(material,), uvs=None))
    np.testing.assert_allclose(values[:, :3], np.broadcast_to([0.5, 0.25, 1.0], (len(values), 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_uvs_that_are_no_numbers(bad: float) -> None:
    mesh = _square(materials=(Material(base_color_texture=_constant((100, 50, 25))),))
    assert mesh.uvs is not None
    uvs = mesh.uvs.copy()
    uvs[0, 1] = bad
    values = _values(replace(mesh, uvs=uvs))
    np.testing.assert_allclose(values[:, 0], 100 / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "alpha", "expected"),
    [
        ("opaque", 0.2, 1.0),
        ("blend", 0.2, 0.2),
        ("mask", 0.2, 0.0),
        ("mask", 0.5, 1.0),
        ("mask", 0.6, 1.0),
    ],
)
def test_alpha_modes(mode, alpha: float, expected: float) -> None:
    values = _values(_square(materials=(Material(alpha_mode=mode, alpha_factor=alpha),)))
    np.testing.assert_allclose(values[:, 5], expected, atol=1e-6)


def test_cutoff_of_masks() -> None:
    holes = np.full((8, 8, 4), 255, np.uint8)
    holes[:, :4, 3] = 100
    for cutoff, left in ((0.3, 1.0), (0.5, 0.0)):
        material = Material(
            alpha_mode="mask",
            alpha_cutoff=cutoff,
            base_color_texture=Texture(holes, filter="nearest"),
        )
        mesh = _square(materials=(material,))
        values, x = _values(mesh), _centres(mesh)[:, 0]
        middle = np.abs(x) < 0.35
        assert (values[(x < -1 / SIZE) & middle, 5] == left).all()
        assert (values[(x > 1 / SIZE) & middle, 5] == 1).all()


def test_vertex_colors_are_interpolated_and_tint() -> None:
    # Red grows along x, green along y, alpha along x; a plane, so both triangles agree.
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    colors = np.column_stack([unit, np.ones(4), unit[:, 0]]).astype(np.float32)
    material = Material(base_color_factor=(0.5, 1.0, 0.25), alpha_mode="blend", alpha_factor=0.5)
    mesh = _square(colors=colors, materials=(material,))
    values = _values(mesh)
    place = np.clip((_centres(mesh)[:, :2] + 0.4) / 0.8, 0, 1)
    np.testing.assert_allclose(values[:, 0], 0.5 * place[:, 0], atol=1e-5)
    np.testing.assert_allclose(values[:, 1], place[:, 1], atol=1e-5)
    np.testing.assert_allclose(values[:, 2], 0.25, atol=1e-6)
    np.testing.assert_allclose(values[:, 5], 0.5 * place[:, 0], atol=1e-5)


def test_metallic_and_roughness_of_vertices() -> None:
    each = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    mesh = _square(
        metallic_roughness=each, materials=(Material(metallic_factor=0.5, roughness_factor=0.5),)
    )
    values, place = _values(mesh), np.clip((_centres(mesh)[:, :2] + 0.4) / 0.8, 0, 1)
    np.testing.assert_allclose(values[:, 3], place[:, 0], atol=1e-5)
    np.testing.assert_allclose(values[:, 4], 1 - place[:, 1], atol=1e-5)


def test_each_face_has_its_material() -> None:
    """Two sheets above each other, of different materials: no voxel has both."""
    low, high = _square(), _square()
    vertices = np.concatenate([low.vertices, high.vertices + np.array([0, 0, 0.25], np.float32)])
    mesh = Mesh(
        vertices,
        np.concatenate([low.faces, high.faces + 4]),
        materials=(
            Material(base_color_factor=(1, 0, 0)),
            Material(base_color_factor=(0.5, 0.5, 0.5)),
            Material(base_color_factor=(0, 0, 1), metallic_factor=1.0),
        ),
        face_material=np.array([0, 0, 2, 2], np.int32),
    )
    values, z = _values(mesh), _centres(mesh)[:, 2]
    np.testing.assert_array_equal(values[z < 0.15][:, [0, 2, 3]], [[1, 0, 0]] * (z < 0.15).sum())
    np.testing.assert_array_equal(values[z > 0.15][:, [0, 2, 3]], [[0, 1, 1]] * (z > 0.15).sum())


def test_voxels_that_two_materials_share_take_the_mean() -> None:
    mesh = _square(
        uvs=None,
        materials=(Material(base_color_factor=(1, 0, 0)), Material(base_color_factor=(0, 0, 1))),
        face_material=np.array([0, 1], np.int32),
    )
    values, centres = _values(mesh), _centres(mesh)
    on_diagonal = np.abs(centres[:, 0] - centres[:, 1]) < 1e-6
    on_diagonal &= np.abs(centres[:, 0]) < 0.35  # at the ends one edge alone is crossed
    np.testing.assert_allclose(values[on_diagonal][:, [0, 2]], 0.5, atol=0.02)
    np.testing.assert_allclose(values[:, 0] + values[:, 2], 1, atol=1e-5)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    mesh = _square(materials=(Material(base_color_texture=Texture(pixels), alpha_mode="blend"),))
    grid = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=70)
    one = sample_materials(mesh, grid, threads=1)
    assert one.tobytes() == sample_materials(mesh, grid, threads=threads).tobytes()


def test_grid_of_another_mesh() -> None:
    mesh = _square()
    other = replace(mesh, vertices=mesh.vertices + np.array([0, 0, 0.2], np.float32))
    with pytest.raises(EngineError) as error:
        sample_materials(other, _grid(mesh))
    assert error.value.code == "grid_mismatch"


def test_empty_grid() -> None:
    mesh = _square()
    tiny = replace(mesh, vertices=mesh.vertices / 1000)
    grid = _grid(replace(tiny, vertices=tiny.vertices + np.float32(0.03)))
    assert len(grid.coords) == 0
    assert sample_materials(tiny, grid).shape == (0, 6)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"uvs": np.zeros((2, 3, 3), np.float32)}, "mesh_shape"),
        ({"uvs": np.zeros((1, 3, 2), np.float32)}, "mesh_shape"),
        ({"colors": np.zeros((4, 3), np.float32)}, "mesh_shape"),
        ({"metallic_roughness": np.zeros((3, 2), np.float32)}, "mesh_shape"),
        ({"face_material": np.array([0, 1], np.int32)}, "mesh_material"),
        ({"face_material": np.array([0, -1], np.int32)}, "mesh_material"),
        ({"face_material": np.array([0], np.int32)}, "mesh_material"),
        (
            {"materials": (Material(base_color_texture=Texture(np.zeros((4, 4), np.uint8))),)},
            "texture",
        ),
    ],
)
def test_meshes_that_do_not_fit(changes: dict, code: str) -> None:
    mesh = _square()
    with pytest.raises(EngineError) as error:
        sample_materials(replace(mesh, **changes), _grid(mesh))
    assert error.value.code == code


def test_progress_can_stop() -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    mesh = _square()
    with pytest.raises(Stop):
        sample_materials(mesh, _grid(mesh), on_progress=stop)
