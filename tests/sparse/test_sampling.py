"""Values of cells at points in torch against what baking uses on the CPU."""

import numpy as np
import pytest
import torch

from engine.finishing.baking.from_voxels import _VOXEL_RINGS, _nearest_voxels
from engine.ovoxel import sample_attributes
from engine.ovoxel.lookup import build_lookup
from engine.sparse.neighbours import sorted_cells
from engine.sparse.sampling import sample_cells
from tests.sparse.grids import random_coords


def a_cloud(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cells, six values and a one for each, points in and around them."""
    generator = torch.Generator().manual_seed(seed)
    coords = random_coords((60,), 9, seed=seed)
    feats = torch.cat([torch.rand(60, 6, generator=generator), torch.ones(60, 1)], dim=1)
    points = 12 * torch.rand(300, 3, generator=generator) - 1.5
    return coords, feats, points


def test_trilinear_means_are_those_of_the_bake() -> None:
    coords, feats, points = a_cloud()
    got = sample_cells(sorted_cells(coords), feats, points)
    known = sample_attributes(coords[:, 1:].numpy(), feats.numpy(), points.numpy())
    assert 50 < int((got[:, 6] > 0.5).sum()) < 250
    torch.testing.assert_close(got, torch.from_numpy(known), rtol=2e-5, atol=2e-6)


def test_nearest_voxels_are_those_of_the_bake() -> None:
    coords, feats, points = a_cloud(1)
    got = sample_cells(sorted_cells(coords), feats, points, reach=_VOXEL_RINGS)
    known = sample_attributes(coords[:, 1:].numpy(), feats.numpy(), points.numpy())
    lookup = build_lookup(coords[:, 1:].numpy())
    _nearest_voxels(lookup, feats.numpy(), points.numpy(), known)
    assert np.all(known[:, 6] > 0.5)
    torch.testing.assert_close(got, torch.from_numpy(known), rtol=2e-5, atol=2e-6)


def test_points_that_are_nowhere() -> None:
    coords, feats, _ = a_cloud()
    bad = torch.tensor([[float("nan"), 1, 1], [float("inf"), 1, 1], [1, -3e38, 1], [40, 1, 1]])
    assert bool((sample_cells(sorted_cells(coords), feats, bad, reach=2) == 0).all())


def test_no_cells_and_no_points() -> None:
    coords, feats, points = a_cloud()
    none = sorted_cells(coords[:0])
    assert sample_cells(none, feats[:0], points, reach=1).abs().sum() == 0
    assert sample_cells(sorted_cells(coords), feats, points[:0]).shape == (0, 7)


def test_what_does_not_fit_is_refused() -> None:
    coords, feats, points = a_cloud()
    with pytest.raises(ValueError, match=r"60 cells need values \(60, C\)"):
        sample_cells(sorted_cells(coords), feats[1:], points)
    with pytest.raises(ValueError, match=r"points must be \(P, 3\)"):
        sample_cells(sorted_cells(coords), feats, points.double())
