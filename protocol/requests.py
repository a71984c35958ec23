"""What a client asks for: one frozen dataclass each. The head of the message carries its id.

Every request is answered by exactly one reply that names its id, except ``Leave``, and
``FetchPart``, whose chunks follow its reply. ``Refused`` may answer any of them.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import EngineError
from .finishes import FinishChoice
from .jobs import Job
from .limits import (
    MATTE_METHODS,
    MOST_GROWN,
    MatteMethod,
    check_number,
    check_one_of,
    check_whole,
    short,
)
from .references import Reference

SMALLEST_CHUNK, LARGEST_CHUNK = 1 << 16, 1 << 22
MOST_CREDIT = 16
MOST_ROWS = 100
LARGEST_OFFSET = 1 << 62

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")
Priority = Literal["interactive", "batch"]


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The first message of every connection; answered by ``Welcome``.

    Its layout, and those of ``Welcome`` and ``Refused``, never change between versions.

    Attributes:
        oldest, newest: versions of the protocol that the client speaks, both inclusive.
        token: of the connection file, or got by pairing.
        client: name of the client for people, such as "Blender 5.1 on desk"; owns its jobs.
        program: name and version of the program, such as "maquette 0.4.0".
    """

    oldest: int
    newest: int
    token: str
    client: str
    program: str


@dataclass(frozen=True, kw_only=True)
class Ping:
    """Are you there? Answered by ``Pong``, also while a job runs."""


@dataclass(frozen=True, kw_only=True)
class Leave:
    """The client is about to close its connection; nothing is answered, its jobs continue."""


@dataclass(frozen=True, kw_only=True)
class Submit:
    """Put a job into the queue; answered by ``Submitted``, then events of the job follow.

    What ``Attached`` references of the job name travels as buffers of that name: a file as uint8
    (size,), a picture as RGBA8 rows, top first, uint8 (height, width, 4), or a mesh as the arrays
    of ``protocol.parts`` under name.array. Sending the same id again changes nothing, so that a
    client that lost its connection may repeat itself.

    Attributes:
        id: of the job, 32 hexadecimal digits that the client draws (``new_job_id``).
        job: what to do. ``Stored`` references to jobs that have not ended wait for them.
        finish: how the asset is made ready as soon as it exists; None: it is left as it is.
        checkpoint: folder or hub repository of the networks; None: as the engine is set.
        priority: interactive jobs run before batch jobs.
        title: for people, such as the name of the picture.
        picture_sha256: of the picture that the user chose, where the job's was made from it;
            empty: of the job's picture as it came, which the engine computes. It is only kept, so
            that results of one picture are found together.
    """

    id: str
    job: Job
    finish: FinishChoice | None = None
    checkpoint: str | None = None
    priority: Priority = "interactive"
    title: str = ""
    picture_sha256: str = ""

    def __post_init__(self) -> None:
        check_job_id(self.id)
        _check_sha256(self.picture_sha256)


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop a job, or take it out of the queue; answered by ``Accepted``, then ``Cancelled`` comes.

    Attributes:
        job: its id.
    """

    job: str


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Run a job that failed, was cancelled or interrupted again; answered by ``Submitted``.

    Attributes:
        job: id of the old job.
        id: of the new job, as in ``Submit``; the old one's id resumes an interrupted job.
        changed: the job with other settings, which may name what was attached to the old one;
            None: the same settings.
        finish: as in ``Submit``; None: as the old job says.
    """

    job: str
    id: str
    changed: Job | None = None
    finish: FinishChoice | None = None

    def __post_init__(self) -> None:
        check_job_id(self.id)


@dataclass(frozen=True, kw_only=True)
class Reorder:
    """Move a waiting job; answered by ``Accepted``.

    Attributes:
        job: its id.
        before: id of the waiting job that it shall run before; None: last of its priority.
    """

    job: str
    before: str | None = None


