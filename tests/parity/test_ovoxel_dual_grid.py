"""Mesh to O-Voxels and back, against what the reference recorded."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.ovoxel import DualGrid, dual_grid_to_mesh, mesh_to_dual_grid
from tests.parity.recorded import cases, need_tensors, sorted_faces

# Options of the further dual vertices that the smallest grids were recorded with.
VARIANTS = {
    "dual_vertices": {},
    "dual_vertices_nobound": {"boundary_weight": 0.0},
    "dual_vertices_nofacew": {"face_weight": 0.0},
    "dual_vertices_b1_r01": {"boundary_weight": 1.0, "regularization_weight": 0.1},
}


def _cases(goldens: Path):
    files = sorted((goldens / "mesh_to_ovoxel").glob("*/grid*.npz"))
    if not files:
        pytest.skip("the goldens hold no mesh_to_ovoxel/*/grid*.npz")
    for file in files:
        grid_size = int(file.stem.removeprefix("grid"))
        yield f"{file.parent.name} {grid_size}", grid_size, dict(np.load(file))


def _assert_same_vertices(name: str, actual: np.ndarray, recorded: np.ndarray) -> None:
    """Nearly all dual vertices agree; the reference's ties in float32 may fall otherwise."""
    error = np.abs(actual - recorded).max(axis=1)
    assert (error <= 3e-3).mean() >= 0.99, f"{name}: {(error > 3e-3).mean():.2%} off by 3e-3"
    assert (error > 0.01).mean() < 0.006, f"{name}: {(error > 0.01).mean():.2%} off by 0.01"


def test_voxels_flags_and_dual_vertices(goldens):
    for name, grid_size, recorded in _cases(goldens):
        for variant, options in VARIANTS.items():
            if variant not in recorded:
                continue
            grid = mesh_to_dual_grid(
                recorded["vertices"], recorded["faces"], grid_size=grid_size, **options
            )
            np.testing.assert_array_equal(grid.coords, recorded["voxel_indices"], err_msg=name)
            np.testing.assert_array_equal(grid.intersected, recorded["intersected"], err_msg=name)
            # Recorded as places in the unit box, not as fractions of a voxel.
            fraction = recorded[variant].astype(np.float64) * grid_size - grid.coords
            _assert_same_vertices(f"{name} {variant}", grid.dual_vertices, fraction)


@pytest.mark.parametrize("split", ["mesh_faces_split_weight", "mesh_faces_split_none"])
def test_faces(goldens, split):
    for name, grid_size, recorded in _cases(goldens):
        if split not in recorded:
            continue
        coords = recorded["voxel_indices"].astype(np.int32)
        fraction = recorded["dual_vertices"].astype(np.float64) * grid_size - coords
        grid = DualGrid(coords, fraction.astype(np.float32), recorded["intersected"], grid_size)
        if split == "mesh_faces_split_weight":
            mesh = dual_grid_to_mesh(grid, recorded["split_weight"])
        else:
            mesh = dual_grid_to_mesh(grid, diagonals="first")
        np.testing.assert_array_equal(
            sorted_faces(mesh.faces), sorted_faces(recorded[split]), err_msg=name
        )
        np.testing.assert_allclose(mesh.vertices, recorded["mesh_vertices"], atol=2e-7)


@pytest.mark.parametrize("name", cases("shape_vae*/io*.safetensors"))
def test_faces_of_decoded_shapes(goldens, name):
    """Meshes that the reference's shape decoder made, with its learned split weights."""
    recorded = load_file(goldens / name)
    parts = ("dec_coords", "dual_vertex_fraction", "intersected", "quad_lerp", "mesh0_faces")
    need_tensors(recorded, *(f"out.{part}" for part in parts))
    coords = recorded["out.dec_coords"]
    grid_size = 1 << int(coords[:, 1:].max()).bit_length()  # faces do not depend on it
    for item in range(coords[:, 0].max() + 1):
        if f"out.mesh{item}_faces" not in recorded:
            continue
        rows = np.flatnonzero(coords[:, 0] == item)
        rows = rows[np.lexsort(coords[rows, 1:].T[::-1])]
        grid = DualGrid(
            coords[rows, 1:],
            recorded["out.dual_vertex_fraction"][rows],
            recorded["out.intersected"][rows],
            grid_size,
        )
        mesh = dual_grid_to_mesh(grid, recorded["out.quad_lerp"][rows])
        # The recorded mesh numbers vertices in the decoder's row order.
        own = np.flatnonzero(coords[:, 0] == item)
        number = np.empty(len(rows), np.int32)
        number[:] = np.searchsorted(own, rows)
        np.testing.assert_array_equal(
            sorted_faces(number[mesh.faces]), sorted_faces(recorded[f"out.mesh{item}_faces"])
        )
