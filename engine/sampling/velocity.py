"""What a sampler asks and a network answers: velocities."""

from typing import Protocol

from torch import Tensor

Asked = tuple[bool, ...]
"""Velocities that are asked for at once: True with the condition (the picture), False with the
negative one."""
POSITIVE: Asked = (True,)
NEGATIVE: Asked = (False,)
BOTH: Asked = (True, False)


class Velocity(Protocol):
    """A flow-matching network with its conditions bound."""

    def __call__(self, x: Tensor, t: float, asked: Asked) -> tuple[Tensor, ...]:
        """Velocities at the state ``x``, time ``t`` in (0, 1], each shaped like ``x``.

        One for each entry of ``asked``; their values need not outlast the next call.
        """
        ...


class Passes(Protocol):
    """The same as a function of tensors alone.

    It reads nothing else that changes from step to step, since a recording would not see it.
    """

    def __call__(self, x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        """As ``Velocity``; ``time`` is 1000 t, (1,) float32 on the device of ``x``."""
        ...
