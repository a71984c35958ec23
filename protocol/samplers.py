"""What a sampler is told: steps, schedule, guidance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeGuard

from .errors import EngineError
from .limits import is_number, short

MOST_STEPS = 1000
LEAST_RESCALE_T = 1e-3
"""Below, the times between the first and the last step are all but 0."""
MOST_RESCALE_T = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerParams:
    """Settings of the Euler sampler with guidance in an interval.

    Attributes:
        steps: Euler steps, 1 to 1000.
        guidance_strength: 1 follows the picture alone, 0 the negative condition alone; other
            values evaluate both and go beyond the picture by that factor. Not negative.
        guidance_rescale: in [0, 1]: how far the guided prediction is brought back to the spread
            of the unguided one.
        guidance_interval: (low, high), both inclusive; outside of it the picture alone is
            followed. Compared with t after ``rescale_t``.
        rescale_t: 0.001 to 1000; 1 spaces the steps evenly, larger values spend them near the
            noise.
        sigma_min: noise left at t = 0, in [0, 1).
        reuse_after: steps, from 2, after which every other one is told from the two before it
            instead of by the network, but for the last; None: the network is always asked.

    Raises:
        EngineError: ``sampler_parameter`` when a value is outside of its range.
    """

    steps: int = 50
    guidance_strength: float = 3.0
    guidance_rescale: float = 0.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    rescale_t: float = 1.0
    sigma_min: float = 1e-5
    reuse_after: int | None = None

    def __post_init__(self) -> None:
        if type(self.steps) is not int or not 1 <= self.steps <= MOST_STEPS:
            raise _refusal("steps", self.steps, f"a whole number, 1 to {MOST_STEPS}")
        reuse = self.reuse_after
        if reuse is not None and (type(reuse) is not int or not 2 <= reuse <= MOST_STEPS):
            raise _refusal("reuse_after", reuse, f"a whole number, 2 to {MOST_STEPS}")
        _check("guidance_strength", self.guidance_strength, low=0.0)
        _check("guidance_rescale", self.guidance_rescale, low=0.0, high=1.0)
        _check("rescale_t", self.rescale_t, low=LEAST_RESCALE_T, high=MOST_RESCALE_T)
        _check("sigma_min", self.sigma_min, low=0.0, high=1.0, open_high=True)
        if not _is_pair(self.guidance_interval):
            raise _refusal("guidance_interval", self.guidance_interval, "a pair (low, high)")
        low, high = self.guidance_interval
        _check("guidance_interval", low)
        _check("guidance_interval", high)
        if low > high:
            raise _refusal("guidance_interval", self.guidance_interval, "low first, then high")
        # JSON gives lists; a frozen value should be hashable.
        object.__setattr__(self, "guidance_interval", (low, high))

    @property
    def saved_steps(self) -> range:
        """Indices of the steps that are told from those before them; empty: nothing is saved."""
        return range(0) if self.reuse_after is None else range(self.reuse_after, self.steps - 1, 2)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What a job changes about one of the checkpoint's samplers; None leaves it as it is.

    The fields are those of ``SamplerParams``.

    Raises:
        EngineError: ``sampler_parameter``.
    """

    steps: int | None = None
    guidance_strength: float | None = None
    guidance_rescale: float | None = None
    guidance_interval: tuple[float, float] | None = None
    rescale_t: float | None = None
    sigma_min: float | None = None
    reuse_after: int | None = None

    def __post_init__(self) -> None:
        self.over(SamplerParams())

    def over(self, params: SamplerParams) -> SamplerParams:
        """The sampler with these changes.

        Raises:
            EngineError: ``sampler_parameter``.
        """
        return replace(params, **self._changes())

    def before(self, later: "Sampling") -> "Sampling":
        """These changes, and then the later ones, which hold where both say something."""
        return replace(self, **later._changes())

    def _changes(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def _check(
    name: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_high: bool = False,
) -> None:
    if is_number(value):
        below = value < high if open_high else value <= high
        if value >= low and below:
            return
    if low == -math.inf and high == math.inf:
        wanted = "finite numbers"
    else:
        wanted = f"a number from {low:g}"
        if high < math.inf:
            wanted += f" {'to below' if open_high else 'to'} {high:g}"
    raise _refusal(name, value, wanted)


def _is_pair(value: Any) -> TypeGuard[Sequence[float]]:
    return isinstance(value, tuple | list) and len(value) == 2  # pyright: ignore


def _refusal(name: str, value: object, wanted: str) -> EngineError:
    return EngineError(
        "sampler_parameter",
        f"The sampler parameter {name} cannot be {short(value)}.",
        f"Give {wanted}.",
    )
