"""What the training loop asks of something that can be trained."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Task(Protocol):
    """Networks, and the loss of a batch.

    All chance comes from the two generators that the loop hands in and seeds by run, step and
    batch, so that a training that was stopped resumes as if it had not been.
    """

    @property
    def networks(self) -> nn.ModuleDict:
        """What is trained, by the names that the checkpoint gives them; float32 weights."""
        ...

    def batch(self, random: np.random.Generator) -> Any:
        """A batch, on the task's device."""
        ...

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss, a scalar with gradients, and its parts for the log; noise is drawn on the CPU.

        Runs under autocast to bfloat16 where the configuration says so.
        """
        ...

    def describe(self, batch: Any) -> str:
        """Names of what is in a batch, for the message that its loss is not finite."""
        ...

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """(H, W, 3) uint8 pictures that show how far the training is, by title; may be none."""
        ...
