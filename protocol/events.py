"""What is told without being asked: one frozen dataclass each, plain data.

``job`` in the events of a job is its id; empty where there is only one.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Queued:
    """The job waits, or its place in the queue changed.

    Attributes:
        position: how many jobs run or wait before it.
    """

    job: str
    position: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A stage began, did a step or ended. A newer one replaces an older one of the same job.

    Attributes:
        stage: a name of ``protocol.stages.STAGES``.
        step, steps: of this stage; 0 when it begins, ``steps`` when it ends.
        fraction: of the whole job, from 0 to 1, never less than before.
        elapsed: seconds since the job began.
        eta: seconds that are left; None as long as nobody knows.
        memory: bytes of the device in use; None where it is not known.
    """

    job: str = ""
    stage: str
    step: int
    steps: int
    fraction: float
    elapsed: float
    eta: float | None = None
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that the user should know, in one sentence.

    Attributes:
        level: "user" for everybody, "detail" for those who want to know how it was done.
    """

    job: str = ""
    sentence: str
    level: str = "user"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the result is there: structure, mesh, textures, thumbnail, asset."""

    job: str = ""
    name: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """The job ended well.

    Attributes:
        seconds: by stage, of all that ran.
    """

    job: str = ""
    seconds: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The job ended with an error; the fields are those of ``EngineError``."""

    job: str = ""
    code: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """The job was cancelled; what was stored before is still there.

    Attributes:
        forced: the worker did not stop by itself and was ended.
    """

    job: str = ""
    forced: bool = False


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """The engine ended while the job ran. ``Retry`` resumes it after its last finished stage.

    Attributes:
        stage: that ran, of ``protocol.stages.STAGES``; empty if none had begun.
    """

    job: str
    stage: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelProgress:
    """How far a download or a check of weights is. A newer one replaces an older one.

    Attributes:
        request: id of the request that asked for it.
        file: that is being worked on.
        done, total: bytes of all files of the request.
        ended: nothing more comes for this request.
        code, message, hint: as in ``EngineError`` when it ended badly, else empty.
    """

    request: int
    file: str = ""
    done: int
    total: int
    ended: bool = False
    code: str = ""
    message: str = ""
    hint: str = ""


WorkerState = Literal["none", "starting", "warming", "warm", "busy", "broken"]
"""Whether there is a worker process, and what it does: "warm" has networks loaded and no job;
"busy" also says that another process finishes one; "broken" crashed too often and is not started
again by itself."""


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """How the engine is. A newer one replaces an older one.

    Attributes:
        worker: state of the worker process.
        sentence: what the user should know about it, or empty.
        job: id of the job that runs, or empty.
        waiting: jobs in the queue.
        device: such as "cpu" or "cuda:0"; empty before a worker has told.
        device_name: as its maker calls it.
        memory_used, memory_total: bytes of the device; None where they are not known.
        checkpoint: whose networks are loaded, or empty.
        clients: that are connected.
        leaving: the engine is about to end.
    """

    worker: WorkerState
    sentence: str = ""
    job: str = ""
    waiting: int = 0
    device: str = ""
    device_name: str = ""
    memory_used: int | None = None
    memory_total: int | None = None
    checkpoint: str = ""
    clients: int = 0
    leaving: bool = False


Event = (
    Queued
    | Progress
    | Note
    | Part
    | Done
    | Failed
    | Cancelled
    | Interrupted
    | ModelProgress
    | EngineStatus
)
ENDS = (Done, Failed, Cancelled)
"""Exactly one of these is the last event of a job. (One that was interrupted may run again.)"""


def replaced_by_newer(event: object) -> tuple[str, object] | None:
    """What an event is about, if a newer one about the same makes it worthless; else None.

    Queues drop the older of two that give the same value.
    """
    match event:
        case Progress(job=job) | Queued(job=job):
            return type(event).__name__, job
        case ModelProgress(request=request, ended=False):
            return type(event).__name__, request
        case EngineStatus():
            return type(event).__name__, None
        case _:
            return None
