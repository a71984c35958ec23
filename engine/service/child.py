"""A child process at the other end of a pipe; see ``engine/pipe`` for what is said."""

import logging
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import IO, Any

from engine.pipe.frames import read_frames, write_frame
from engine.service import windows
from engine.service.inbox import Inbox
from protocol.errors import EngineError

log = logging.getLogger(__name__)

MOST_HIDDEN = 64
LAST_LINES = 30
KILL_SECONDS = 5.0
"""Within which a process that is killed is gone."""


class Child:
    """A process that reads commands and sends events, and that ends when this process does.

    Args:
        command: program and arguments.
        commands, events: unions of the messages to it and from it.
        inbox: where ``on_event`` and ``on_end`` are called from.
        on_event: gets what the child sends.
        on_end: gets the exit status, after all events; negative: the number of a signal.

    Raises:
        EngineError: ``worker_start``.
    """

    def __init__(
        self,
        command: Sequence[str],
        inbox: Inbox,
        *,
        commands: Any,
        events: Any,
        on_event: Callable[[Any], None],
        on_end: Callable[[int], None],
    ) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=windows.FLAGS,
            )
        except OSError as error:
            raise EngineError(
                "worker_start",
                f"The worker process cannot be started: {error.strerror or error}.",
                "Install Maquette again; 'maquette doctor' says more.",
            ) from error
        if sys.platform == "win32":
            self._job = windows.end_with_us(self._process)
        self._inbox = inbox
        self._commands, self._events = commands, events
        self._on_event, self._on_end = on_event, on_end
        self._hidden: tuple[str, ...] = ()
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.pid = self._process.pid
        # The log's first: the other one waits for it, perhaps at once.
        self._log_thread = threading.Thread(target=self._read_log, daemon=True)
        self._log_thread.start()
        threading.Thread(target=self._read_events, daemon=True).start()

    def send(self, command: Any) -> None:
        """Where the child is gone nothing happens: ``on_end`` tells."""
        with suppress(OSError, ValueError):
            write_frame(self._pipe(self._process.stdin), command, self._commands)

    def hide(self, texts: Sequence[str]) -> None:
        """Keep these, paths of pictures say, out of the log, and the last ones before them.

        What a child wrote about a job may be read after the event that ended the job.
        """
        new = [text for text in texts if text and text not in self._hidden]
        self._hidden = (*new, *self._hidden)[:MOST_HIDDEN]

    def close(self) -> None:
        """Ask it to end, by the end of its stdin."""
        with suppress(OSError):
            self._pipe(self._process.stdin).close()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float) -> bool:
        """Whether it is gone, within so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def end(self, seconds: float) -> None:
        """Ask it to end, and kill it when it has not, after so many seconds."""
        self.close()
        if not self.wait(seconds):
            self.kill()
            self.wait(KILL_SECONDS)

    def _read_events(self) -> None:
        stream = self._pipe(self._process.stdout)
        try:
            for event in read_frames(stream, self._events):
                self._inbox.post(partial(self._on_event, event))
        except EngineError as error:
            log.error("The worker sent what is no event: %s", error)
            self.kill()
        status = self._process.wait()
        self._log_thread.join(1.0)  # its last words; a grandchild may hold the stream open
        stream.close()
        self._inbox.post(partial(self._ended, status))

    def _ended(self, status: int) -> None:
        self.close()
        self._on_end(status)

    def _read_log(self) -> None:
        with self._pipe(self._process.stderr) as stream:
            # Unbuffered streams read lines byte by byte.
            pending = b""
            while piece := stream.read(1 << 16):
                *lines, pending = (pending + piece).split(b"\n")
                for line in lines:
                    self._log(line)
                pending = pending[-4096:]
            if pending:
                self._log(pending)

    def _log(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()[:1000]
        for hidden in self._hidden:
            text = text.replace(hidden, "<hidden>")
        self.last_lines.append(text)
        log.info("worker %d: %s", self.pid, text)

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> Any:
        if stream is None:
            raise TypeError("the process was started without pipes")
        return stream


def how_it_ended(status: int) -> str:
    """An exit status as a sentence about the worker."""
    if status in (-9, 137):
        return (
            "The worker was killed by the system or by somebody, most often because memory ran out."
        )
    if status in (-11, -7, -4, -6, -8, 0xC0000005, 0xC0000409, 0xC000001D):
        return "The worker crashed in native code, most often in a driver or a GPU library."
    if status == 0:
        return "The worker ended in the middle of its work."
    kind = "by signal" if status < 0 else "with status"
    return f"The worker ended {kind} {abs(status)}."
