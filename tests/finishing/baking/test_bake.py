"""Baked textures look like the voxels they come from."""

from dataclasses import replace

import numpy as np
import pytest

from engine.finishing.baking.bake import bake
from engine.mesh import Mesh
from engine.render.camera import orbit
from engine.render.picture import Picture, render
from protocol.errors import EngineError
from tests.finishing.baking.scenes import (
    Scene,
    bright_ball,
    in_charts,
    lantern,
    uv_sphere,
    voxel_source,
    voxelised,
)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(1 / np.mean((a.astype(np.float64) - b) ** 2)))


def compare(scene: Scene, mesh: Mesh, azimuth: float) -> tuple[Picture, Picture, np.ndarray]:
    camera = orbit(azimuth, 20, radius=0.6)
    pictures = [render(m, camera, width=256, samples=4) for m in (scene.voxels.surface(), mesh)]
    both = (pictures[0].mask == 1) & (pictures[1].mask == 1)
    return pictures[0], pictures[1], both


@pytest.mark.parametrize(("make", "size"), [(lantern, 1024), (bright_ball, 512)])
def test_render_equals_that_of_the_voxels(make, size: int) -> None:
    scene = make()
    baked = bake(scene.low, voxel_source(scene.voxels), size=size)
    assert baked.lost == 0
    for azimuth in (30, 200):
        voxels, textured, both = compare(scene, baked.mesh, azimuth)
        assert both.mean() > 0.1
        assert psnr(voxels.rgba[both] / 255, textured.rgba[both] / 255) >= 35
        assert psnr(voxels.base_color[both], textured.base_color[both]) >= 35
        assert psnr(voxels.metallic[both], textured.metallic[both]) >= 35
        assert psnr(voxels.roughness[both], textured.roughness[both]) >= 35


