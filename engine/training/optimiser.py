"""What happens between a gradient and new weights."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.host.machine import working_dtypes
from engine.training.config import TrainConfig

RECENT = 1000
PERCENTILE = 0.95
SLOW_AT_BF16 = frozenset({"DEFAULT", "NO AVX", "AVX2"})


def parameter_groups(
    networks: nn.ModuleDict, lr: float, lr_times_inputs: float | None
) -> list[dict[str, Any]]:
    """The trainable parameters by how fast they learn, for an optimiser.

    Adam changes every weight by about the same step, so that what a layer puts out changes the
    faster the more inputs it has: a 3x3x3 kernel over 64 channels has 1,728. Rates that fall with
    the number of inputs make up for that (muP, arXiv:2203.03466, table 3).

    Args:
        lr: of vectors, and at most of everything.
        lr_times_inputs: the rate of a weight matrix or kernel times the inputs of one output; None:
            everything learns at ``lr``.

    Returns:
        Groups with ``params`` and their ``share`` of ``lr``, the fastest first.
    """
    shares: dict[float, list[nn.Parameter]] = {}
    for parameter in networks.parameters():
        if parameter.requires_grad:
            share = 1.0
            if lr_times_inputs is not None and parameter.ndim > 1:
                share = min(1.0, lr_times_inputs / parameter[0].numel() / lr)
            shares.setdefault(share, []).append(parameter)
    return [{"params": shares[share], "share": share} for share in sorted(shares, reverse=True)]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Let every group of ``parameter_groups`` learn at its share of a rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


class GradientClipper:
    """Shortens gradients that are long for this training (adaptive gradient clipping of TRELLIS).

    The limit is the given one, or the 95th percentile of the last 1,000 lengths where that is
    shorter: outliers are cut before they can do harm, whatever the usual length is.
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm
        self.norms: list[float] = []

    def __call__(self, parameters: Iterable[nn.Parameter]) -> float:
        """Shorten in place; gives the length before that."""
        limit = self.max_norm
        if len(self.norms) >= RECENT // 10:
            recent = torch.tensor(self.norms, dtype=torch.float64)
            limit = min(limit, float(recent.quantile(PERCENTILE)))
        norm = float(nn.utils.clip_grad_norm_(parameters, limit))
        if math.isfinite(norm):
            self.norms = [*self.norms, norm][-RECENT:]
        return norm


class MovingAverage:
    """Exponential moving average of weights, short at first so that the start is forgotten."""

    def __init__(self, networks: nn.ModuleDict, decay: float) -> None:
        self.decay = decay
        self.values = {
            name: value.detach().clone() for name, value in networks.state_dict().items()
        }

    @torch.no_grad()
    def update(self, networks: nn.ModuleDict, step: int) -> None:
        """After step number ``step``, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in networks.state_dict().items():
            average = self.values[name]
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)


def bf16_pays(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster than in float32: not where they are emulated.

    On CPUs with AVX2 alone they take ten times as long (6 against 60 GFLOP/s on one core).
    """
    if device.type == "cpu":
        return torch.backends.cpu.get_cpu_capability() not in SLOW_AT_BF16
    return device.type != "cuda" or working_dtypes(device)[0] == torch.bfloat16


def learning_rate(config: TrainConfig, step: int) -> float:
    """Of step number ``step``, counted from 0."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    along = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    falling = 0.5 + 0.5 * math.cos(math.pi * min(1.0, along))
    return config.lr * (config.final_lr + (1 - config.final_lr) * falling)


def sum_over_ranks(parameters: Iterable[nn.Parameter]) -> None:
    """Add up the gradients of all ranks, in place; a parameter without one counts as zeros."""
    gradients: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def mean_of_logs(logs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every entry, over the logs that have it."""
    names = dict.fromkeys(name for log in logs for name in log)
    return {
        name: sum(found) / len(found)
        for name in names
        if (found := [log[name] for log in logs if name in log])
    }
