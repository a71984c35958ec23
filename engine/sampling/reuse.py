"""Passes that are saved: velocities of some steps are told from those of the steps before.

The rule is fixed and looks at no values, since looking would wait for the device. After the first
steps, which decide most, every other step is forecast, never the last. A forecast goes half as far
along the line through the last two velocities as that line does. Errors, and what fewer steps
would give instead: docs/decisions/0069-fast-mode.md.
"""

from collections.abc import Sequence

from torch import Tensor

from engine.sampling.velocity import Asked, Velocity
from protocol.samplers import SamplerParams

SHARE = 0.5
"""Of the way along the line: all of it repeats the noise of two velocities, nothing of it is the
same as one step twice as long."""
LEAST = 2
"""Velocities that a line needs."""


def reusing(velocity: Velocity, times: Sequence[float], params: SamplerParams) -> Velocity:
    """A velocity that asks another one only at steps that are not saved, for one walk.

    Args:
        times: of the steps, as ``schedule`` gives them.
        params: also says what is saved.
    """
    saved = frozenset(times[index] for index in params.saved_steps)
    return _Reusing(velocity, saved) if saved else velocity


class _Reusing:
    def __init__(self, velocity: Velocity, saved: frozenset[float]) -> None:
        self._velocity = velocity
        self._saved = saved
        # Apart for picture and negative condition, so that guidance may begin and end anywhere.
        self._known: dict[bool, list[tuple[float, Tensor]]] = {True: [], False: []}

    def __call__(self, x: Tensor, t: float, asked: Asked) -> tuple[Tensor, ...]:
        known = [self._known[positive] for positive in asked]
        if t in self._saved and all(len(pair) == LEAST for pair in known):
            return tuple(_forecast(pair, t) for pair in known)
        # Copies: whoever gave them may use their memory for the next ones.
        found = tuple(v.clone() for v in self._velocity(x, t, asked))
        for positive, v in zip(asked, found, strict=True):
            self._known[positive] = [*self._known[positive], (t, v)][-LEAST:]
        return found


def _forecast(known: Sequence[tuple[float, Tensor]], t: float) -> Tensor:
    (before, v_before), (last, v_last) = known
    share = SHARE * (t - last) / (last - before)
    return v_last + share * (v_last - v_before)
