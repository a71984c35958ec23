"""Coarser grids and the pyramid of subdivisions."""

import numpy as np
import pytest
import torch
import trimesh

from engine.ovoxel import DualGrid, mesh_to_dual_grid
from engine.ovoxel.pyramid import subdivision_pyramid
from engine.sparse.topology import Topology
from protocol.errors import EngineError


def _grid(grid_size: int = 32) -> DualGrid:
    """A tilted torus beside a loose triangle, inside the box."""
    torus = trimesh.creation.torus(0.25, 0.1, major_sections=24, minor_sections=12)
    torus.apply_transform(trimesh.transformations.euler_matrix(0.4, 0.3, 0.2))
    loose = np.array([[-0.45, -0.44, -0.43], [0.41, -0.45, 0.3], [-0.2, 0.46, 0.45]])
    vertices = np.concatenate([np.asarray(torus.vertices), loose])
    faces = np.concatenate([np.asarray(torus.faces), len(torus.vertices) + np.arange(3)[None]])
    return mesh_to_dual_grid(vertices, faces, grid_size=grid_size)


def _cells(coords: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(v) for v in row) for row in coords}


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_downsample_cell_by_cell(factor: int) -> None:
    fine = _grid()
    coarse = fine.downsample(factor)
    held: dict[tuple[int, ...], list[np.ndarray]] = {}
    flags: set[tuple[tuple[int, ...], int]] = set()
    for coord, dual, intersected in zip(
        fine.coords, fine.dual_vertices, fine.intersected, strict=True
    ):
        parent = tuple(int(v) // factor for v in coord)
        held.setdefault(parent, []).append((coord + dual.astype(float)) / factor - parent)
        for axis in np.flatnonzero(intersected):
            # Both grid lines that the fine edge lies on have to be lines of the coarse grid.
            lines = [(int(coord[i]) + 1) % factor for i in range(3) if i != axis]
            if lines == [0, 0]:
                flags.add((parent, int(axis)))
    assert coarse.grid_size == fine.grid_size // factor
    assert coarse.aabb == fine.aabb
    assert (coarse.coords.dtype, coarse.dual_vertices.dtype) == (np.int32, np.float32)
    assert [tuple(row) for row in coarse.coords.tolist()] == sorted(held)
    expected = np.array([np.mean(held[cell], axis=0) for cell in sorted(held)])
    np.testing.assert_allclose(coarse.dual_vertices, expected, atol=1e-6)
    found = {
        (tuple(int(v) for v in coarse.coords[row]), int(axis))
        for row, axis in np.argwhere(coarse.intersected)
    }
    assert found == flags


@pytest.mark.parametrize("factor", [2, 4])
def test_flags_are_those_of_a_coarse_conversion(factor: int) -> None:
    coarse, direct = _grid(32).downsample(factor), _grid(32 // factor)
    rows = {cell: row for row, cell in enumerate(map(tuple, coarse.coords.tolist()))}
    assert _cells(direct.coords) <= rows.keys()
    shared = [rows[tuple(cell)] for cell in direct.coords.tolist()]
    np.testing.assert_array_equal(coarse.intersected[shared], direct.intersected)
    others = np.setdiff1d(np.arange(len(coarse.coords)), shared)
    assert not coarse.intersected[others].any()


def test_what_crosses_no_coarse_edge_stays() -> None:
    """A speck between the lines of the coarse grid keeps its voxels, without flags."""
    speck = np.array([[-0.03, -0.03, 0.01], [0.05, -0.03, 0.01], [-0.03, 0.05, 0.01]]) + 0.125
    faces = np.array([[0, 1, 2]])
    fine = mesh_to_dual_grid(speck, faces, grid_size=32)
    assert fine.intersected.any()
    assert len(mesh_to_dual_grid(speck, faces, grid_size=4).coords) == 0
    coarse = fine.downsample(8)
    np.testing.assert_array_equal(coarse.coords, [[2, 2, 2]])
    assert not coarse.intersected.any()


def test_twice_by_two_is_once_by_four() -> None:
    twice, once = _grid().downsample(2).downsample(2), _grid().downsample(4)
    np.testing.assert_array_equal(twice.coords, once.coords)
    np.testing.assert_array_equal(twice.intersected, once.intersected)


def test_far_corner_stays_inside() -> None:
    coords = np.array([[3, 3, 3]], np.int32)
    fine = DualGrid(coords, np.ones((1, 3), np.float32), np.ones((1, 3), bool), 4)
    coarse = fine.downsample(4)
    np.testing.assert_array_equal(coarse.dual_vertices, [[1, 1, 1]])
    np.testing.assert_array_equal(coarse.intersected, [[True, True, True]])


def test_empty_grid() -> None:
    nothing = DualGrid(
        np.empty((0, 3), np.int32), np.empty((0, 3), np.float32), np.empty((0, 3), bool), 8
    )
    coarse = nothing.downsample(2)
    assert coarse.coords.shape == coarse.dual_vertices.shape == coarse.intersected.shape == (0, 3)
    levels = subdivision_pyramid(nothing.coords, 2)
    assert [level.children.shape for level in levels] == [(0, 8), (0, 8)]


@pytest.mark.parametrize("factor", [0, -2, 3, 6, 64, 2.0, True, "2"])
def test_impossible_factors(factor) -> None:
    with pytest.raises(EngineError) as error:
        _grid(32).downsample(factor)
    assert error.value.code == "factor"


def test_factor_that_does_not_divide() -> None:
    with pytest.raises(EngineError, match="20 cells per axis cannot be made 8 times"):
        _grid(20).downsample(8)
    assert _grid(20).downsample(4).grid_size == 5


def test_pyramid_is_that_of_the_networks() -> None:
    grid = _grid(37)
    levels = subdivision_pyramid(grid.coords, 4)
    batch = torch.zeros(len(grid.coords), 1, dtype=torch.int32)
    topology = Topology(torch.cat([batch, torch.from_numpy(grid.coords)], dim=1))
    for level in levels:
        subdivision = topology.coarsen()
        np.testing.assert_array_equal(level.coords, subdivision.parents.coords[:, 1:].numpy())
        np.testing.assert_array_equal(level.children, subdivision.mask.numpy())
        again = subdivision.parents.subdivide(torch.from_numpy(level.children)).children
        assert _cells(again.coords[:, 1:].numpy()) == _cells(topology.coords[:, 1:].numpy())
        topology = subdivision.parents


def test_pyramid_slots_and_order() -> None:
    """One voxel of a shuffled list, traced by hand: slot = x + 2 y + 4 z."""
    coords = np.array([[5, 2, 7], [4, 3, 7], [0, 0, 1]], np.int32)
    (half, quarter) = subdivision_pyramid(coords, 2)
    np.testing.assert_array_equal(half.coords, [[0, 0, 0], [2, 1, 3]])
    assert half.coords.dtype == np.int32
    np.testing.assert_array_equal(np.argwhere(half.children), [[0, 4], [1, 5], [1, 6]])
    np.testing.assert_array_equal(quarter.coords, [[0, 0, 0], [1, 0, 1]])
    np.testing.assert_array_equal(np.argwhere(quarter.children), [[0, 0], [1, 6]])


def test_pyramid_agrees_with_downsample() -> None:
    grid = _grid(32)
    for power, level in enumerate(subdivision_pyramid(grid.coords, 5), start=1):
        np.testing.assert_array_equal(level.coords, grid.downsample(2**power).coords)


@pytest.mark.parametrize("levels", [-1, 1.5, True])
def test_impossible_levels(levels) -> None:
    with pytest.raises(EngineError):
        subdivision_pyramid(np.zeros((1, 3), np.int32), levels)


@pytest.mark.parametrize(
    "coords", [np.zeros((1, 3)), np.zeros((1, 4), np.int32), np.array([[0, -1, 0]])]
)
def test_coords_that_are_none(coords: np.ndarray) -> None:
    with pytest.raises(EngineError):
        subdivision_pyramid(coords, 1)
