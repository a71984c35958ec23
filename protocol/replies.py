"""What the engine answers: one frozen dataclass each. The head of the message carries the id of
the request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .checkpoints import CheckpointDescription
from .errors import EngineError
from .events import EngineStatus, Failed, Note
from .finishes import FinishChoice
from .jobs import Job
from .layout import Layout
from .limits import MatteMethod, check_whole
from .requests import LARGEST_CHUNK, LARGEST_OFFSET, JobState, Priority

LONGEST_SENTENCE = 1000


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The client is known.

    Attributes:
        version: of the protocol, which both speak from now on.
        engine: name and version of the program, such as "maquette 0.4.0".
        session: drawn at each start of the engine: another one than before means that it started
            again.
        status: how the engine is.
    """

    version: int
    engine: str
    session: str
    status: EngineStatus


@dataclass(frozen=True, kw_only=True)
class Pong:
    """The engine is there."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """It is done, or begun."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """It is not done, and nothing changed; the fields are those of ``EngineError``."""

    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: EngineError) -> "Refused":
        """The error as a reply, cut to 1000 characters a sentence."""
        return cls(
            code=error.code[:LONGEST_SENTENCE],
            message=error.message[:LONGEST_SENTENCE],
            hint=error.hint[:LONGEST_SENTENCE],
        )

    def error(self) -> EngineError:
        """The error that it says."""
        return EngineError(self.code, self.message, self.hint)


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """The job is in the queue, on disk.

    Attributes:
        job: its id.
        position: how many jobs run or wait before it.
        eta: seconds until it is done; None as long as nobody knows.
    """

    job: str
    position: int
    eta: float | None = None


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job in a list.

    Attributes:
        id: of the job.
        kind: of its settings: generate, texture, upscale, finish or render.
        client: name of the client that it belongs to.
        title: for people.
        state: what has become of it.
        priority: interactive jobs run before batch jobs.
        position: how many jobs run or wait before it; 0 unless queued.
        created, started, ended: seconds since 1970 UTC; None: not yet.
        stage: that runs, of ``protocol.stages.STAGES``, or empty.
        fraction: of the whole job that is done, 0 to 1.
        eta: seconds that are left; None where nobody knows.
        parts: names of the parts that are there.
        bytes: of its results on disk.
        pinned: kept whatever the quota says.
        retry_of: id of the job that this one tries again, or empty.
        failure: why it failed; None unless it did.
        picture_sha256: of the picture that it was made from, as ``Submit`` says; empty: of none.
        quality: that its settings name, or else their type; empty: neither.
        seed: that its settings name; None: none.
        finish: that a job of the kind finish makes, such as game; else empty.
    """

    id: str
    kind: str
    client: str
    title: str
    state: JobState
    priority: Priority
    position: int = 0
    created: float
    started: float | None = None
    ended: float | None = None
    stage: str = ""
    fraction: float = 0.0
    eta: float | None = None
    parts: tuple[str, ...] = ()
    bytes: int = 0
    pinned: bool = False
    retry_of: str = ""
    failure: Failed | None = None
    picture_sha256: str = ""
    quality: str = ""
    seed: int | None = None
    finish: str = ""


