"""Velocities of some steps taken from the steps before them, which saves those passes.

A fixed rule and no measure of what changes, since looking at one would wait for the device.
"""

from collections.abc import Callable

from torch import Tensor

Guided = Callable[[Tensor, float], Tensor]
"""State and time -> the velocity after guidance, shaped like the state."""
