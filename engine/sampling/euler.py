"""Euler steps along the velocity of a flow-matching network, with guidance.

Follows the sampler of TRELLIS.2 number for number: times are double-precision Python floats
that are applied to the state in the state's own precision. The sampler knows nothing of
networks and conditions: it asks a function for velocities.
"""

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engine.sampling.reuse import reusing
from engine.sampling.spread import Spread
from engine.sampling.velocity import BOTH, NEGATIVE, POSITIVE, Asked, Velocity
from protocol.samplers import SamplerParams


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The state after one Euler step.

    Attributes:
        index: from 0; the last step is ``steps - 1``.
        steps: steps in all.
        t: time of ``x``, falling to exactly 0 with the last step.
        x: the state; after the last step it is the sample.
        x_0: where the state would end if the velocity did not change: a preview.
    """

    index: int
    steps: int
    t: float
    x: Tensor
    x_0: Tensor


def schedule(steps: int, rescale_t: float = 1.0) -> list[float]:
    """``steps + 1`` falling times from 1 to 0, in double precision.

    u falls evenly from 1 to 0 and t = r u / (1 + (r - 1) u). Double precision decides which
    steps are guided: with 12 steps and rescale 3, t[8] is 0.6 and lies in [0.6, 1].
    """
    # u comes from numpy's linspace in the reference: 1 + i * (-1 / steps), the end exact.
    evenly = [1.0 + i * (-1.0 / steps) for i in range(steps)] + [0.0]
    return [rescale_t * u / (1.0 + (rescale_t - 1.0) * u) for u in evenly]


@torch.no_grad()
def sample(
    velocity: Velocity, noise: Tensor, params: SamplerParams, *, spread: Spread
) -> Generator[Step, None, None]:
    """Walk from noise (t = 1) to a sample (t = 0), yielding after each step.

    Nothing is kept between steps but the state, and velocities where passes are saved. To cancel,
    stop iterating.

    Args:
        velocity: called once per step, for both velocities where guidance is on; not at steps that
            are saved.
        noise: the state at t = 1: dense (B, C, X, Y, Z) or sparse feats (N, C), float32.
        params: steps, schedule, guidance, and what is saved.
        spread: ``dense_spread`` or ``sparse_spread(offsets)``, matching the state.
    """
    x = noise
    times = schedule(params.steps, params.rescale_t)
    velocity = reusing(velocity, times, params)
    for index, (t, t_next) in enumerate(pairwise(times)):
        v = guided_velocity(velocity, x, t, params, spread)
        x_0 = _end_from_velocity(x, t, v, params.sigma_min)
        x = x - (t - t_next) * v
        yield Step(index, params.steps, t_next, x, x_0)


def asked_at(t: float, params: SamplerParams) -> Asked:
    """What a step at time ``t`` needs: both velocities only where guidance changes anything."""
    low, high = params.guidance_interval
    if params.guidance_strength == 1 or not low <= t <= high:
        return POSITIVE
    return NEGATIVE if params.guidance_strength == 0 else BOTH


def guided_steps(params: SamplerParams) -> int:
    """Steps that need both velocities."""
    times = schedule(params.steps, params.rescale_t)[:-1]
    return sum(asked_at(t, params) == BOTH for t in times)


def guided_velocity(
    velocity: Velocity, x: Tensor, t: float, params: SamplerParams, spread: Spread
) -> Tensor:
    """The velocity at (x, t) after guidance and rescale, shaped like ``x``.

    Guidance within an interval: Kynkäänniemi et al. 2024. Rescale: Lin et al. 2023, section 3.4,
    applied to the predicted end of the path.
    """
    asked = asked_at(t, params)
    if asked != BOTH:
        return velocity(x, t, asked)[0]
    positive, negative = velocity(x, t, BOTH)
    strength = params.guidance_strength
    v = strength * positive + (1 - strength) * negative
    if params.guidance_rescale > 0:
        x_0 = _end_from_velocity(x, t, v, params.sigma_min)
        x_0_positive = _end_from_velocity(x, t, positive, params.sigma_min)
        rescaled = x_0 * (spread(x_0_positive) / spread(x_0))
        x_0 = params.guidance_rescale * rescaled + (1 - params.guidance_rescale) * x_0
        v = _velocity_from_end(x, t, x_0, params.sigma_min)
    return v


def _end_from_velocity(x: Tensor, t: float, v: Tensor, sigma_min: float) -> Tensor:
    return (1 - sigma_min) * x - (sigma_min + (1 - sigma_min) * t) * v


def _velocity_from_end(x: Tensor, t: float, x_0: Tensor, sigma_min: float) -> Tensor:
    return ((1 - sigma_min) * x - x_0) / (sigma_min + (1 - sigma_min) * t)
