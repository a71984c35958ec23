"""What saved passes cost on the recorded flows: final latents against those of every step.

Bounds are a little above what was measured (docs/decisions/0069-fast-mode.md).
"""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import torch
from torch import Tensor

from engine.sampling import Spread, Velocity, sample
from engine.sampling.velocity import Asked
from engine.systems.trellis2.names import REUSE_AFTER
from protocol.samplers import SamplerParams
from tests.parity.recorded import cases
from tests.parity.test_sampler import Case

STEPS = 12
"""As the published checkpoint; the recordings have 6, of which nothing would be saved."""
STAGES = {
    "sampler_dense": "structure",
    "sampler_sparse": "shape",
    "sampler_sparse_concat": "texture",
}
BOUND = 0.11
FEWER = {6: 10, 4: 9}
"""Steps after which passes are saved -> how many steps take at least as many passes."""


def walked(
    velocity: Velocity, spread: Spread, noise: Tensor, params: SamplerParams
) -> tuple[Tensor, int]:
    """The sample, and how many passes it took."""
    passes = 0

    def counted(x: Tensor, t: float, asked: Asked) -> tuple[Tensor, ...]:
        nonlocal passes
        passes += len(asked)
        return velocity(x, t, asked)

    *_, end = sample(counted, noise, params, spread=spread)
    return end.x, passes


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("name", cases("sampler_*"))
@torch.inference_mode()
def test_the_error_is_small_and_less_than_of_fewer_steps(goldens: Path, name: str):
    case, after = Case(goldens / name), REUSE_AFTER[STAGES[name]]
    velocity, spread = case.velocity()
    noise = case.io["in.noise"]
    errors: list[tuple[float, float]] = []
    for given in case.sets:
        params = replace(case.params(given), steps=STEPS)
        if params.guidance_strength == 0:
            continue  # The picture is not even looked at.
        every, all_passes = walked(velocity, spread, noise, params)
        fast, passes = walked(velocity, spread, noise, replace(params, reuse_after=after))
        less, more_passes = walked(velocity, spread, noise, replace(params, steps=FEWER[after]))
        error, of_fewer = relative(fast, every), relative(less, every)
        assert 0.01 < error < BOUND
        assert passes < more_passes and 0.2 < 1 - passes / all_passes < 0.4
        errors.append((error, of_fewer))
    assert mean(error for error, _ in errors) < mean(of_fewer for _, of_fewer in errors)
