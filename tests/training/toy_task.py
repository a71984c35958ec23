"""A task small enough to train in milliseconds: a linear map is found from noisy examples."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.training.config import NetworkConfig, TrainConfig

WANTED = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])


class ToyTask:
    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        linear = nn.Linear(3, 2)
        with torch.no_grad():
            for parameter in linear.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        self.networks = nn.ModuleDict({"linear": linear})
        self.poison_at: int | None = None
        self._batches = 0

    def batch(self, random: np.random.Generator) -> Tensor:
        self._batches += 1
        return torch.from_numpy(random.normal(size=(8, 3)).astype(np.float32))

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        noise = 0.1 * torch.randn(8, 2, generator=generator)
        error = (self.networks["linear"](batch) - batch @ WANTED.T - noise).square().mean()
        if self.poison_at == self._batches:
            error = error * float("nan")
        return error, {"error": float(error.detach())}

    def describe(self, batch: Any) -> str:
        return "toy-1, toy-2"

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {"noise": random.integers(0, 255, (8, 8, 3), dtype=np.uint8)}


def toy_config(**changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "task": "toy",
        "networks": {"linear": NetworkConfig(name="Linear", args={"width": 3})},
        "steps": 40,
        "lr": 0.1,
        "warmup_steps": 3,
        "final_lr": 0.1,
        "ema": 0.9,
        "save_every": 10,
        "log_every": 1,
        "max_grad_norm": 5.0,
    }
    return TrainConfig(**(values | changes))
