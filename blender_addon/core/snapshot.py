"""What panels draw: plain values, which the session makes after each tick that changed anything.

Panels read these and nothing else; sentences are ready for people, in full.
"""

from dataclasses import dataclass, field
from typing import Literal

EngineState = Literal["absent", "installing", "stopped", "starting", "ready", "gone", "refused"]
"""Of the engine: "absent" is not installed anywhere that we know; "stopped" is installed and does
not run; "gone" ran and is silent for 3 s; "refused" runs and does not want this Blender, such as
one of another version."""

Verb = Literal["", "set_up", "start", "restart", "retry", "update", "pair", "download", "free_disk"]
"""What would help, as the name of a button: the operator that repairs it."""

JobState = Literal[
    "sending", "queued", "running", "fetching", "waiting", "done", "failed", "cancelled",
    "interrupted",
]  # fmt: skip
"""Of a job as this Blender sees it: "fetching" gets the parts of what ended; "waiting" has them and
waits until the scene can take them (``waiting_for`` says what for)."""
ENDED_BADLY: tuple[Literal["failed"], Literal["interrupted"]] = ("failed", "interrupted")
"""States of a job that can be tried again or resumed."""


@dataclass(frozen=True, kw_only=True)
class EngineView:
    """The engine.

    Attributes:
        state: of it.
        sentence: one line for the panel: what is, or what is wrong.
        hint: the remedy, or empty.
        verb: of the button beside it.
        place: "this machine", or the name or address of another one.
        remote: it is on another machine.
        device: such as "CPU" or the card's name; empty as long as it is unknown.
        memory_used, memory_total: bytes of the device; None where they are not known.
        own_folder: it is one in a folder that the user named.
        warm: networks are loaded: the next job begins at once.
        versions: of extension and engine, for the diagnosis.
        pairing, pairing_hint: that another machine is being asked, or why it did not let us in,
            beside an engine that is used meanwhile; or empty.
        paired_in_vain: it is the latter.
    """

    state: EngineState = "absent"
    sentence: str = ""
    hint: str = ""
    verb: Verb = "set_up"
    place: str = "this machine"
    remote: bool = False
    device: str = ""
    memory_used: int | None = None
    memory_total: int | None = None
    own_folder: bool = False
    warm: bool = False
    versions: str = ""
    pairing: str = ""
    pairing_hint: str = ""
    paired_in_vain: bool = False

    @property
    def used(self) -> str:
        """Which engine it is: the address of another machine's, where the internet may be used;
        empty: this machine's."""
        offline = " (offline)" if self.state == "refused" else ""
        return self.place + offline if self.remote else ""


