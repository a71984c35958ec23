"""The randomness of a request."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from protocol.limits import check_seed


class Noise:
    """Normal random numbers from one CPU generator, so that a seed means the same on every device.

    A request draws in the reference's order: structure, shape, finer shape, texture. How many
    numbers a draw takes from the generator depends on its shape, so a request that continues
    another one first repeats that one's draws, by their shapes.

    Args:
        seed: 0 to 2^63 - 1.
        before: shapes that were drawn before.

    Attributes:
        shapes: of every draw so far.
    """

    def __init__(self, seed: int, before: Iterable[Sequence[int]] = ()) -> None:
        self._generator = torch.Generator().manual_seed(check_seed(seed))
        self.shapes: list[list[int]] = []
        for shape in before:
            self.draw(*shape)

    def draw(self, *shape: int) -> Tensor:
        """Normal random numbers, float32, on the CPU."""
        self.shapes.append(list(shape))
        return torch.randn(shape, generator=self._generator)
