"""Commands to a worker and its events: one frozen dataclass each, plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocol.events import Cancelled, Done, Failed, Note, Progress
from protocol.finishes import FinishChoice
from protocol.jobs import Job
from protocol.layout import Array, Layout

START_SECONDS = 120.0
"""From the start of a worker to Ready: torch on a slow disk takes its time."""
GRACE_SECONDS = 3.0
"""From the end of stdin to the end of the process."""
NEEDS_NETWORKS = "needs_networks"
"""Code of the error of a finisher that was given a job whose saved asset is of no use. The folder
of that asset is gone by then."""
Half = Literal["", "first", "second"]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The first command.

    Attributes:
        home: folder of everything that Maquette keeps.
        models: folder of the weights.
        endpoint, mirrors, offline: as in ``engine.settings.Settings``.
        device: such as "cuda:1"; None: the best one.
        networks: false for a finisher, which never opens any, nor the device: it finishes what is
            saved.
    """

    home: str
    models: str
    endpoint: str | None = None
    mirrors: Mapping[str, str] = field(default_factory=dict[str, str])
    offline: bool = False
    device: str | None = None
    networks: bool = True


@dataclass(frozen=True, kw_only=True)
class AttachedFile:
    """Something that travelled beside a job: a file, or an array.

    Attributes:
        file: its path, absolute in a ``Run``; it holds the bytes of the array.
        array: uint8 (size,) are the bytes of a file, uint8 (height, width, 4) a picture.
    """

    file: str
    array: Array


@dataclass(frozen=True, kw_only=True)
class Run:
    """Do a job.

    Attributes:
        job: its id.
        spec: what is to be done.
        finish: what comes right after it, on its result; None: nothing.
        checkpoint: folder or hub repository of the networks; None: the default one.
        folder: the job's own, absolute; it exists.
        attached: what ``Attached`` references of ``spec`` name: a file or picture by its name, the
            arrays of a mesh by name.array, as in ``protocol.requests.Submit``.
        stored: folders of the jobs that ``Stored`` references name, by their ids; absolute.
        earlier: folder of the job that this is another try of, with changed settings perhaps: what
            it kept may be used where it fits. Empty: none.
        attempt: 1, and one more each time the job was interrupted.
        title: for people; what is made is named after it.
        half: "first": the worker asks by Saved, once the asset is, whether another one finishes it;
            "second": that other one begins at the asset, whose parts were told; else the whole job.
    """

    job: str
    spec: Job
    finish: FinishChoice | None = None
    checkpoint: str | None = None
    folder: str
    attached: Mapping[str, AttachedFile] = field(default_factory=dict[str, AttachedFile])
    stored: Mapping[str, str] = field(default_factory=dict[str, str])
    earlier: str = ""
    attempt: int = 1
    title: str = ""
    half: Half = ""


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop a job at the next step."""

    job: str


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """The answer to Saved.

    Attributes:
        accepted: another worker does the rest, and this one says nothing more of the job; else it
            goes on.
    """

    job: str
    accepted: bool


@dataclass(frozen=True, kw_only=True)
class Warm:
    """Prepare for jobs of this kind while nobody waits.

    Attributes:
        checkpoint: None: the default one.
    """

    checkpoint: str | None = None


Command = Setup | Run | Cancel | HandOver | Warm


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The worker can take commands.

    Attributes:
        device: such as "cpu" or "cuda:0".
        device_name: as its maker calls it; also the key of estimates.
        memory_total: bytes of the device; None where it is not known.
        problem: why the device cannot be used, with a remedy; empty where it can. Jobs that need no
            networks are done all the same.
    """

    device: str
    device_name: str = ""
    memory_total: int | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Started:
    """A job runs.

    Attributes:
        checkpoint: key of estimates: whose networks, empty for jobs without any.
        route: key of estimates: quality and resolution, or what else decides how long it takes.
        stages: names of ``protocol.stages.STAGES`` that are going to come, in order.
    """

    job: str
    checkpoint: str = ""
    route: str = ""
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PartFile:
    """A part of the result is on the disk.

    Attributes:
        job: its id.
        name: structure, mesh, textures, thumbnail, asset and so on.
        file: its path relative to ``Run.folder``, with forward slashes.
        bytes, sha256: of the whole file; lower-case hex.
        layout: what lies where in the file.
    """

    job: str
    name: str
    file: str
    bytes: int
    sha256: str
    layout: Layout


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The asset of a job is saved, and finishing it needs no networks; HandOver is waited for.

    Attributes:
        seconds: by stage, of all that ran.
    """

    job: str
    seconds: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of the device that are in use now, by whomever. At least once a stage."""

    used: int


@dataclass(frozen=True, kw_only=True)
class Warmed:
    """The next job begins without loading.

    Attributes:
        checkpoint: whose networks are loaded.
    """

    checkpoint: str = ""


Event = (
    Ready
    | Started
    | Progress
    | Note
    | PartFile
    | Saved
    | Memory
    | Warmed
    | Done
    | Failed
    | Cancelled
)
