"""The sampler against closed forms and against a second, plain computation in float64."""

import math

import numpy as np
import pytest
import torch

from engine.sampling import dense_spread, guided_steps, sample, schedule, sparse_spread
from engine.sampling.velocity import Asked
from protocol.samplers import SamplerParams
from tests.sampling.alone import one_by_one


class Recorder:
    """A velocity that is a simple function of the state, and remembers how it was asked."""

    def __init__(self, positive_pull: float = 1.0, negative_pull: float = 0.3) -> None:
        self.pulls = {True: positive_pull, False: negative_pull}
        self.calls: list[tuple[float, bool]] = []

    def __call__(self, x: torch.Tensor, t: float, asked: Asked) -> tuple[torch.Tensor, ...]:
        self.calls += [(t, positive) for positive in asked]
        return tuple(self.pulls[positive] * torch.sin(x) + t for positive in asked)


def last(steps):
    return list(steps)[-1]


@pytest.mark.parametrize("steps", [1, 2, 5, 12, 25, 50, 99])
@pytest.mark.parametrize("rescale", [1.0, 3.0, 5.0, 0.5])
def test_schedule_is_the_linspace_of_numpy(steps, rescale):
    u = np.linspace(1, 0, steps + 1)
    assert schedule(steps, rescale) == (rescale * u / (1 + (rescale - 1) * u)).tolist()
    assert schedule(steps, rescale)[0] == 1.0
    assert schedule(steps, rescale)[-1] == 0.0


def test_the_published_schedule_guides_nine_of_twelve_steps():
    """t[8] is exactly 0.6; in single precision this guided step would get lost."""
    assert schedule(12, 3.0)[8] == 0.6
    velocity = Recorder()
    params = SamplerParams(
        steps=12, guidance_strength=7.5, guidance_interval=(0.6, 1.0), rescale_t=3.0
    )
    last(sample(velocity, torch.randn(1, 2, 3, 3, 3), params, spread=dense_spread))
    assert sum(positive for _, positive in velocity.calls) == 12
    guided = [t for t, positive in velocity.calls if not positive]
    assert len(guided) == guided_steps(params) == 9
    assert guided[-1] == 0.6


def test_the_interval_includes_both_ends():
    times = schedule(6, 3.0)
    velocity = Recorder()
    params = SamplerParams(
        steps=6, guidance_strength=2.0, guidance_interval=(times[4], times[2]), rescale_t=3.0
    )
    last(sample(velocity, torch.zeros(1, 4), params, spread=dense_spread))
    assert [t for t, positive in velocity.calls if not positive] == times[2:5]


def test_strength_one_asks_for_the_picture_only_and_zero_for_the_negative_only():
    for strength, expected in ((1.0, {True}), (0.0, {False})):
        velocity = Recorder()
        params = SamplerParams(steps=4, guidance_strength=strength, guidance_rescale=0.7)
        last(sample(velocity, torch.randn(2, 3), params, spread=dense_spread))
        assert {positive for _, positive in velocity.calls} == expected
        assert guided_steps(params) == 0
        assert len(velocity.calls) == 4


def test_outside_of_the_interval_strength_zero_still_follows_the_picture():
    velocity = Recorder()
    params = SamplerParams(steps=4, guidance_strength=0, guidance_interval=(0.9, 1.0))
    last(sample(velocity, torch.randn(2, 3), params, spread=dense_spread))
    assert [positive for _, positive in velocity.calls] == [False, True, True, True]


def test_a_straight_path_is_followed_exactly():
    """The velocity of the straight path from data to noise leads to the data in any schedule."""
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(2, 3, 4, 4, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(data.shape, generator=generator, dtype=torch.float64)
    params = SamplerParams(steps=7, guidance_strength=1.0, rescale_t=5.0, sigma_min=0.0)
    velocity = one_by_one(lambda x, t, positive: noise - data)
    steps = list(sample(velocity, noise, params, spread=dense_spread))
    for step in steps:
        torch.testing.assert_close(step.x_0, data, atol=1e-12, rtol=0)
        expected = (1 - step.t) * data + step.t * noise
        torch.testing.assert_close(step.x, expected, atol=1e-12, rtol=0)
    assert [step.index for step in steps] == list(range(7))
    assert (steps[-1].t, steps[-1].steps) == (0.0, 7)


def test_dense_spread_is_unbiased_and_per_item():
    x = torch.randn(3, 2, 2, 2, 2, generator=torch.Generator().manual_seed(5))
    expected = x.numpy().reshape(3, -1).std(axis=1, ddof=1)
    spread = dense_spread(x)
    assert spread.shape == (3, 1, 1, 1, 1)
    np.testing.assert_allclose(spread.numpy().ravel(), expected, rtol=1e-6)


def test_sparse_spread_is_biased_and_per_item():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(6))
    first, second = x[:2].numpy().std(), x[2:].numpy().std()
    spread = sparse_spread([0, 2, 5])(x)
    assert spread.shape == (5, 1)
    np.testing.assert_allclose(spread.numpy().ravel(), [first] * 2 + [second] * 3, rtol=1e-6)