@dataclass(frozen=True, kw_only=True)
class ListJobs:
    """Jobs, newest first; answered by ``JobList``.

    Attributes:
        states: only those in one of these; empty: all.
        limit: how many at most, 1 to 100.
        after: id of the last job of the page before; None: the first page.
        picture_sha256: only those of this picture; empty: of any.
        search: words, in small or capital letters, each of which stands in the title or in what
            was done: texture, upscale, finish, quality, "seed 42"; "high|hoch": one of them will
            do. Empty: any.
        begins: only those whose id begins so; empty: any.
    """

    states: tuple[JobState, ...] = ()
    limit: int = MOST_ROWS
    after: str | None = None
    picture_sha256: str = ""
    search: str = ""
    begins: str = ""

    def __post_init__(self) -> None:
        check_whole("limit", self.limit, 1, MOST_ROWS)
        _check_sha256(self.picture_sha256)


@dataclass(frozen=True, kw_only=True)
class Attach:
    """Follow a job; answered by ``JobSnapshot``, then its events come from now on.

    Attributes:
        job: its id.
    """

    job: str


@dataclass(frozen=True, kw_only=True)
class FetchPart:
    """Send some of a part; answered by ``PartHead``, then ``credit`` chunks, or fewer at its end.

    The service keeps nothing in between: a client that holds ``offset`` bytes may ask anyone,
    at any time, for the rest.

    Attributes:
        job: its id.
        name: of the part.
        offset: bytes before the first chunk.
        chunk: bytes a chunk, 65536 to 4194304.
        credit: how many chunks may be sent, 0 to 16; 0: the head only.
        by_file: the client can read files of this machine and would like the part's path.
    """

    job: str
    name: str
    offset: int = 0
    chunk: int = 1 << 20
    credit: int = 0
    by_file: bool = False

    def __post_init__(self) -> None:
        check_whole("offset", self.offset, 0, LARGEST_OFFSET)
        check_whole("chunk", self.chunk, SMALLEST_CHUNK, LARGEST_CHUNK)
        check_whole("credit", self.credit, 0, MOST_CREDIT)


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Keep a job's results whatever the quota says, or no longer; answered by ``Accepted``.

    Attributes:
        job: its id.
        pinned: whether to keep them.
    """

    job: str
    pinned: bool = True


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Remove a job that has ended, with its results; answered by ``Accepted``.

    Attributes:
        job: its id.
    """

    job: str


@dataclass(frozen=True, kw_only=True)
class CheckPicture:
    """What may go wrong with a picture, before anything is spent; answered by ``PictureNotes``.

    Attributes:
        picture: a file, or what is attached, as in ``Submit``.
    """

    picture: Reference


@dataclass(frozen=True, kw_only=True)
class CutOut:
    """The object of a picture as a job would see it, before anything is spent; answered by
    ``CutOutPicture``.

    Its rows, corrected by hand perhaps, are what to attach to a job with the matte "cutout".

    Attributes:
        picture: a file, or what is attached, as in ``Submit``.
        matte: how the background is removed.
        threshold: alpha from 0 to 1: what has less becomes transparent, what has more opaque;
            None: as it is.
        grow: pixels by which the object is made larger, after that; negative: smaller; None: as
            it is. -64 to 64.
    """

    picture: Reference
    matte: MatteMethod = "auto"
    threshold: float | None = None
    grow: int | None = None

    def __post_init__(self) -> None:
        check_one_of("matte_method", "way to remove a background called", self.matte, MATTE_METHODS)
        check_number("threshold", self.threshold, 0.0, 1.0)
        check_whole("grow", self.grow, -MOST_GROWN, MOST_GROWN)


@dataclass(frozen=True, kw_only=True)
class DescribeCheckpoint:
    """What a checkpoint can do; answered by ``CheckpointDescription``.

    Attributes:
        checkpoint: as in ``Submit``; None: what a job that names none would use.
        finish: that the expected seconds include; None: none.
        upscale_finish: the same of an upscale, whose finer surface is rarely finished alike.
    """

    checkpoint: str | None = None
    finish: FinishChoice | None = field(default_factory=FinishChoice)
    upscale_finish: FinishChoice | None = field(default_factory=FinishChoice)