@dataclass(frozen=True, kw_only=True)
class SetupView:
    """Setting up the engine, before, while and after.

    Attributes:
        running: it is under way.
        step: in words, such as "Downloading PyTorch".
        fraction: of the whole, 0 to 1.
        bytes_done, bytes_total: of what is downloaded; total 0: unknown.
        log: the last lines.
        problem, hint: why it ended badly, or empty.
        resumable: a set-up that was cut can continue.
        download, disk: bytes that it takes on this machine (estimates, said as such).
        minutes: that it takes at 50 Mbit/s, about.
        why_not: why it cannot be begun, such as online access, or empty.
        asks: ``problem`` is a question that the user has to agree to.
        note: something to know that did not end it, or empty.
    """

    running: bool = False
    step: str = ""
    fraction: float = 0.0
    bytes_done: int = 0
    bytes_total: int = 0
    log: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""
    resumable: bool = False
    download: int = 0
    disk: int = 0
    minutes: float = 0.0
    why_not: str = ""
    asks: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class QualityView:
    """A quality that the checkpoint in use has.

    Attributes:
        name: draft, standard or high.
        resolution: voxels an axis.
        seconds: that a generation takes on this machine, about; None: nobody knows yet.
        memory: bytes of the device that it needs at least; None: unknown.
        missing: bytes of its weights that are not here.
    """

    name: str
    resolution: int
    seconds: float | None = None
    memory: int | None = None
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class StageView:
    """A stage whose sampler can be changed under "Advanced".

    Attributes:
        name: as jobs have it.
        label: for people.
        steps, guidance_strength: the checkpoint's defaults.
        reuse_after: steps after which a fast job saves some; None: it saves none of this stage.
    """

    name: str
    label: str
    steps: int
    guidance_strength: float
    reuse_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointView:
    """The networks in use.

    Attributes:
        name: for people.
        small: it is the small model that comes with the engine.
        qualities, stages: that it has.
        default_quality: of ``qualities``.
        note: for the user, when the small model stands in; else empty.
        upscale_resolution, upscale_seconds: voxels an axis that an upscale ends at, 0: it has none;
            seconds that it takes on this machine, None: nobody knows yet.
        texture_resolution, texture_seconds: the same of new materials for a mesh.
        game_seconds: as ``upscale_seconds``, of making an object ready for games.
        closed, faces: what its results are best finished with; faces None: no bound.
        words: they may take the place of a picture.
        words_missing: what has to be installed for that first, as a sentence; empty: nothing.
    """

    name: str
    small: bool
    qualities: tuple[QualityView, ...]
    stages: tuple[StageView, ...] = ()
    default_quality: str = "standard"
    note: str = ""
    upscale_resolution: int = 0
    upscale_seconds: float | None = None
    texture_resolution: int = 0
    texture_seconds: float | None = None
    game_seconds: float | None = None
    closed: bool = False
    faces: int | None = None
    words: bool = False
    words_missing: str = ""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job that this Blender follows.

    Attributes:
        id: of the job.
        title: for people.
        kind: generate, texture, upscale or finish.
        state: of it.
        stage: label of the stage that runs, for people.
        step, steps: of that stage.
        fraction: of the whole job, 0 to 1.
        elapsed, eta: seconds; eta None as long as nobody knows.
        position: jobs before it in the queue.
        notes: of the engine, for the user.
        problem, hint: why it failed, or empty.
        waiting_for: why a finished job is not in the scene yet, or empty.
        target: name of the object that it changes, or empty for a new one.
        gone: that this object was deleted meanwhile, as a sentence; or empty.
    """

    id: str
    title: str
    kind: str
    state: JobState
    stage: str = ""
    step: int = 0
    steps: int = 0
    fraction: float = 0.0
    elapsed: float = 0.0
    eta: float | None = None
    position: int = 0
    notes: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""
    waiting_for: str = ""
    target: str = ""
    gone: str = ""


JobVerb = Literal["", "show", "insert", "retry", "resume", "cancel"]
"""What can be done about a job, as the name of a button."""


@dataclass(frozen=True, kw_only=True)
class BannerView:
    """What has just happened to a job, in the same words wherever it is told.

    Attributes:
        job: its id.
        state: "done", "failed", "interrupted", "cancelled"; another one: it goes on, but its object
            was deleted.
        sentence: what has happened.
        verb: what can be done about it.
        object: ``session_uid`` of what it made or changed; 0: nothing in a scene.
    """

    job: str
    state: JobState
    sentence: str
    verb: JobVerb = ""
    object: int = 0


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """A result in the engine's store.

    Attributes:
        id: of its job.
        title, kind: as in ``JobView``.
        created: seconds since 1970 UTC.
        pinned: kept whatever the quota says.
        bytes: of it on disk.
        picture: SHA-256 of its source picture, to filter by; may be empty.
        offered: it ended while nobody could place it (file closed, target gone, crash).
        thumbnail: ``session.thumbnails`` has it.
        quality, seed, finish: as in ``JobRow``.
    """

    id: str
    title: str
    kind: str
    created: float
    pinned: bool = False
    bytes: int = 0
    picture: str = ""
    offered: bool = False
    thumbnail: bool = False
    quality: str = ""
    seed: int | None = None
    finish: str = ""


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """What is chosen to make objects from: a picture as the engine sees it, or words.

    Attributes:
        title: name for people; empty: none is chosen.
        width, height: pixels; 0: not known yet.
        checking: the engine is being asked.
        notes: what may go wrong, the worst first, and how the object was found.
        warnings: how many of the notes, from the first, say what may go wrong.
        readable: it can be shown, though perhaps not used.
        maskable: its matte can be corrected.
        wants_network: what is wrong with it, a network that finds objects puts right.
        problem, hint: why it cannot be used, or empty.
        cut_out: its matte is here (``session.chosen.cut_out``).
        serial: another number for another matte, so that previews know when to change.
        of_words: there are words instead of a picture.
        words: these, or empty as long as none are written.
        place, count: of several pictures the one that is shown, from 0, and how many there are.
        left_out: nothing is made from the one that is shown.
        made: of how many pictures objects are made.
        noted, unusable, unseen: with how many something may go wrong, how many cannot be used,
            how many were not looked at yet.
    """

    title: str = ""
    width: int = 0
    height: int = 0
    checking: bool = False
    notes: tuple[str, ...] = ()
    warnings: int = 0
    readable: bool = True
    maskable: bool = True
    wants_network: bool = False
    problem: str = ""
    hint: str = ""
    cut_out: bool = False
    serial: int = 0
    of_words: bool = False
    words: str = ""
    place: int = 0
    count: int = 1
    left_out: bool = False
    made: int = 1
    noted: int = 0
    unusable: int = 0
    unseen: int = 0


@dataclass(frozen=True, kw_only=True)
class WeightView:
    """A network of the published weights: as ``protocol.replies.ModelRow``, for people."""

    name: str
    purpose: str
    bytes: int
    missing: int
    gated: bool
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class WeightsView:
    """The published weights.

    Attributes:
        rows: of the wanted group, each file once.
        folder: where they lie.
        total, missing, free: bytes.
        running: a download is under way.
        file: that is being downloaded.
        done: bytes of the running download.
        problem, hint: why it ended badly, or empty.
    """

    rows: tuple[WeightView, ...] = ()
    folder: str = ""
    total: int = 0
    missing: int = 0
    free: int = 0
    running: bool = False
    file: str = ""
    done: int = 0
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that panels draw."""

    engine: EngineView = field(default_factory=EngineView)
    setup: SetupView = field(default_factory=SetupView)
    checkpoint: CheckpointView | None = None
    jobs: tuple[JobView, ...] = ()
    history: tuple[HistoryRow, ...] = ()
    history_more: bool = False
    picture: PictureView = field(default_factory=PictureView)
    weights: WeightsView | None = None
    banner: BannerView | None = None
    message: str = ""
    """One line about the last thing that ended, such as "Chair is in the scene."."""
    news: BannerView | None = None
    """The job that ``message`` tells of; None: it tells of something else."""
