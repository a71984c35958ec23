"""Passes that are saved: which, what they are told, and what they cost."""

import pytest
import torch

from engine.sampling import dense_spread, sample, schedule
from protocol.errors import EngineError
from protocol.samplers import SamplerParams, Sampling
from tests.sampling.alone import one_by_one
from tests.sampling.test_euler import Recorder, last


def params(**changes: object) -> SamplerParams:
    return Sampling(**changes).over(SamplerParams(steps=12, guidance_strength=1.0))  # pyright: ignore


@pytest.mark.parametrize(
    ("steps", "after", "saved"),
    [
        (12, None, []), (12, 6, [6, 8, 10]), (12, 4, [4, 6, 8, 10]), (11, 4, [4, 6, 8]),
        (25, 20, [20, 22]), (6, 4, [4]), (5, 4, []), (3, 2, []), (4, 2, [2]), (1, 6, []),
    ],
)  # fmt: skip
def test_the_first_and_the_last_are_always_computed(steps: int, after: int | None, saved: list):
    chosen = params(steps=steps, reuse_after=after)
    assert list(chosen.saved_steps) == saved
    velocity = Recorder()
    walked = list(sample(velocity, torch.randn(2, 3), chosen, spread=dense_spread))
    assert len(walked) == steps
    times = schedule(steps)[:-1]
    computed = [t for index, t in enumerate(times) if index not in saved]
    assert [t for t, _ in velocity.calls] == computed


def test_a_forecast_goes_half_of_the_way_along_the_line():
    chosen = params(steps=4, reuse_after=2, rescale_t=3.0, sigma_min=0.0)
    x = torch.zeros(1, 4, dtype=torch.float64)
    times = schedule(4, 3.0)
    steps = list(sample(one_by_one(lambda x, t, _: x * 0 + t**2), x, chosen, spread=dense_spread))
    slope = (times[1] ** 2 - times[0] ** 2) / (times[1] - times[0])
    told = times[1] ** 2 + 0.5 * slope * (times[2] - times[1])
    moved = steps[1].x - steps[2].x
    torch.testing.assert_close(moved, torch.full_like(moved, told * (times[2] - times[3])))


def test_a_straight_path_is_followed_exactly():
    data, noise = torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    chosen = params(steps=9, reuse_after=2, sigma_min=0.0)
    velocity = one_by_one(lambda x, t, _: noise - data)
    end = last(sample(velocity, noise, chosen, spread=dense_spread)).x
    torch.testing.assert_close(end, data, atol=1e-12, rtol=0)


def test_guidance_that_ends_at_a_saved_step_is_not_carried_on():
    """The picture alone is followed from step 8 on, whose velocity is forecast of the picture's."""
    times = schedule(12, 3.0)
    chosen = params(
        reuse_after=4, guidance_strength=7.5, guidance_interval=(times[7], 1.0), rescale_t=3.0
    )
    pulls = {True: 1.0, False: -5.0}
    velocity = Recorder(pulls[True], pulls[False])
    steps = list(sample(velocity, torch.zeros(1, 2), chosen, spread=dense_spread))
    assert [t for t, positive in velocity.calls if not positive] == [
        times[index] for index in (0, 1, 2, 3, 5, 7)
    ]
    v = (steps[7].x - steps[8].x) / (times[8] - times[9])
    # sin of the state is at most 1, guided velocities here are far larger.
    assert float(v.abs().max()) < 3


def test_memory_that_is_used_again_does_no_harm():
    """As the outputs of a recorded graph."""
    place = torch.empty(1, 3)

    def velocity(x: torch.Tensor, t: float, positive: bool) -> torch.Tensor:
        return place.copy_(torch.cos(3 * x) + t)

    chosen = params(reuse_after=2)
    start = torch.randn(1, 3)
    got = last(sample(one_by_one(velocity), start, chosen, spread=dense_spread)).x

    def fresh(x: torch.Tensor, t: float, positive: bool) -> torch.Tensor:
        return velocity(x, t, positive).clone()

    assert torch.equal(got, last(sample(one_by_one(fresh), start, chosen, spread=dense_spread)).x)


@pytest.mark.parametrize("wrong", [0, 1, -3, 2.0, True, 1001, "6"])
def test_other_numbers_are_refused(wrong: object):
    with pytest.raises(EngineError, match="reuse_after") as caught:
        SamplerParams(reuse_after=wrong)  # pyright: ignore[reportArgumentType]
    assert caught.value.code == "sampler_parameter"
