"""Materials of voxels, against what the reference recorded."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.mesh import Material, Mesh, Texture
from engine.ovoxel import DualGrid, mesh_to_dual_grid, sample_materials
from engine.ovoxel.grid import Aabb

FILTERS = ("nearest", "linear")
WRAPS = ("repeat", "clamp", "mirror")
ALPHA_MODES = ("opaque", "mask", "blend")


def _material(recorded: dict, index: int) -> Material:
    def get(name: str) -> np.ndarray:
        return recorded[f"in.{name}.{index}"]

    def picture(name: str) -> np.ndarray | None:
        return recorded.get(f"in.{name}_texture.{index}")

    def texture(pixels, name):
        return Texture(
            pixels,
            filter=FILTERS[int(get(f"{name}_filter"))],
            wrap=WRAPS[int(get(f"{name}_wrap"))],
        )

    base, alpha = picture("base_color"), picture("alpha")
    metallic, roughness = picture("metallic"), picture("roughness")
    base_texture = metallic_roughness = None
    present = base if base is not None else alpha
    if present is not None:
        shape = present.shape[:2]
        pixels = np.full((*shape, 4), 255, np.uint8)
        if base is not None:
            pixels[..., :3] = base
        if alpha is not None:
            pixels[..., 3] = alpha
        base_texture = texture(pixels, "base_color")
    present = metallic if metallic is not None else roughness
    if present is not None:
        shape = present.shape
        pixels = np.full((*shape, 3), 255, np.uint8)
        if roughness is not None:
            pixels[..., 1] = roughness
        if metallic is not None:
            pixels[..., 2] = metallic
        metallic_roughness = texture(pixels, "metallic")
    red, green, blue = (float(v) for v in get("base_color_factor")[:3])
    return Material(
        base_color_factor=(red, green, blue),
        alpha_factor=float(get("alpha_factor")),
        metallic_factor=float(get("metallic_factor")),
        roughness_factor=float(get("roughness_factor")),
        alpha_mode=ALPHA_MODES[int(get("alpha_mode"))],
        alpha_cutoff=float(get("alpha_cutoff")),
        base_color_texture=base_texture,
        metallic_roughness_texture=metallic_roughness,
    )


def _box(recorded: dict) -> Aabb:
    x, y, z = (float(v) for v in recorded["in.voxel_size"] * recorded["in.grid_range"][1])
    return (0.0, 0.0, 0.0), (x, y, z)


def _files(goldens):
    files = sorted((goldens / "mesh_to_pbr_voxels").glob("*.safetensors"))
    if not files:
        pytest.skip(f"no mesh_to_pbr_voxels case in {goldens}")
    return files


def test_materials(goldens):
    for file in _files(goldens):
        recorded = load_file(file)
        triangles = recorded["in.triangles"]
        ids = recorded["in.material_ids"].astype(np.int32)
        coords = recorded["out.coords"].astype(np.int32)
        grid_size = int(recorded["in.grid_range"][1, 0])
        grid = DualGrid(
            coords,
            np.full(coords.shape, 0.5, np.float32),
            np.zeros(coords.shape, bool),
            grid_size,
            aabb=_box(recorded),
        )
        mesh = Mesh(
            vertices=triangles.reshape(-1, 3),
            faces=np.arange(triangles.shape[0] * 3, dtype=np.int32).reshape(-1, 3),
            uvs=recorded["in.uvs"],
            materials=tuple(_material(recorded, i) for i in range(ids.max() + 1)),
            face_material=ids,
        )
        values = sample_materials(mesh, grid, mip_offset=float(recorded["in.mip_level_offset"]))
        expected = np.column_stack(
            [recorded[f"out.{name}"] for name in ("base_color", "metallic", "roughness", "alpha")]
        )
        error = np.abs(values - expected.clip(0, 1))
        assert error.max() <= 1 / 255, f"{file.name}: off by {error.max(axis=0) * 255} of 255"


def test_every_active_voxel_of_the_reference_is_on_the_mesh(goldens):
    """The grid that we make from the same triangles has exactly the recorded voxels."""
    for file in _files(goldens):
        recorded = load_file(file)
        grid_size = int(recorded["in.grid_range"][1, 0])
        vertices = recorded["in.triangles"].reshape(-1, 3)
        grid = mesh_to_dual_grid(
            vertices,
            np.arange(len(vertices), dtype=np.int32).reshape(-1, 3),
            grid_size=grid_size,
            aabb=_box(recorded),
        )
        np.testing.assert_array_equal(grid.coords, recorded["out.coords"], err_msg=file.name)
