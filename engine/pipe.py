"""What the front process and a worker say to each other, over the worker's stdin and stdout.

A worker is a program that is started without arguments of its own and does this::

    with worker_end() as end:                 # takes stdin and stdout away from everything else
        setup = end.next()                    # always a Setup
        end.send(Ready(device="cuda:0"))      # within START_SECONDS of its start
        while (command := end.next()) is not None:
            ...                               # Run, Warm

- **Frames**: four bytes, big-endian, of length; then msgpack of ``protocol.plain.to_dict`` with the
  name of the message: ``{"run": {"job": "...", ...}}``. At most ``LARGEST_FRAME`` bytes. Data do not
  travel here: parts are files.
- **Run**: the worker answers with Started, then any of Progress, Note, PartFile and Memory, and in
  the end exactly one of Done, Failed and Cancelled; all name the job. Only one job runs at a time,
  and no command but Cancel comes while it does. What the worker sends after the end of a job is not
  looked at.
- **Cancel** never waits in the queue: ``end.cancelled`` holds the job's id from the moment it
  arrives, and ``on_cancel`` is called on the reading thread, where it should set the job's
  ``CancelToken``. A worker that has not ended the job after two seconds is killed.
- **Parts**: the worker writes a file into ``Run.folder``, whole or not at all
  (``engine.host.files.atomic_path``, which also waits for the disk), and then sends PartFile. A part
  of the same name replaces the one before it; give its file another name then.
- **Resuming**: ``Run.folder`` is the job's own and outlives crashes. What a finished stage made
  should be kept there, written atomically; a job that runs again (``Run.attempt`` above 1) gets
  the same folder and begins at what it finds. Stages that were found rather than done are in no
  ``Done.seconds``, so that estimates stay right.
- **Warm**: load and compile, at low priority, what the next job is likely to need; then Warmed. It
  must look at ``end.waiting()`` often and return when a command is there.
- **The end**: stdin closes when the front process ends, however it ended, and also when the worker
  is no longer wanted. ``next`` then gives None, ``on_cancel`` is called for a job that runs, and
  the process is gone ``GRACE_SECONDS`` later whatever it does. VRAM is given back in this way only.
- **Crashes**: a worker may simply die; the front process tells its exit status in a sentence. What
  it wrote to stderr goes to the log. A worker that is of no use any more, after a CUDA fault say,
  sends the end of its job and then exits with status 0, which is no crash.

Nothing here imports torch.
"""

import ctypes
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgpack

from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Failed, Note, Progress
from protocol.jobs import FinishJob, Job
from protocol.layout import Array, Layout
from protocol.plain import from_dict, to_dict

LARGEST_FRAME = 4 << 20
"""Bytes."""
START_SECONDS = 120.0
"""From the start of a worker to Ready: torch on a slow disk takes its time."""
GRACE_SECONDS = 3.0
"""From the end of stdin to the end of the process."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The first command.

    Attributes:
        home: folder of everything that Maquette keeps.
        models: folder of the weights.
        endpoint, mirrors, offline: as in ``engine.settings.Settings``.
        device: such as "cuda:1"; None: the best one.
    """

    home: str
    models: str
    endpoint: str | None = None
    mirrors: Mapping[str, str] = field(default_factory=dict[str, str])
    offline: bool = False
    device: str | None = None


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
        attempt: 1, and one more each time the job was interrupted.
    """

    job: str
    spec: Job
    finish: FinishJob | None = None
    checkpoint: str | None = None
    folder: str
    attached: Mapping[str, AttachedFile] = field(default_factory=dict[str, AttachedFile])
    stored: Mapping[str, str] = field(default_factory=dict[str, str])
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop a job at the next step."""

    job: str


@dataclass(frozen=True, kw_only=True)
class Warm:
    """Prepare for jobs of this kind while nobody waits.

    Attributes:
        checkpoint: None: the default one.
    """

    checkpoint: str | None = None


