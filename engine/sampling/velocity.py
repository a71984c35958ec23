"""What the sampler asks for."""

from typing import Protocol

from torch import Tensor


class Velocity(Protocol):
    """A flow-matching network with its conditions bound."""

    def __call__(self, x: Tensor, t: float, positive: bool) -> Tensor:
        """The velocity at the state ``x``, time ``t`` in (0, 1], shaped like ``x``.

        ``positive`` asks for the condition (the picture), otherwise for the negative one.
        """
        ...
