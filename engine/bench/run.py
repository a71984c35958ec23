"""Running a plan: seconds, memory, and whether what came out is finite.

One network at a time is on the device, as on small cards. Making its weights is not counted, nor
is one first pass of each flow, in which libraries choose their kernels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.bench.networks import random_network
from engine.bench.plan import Plan, Request, Stage
from engine.bench.work import timed
from engine.doctor.machine import peak_ram


@dataclass(frozen=True)
class Measured:
    """A stage that was run.

    Attributes:
        seconds: wall clock.
        peak: bytes: on CUDA the most that was allocated during the stage, weights included;
            elsewhere the most memory that the process has had so far; None if it cannot be told.
        finite: whether everything that came out is.
    """

    stage: Stage
    seconds: float
    peak: int | None
    finite: bool


@torch.inference_mode()
def run_plan(plan: Plan) -> Iterator[Measured]:
    """Run the stages, one network at a time, yielding after each."""
    for number, stage in enumerate(plan.stages):
        yield _measure(stage, plan.request, seed=number)


def _measure(stage: Stage, request: Request, *, seed: int) -> Measured:
    device = request.device
    name, args = request.reduction.args(stage.network)
    dtype = request.decoder_dtype if stage.flop is None else request.flow_dtype
    if device.type == "cuda":
        torch.cuda.empty_cache()
    network = random_network(name, args, device=device, torso_dtype=dtype, seed=seed)
    stage.warm_up(network)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds, result = timed(device, lambda: stage.run(network))
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_ram()
    finite = not isinstance(result, Tensor) or bool(result.isfinite().all())
    return Measured(stage, seconds, peak, finite)