def test_sparse_spread_of_equal_values_is_zero_and_not_nan():
    assert sparse_spread([0, 3])(torch.full((3, 2), 0.1)).tolist() == [[0.0]] * 3


def by_hand(x, t, v_positive, v_negative, params, items, ddof):
    """Guidance and rescale in numpy, float64, item by item."""
    s, strength, rescale = params.sigma_min, params.guidance_strength, params.guidance_rescale
    v = strength * v_positive + (1 - strength) * v_negative
    scale = s + (1 - s) * t
    out = np.empty_like(x)
    for rows in items:
        x_0, wanted = ((1 - s) * x[rows] - scale * w[rows] for w in (v, v_positive))
        brought_back = x_0 * wanted.std(ddof=ddof) / x_0.std(ddof=ddof)
        mixed = rescale * brought_back + (1 - rescale) * x_0
        out[rows] = ((1 - s) * x[rows] - mixed) / scale
    return out


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_rescale_works_on_each_batch_item_with_its_own_kind_of_deviation(kind):
    if kind == "dense":
        noise = torch.randn(3, 2, 2, 2, 2, generator=torch.Generator().manual_seed(2))
        spread, items, ddof = dense_spread, [slice(b, b + 1) for b in range(3)], 1
    else:
        noise = torch.randn(9, 3, generator=torch.Generator().manual_seed(2))
        spread, items, ddof = sparse_spread([0, 2, 9]), [slice(0, 2), slice(2, 9)], 0
    params = SamplerParams(steps=1, guidance_strength=4.0, guidance_rescale=0.6)
    velocity = Recorder()
    step = last(sample(velocity, noise.double(), params, spread=spread))
    x = noise.double().numpy()
    v = by_hand(x, 1.0, np.sin(x) + 1, 0.3 * np.sin(x) + 1, params, items, ddof)
    np.testing.assert_allclose(step.x.numpy(), x - v, atol=1e-12)


def test_a_batch_equals_its_items_one_by_one():
    noise = torch.randn(8, 3, generator=torch.Generator().manual_seed(3))
    params = SamplerParams(steps=5, guidance_strength=6.0, guidance_rescale=0.7)
    together = last(sample(Recorder(), noise, params, spread=sparse_spread([0, 3, 8]))).x
    for rows in (slice(0, 3), slice(3, 8)):
        length = rows.stop - rows.start
        alone = last(sample(Recorder(), noise[rows], params, spread=sparse_spread([0, length])))
        assert torch.equal(together[rows], alone.x)


def test_an_empty_batch_item_harms_nobody():
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(4))
    params = SamplerParams(steps=2, guidance_strength=6.0, guidance_rescale=0.7)
    with_empty = last(sample(Recorder(), noise, params, spread=sparse_spread([0, 0, 4]))).x
    without = last(sample(Recorder(), noise, params, spread=sparse_spread([0, 4]))).x
    assert torch.equal(with_empty, without)
    assert with_empty.isfinite().all()


def test_stopping_early_asks_for_no_further_velocity_and_leaves_the_noise_alone():
    velocity = Recorder()
    noise = torch.randn(2, 3)
    before = noise.clone()
    steps = sample(
        velocity, noise, SamplerParams(steps=9, guidance_strength=1.0), spread=dense_spread
    )
    assert velocity.calls == []
    next(steps)
    next(steps)
    steps.close()
    assert len(velocity.calls) == 2
    assert torch.equal(noise, before)
    with pytest.raises(StopIteration):
        next(steps)


def test_sampling_builds_no_graph_and_leaves_gradients_on_between_steps():
    weight = torch.ones(3, requires_grad=True)
    params = SamplerParams(steps=3, guidance_strength=1.0)
    velocity = one_by_one(lambda x, t, positive: weight * x)
    for step in sample(velocity, torch.ones(2, 3), params, spread=dense_spread):
        assert not step.x.requires_grad
        assert torch.is_grad_enabled()


def test_parameters_are_doubles_applied_to_single_precision():
    step = last(sample(Recorder(), torch.randn(2, 3), SamplerParams(steps=3), spread=dense_spread))
    assert step.x.dtype == torch.float32
    assert math.isfinite(step.x.sum().item())