Command = Setup | Run | Cancel | Warm


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The worker can take commands.

    Attributes:
        device: such as "cpu" or "cuda:0".
        device_name: as its maker calls it; also the key of estimates.
        memory_total: bytes of the device; None where it is not known.
    """

    device: str
    device_name: str = ""
    memory_total: int | None = None


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


Event = Ready | Started | Progress | Note | PartFile | Memory | Warmed | Done | Failed | Cancelled


def write_frame(stream: BinaryIO, message: Command | Event, kind: Any) -> None:
    """Write a message; ``kind`` is ``Command`` or ``Event``."""
    data: bytes = msgpack.packb(to_dict(message, kind))
    if len(data) > LARGEST_FRAME:
        raise ValueError(f"a message of {len(data)} bytes is too long for the pipe")
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[stream.write(rest) :]


def read_frames(stream: BinaryIO, kind: Any) -> Iterator[Any]:
    """Messages until the other side is gone; half a message at the end is none.

    Raises:
        EngineError: ``field_invalid`` when a message is not what ``kind`` says.
    """
    while (head := _exactly(stream, _LENGTH.size)) is not None:
        (length,) = _LENGTH.unpack(head)
        if length > LARGEST_FRAME:
            raise EngineError("field_invalid", "A frame of the pipe is too long.", "")
        data = _exactly(stream, length)
        if data is None:
            return
        try:
            content = msgpack.unpackb(data)
        except ValueError as error:
            raise EngineError("field_invalid", f"A frame of the pipe: {error}.", "") from error
        yield from_dict(kind, content)


def _exactly(stream: BinaryIO, count: int) -> bytes | None:
    """So many bytes, from an unbuffered stream; None where it ends before."""
    pieces: list[bytes] = []
    while count:
        piece = stream.read(count)
        if not piece:
            return None
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


class WorkerEnd:
    """The worker's end of the pipe.

    Args:
        commands, events: binary streams, unbuffered; nobody else may use them.
        on_cancel: called with a job's id on the reading thread, for every Cancel and, with the id
            of the last job that ran, when the front process is gone.

    Attributes:
        cancelled: ids of the jobs that are to stop.
    """

    def __init__(
        self, commands: BinaryIO, events: BinaryIO, on_cancel: Callable[[str], None]
    ) -> None:
        self._events = events
        self._on_cancel = on_cancel
        self._sending = threading.Lock()
        self._queue: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._job = ""
        self.cancelled: set[str] = set()
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()

    def next(self) -> Command | None:
        """Wait for a command; None: the worker is to end."""
        return self._queue.get()

    def waiting(self) -> bool:
        """Whether a command, or the end, is there: return from ``Warm``."""
        return not self._queue.empty()

    def send(self, event: Event) -> None:
        """Tell the front process; from any thread. Where it is gone nothing happens."""
        with self._sending, suppress(OSError, ValueError):
            write_frame(self._events, event, Event)

    def _read(self, commands: BinaryIO) -> None:
        try:
            for command in read_frames(commands, Command):
                if isinstance(command, Cancel):
                    self._cancel(command.job)
                    continue
                if isinstance(command, Run):
                    self._job = command.job
                self._queue.put(command)
        finally:
            # First the clock: what follows may raise.
            timer = threading.Timer(GRACE_SECONDS, os._exit, (0,))
            timer.daemon = True
            timer.start()
            self._queue.put(None)
            self._cancel(self._job)

    def _cancel(self, job: str) -> None:
        self.cancelled.add(job)
        self._on_cancel(job)


@contextmanager
def worker_end(on_cancel: Callable[[str], None] = lambda job: None) -> Iterator[WorkerEnd]:
    """The pipe of this process, whose stdin and stdout are nobody else's from now on.

    What libraries print goes to stderr. Ctrl-C in a terminal is for the front process alone.
    """
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    commands, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Unbuffered: a thread that waits in a buffered one holds its lock when the interpreter ends.
    with os.fdopen(events, "wb", buffering=0) as write:
        yield WorkerEnd(os.fdopen(commands, "rb", buffering=0), write, on_cancel)


def _die_with_parent() -> None:
    """On Linux the kernel sees to it, even while a library holds the GIL. It needs the parent's
    main thread to have started this process."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
