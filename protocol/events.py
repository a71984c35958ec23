"""What is told of a job while it runs: one frozen dataclass each, plain data.

``job`` in every event is the id of the job that it belongs to; empty where there is only one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A stage began, did a step or ended. A newer one replaces an older one of the same job.

    Attributes:
        stage: a name of ``protocol.stages.STAGES``.
        step, steps: of this stage; 0 when it begins, ``steps`` when it ends.
        fraction: of the whole job, from 0 to 1, never less than before.
        elapsed: seconds since the job began.
    """

    job: str = ""
    stage: str
    step: int
    steps: int
    fraction: float
    elapsed: float


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
    """The job was cancelled; what was stored before is still there."""

    job: str = ""


Event = Progress | Note | Part | Done | Failed | Cancelled
ENDS = (Done, Failed, Cancelled)
"""Exactly one of these is the last event of a job."""
