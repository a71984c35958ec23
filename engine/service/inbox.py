"""How threads get something done on the thread of the service's loop."""

import logging
import queue
import socket
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger(__name__)

WAITING = 256
"""Calls that may wait; a thread that posts more is held up until some were made."""


class Inbox:
    """Calls that were posted by other threads.

    Attributes:
        socket: becomes readable when there are calls; for a poller.
    """

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue(WAITING)
        self.socket, self._bell = socket.socketpair()
        self.socket.setblocking(False)
        self._bell.setblocking(False)

    def post(self, call: Callable[[], None]) -> None:
        """Have it called by the loop; from any thread, in the order of each thread."""
        self._calls.put(call)
        # A full bell rings already; a closed one belongs to a service that has ended.
        with suppress(OSError):
            self._bell.send(b"!")

    def run(self, most: int = 64) -> None:
        """Make calls that wait, up to so many; the socket stays readable while there are others."""
        with suppress(BlockingIOError):
            self.socket.recv(most)
        for _ in range(most):
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            try:
                call()
            except Exception:
                log.exception("a call of another thread failed")
        with suppress(OSError):
            self._bell.send(b"!")

    def close(self) -> None:
        self.socket.close()
        self._bell.close()
