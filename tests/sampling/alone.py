"""Networks whose velocities are asked for one at a time."""

from collections.abc import Callable

from torch import Tensor

from engine.sampling import Velocity


def one_by_one(single: Callable[[Tensor, float, bool], Tensor]) -> Velocity:
    """A velocity out of a function of (x, t, positive)."""
    return lambda x, t, asked: tuple(single(x, t, positive) for positive in asked)
