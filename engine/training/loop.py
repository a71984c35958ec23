"""The training loop: batches to gradients to weights, saved as it goes, exact when it resumes."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from engine.training.config import TrainConfig
from engine.training.logbook import Logbook
from engine.training.optimiser import (
    GradientClipper,
    MovingAverage,
    bf16_pays,
    learning_rate,
    mean_of_logs,
    parameter_groups,
    set_rate,
    sum_over_ranks,
)
from engine.training.saved import load_state, save_state, saved_states
from engine.training.tasks.task import Task
from protocol.errors import EngineError

STATES = "states"


@dataclass(frozen=True)
class Ranks:
    """Processes that train together: which one this is, of how many."""

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> "Ranks":
        """Those of torch.distributed, if it was set up."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()


def train(
    task: Task,
    config: TrainConfig,
    folder: Path,
    *,
    device: torch.device,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, log: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Tensor]:
    """Train, or resume from the folder's newest state.

    Stopped at any step and resumed, it computes the same bits as without the stop, on the
    same machine with the same number of threads. Several ranks share the batches of a step.

    Args:
        task: what is trained; its networks have their first weights.
        config: how.
        folder: gets states/, log.jsonl and what TensorBoard reads.
        device: of the networks.
        on_step: told the number of steps done and the step's log.
        stop: asked after every step; the state is saved and the training ends.

    Returns:
        The moving average of the weights, by "network.tensor".

    Raises:
        EngineError: ``train_not_finite`` for a loss that is not a number, with step and batch;
            ``train_state`` and ``train_state_other`` for a state that does not fit; ``unwritable``
            and ``disk_full`` when a state cannot be written: the one before it is still there.
    """
    trainer = _Trainer(task, config, folder, device)
    states = saved_states(folder / STATES)
    if states:
        trainer.restore(load_state(states[-1], config, device))
    logbook = Logbook(folder, trainer.step) if trainer.ranks.rank == 0 else None
    with contextlib.closing(logbook) if logbook else contextlib.nullcontext():
        while trainer.step < config.steps:
            log = trainer.advance()
            on_step(trainer.step, log)
            stopping = stop()
            last = stopping or trainer.step == config.steps
            if logbook:
                _write_down(trainer, logbook, log, last=last)
            if stopping:
                break
    if trainer.ranks.count > 1 and trainer.step == config.steps:
        # The first rank still writes; one that leaves before it can end both.
        dist.barrier()
    return trainer.average.values


class _Trainer:
    """Everything that changes while training."""

    def __init__(self, task: Task, config: TrainConfig, folder: Path, device: torch.device) -> None:
        self.task, self.config, self.folder, self.device = task, config, folder, device
        self.ranks = Ranks.current()
        self.parameters = [p for p in task.networks.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            parameter_groups(task.networks, config.lr, config.lr_times_inputs),
            lr=config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.bf16 = config.bf16 and bf16_pays(device)
        self.clipper = GradientClipper(config.max_grad_norm)
        self.average = MovingAverage(task.networks, config.ema)
        self.step = 0

    def advance(self) -> dict[str, float]:
        """One step; gives its log, that of this rank's batches."""
        config, start = self.config, time.perf_counter()
        self.optimiser.zero_grad(set_to_none=True)
        mine = range(self.ranks.rank, config.batches_per_step, self.ranks.count)
        logs = [self._backward(number) for number in mine]
        if self.ranks.count > 1:
            sum_over_ranks(self.parameters)
        norm = self.clipper(self.parameters)
        rate = learning_rate(config, self.step)
        set_rate(self.optimiser, rate)
        self.optimiser.step()
        self.step += 1
        self.average.update(self.task.networks, self.step)
        seconds = time.perf_counter() - start
        return {**mean_of_logs(logs), "grad_norm": norm, "lr": rate, "seconds": seconds}

    def _backward(self, number: int) -> dict[str, float]:
        """Add the gradient of a step's batch ``number``."""
        seeds = (self.config.seed, self.step, number)
        random = np.random.default_rng(seeds)
        generator = torch.Generator().manual_seed(int(random.integers(1 << 62)))
        batch = self.task.batch(random)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss, parts = self.task.loss(batch, generator)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise EngineError(
                "train_not_finite",
                f"The loss is {value} at step {self.step} on {self.task.describe(batch)}.",
                "Nothing was changed by it. Look at that batch, or begin again with a lower lr.",
            )
        (loss / self.config.batches_per_step).backward()
        return {"loss": value, **parts}

    def state(self) -> dict[str, Any]:
        return {
            "config": self.config.as_json(),
            "step": self.step,
            "networks": self.task.networks.state_dict(),
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
            "norms": self.clipper.norms,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.task.networks.load_state_dict(state["networks"])
        self.average.values = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.clipper.norms = state["norms"]


def _write_down(trainer: _Trainer, logbook: Logbook, log: dict[str, float], *, last: bool) -> None:
    step, config = trainer.step, trainer.config

    def due(every: int) -> bool:
        return last or (every > 0 and step % every == 0)

    if due(config.log_every):
        logbook.numbers(step, log)
    if config.picture_every and due(config.picture_every):
        random = np.random.default_rng((config.seed, step))
        logbook.pictures(step, trainer.task.pictures(random))
    if due(config.save_every):
        save_state(trainer.folder / STATES, trainer.state())