def test_no_texel_of_the_background_at_any_mip_level() -> None:
    scene = bright_ball()
    materials = scene.voxels.materials.copy()
    materials[:, :5] = 0.6 + 0.4 * materials[:, :5]
    baked = bake(scene.low, voxel_source(replace(scene.voxels, materials=materials)), size=256)
    assert 0.5 < in_charts(baked.mesh, 256).mean() < 0.7  # there is a background
    (material,) = baked.mesh.materials
    for texture, channels in (
        (material.base_color_texture, slice(0, 3)),
        (material.metallic_roughness_texture, slice(1, 3)),
    ):
        assert texture is not None
        level = texture.pixels[..., channels].astype(np.float64)
        least = 0.6 * 255 - 1
        while len(level) > 1:
            assert level.min() >= least
            level = level.reshape(len(level) // 2, 2, len(level) // 2, 2, -1).mean(axis=(1, 3))
        assert level.min() >= least


def test_does_not_depend_on_threads() -> None:
    scene = bright_ball()
    one, two = (
        bake(scene.low, voxel_source(scene.voxels), size=256, normal_map=True, threads=n)
        for n in (1, 3)
    )
    for name in ("base_color_texture", "metallic_roughness_texture", "normal_texture"):
        a, b = getattr(one.mesh.materials[0], name), getattr(two.mesh.materials[0], name)
        np.testing.assert_array_equal(a.pixels, b.pixels)


def test_orm_and_opaque() -> None:
    scene = bright_ball()
    materials = scene.voxels.materials.copy()
    materials[:, 3:5] = 0.2, 0.8
    materials[:, 5] = 0.99  # noise of a network is no glass
    baked = bake(scene.low, voxel_source(replace(scene.voxels, materials=materials)), size=128)
    (material,) = baked.mesh.materials
    assert (baked.alpha_mode, material.alpha_mode) == ("opaque", "opaque")
    assert material.base_color_texture is not None
    assert material.base_color_texture.pixels.shape == (128, 128, 3)
    assert material.metallic_roughness_texture is not None
    orm = material.metallic_roughness_texture.pixels
    np.testing.assert_array_equal(orm[in_charts(baked.mesh, 128)].min(axis=0), [255, 204, 51])
    np.testing.assert_array_equal(orm[in_charts(baked.mesh, 128)].max(axis=0), [255, 204, 51])
    assert not material.double_sided
    assert (material.metallic_factor, material.roughness_factor) == (1.0, 1.0)


def test_only_see_through_faces_are_blended() -> None:
    scene = bright_ball()
    materials = scene.voxels.materials.copy()
    materials[scene.voxels.grid.coords[:, 2] > 60, 5] = 0.4
    baked = bake(scene.low, voxel_source(replace(scene.voxels, materials=materials)), size=256)
    assert baked.alpha_mode == "blend"
    assert [m.alpha_mode for m in baked.mesh.materials] == ["opaque", "blend"]
    assert baked.mesh.face_material is not None
    heights = baked.mesh.vertices[baked.mesh.faces][..., 2].mean(axis=1)
    assert heights[baked.mesh.face_material == 1].min() > 0.05
    assert heights[baked.mesh.face_material == 0].max() < 0.2


def test_leaves_are_cut_out() -> None:
    scene = bright_ball()
    materials = scene.voxels.materials.copy()
    materials[:, 5] = scene.voxels.grid.coords[:, 2] < 60
    assert (
        bake(
            scene.low, voxel_source(replace(scene.voxels, materials=materials)), size=256
        ).alpha_mode
        == "mask"
    )


def test_normal_map_brings_detail_back() -> None:
    """A bumpy ball on a smooth one: normals of the picture are nearer to the truth with the map."""
    detail = uv_sphere(120, 240)
    bumps = 1 + 0.02 * np.sin(25 * detail.vertices).prod(axis=1, keepdims=True)
    low = uv_sphere(24, 48)
    bumpy = replace(detail, vertices=(detail.vertices * bumps).astype(np.float32), uvs=None)
    scene = voxelised(bumpy, low, 128)
    baked = bake(low, voxel_source(scene.voxels), size=512, normal_map=True)
    truth, mapped, both = compare(scene, baked.mesh, 30)
    _, plain, _ = compare(scene, replace(baked.mesh, materials=()), 30)

    def degrees(picture: Picture) -> float:
        dots = (picture.normal[both] * truth.normal[both]).sum(axis=1)
        return float(np.degrees(np.arccos(dots.clip(-1, 1))).mean())

    assert degrees(mapped) < 0.4 * degrees(plain)
    assert degrees(mapped) < 4


@pytest.mark.parametrize("size", [0, -5, 32768])
def test_impossible_texture_sizes(size: int) -> None:
    scene = bright_ball()
    with pytest.raises(EngineError, match="is not possible") as caught:
        bake(scene.low, voxel_source(scene.voxels), size=size)
    assert caught.value.code == "texture_size"


def test_bad_meshes() -> None:
    scene = bright_ball()
    low = scene.low
    assert low.uvs is not None
    broken = low.vertices.copy()
    broken[3, 1] = np.nan
    for mesh, code in [
        (replace(low, uvs=np.zeros_like(low.uvs)), "uvs_flat"),
        (replace(low, uvs=None), "uvs_missing"),
        (replace(low, uvs=low.uvs + 1), "uvs_outside"),
        (replace(low, uvs=low.uvs * np.nan), "uvs_outside"),
        (replace(low, faces=low.faces[:0], uvs=low.uvs[:0]), "mesh_empty"),
        (replace(low, vertices=broken), "mesh_broken"),
        (replace(low, faces=low.faces + 10**6), "mesh_broken"),
    ]:
        with pytest.raises(EngineError) as caught:
            bake(mesh, voxel_source(scene.voxels), size=64)
        assert caught.value.code == code


def test_far_from_the_voxels_is_padding() -> None:
    """A mesh that has nothing to do with the voxels: said, not crashed."""
    scene = bright_ball()
    away = replace(scene.low, vertices=scene.low.vertices + np.float32(40))
    baked = bake(away, voxel_source(scene.voxels), size=64)
    assert baked.lost >= in_charts(away, 64).sum() > 0
