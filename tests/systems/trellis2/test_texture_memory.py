"""Texturing where the shape encoder would not fit as a whole, and when memory runs out in it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.report import Report
from engine.residency.plan import Policy, planned_peak
from engine.systems.trellis2 import needs
from engine.systems.trellis2.names import SHAPE_ENCODER
from engine.systems.trellis2.routes import offer_of, texture_level
from engine.systems.trellis2.texture import texture
from protocol.jobs import TextureJob
from tests.finishing.shapes import box
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.test_memory import ENOUGH, FailingTimes
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models
from tests.tolerances import assert_same_maths


def texture_job() -> TextureJob:
    mesh = given(box((1.0, 0.75, 0.5)))
    return TextureJob(mesh=mesh, picture=given(picture()), resolution=128, seed=3)


def test_a_texture_is_the_same_with_its_mesh_encoded_in_slabs(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the least budget for networks in turns, which an encoder as a whole would not keep."""
    monkeypatch.setattr(needs, "ENCODER_BYTES", 1000)  # else the most would be DINOv3's
    trial = toy_models(toy, budget=ENOUGH)
    expected = texture(texture_job(), trial, Report(), INPUTS)
    assert expected.recipe["memory"]["encode_shape"]["slabs"] == [1] * 4
    level = texture_level(offer_of(trial), 128)
    uses = needs.needs_of_texturing(trial, level, 128, 16)
    weights = {use.name: trial.weights(use.name) for use in uses}
    budget = planned_peak(Policy.SINGLE, uses, weights, budget=0)
    encoding = next(use for use in uses if use.name == SHAPE_ENCODER)
    held = weights[SHAPE_ENCODER].whole
    assert held + encoding.least < budget < held + encoding.working_bytes

    models = toy_models(toy, budget=budget)
    asset = texture(texture_job(), models, Report(), INPUTS)
    encoded = asset.recipe["memory"]["encode_shape"]
    assert encoded["policy"] == str(Policy.SINGLE)
    assert max(encoded["slabs"]) > 1 and len(encoded["slabs"]) == 4
    assert models.peak_bytes <= budget
    for name in ("shape", "texture"):
        got, wanted = asset.latents[name], expected.latents[name]
        assert torch.equal(got.coords, wanted.coords)
        assert_same_maths(got.feats, wanted.feats, torch.float32)
    np.testing.assert_allclose(asset.voxels.materials, expected.voxels.materials, atol=2e-5)


def test_an_encoding_that_runs_out_of_memory_is_repeated_lower(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = texture(texture_job(), toy_models(toy), Report(), INPUTS)
    failing, models, report = FailingTimes(1), toy_models(toy, budget=ENOUGH), Report()
    failing.install(monkeypatch, models, "encode_shape")
    asset = texture(texture_job(), models, report, INPUTS)
    same_asset(asset, expected)
    assert failing.left == 0
    assert asset.recipe["memory"]["encode_shape"]["policy"] == str(Policy.SINGLE)
    assert any("Memory ran out" in note for note in report.notes)
