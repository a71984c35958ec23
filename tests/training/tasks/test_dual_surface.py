"""Surfaces of O-Voxels with gradients: the quads are those of extraction."""

import numpy as np
import pytest
import torch

from engine.ovoxel import DualGrid, dual_grid_to_mesh
from engine.training.tasks.dual_surface import (
    SMALLEST_PRODUCT,
    Frame,
    Surface,
    quads_of,
    split_softly,
    true_faces,
)
from tests.training.shapes import shape_mesh, voxels_of


def ball():
    mesh = shape_mesh(0)
    return voxels_of(mesh.vertices, mesh.faces, 16, 0.5)


def test_quads_are_cut_as_the_weights_say():
    voxels = ball()
    quads = quads_of(voxels.coords, voxels.intersected)
    weights = np.random.default_rng(0).uniform(0.1, 2, len(voxels.coords)).astype(np.float32)
    grid = DualGrid(voxels.coords.astype(np.int32), voxels.dual(), voxels.intersected, 16)
    expected = dual_grid_to_mesh(grid, weights).faces.reshape(-1, 6)
    along_02 = weights[quads[:, 0]] * weights[quads[:, 2]]
    first = along_02 > weights[quads[:, 1]] * weights[quads[:, 3]]
    cut = np.where(first[:, None], quads[:, [0, 1, 2, 0, 2, 3]], quads[:, [0, 1, 3, 3, 1, 2]])
    assert 0 < first.sum() < len(first)
    assert np.array_equal(cut, expected)


def test_the_centre_of_a_quad_moves_to_the_heavier_diagonal():
    vertices = torch.tensor([[0, 0, 0], [1, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=torch.float64)
    quads = torch.tensor([[0, 1, 2, 3]])
    for weights, height in (([1, 1, 1, 1], 0.5), ([3, 1, 1, 1], 0.25), ([1, 2, 1, 4], 8 / 9)):
        split = torch.tensor(weights, dtype=torch.float64)[:, None]
        surface = split_softly(vertices, split, quads)
        assert surface.vertices[4].tolist() == pytest.approx([0.5, 0.5, height])
    assert surface.faces.tolist() == [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
    vanished = split_softly(vertices, torch.zeros(4, 1, dtype=torch.float64), quads)
    assert SMALLEST_PRODUCT > 0 and vanished.vertices[4].tolist() == [0.5, 0.5, 0.5]


def test_the_gradient_of_the_split_is_that_of_differences():
    random = torch.Generator().manual_seed(0)
    vertices = torch.rand(4, 3, generator=random, dtype=torch.float64, requires_grad=True)
    split = torch.rand(4, 1, generator=random, dtype=torch.float64).add(0.5).requires_grad_()
    quads = torch.tensor([[0, 1, 2, 3]])
    assert torch.autograd.gradcheck(lambda v, w: split_softly(v, w, quads).vertices,
                                    (vertices, split))  # fmt: skip


def test_winding_is_that_of_extraction():
    voxels = ball()
    coords, dual = torch.from_numpy(voxels.coords.astype(np.int64)), torch.from_numpy(voxels.dual())
    place = Frame((0, 0, 0), 16).place(coords, dual)
    quads = torch.from_numpy(quads_of(voxels.coords, voxels.intersected))
    soft = split_softly(place, torch.ones(len(coords), 1), quads)
    hard = Surface(place, torch.from_numpy(
        true_faces(voxels.coords, voxels.dual(), voxels.intersected)))  # fmt: skip

    def areas(surface: Surface) -> torch.Tensor:
        a, b, c = surface.vertices[surface.faces].unbind(1)
        return torch.linalg.cross(b - a, c - a)

    one = areas(soft).reshape(4, len(quads), 3).sum(0)
    assert torch.allclose(one, areas(hard).reshape(-1, 2, 3).sum(1), atol=1e-6)


def test_a_frame_holds_all_voxels_in_its_middle():
    coords = np.array([(4, 10, 3), (7, 10, 12)], np.uint16)
    frame = Frame.around(coords)
    assert frame == Frame((1, 6, 3), 10)
    at = frame.place(torch.from_numpy(coords.astype(np.int64)), torch.full((2, 3), 0.5))
    assert torch.allclose(at[0], torch.tensor([-0.15, -0.05, -0.45]))
    assert at.abs().max() < 0.5


def test_edges_have_one_number_from_both_sides():
    surface = Surface(torch.zeros(4, 3), torch.tensor([[0, 1, 2], [2, 1, 3]]))
    assert surface.edges[0, 1] == surface.edges[1, 0]
    assert len(surface.edges.unique()) == 5
