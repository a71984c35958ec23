"""What the parts ask of a card, with a stand-in on the CPU so that they can be rehearsed there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from engine.assets.asset import Asset
from engine.bench.work import timed
from engine.host.machine import synchronize
from engine.report import Report
from engine.residency.models import Models
from engine.residency.plan import Policy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FLOAT32 = (torch.float32, torch.float32)
COPIED = 1 << 31
"""Bytes of the copy that is timed; far more than any cache holds."""


def copy_rate(device: torch.device) -> float:
    """Bytes read and written per second by copies on the device."""
    size = COPIED if device.type == "cuda" else COPIED >> 5
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    seconds, _ = timed(device, lambda: [target.copy_(source) for _ in range(10)])
    return 2 * 10 * size / seconds


def upload_rate(device: torch.device) -> float:
    """Bytes per second from pinned host memory to the device, as streamed weights come."""
    source = torch.ones(COPIED >> 3, dtype=torch.uint8)
    if device.type == "cuda":
        source = source.pin_memory()
    target = torch.empty_like(source, device=device)
    target.copy_(source)
    seconds, _ = timed(device, lambda: [target.copy_(source, non_blocking=True) for _ in range(5)])
    return 5 * source.nbytes / seconds


def small_models(device: str, dtypes: tuple[torch.dtype, torch.dtype] = FLOAT32) -> Models:
    """The model that ships, as the engine opens it; by default in float32."""
    from engine import embedded
    from engine.systems.opening import load_checkpoint

    checkpoint = load_checkpoint(str(embedded.FOLDER), offline=True)
    return Models(checkpoint, device=device, dtypes=dtypes)


def generated(
    models: Models, picture: str, report: Report | None = None, *, few: bool = False
) -> tuple[Asset, float]:
    """An asset of one of the examples from seed 0, and the seconds that it took.

    Args:
        few: the coarse type in few steps, for rehearsals.
    """
    from engine.systems.trellis2.generate import generate
    from protocol.jobs import GenerateJob
    from protocol.references import File
    from protocol.samplers import Sampling

    job = GenerateJob(
        picture=File(str(EXAMPLES / f"{picture}.png")),
        type="64" if few else None,
        samplers={"structure": Sampling(steps=4)} if few else {},
        seed=0,
    )
    begin = time.perf_counter()
    asset = generate(job, models, report or Report())
    synchronize(models.device)
    return asset, time.perf_counter() - begin


def overlap(one: Any, other: Any) -> float:
    """Cells (N, 3) that both have, as a share of those that one of them has."""
    a, b = ({row.tobytes() for row in np.asarray(cells, np.int32)} for cells in (one, other))
    return len(a & b) / max(1, len(a | b))


def forget(device: torch.device) -> None:
    """Give everything unused back, the work spaces of libraries too, and begin the peaks anew."""
    if device.type == "cuda":
        synchronize(device)
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def allocated(device: torch.device) -> int:
    """Bytes of the device in use by tensors; 0 on a CPU."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def most_reserved(device: torch.device) -> int:
    """Most bytes that torch had of the device since ``forget``; 0 on a CPU."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


@contextmanager
def capped(device: torch.device, models: Models, most: int) -> Iterator[None]:
    """Inside the block torch gets no more than ``most`` bytes of the device, which no plan knows.

    On a CPU, where there is no such bound: the first network that is asked for while all may stay
    finds no room.
    """
    if device.type == "cuda":
        forget(device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(most / total, device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
            forget(device)
        return
    place = models._place

    def refuse(*args: Any, **more: Any) -> Any:
        if models.policy is Policy.RESIDENT:
            raise torch.OutOfMemoryError("rehearsed")
        return place(*args, **more)

    with mock.patch.object(models, "_place", refuse):
        yield


def profiled(device: torch.device, work: Any, most: int = 12) -> tuple[float, list[dict[str, Any]]]:
    """Where the time of ``work()`` goes.

    Returns:
        Seconds by the clock, and the kernels (on a CPU: operations) that took most, each with
        "name", "calls", "seconds" and its "share" of all of them.
    """
    from torch.profiler import ProfilerActivity, profile

    on_card = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_card else ProfilerActivity.CPU]) as found:
        seconds, _ = timed(device, work)
    lines = [
        (each.key, each.count, each.self_device_time_total if on_card else each.self_cpu_time_total)
        for each in found.key_averages()
    ]
    total = sum(micro for _, _, micro in lines) or 1
    lines.sort(key=lambda line: -line[2])
    top = [
        {"name": name[:100], "calls": calls, "seconds": micro / 1e6, "share": micro / total}
        for name, calls, micro in lines[:most]
    ]
    return seconds, [{"name": "all", "calls": sum(line[1] for line in lines),
                      "seconds": total / 1e6, "share": 1.0}, *top]  # fmt: skip
