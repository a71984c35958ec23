"""What a sampler is told: steps, schedule, guidance."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeGuard

from protocol.errors import EngineError

log = logging.getLogger(__name__)

PUBLISHED_NAME = "FlowEulerGuidanceIntervalSampler"
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

    Raises:
        EngineError: ``sampler_parameter`` when a value is outside of its range.
    """

    steps: int = 50
    guidance_strength: float = 3.0
    guidance_rescale: float = 0.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    rescale_t: float = 1.0
    sigma_min: float = 1e-5

    def __post_init__(self) -> None:
        if type(self.steps) is not int or not 1 <= self.steps <= MOST_STEPS:
            raise _refusal("steps", self.steps, f"a whole number, 1 to {MOST_STEPS}")
        _check("guidance_strength", self.guidance_strength, low=0.0)
        _check("guidance_rescale", self.guidance_rescale, low=0.0, high=1.0)
        _check("rescale_t", self.rescale_t, low=LEAST_RESCALE_T, high=MOST_RESCALE_T)
        _check("sigma_min", self.sigma_min, low=0.0, high=1.0, open_high=True)
        if not isinstance(self.guidance_interval, tuple | list) or len(self.guidance_interval) != 2:
            raise _refusal("guidance_interval", self.guidance_interval, "a pair (low, high)")
        low, high = self.guidance_interval
        _check("guidance_interval", low)
        _check("guidance_interval", high)
        if low > high:
            raise _refusal("guidance_interval", self.guidance_interval, "low first, then high")
        # JSON gives lists; a frozen value should be hashable.
        object.__setattr__(self, "guidance_interval", (low, high))

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], **overrides: Any) -> Self:
        """The settings in a sampler entry of ``pipeline.json``.

        Args:
            spec: ``{"name": ..., "args": {"sigma_min": ...}, "params": {...}}``. Names that
                are not known here are ignored with a line in the log.
            overrides: values that take the place of those in ``spec``.

        Raises:
            EngineError: ``sampler_unknown`` for another kind of sampler, ``sampler_parameter``
                for a value outside of its range or an override that does not exist.
        """
        name = spec.get("name")
        if name != PUBLISHED_NAME:
            raise EngineError(
                "sampler_unknown",
                f"The sampler {name!r} is not known.",
                f"Use a pipeline.json whose samplers are named {PUBLISHED_NAME}.",
            )
        known = {field.name for field in fields(cls)}
        for unknown in sorted(overrides.keys() - known):
            raise _refusal(unknown, overrides[unknown], f"one of {', '.join(sorted(known))}")
        values = {**spec.get("args", {}), **spec.get("params", {})}
        for unknown in sorted(values.keys() - known):
            log.info("Sampler parameter %r is not used here and is ignored.", unknown)
        return cls(**{key: value for key, value in values.items() if key in known} | overrides)


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


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number that a float can hold; true and false are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int of more than 308 digits
        return False


def _refusal(name: str, value: object, wanted: str) -> EngineError:
    return EngineError(
        "sampler_parameter",
        f"The sampler parameter {name} cannot be {_short(value)}.",
        f"Give {wanted}.",
    )


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no int of more than 4300 digits
        return "so large a number"
    return text if len(text) <= 60 else f"{text[:57]}..."
