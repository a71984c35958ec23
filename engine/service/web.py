"""The process that speaks HTTP: started, and started again when it ends."""

import logging
import time
from collections.abc import Callable, Sequence

from engine.pipe.messages import Setup
from engine.service.child import Child
from engine.service.crashes import Crashes
from engine.service.inbox import Inbox

log = logging.getLogger(__name__)

MOST_CRASHES, WITHIN_SECONDS = 5, 120.0
"""After so many ends in so short a time it is left alone, and said."""
PAUSE_SECONDS = 1.0
GRACE_SECONDS = 2.0


class Web:
    """Watches the HTTP face.

    Args:
        command: program and arguments.
        inbox: of the service.
        say: gets a sentence for the user; an empty one: all is well again.
    """

    def __init__(self, command: Sequence[str], inbox: Inbox, say: Callable[[str], None]) -> None:
        self._command, self._inbox, self._say = command, inbox, say
        self._crashes = Crashes(MOST_CRASHES, WITHIN_SECONDS, PAUSE_SECONDS, PAUSE_SECONDS)
        self._closing = False
        self._due: float | None = None
        self._child = self._start()

    def tick(self, now: float) -> None:
        """Look at the clock (``time.monotonic``)."""
        if self._due is not None and now >= self._due:
            self._due = None
            self._child = self._start()
            self._say("")

    def close(self) -> None:
        """End it."""
        self._closing = True
        self._child.end(GRACE_SECONDS)

    def _start(self) -> Child:
        return Child(
            self._command,
            self._inbox,
            commands=Setup,
            events=Setup,
            on_event=lambda event: None,
            on_end=self._ended,
        )

    def _ended(self, status: int) -> None:
        if self._closing:
            return
        now = time.monotonic()
        delay = self._crashes.add(now)
        then = "it is not started again, the log says more."
        if delay is not None:
            self._due, then = now + delay, "it is started again."
        sentence = f"The HTTP face has ended, status {status}; {then}"
        log.error("%s %s", sentence, " ".join(self._child.last_lines))
        self._say(sentence)
