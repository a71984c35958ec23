"""Sampling of voxel values against the recorded ``grid_sample_3d``."""

from pathlib import Path

import numpy as np
import pytest

from engine.ovoxel.attributes import sample_attributes


@pytest.mark.parametrize("mode", ["trilinear", "nearest"])
def test_every_recorded_case(goldens: Path, mode):
    files = sorted((goldens / "grid_sample_3d").glob("*.npz"))
    if not files:
        pytest.skip(f"no grid_sample_3d case in {goldens}")
    for path in files:
        with np.load(path) as case:
            sampled = sample_attributes(case["coords"], case["feats"], case["query"], mode)
            scale = max(1.0, float(np.abs(case["feats"]).max()))
            np.testing.assert_allclose(
                sampled, case[f"out_{mode}"], rtol=0, atol=1e-6 * scale, err_msg=path.name
            )
            # Where nothing is near, zeros exactly.
            assert not sampled[case[f"count_{mode}"] == 0].any()
            if case["coords"][:, 0].max() == 0:
                plain = sample_attributes(
                    case["coords"][:, 1:], case["feats"], case["query"][0], mode
                )
                np.testing.assert_array_equal(plain, sampled[0])
