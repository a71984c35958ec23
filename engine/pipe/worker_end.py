"""The worker's end of the pipe, and how it writes parts."""

import ctypes
import hashlib
import os
import queue
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.host.files import atomic_path
from engine.pipe.frames import read_frames, write_frame
from engine.pipe.messages import GRACE_SECONDS, Cancel, Command, Event, PartFile, Run
from protocol.parts import Packed


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

    def send_raw(self, data: bytes) -> None:
        """Bytes that are no message; for tests of the other side."""
        with self._sending:
            self._events.write(data)

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
    """The pipe of this process, whose stdin and stdout are nobody else's from now on."""
    with streams() as (commands, events):
        yield WorkerEnd(commands, events, on_cancel)


@contextmanager
def streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Stdin and stdout of this process, unbuffered, taken away from everything else.

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
        yield os.fdopen(commands, "rb", buffering=0), write


def _die_with_parent() -> None:
    """On Linux the kernel sees to it, even while a library holds the GIL. It needs the parent's
    main thread to have started this process."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def write_part(run: Run, name: str, packed: Packed) -> PartFile:
    """Write a part into the folder of its job: whole or not at all, and on the disk itself.

    Returns:
        What is to be sent.

    Raises:
        EngineError: ``disk_full``, ``unwritable``.
    """
    # A later attempt must not change a file that somebody is being sent.
    file = f"parts/{name}.{secrets.token_hex(4)}"
    path = Path(run.folder, file)
    path.parent.mkdir(exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        for chunk in packed.chunks():
            stream.write(chunk)
            digest.update(chunk)
            size += memoryview(chunk).nbytes
    return PartFile(
        job=run.job,
        name=name,
        file=file,
        bytes=size,
        sha256=digest.hexdigest(),
        layout=packed.layout,
    )