@dataclass(frozen=True, kw_only=True)
class ListModels:
    """Weights, here or not; answered by ``ModelList``."""


@dataclass(frozen=True, kw_only=True)
class DownloadModels:
    """Download weights; answered by ``Accepted``, then ``ModelProgress`` comes.

    Attributes:
        names: of ``ModelRow``, or groups of them.
        mirrors: repository -> repository that is asked in its place, such as the
            ``ModelRow.mirror`` of a gated one, whose licence then applies as well; beside those of
            the engine's settings.
    """

    names: tuple[str, ...]
    mirrors: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class VerifyModels:
    """Compare weights with their hashes; answered by ``Accepted``, then ``ModelProgress`` comes.

    Attributes:
        names: of ``ModelRow``, or groups of them; empty: all that are here.
    """

    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CancelModels:
    """Stop downloads and checks of weights, whoever asked for them; answered by ``Accepted``.

    Each ends with a ``ModelProgress`` of the code "cancelled". What has arrived stays: the next
    ``DownloadModels`` resumes there.
    """


@dataclass(frozen=True, kw_only=True)
class RemoveModels:
    """Remove weights from the disk; answered by ``Accepted``.

    Attributes:
        names: of ``ModelRow``, or groups of them.
    """

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GetStatus:
    """How the engine is; answered by ``Status``."""


@dataclass(frozen=True, kw_only=True)
class ReleaseMemory:
    """Give the device's memory back, since somebody is about to render; answered by ``Accepted``
    when it is free. Refused while a job runs."""


@dataclass(frozen=True, kw_only=True)
class Shutdown:
    """End the engine; answered by ``Accepted``.

    Attributes:
        wait: a running job is finished first; else it is interrupted.
    """

    wait: bool = True


@dataclass(frozen=True, kw_only=True)
class OpenPairing:
    """Let one client of another machine in; answered by ``PairingOpened``. Refused to clients of
    other machines."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Become a known client of another machine; answered by ``Paired``.

    Sent instead of ``Hello``, over a connection made with the keys of a one-time code.

    Attributes:
        public_key: that the client is going to use from now on, 40 characters of Z85.
        client: as in ``Hello``.
    """

    public_key: str
    client: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}", self.public_key):
            raise EngineError(
                "field_invalid",
                f"public_key cannot be {short(self.public_key)}.",
                "Give the 40 characters of a CURVE key in Z85.",
            )


Request = (
    Hello
    | Ping
    | Leave
    | Submit
    | Cancel
    | Retry
    | Reorder
    | ListJobs
    | Attach
    | FetchPart
    | Pin
    | Delete
    | CheckPicture
    | CutOut
    | DescribeCheckpoint
    | ListModels
    | DownloadModels
    | VerifyModels
    | CancelModels
    | RemoveModels
    | GetStatus
    | ReleaseMemory
    | Shutdown
    | OpenPairing
    | Pair
)


def new_job_id() -> str:
    """An id for a job that nobody else has."""
    return uuid.uuid4().hex


def check_job_id(job: str) -> None:
    """Refuse what is not the id of a job; it becomes the name of a folder.

    Raises:
        EngineError: ``job_id_invalid``.
    """
    if not re.fullmatch("[0-9a-f]{32}", job):
        raise EngineError(
            "job_id_invalid",
            f"{short(job)} is not the id of a job.",
            "Give 32 hexadecimal digits in lower case.",
        )


def _check_sha256(value: str) -> None:
    if value and not re.fullmatch("[0-9a-f]{64}", value):
        raise EngineError(
            "field_invalid",
            f"picture_sha256 cannot be {short(value)}.",
            "Give 64 hexadecimal digits in lower case, or nothing.",
        )
