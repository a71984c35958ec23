"""What a service is told when it starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.service.workers import Patience
from engine.settings import Settings
from protocol.messages import PROTOCOL_VERSION


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    Attributes:
        settings: where things are kept.
        worker: program and arguments of a worker.
        helper: program and arguments of the process that checks pictures and keeps weights.
        host: address to listen at for other machines; empty: this machine alone.
        port: for ``host``; 0: the system chooses.
        web: program and arguments of the HTTP face; empty: there is none.
        idle: seconds without a client, a job and a download after which the service leaves.
        quota: bytes that unpinned results may take.
        device: of the worker; None: the best one.
        patience: with the worker.
        finisher: whether a second process finishes what the worker has sampled; None: where the
            device is one of CUDA or ROCm.
        engine: name and version of the program.
        protocol: version that is spoken; tests pretend another one.
    """

    settings: Settings
    worker: Sequence[str]
    helper: Sequence[str]
    host: str = ""
    port: int = 0
    web: Sequence[str] = ()
    idle: float = 600.0
    quota: int = 20 << 30
    device: str | None = None
    patience: Patience = field(default_factory=Patience)
    finisher: bool | None = None
    engine: str = "maquette"
    protocol: int = PROTOCOL_VERSION
