"""Stand-ins for the stream of a card that copies weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.residency.streaming import CopyStream

CPU = torch.device("cpu")


class LateCopies(CopyStream):
    """Copies that hold zeros until they are waited for."""

    def __init__(self) -> None:
        super().__init__(CPU)
        self.under_way: list[Callable[[], object]] = []

    def send(self, tensors: list[Tensor], home: Any) -> tuple[list[Tensor], Any]:
        with torch.inference_mode(False):  # as they become weights
            there = [torch.zeros_like(tensor) for tensor in tensors]

        def arrive() -> None:
            with torch.inference_mode(False):
                for copy, tensor in zip(there, tensors, strict=True):
                    copy.copy_(tensor)

        self.under_way.append(arrive)
        return there, arrive

    def wait(self, arrived: Any) -> None:
        arrived()
        self.under_way.remove(arrived)
