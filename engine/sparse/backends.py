"""One operation, several implementations: which are usable here, and which one is used.

The choice is made once per kind of hardware, dtype and width and logged with its reason; nothing
here reads the environment.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from engine.host.machine import Hardware, hardware_of
from protocol.errors import EngineError

logger = logging.getLogger(__name__)

EVERY_DTYPE = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
HALF_DTYPES = (torch.bfloat16, torch.float16)


class Verdict(NamedTuple):
    """Whether something can be used, and why."""

    usable: bool
    reason: str


class Availability(NamedTuple):
    """A line of the report of what can be used on a device."""

    name: str
    usable: bool
    reason: str


@dataclass(frozen=True)
class Backend:
    """One implementation of an operation.

    Args:
        name: by which it is asked for.
        probe: says for some hardware whether it can be used there; must not raise.
        run: the operation itself; its arguments are those of the registry's operation.
        dtypes: feature dtypes that it can work in.
        learns: whether gradients flow back through it.
        widths: whether it takes vectors of a given width, where the operation has one.
        by_name: used only where it is insisted on: what was not measured on any device yet.
        where: in words, where it is used, unless one that is better can be.
        why: in words, why there.
    """

    name: str
    probe: Callable[[Hardware], Verdict]
    run: Callable[..., Any]
    dtypes: tuple[torch.dtype, ...] = EVERY_DTYPE
    learns: bool = True
    widths: Callable[[int], bool] = lambda _: True
    by_name: bool = False
    where: str = ""
    why: str = ""


class _Case(NamedTuple):
    """What a choice depends on."""

    hardware: Hardware
    dtype: torch.dtype
    learning: bool
    width: int | None


class Registry:
    """The backends of one operation, best first.

    Args:
        operation: what they do, for messages: "sparse convolution".
        backends: in order of preference; the last one must work everywhere.
    """

    def __init__(self, operation: str, backends: list[Backend]) -> None:
        self.operation = operation
        self.backends = {backend.name: backend for backend in backends}
        self._chosen: dict[_Case, Backend] = {}
        self._only: str | None = None

    def available(self, device: torch.device | str) -> list[Availability]:
        """Every backend with its verdict for a device, best first."""
        hardware = hardware_of(torch.device(device))
        return [Availability(b.name, *b.probe(hardware)) for b in self.backends.values()]

    def choose(
        self,
        device: torch.device | Hardware,
        dtype: torch.dtype,
        name: str | None = None,
        *,
        learning: bool = False,
        width: int | None = None,
    ) -> Backend:
        """The backend for features of a dtype on a device.

        Args:
            device: a device of this machine, or what stands in a machine that is not here.
            name: insist on this one; None: the first usable one.
            learning: gradients must flow back.
            width: of the vectors (attention: of a head), where it matters.

        Raises:
            EngineError: ``backend_unavailable``: the one insisted on cannot be used.
        """
        hardware = device if isinstance(device, Hardware) else hardware_of(device)
        case = _Case(hardware, dtype, learning, width)
        name = name or self._only
        if name is not None:
            return self._insist(name, case)
        if case not in self._chosen:
            self._chosen[case] = self._prefer(case)
        return self._chosen[case]

    @contextmanager
    def only(self, name: str) -> Iterator[None]:
        """Inside of the block every choice insists on one backend: for what compares them."""
        before, self._only = self._only, name
        try:
            yield
        finally:
            self._only = before

    def _prefer(self, case: _Case) -> Backend:
        passed_over: list[str] = []
        for backend in self.backends.values():
            usable, reason = self._verdict(backend, case)
            if usable and backend.by_name:
                usable, reason = False, "it is used only where it is asked for"
            if usable:
                others = "".join(f"; not {line}" for line in passed_over)
                logger.info(
                    "%s on %s in %s: %s (%s)%s",
                    self.operation, case.hardware.kind, case.dtype, backend.name, reason, others,
                )  # fmt: skip
                return backend
            passed_over.append(f"{backend.name}: {reason}")
        raise self._refusal("any", "; ".join(passed_over))

    def _insist(self, name: str, case: _Case) -> Backend:
        if name not in self.backends:
            raise self._refusal(name, "there is no such backend")
        usable, reason = self._verdict(self.backends[name], case)
        if not usable:
            raise self._refusal(name, reason)
        return self.backends[name]

    def _verdict(self, backend: Backend, case: _Case) -> Verdict:
        verdict = backend.probe(case.hardware)
        if verdict.usable and case.dtype not in backend.dtypes:
            return Verdict(False, f"it does not work in {case.dtype}")
        if verdict.usable and case.learning and not backend.learns:
            return Verdict(False, "no gradients flow back through it")
        if verdict.usable and case.width is not None and not backend.widths(case.width):
            return Verdict(False, f"it does not take vectors of {case.width} numbers")
        return verdict

    def _refusal(self, name: str, reason: str) -> EngineError:
        return EngineError(
            "backend_unavailable",
            f"The {self.operation} backend '{name}' cannot be used: {reason}.",
            f"Choose one of {', '.join(self.backends)}, or leave the choice to the engine.",
        )
