"""Running a plan: seconds, memory, and whether what came out is finite.

Networks are moved to the device as the plan's policy says. Making their weights is not counted, nor
is one first pass of each flow, in which libraries choose their kernels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.bench.plan import Plan, Stage
from engine.bench.work import timed
from engine.host.machine import ram_in_use
from engine.residency import memory
from engine.residency.models import Models


@dataclass(frozen=True)
class Measured:
    """A stage that was run.

    Attributes:
        seconds: wall clock.
        planned: bytes that were made room for: weights on the device and working memory.
        peak: bytes: on CUDA the most that was allocated during the stage, weights included;
            elsewhere the most that the process grew since before the first stage; None if it cannot
            be told.
        finite: whether everything that came out is.
    """

    stage: Stage
    seconds: float
    planned: int
    peak: int | None
    finite: bool


@torch.inference_mode()
def run_plan(plan: Plan) -> Iterator[Measured]:
    """Run the stages, yielding after each; the networks are released at the end."""
    before = None if plan.request.device.type == "cuda" else ram_in_use()
    for stage in plan.stages:
        yield _measure(stage, plan.models, before)
    plan.models.release()


def _measure(stage: Stage, models: Models, before: int | None) -> Measured:
    device = models.device
    memory.return_unused(device)
    models.peak_bytes = 0
    with models.on_device(stage.network, stage.working()) as network:
        stage.warm_up(network)
        memory.reset_peak(device)
        seconds, result = timed(device, lambda: stage.run(network))
        peak = memory.peak_bytes(device)
    if device.type != "cuda":
        peak = None if peak is None or before is None else max(0, peak - before)
    finite = not isinstance(result, Tensor) or bool(result.isfinite().all())
    return Measured(stage, seconds, models.peak_bytes, peak, finite)