@dataclass(frozen=True, kw_only=True)
class JobList:
    """A page of jobs, newest first.

    Attributes:
        rows: at most as many as asked for.
        more: whether there are others after the last one.
    """

    rows: tuple[JobRow, ...]
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class JobSnapshot:
    """All about a job up to now.

    Attributes:
        row: as in a list.
        job: its settings.
        finish: how its asset is made ready; None: not at all.
        notes: so far, in order.
        seconds: by stage, as in ``Done``; empty before the job is done.
    """

    row: JobRow
    job: Job
    finish: FinishChoice | None = None
    notes: tuple[Note, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def choice(self) -> FinishChoice | None:
        """How what the job makes is finished, be it in the end or all that it does."""
        return self.job if isinstance(self.job, FinishChoice) else self.finish


@dataclass(frozen=True, kw_only=True)
class PartHead:
    """What a part is. A job that was interrupted and runs again may make other bytes of the same
    name; ``sha256`` tells them apart.

    Attributes:
        job: its id.
        name: of the part.
        size: bytes.
        sha256: of all of its bytes, 64 hexadecimal digits.
        layout: what lies where in its bytes.
        path: absolute path of the file with these bytes, if the client asked for it and is on the
            same machine; else empty.
    """

    job: str
    name: str
    size: int
    sha256: str
    layout: Layout
    path: str = ""

    def __post_init__(self) -> None:
        check_whole("size", self.size, 0, LARGEST_OFFSET)
        if self.layout.size > self.size:
            raise EngineError(
                "part_invalid",
                f"The arrays of the part {self.name} end after its {self.size} bytes.",
                "Fetch it again; if it happens again, report it.",
            )


@dataclass(frozen=True, kw_only=True)
class PartChunk:
    """Some bytes of a part, in the buffer "data".

    Attributes:
        job: its id.
        name: of the part.
        offset: bytes of the part before these.
        size: bytes of these, 0 to 4194304.
    """

    job: str
    name: str
    offset: int
    size: int

    def __post_init__(self) -> None:
        check_whole("offset", self.offset, 0, LARGEST_OFFSET)
        check_whole("size", self.size, 0, LARGEST_CHUNK)


@dataclass(frozen=True, kw_only=True)
class PictureNote:
    """Something that may go wrong with a picture.

    Attributes:
        code: snake_case name that programs may test for, such as touches_border.
        sentence: for the user.
    """

    code: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class PictureNotes:
    """What may go wrong with a picture.

    Attributes:
        width, height: pixels.
        notes: the worst first; empty: nothing was seen.
    """

    width: int
    height: int
    notes: tuple[PictureNote, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CutOutPicture:
    """The object of a picture; the buffer "picture" has it as RGBA8 rows, top first, with straight
    alpha: uint8 (height, width, 4).

    Attributes:
        width, height: pixels of the rows, at most 1024.
        scale: pixels of the rows to a pixel of the picture, at most 1.
        method: how the background was removed: alpha, rembg, plain or cutout.
        note: a sentence about that, for the user.
        check: of the picture itself, as for ``CheckPicture``.
    """

    width: int
    height: int
    scale: float
    method: MatteMethod
    note: str
    check: PictureNotes


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """A network, or whatever else is downloaded as one.

    Attributes:
        name: what users call it.
        purpose: one line.
        repository: owner/repository on the hub.
        bytes: of all its files.
        missing: bytes that a download would get; 0: it is here.
        files: names of its files.
        licence: its name.
        commercial: whether the licence allows commercial use.
        gated: whether its owner requires a login and consent.
        groups: qualities and other names that need it.
        mirror: for ``DownloadModels.mirrors``: a copy of a gated repository that needs no login;
            empty: none is known, or it is not gated.
    """

    name: str
    purpose: str
    repository: str
    bytes: int
    missing: int
    files: tuple[str, ...]
    licence: str
    commercial: bool
    gated: bool
    groups: tuple[str, ...] = ()
    mirror: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelList:
    """Weights, here or not.

    Attributes:
        folder: where they lie on the engine's machine.
        free: bytes free on that disk.
        rows: a weight each.
    """

    folder: str
    free: int
    rows: tuple[ModelRow, ...]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the engine is.

    Attributes:
        engine: its state.
        finishing: id of the job that a second process finishes, perhaps while ``engine.job`` is
            another one that is being made; or empty.
        uptime: seconds since it started.
        memory: bytes that the front process uses.
        results: bytes of all results on disk.
        quota: bytes that unpinned results may take.
    """

    engine: EngineStatus
    uptime: float
    memory: int
    results: int
    quota: int
    finishing: str = ""


@dataclass(frozen=True, kw_only=True)
class PairingOpened:
    """Whoever has the code can become a client, once.

    Attributes:
        code: ``str(PairingCode)``, for people to carry over.
        seconds: that it is good for.
    """

    code: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The client is known from now on, with its own key.

    Attributes:
        token: for its ``Hello``.
        engine: name of the engine's machine, for people.
    """

    token: str
    engine: str


Reply = (
    Welcome
    | Pong
    | Accepted
    | Refused
    | Submitted
    | JobList
    | JobSnapshot
    | PartHead
    | PartChunk
    | PictureNotes
    | CutOutPicture
    | CheckpointDescription
    | ModelList
    | Status
    | PairingOpened
    | Paired
)
