"""How weights are going to visit the device, decided before the work begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from protocol.errors import EngineError


class Policy(IntEnum):
    """From the fastest to the one that needs least memory."""

    RESIDENT = 0
    """Every network stays on the device."""
    SINGLE = 1
    """One network at a time."""
    STREAMED = 2
    """The blocks of one network at a time."""

    def __str__(self) -> str:
        return ("all networks resident", "one network at a time", "blocks streamed")[self]


@dataclass(frozen=True)
class Use:
    """A network and what a stage needs beside its weights.

    Attributes:
        kept_bytes: the part of ``working_bytes`` that stays as long as the network does.
        least_bytes: what the stage can manage with if it must; None: nothing less.
    """

    name: str
    working_bytes: int
    kept_bytes: int = 0
    least_bytes: int | None = None

    @property
    def least(self) -> int:
        return self.working_bytes if self.least_bytes is None else self.least_bytes


@dataclass(frozen=True)
class Weights:
    """Bytes of a network on the device: whole, and at most while its blocks are streamed."""

    whole: int
    streamed: int

    def under(self, policy: Policy) -> int:
        """What of it is on the device while it runs."""
        return self.streamed if policy is Policy.STREAMED else self.whole


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Attributes:
        policy: how weights visit the device.
        peak_bytes: most that the device will hold by the plan.
        budget: what it may hold; None: not known.
    """

    policy: Policy
    peak_bytes: int
    budget: int | None

    def __str__(self) -> str:
        of = "" if self.budget is None else f" of {self.budget / 2**30:.1f} GiB"
        return f"{self.policy}, about {self.peak_bytes / 2**30:.1f} GiB{of}"


def make_plan(
    uses: Sequence[Use],
    weights: Mapping[str, Weights],
    budget: int | None,
    *,
    allowed: Sequence[Policy] = tuple(Policy),
    strict: bool = True,
) -> Plan:
    """The first policy whose peak fits.

    Args:
        uses: networks in the order of the stages.
        weights: of every network in ``uses``.
        budget: bytes that may be used; None: no bound.
        allowed: in the order of preference.
        strict: raise when nothing fits; else the last one is taken.

    Raises:
        EngineError: ``memory_too_small``.
    """
    plan = None
    for policy in allowed:
        plan = Plan(policy, planned_peak(policy, uses, weights, budget), budget)
        if budget is None or plan.peak_bytes <= budget:
            return plan
    if plan is None or strict:
        raise too_small(plan.peak_bytes if plan else 0, budget or 0)
    return plan


def planned_peak(
    policy: Policy, uses: Sequence[Use], weights: Mapping[str, Weights], budget: int | None
) -> int:
    """Most bytes on the device under a policy.

    Where networks take turns, a stage that can manage with less does so as far as the budget asks.
    """
    peak = 0
    for use in uses:
        held = held_bytes(policy, use, uses, weights)
        working = use.working_bytes
        if budget is not None and policy is not Policy.RESIDENT:
            working = min(working, max(use.least, budget - held))
        peak = max(peak, held + working)
    return peak


def held_bytes(
    policy: Policy, use: Use, uses: Sequence[Use], weights: Mapping[str, Weights]
) -> int:
    """What is on the device beside the work of one of a request's stages: weights, and what other
    networks keep of the picture."""
    sizes = weights[use.name]
    if policy is not Policy.RESIDENT:
        return sizes.under(policy)
    kept = {other.name: other.kept_bytes for other in uses if other.name != use.name}
    return sizes.whole + sum(weights[name].whole + kept[name] for name in kept)


def too_small(wanted: int, budget: int) -> EngineError:
    """The error for work that no policy can fit into the memory."""
    return EngineError(
        "memory_too_small",
        f"This needs about {wanted / 2**30:.2f} GiB of memory on the device, and "
        f"{budget / 2**30:.2f} GiB are free.",
        "Choose a lower quality, close other programs that use the device, or use another device.",
    )
