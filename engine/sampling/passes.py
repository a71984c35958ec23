"""How the passes through a network come about that a sampler's step asks for.

Two things can be chosen, each a table: whether the two velocities of a guided step are one batch or
two passes (``GUIDANCE``), and whether a pass is launched kernel by kernel or recorded once and then
replayed (``STEPS``).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor

from engine.host.machine import Hardware
from engine.sampling.recorded import recorded
from engine.sampling.velocity import Asked, Passes, Velocity
from engine.sparse.backends import Backend, Registry, Verdict, probe_torch

ONE_BATCH, TWO_PASSES = "one batch", "two passes"
GRAPH, LAUNCHED = "graph", "launched"


@contextmanager
def stepping(
    passes: Passes,
    device: torch.device,
    *,
    guidance: Backend,
    recordable: bool = True,
    before_pass: Callable[[], None] = lambda: None,
) -> Iterator[Velocity]:
    """A velocity for ``sample``; what it keeps on the device is given back when the block ends.

    Args:
        guidance: of ``GUIDANCE``: how both velocities of a guided step are computed.
        recordable: whether the network's weights stay where they are, as a recording needs it.
        before_pass: called before each pass, never within a recording.
    """
    steps = STEPS.choose(device, torch.float32, None if recordable else LAUNCHED)
    with steps.run(passes) as run:

        def velocity(x: Tensor, t: float, asked: Asked) -> tuple[Tensor, ...]:
            found: tuple[Tensor, ...] = ()
            for part in guidance.run(asked):
                before_pass()
                found += run(x, t, part)
            return found

        yield velocity


@contextmanager
def _launched(passes: Passes) -> Iterator[Velocity]:
    yield lambda x, t, asked: passes(x, torch.full((1,), 1000 * t, device=x.device), asked)


def _graph(passes: Passes) -> AbstractContextManager[Velocity]:
    from engine.sampling.cuda_graph import CudaRecorder

    return recorded(passes, CudaRecorder)


def _probe_graph(hardware: Hardware) -> Verdict:
    if hardware.kind != "cuda":
        return Verdict(False, "needs an NVIDIA GPU")
    return Verdict(True, "a step is launched as one, not kernel by kernel")


def _probe_one_batch(hardware: Hardware) -> Verdict:
    if hardware.kind not in ("cuda", "rocm"):
        return Verdict(False, "for GPUs, which larger products keep busier")
    return Verdict(True, "half as many launches, and weights are read once for both")


GUIDANCE = Registry(
    "guided step",
    [
        Backend(
            ONE_BATCH, _probe_one_batch, lambda asked: [asked],
            where="CUDA and ROCm, where the plan has room for the work on two items",
            why="half as many launches, and weights are read, or streamed, once for both",
        ),
        Backend(
            TWO_PASSES, probe_torch, lambda asked: [(positive,) for positive in asked],
            where="everywhere else",
            why="half the memory; a CPU is hardly faster with one batch",
        ),
    ],
)  # fmt: skip
"""``run`` says which velocities are computed together, of those that are asked for."""

STEPS = Registry(
    "sampler step",
    [
        # Its logic is tested on the CPU; on a GPU nothing was recorded yet.
        Backend(
            GRAPH, _probe_graph, _graph, by_name=True,
            where="nowhere yet: only where it is asked for",
            why="one launch for a step",
        ),
        Backend(LAUNCHED, probe_torch, _launched, where="everywhere", why="needs nothing"),
    ],
)  # fmt: skip
"""``run`` makes of ``Passes`` a velocity, within a block."""
