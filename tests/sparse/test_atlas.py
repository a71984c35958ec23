"""Triangles of texels in torch against what baking uses on the CPU."""

import numpy as np
import pytest
import torch

from engine.finishing.baking.atlas import BAND_ROWS, MARGIN, bands_of, fill_atlas
from engine.sparse.atlas import texels_of
from tests.sparse.triangles import an_atlas


def of_the_bake(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    bands = bands_of(corners, size)
    face = np.empty((size, size), np.int32)
    weights = np.zeros((size, size, 3), np.float32)
    for band in range(-(-size // BAND_ROWS)):
        some = slice(band * BAND_ROWS, (band + 1) * BAND_ROWS)
        fill_atlas(corners, bands.start, bands.faces, band, face[some], weights[some])
    return face, weights


@pytest.mark.parametrize("pairs", [1 << 22, 100])
def test_texels_are_those_of_the_bake(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.sparse.atlas.PAIRS", pairs)
    corners = an_atlas(90)
    got = texels_of(corners, 90, margin=MARGIN)
    face, weights = of_the_bake(corners.numpy(), 90)
    assert 0.1 < (face >= 0).mean() < 0.9
    assert torch.equal(got.face, torch.from_numpy(face))
    torch.testing.assert_close(got.weights, torch.from_numpy(weights), rtol=0, atol=1e-6)


def test_no_triangles() -> None:
    got = texels_of(torch.zeros(0, 3, 2, dtype=torch.float64), 4, margin=MARGIN)
    assert bool((got.face == -1).all()) and not got.weights.any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(F, 3, 2\) in float64"):
        texels_of(torch.zeros(1, 3, 2), 4, margin=MARGIN)
