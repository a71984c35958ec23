"""Arithmetic: how much a flow network does, and how much the device can do."""

import time
from collections.abc import Callable
from typing import TypeVar

import torch

from engine.host.machine import synchronize
from engine.networks.dit import FlowConfig

Value = TypeVar("Value")

RATE_SECONDS = 0.4


def forward_flop(config: FlowConfig, tokens: int, context: int) -> int:
    """Multiplications and additions of one forward pass of a flow network, products only.

    Args:
        tokens: cells of the latent.
        context: number of image tokens; 0 for a picture of zeros, whose attention is a constant.
            Keys and values of the picture are counted by ``prepare_flop``.
    """
    width, hidden = config.model_channels, int(config.model_channels * config.mlp_ratio)
    projections = 2 * tokens * width * (3 * width + width + 2 * hidden)
    attention = 4 * tokens * tokens * width
    cross = 2 * tokens * width * 2 * width + 4 * tokens * context * width if context else 0
    ends = 2 * tokens * width * (config.in_channels + config.out_channels)
    return config.num_blocks * (projections + attention + cross) + ends


def prepare_flop(config: FlowConfig, context: int) -> int:
    """Keys and values of a picture for every block, once for a run."""
    return config.num_blocks * 2 * context * config.cond_channels * 2 * config.model_channels


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP per second of large square matrix products on the device, measured."""
    size = 1024 if device.type == "cpu" else 8192
    generator = torch.Generator(device).manual_seed(0)
    a, b = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in "ab")
    out = torch.empty_like(a)

    def multiply(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            torch.mm(a, b, out=out)
        synchronize(device)
        return time.perf_counter() - start

    multiply(2)
    once = multiply(1)
    times = max(1, int(RATE_SECONDS / max(once, 1e-6)))
    return 2 * size**3 * times / multiply(times)


def timed(device: torch.device, work: Callable[[], Value]) -> tuple[float, Value]:
    """Seconds until work is finished, and its result."""
    synchronize(device)
    start = time.perf_counter()
    value = work()
    synchronize(device)
    return time.perf_counter() - start, value
