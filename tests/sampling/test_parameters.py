"""Settings of the sampler: what is refused, and how pipeline.json is read."""

import math
from dataclasses import replace

import pytest

from engine.checkpoints.pipeline import sampler_params
from protocol.errors import EngineError
from protocol.samplers import SamplerParams, Sampling

SPEC = {
    "name": "FlowEulerGuidanceIntervalSampler",
    "args": {"sigma_min": 1e-5},
    "params": {
        "steps": 12,
        "guidance_strength": 7.5,
        "guidance_rescale": 0.7,
        "guidance_interval": [0.6, 1.0],
        "rescale_t": 5.0,
    },
}


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"steps": -3},
        {"steps": 2.5},
        {"steps": True},
        {"steps": "12"},
        {"guidance_strength": math.nan},
        {"guidance_strength": math.inf},
        {"guidance_strength": -1.0},
        {"guidance_strength": None},
        {"guidance_rescale": 1.5},
        {"guidance_rescale": -0.1},
        {"guidance_interval": (0.9, 0.6)},
        {"guidance_interval": (math.nan, 1.0)},
        {"guidance_interval": (0.0, 0.5, 1.0)},
        {"guidance_interval": 0.5},
        {"rescale_t": 0.0},
        {"rescale_t": -3.0},
        {"sigma_min": 1.0},
        {"sigma_min": -1e-5},
    ],
)
def test_bad_values_are_named(values):
    with pytest.raises(EngineError) as caught:
        SamplerParams(**values)
    assert caught.value.code == "sampler_parameter"
    assert next(iter(values)) in caught.value.message
    assert caught.value.hint.startswith("Give ")


def test_a_sampler_entry_is_read():
    params = sampler_params(SPEC)
    assert params == SamplerParams(
        steps=12,
        guidance_strength=7.5,
        guidance_rescale=0.7,
        guidance_interval=(0.6, 1.0),
        rescale_t=5.0,
        sigma_min=1e-5,
    )
    assert hash(params) == hash(sampler_params(SPEC))


def test_what_is_unknown_in_the_file_is_logged(caplog):
    spec = {**SPEC, "params": {**SPEC["params"], "verbose": True}}
    with caplog.at_level("INFO"):
        assert sampler_params(spec) == sampler_params(SPEC)
    assert "verbose" in caplog.text


def test_changes_of_a_job_leave_the_rest():
    params = sampler_params(SPEC)
    change = Sampling(steps=25, rescale_t=2.0).before(Sampling(steps=3))
    assert change.over(params) == replace(params, steps=3, rescale_t=2.0)
    assert Sampling().over(params) == params
    with pytest.raises(EngineError, match="steps"):
        Sampling(steps=0)


@pytest.mark.parametrize("name", ["DDIM", None])
def test_another_sampler_is_refused(name):
    with pytest.raises(EngineError) as caught:
        sampler_params({**SPEC, "name": name})
    assert caught.value.code == "sampler_unknown"


@pytest.mark.parametrize(
    "wrong",
    [
        {"rescale_t": 1e-17},
        {"rescale_t": 0},
        {"rescale_t": 1e300},
        {"steps": 10**30},
        {"guidance_strength": 10**400},
        {"guidance_strength": 10**5000},
        {"guidance_interval": (0.0, 10**400)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_sizes_that_no_float_or_patience_holds(wrong: dict):
    with pytest.raises(EngineError) as caught:
        SamplerParams(**wrong)
    assert caught.value.code == "sampler_parameter"
    assert len(caught.value.message) < 120
