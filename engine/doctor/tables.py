"""Which implementation is used where, and why: the tables that the engine itself chooses by.

torch is imported late, since ``maquette doctor`` has to do without where it is broken.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

    from engine.host.machine import Hardware
    from engine.sparse.backends import Registry


@dataclass(frozen=True)
class BackendLine:
    """A backend of one operation.

    Attributes:
        operation: what it does.
        name: of the backend.
        where: it is used, unless a line above can be.
        why: it is used there.
        here: what it is on this device: ``used here``, usable, or why not.
    """

    operation: str
    name: str
    where: str
    why: str
    here: str


@dataclass(frozen=True)
class KernelLine:
    """One of our own kernels in Triton.

    Attributes:
        operation: what it does.
        used: the implementation that is used on this device.
        triton: whether its kernel could be, or why not.
    """

    operation: str
    used: str
    triton: str


class Tables(NamedTuple):
    """What ``maquette doctor`` prints; all empty where the device cannot be used.

    Attributes:
        attention: its backends, best first.
        guidance: how both velocities of a guided step are computed.
        steps: how a pass through a network is launched.
        kernels: every operation with a kernel in Triton.
    """

    attention: list[BackendLine]
    guidance: list[BackendLine]
    steps: list[BackendLine]
    kernels: list[KernelLine]


def tables_of(device: str | None = None) -> Tables:
    """Of a device, by torch's name of it; None: the best one."""
    try:
        import torch

        from engine.host import machine

        place = torch.device(device) if device else machine.best_device()
        return tables(machine.hardware_of(place))
    except (ImportError, OSError, RuntimeError, AssertionError):
        return Tables([], [], [], [])  # told by ``checks``


def tables(hardware: "Hardware") -> Tables:
    """Of some hardware, which may stand in a machine that is not here."""
    from engine.sampling import GUIDANCE, STEPS
    from engine.sparse.attention import ATTENTION
    from engine.sparse.operations import OPERATIONS

    return Tables(
        _lines(ATTENTION, hardware),
        _lines(GUIDANCE, hardware),
        _lines(STEPS, hardware),
        [_kernel(registry, hardware) for registry in OPERATIONS if "triton" in registry.backends],
    )


def dtype_of(registry: "Registry", hardware: "Hardware") -> "torch.dtype":
    """The dtype that an operation has on some hardware."""
    from engine.host.machine import precision_of
    from engine.sampling import GUIDANCE, STEPS
    from engine.sparse.attention import ATTENTION

    flows, codecs, _ = precision_of(hardware)
    usual = flows if registry in (ATTENTION, GUIDANCE, STEPS) else codecs
    known = list(registry.backends.values())[-1].dtypes
    return usual if usual in known else known[0]


def _lines(registry: "Registry", hardware: "Hardware") -> list[BackendLine]:
    used = registry.explained(hardware, dtype_of(registry, hardware)).backend
    return [
        BackendLine(
            registry.operation,
            name,
            backend.where,
            backend.why,
            "used here" if backend is used else _could(registry, name, hardware),
        )
        for name, backend in registry.backends.items()
    ]


def _kernel(registry: "Registry", hardware: "Hardware") -> KernelLine:
    used = registry.explained(hardware, dtype_of(registry, hardware)).backend
    could = _could(registry, "triton", hardware)
    return KernelLine(registry.operation, used.name if used else "none", could)


def _could(registry: "Registry", name: str, hardware: "Hardware") -> str:
    backend = registry.backends[name]
    verdict = backend.probe(hardware)
    if not verdict.usable:
        return verdict.reason
    return "usable, where it is asked for by name" if backend.by_name else "usable"
