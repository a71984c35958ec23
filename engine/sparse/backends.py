"""One operation, several implementations: which are usable here, and which one is used.

The choice is made once per kind of hardware, dtype and width and logged with its reason; nothing
here reads the environment.
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.host.machine import AMPERE, Hardware, hardware_of
from protocol.errors import EngineError

logger = logging.getLogger(__name__)

EVERY_DTYPE = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
HALF_DTYPES = (torch.bfloat16, torch.float16)
TRITON_DTYPES = (torch.float32, *HALF_DTYPES)

_preferred: ContextVar[tuple[str, ...]] = ContextVar("preferred backends", default=())


@contextmanager
def preferring(*names: str) -> Iterator[None]:
    """Inside of the block every operation uses a backend of one of these names where it can.

    That holds for backends that else are used by name only, and for this thread.
    """
    token = _preferred.set(names)
    try:
        yield
    finally:
        _preferred.reset(token)


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


def triton_backend(module: str, function: str, *, learns: bool = False, **options: Any) -> Backend:
    """A backend whose code is imported when it first runs, since Triton may not be here.

    Args:
        module: one of ``engine.sparse.triton_kernels``.
        function: the operation in it.
        learns, options: as for ``Backend``; dtypes are those of ``TRITON_DTYPES`` by default.
    """

    def run(*args: Any, **keywords: Any) -> Any:
        there = importlib.import_module(f"engine.sparse.triton_kernels.{module}")
        # Triton launches on the current device, whichever the tensors are on.
        device = next(value.device for value in args if hasattr(value, "device"))
        with (
            nullcontext() if device.type == "cpu" else torch.accelerator.device_index(device.index)
        ):
            return getattr(there, function)(*args, **keywords)

    options.setdefault("dtypes", TRITON_DTYPES)
    # Their numbers are tested by Triton's interpreter; on a GPU they have not run yet.
    return Backend("triton", triton_probe, run, learns=learns, by_name=True, **options)


def triton_probe(hardware: Hardware) -> Verdict:
    """Whether our Triton kernels can be used on some hardware."""
    if hardware.kind not in ("cuda", "rocm"):
        return Verdict(False, "needs a GPU that Triton compiles for")
    if hardware.before(AMPERE):
        return Verdict(False, "needs a GPU of the Ampere generation or newer")
    if importlib.util.find_spec("triton") is None:
        return Verdict(False, "triton is not installed (the extra maquette[triton])")
    return Verdict(True, "a kernel of our own")


def learns(*tensors: Tensor) -> bool:
    """Whether gradients are asked for of an operation on these."""
    return torch.is_grad_enabled() and any(x.requires_grad for x in tensors)


def probe_torch(_: Hardware) -> Verdict:
    """For what is written in plain torch."""
    return Verdict(True, "part of torch, works everywhere")


class Choice(NamedTuple):
    """What is used somewhere, and what is not.

    Attributes:
        backend: the one that is used; None: there is none.
        reason: why it can be.
        passed_over: (name, why not) of those that are better.
    """

    backend: Backend | None
    reason: str
    passed_over: tuple[tuple[str, str], ...]


class _Case(NamedTuple):
    """What a choice depends on."""

    hardware: Hardware
    dtype: torch.dtype
    learning: bool
    width: int | None
    preferred: tuple[str, ...]


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

    def available(self, device: torch.device | str | Hardware) -> list[Availability]:
        """Every backend with its verdict for a device, best first."""
        hardware = hardware_of(torch.device(device) if isinstance(device, str) else device)
        return [Availability(b.name, *b.probe(hardware)) for b in self.backends.values()]

    def explained(self, hardware: Hardware, dtype: torch.dtype) -> Choice:
        """What ``choose`` would choose, also where that is nothing, and what it passes over."""
        return self._first(_Case(hardware, dtype, False, None, _preferred.get()))

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
            name: insist on this one; None: one of ``preferring``, else the first usable one.
            learning: gradients must flow back.
            width: of the vectors (attention: of a head), where it matters.

        Raises:
            EngineError: ``backend_unavailable``: the one insisted on cannot be used.
        """
        hardware = hardware_of(device)
        case = _Case(hardware, dtype, learning, width, _preferred.get())
        if name is not None:
            return self._insist(name, case)
        if case not in self._chosen:
            self._chosen[case] = self._prefer(case)
        return self._chosen[case]

    def _prefer(self, case: _Case) -> Backend:
        backend, reason, passed_over = self._first(case)
        if backend is None:
            raise self._refusal("any", "; ".join(f"{name}: {why}" for name, why in passed_over))
        if backend.name not in case.preferred:
            others = "".join(f"; not {name}: {why}" for name, why in passed_over)
            logger.info(
                "%s on %s in %s: %s (%s)%s",
                self.operation, case.hardware.kind, case.dtype, backend.name, reason, others,
            )  # fmt: skip
        return backend

    def _first(self, case: _Case) -> Choice:
        passed_over: list[tuple[str, str]] = []
        # Those that are preferred first; all others stay in their order.
        for backend in sorted(self.backends.values(), key=lambda b: b.name not in case.preferred):
            usable, reason = self._verdict(backend, case)
            if usable and backend.by_name and backend.name not in case.preferred:
                usable, reason = False, "it is used only where it is asked for"
            if usable:
                return Choice(backend, reason, tuple(passed_over))
            passed_over.append((backend.name, reason))
        return Choice(None, "", tuple(passed_over))

    def _insist(self, name: str, case: _Case) -> Backend:
        if name not in self.backends:
            raise self._refusal(name, "there is no such backend")
        usable, reason = self._verdict(self.backends[name], case)
        if not usable:
            raise self._refusal(name, reason)
        return self.backends[name]

    def _verdict(self, backend: Backend, case: _Case) -> Verdict:
        verdict = backend.probe(case.hardware)
        if verdict.usable and case.dtype == torch.float64 and case.hardware.kind == "mps":
            return Verdict(False, "Metal has no float64")
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
