"""How the thread that reads commands stops the job that another thread does."""

import threading

from engine.report import CancelToken


class Tokens:
    """The token of the job that runs, and the jobs that are to stop before they have begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped: set[str] = set()
        self._running: tuple[str, CancelToken] | None = None

    def begin(self, job: str) -> CancelToken:
        """The token of a job that begins; set already if the order to stop came first."""
        token = CancelToken()
        with self._lock:
            self._running = job, token
            if job in self._stopped:
                token.cancel()
        return token

    def cancel(self, job: str) -> None:
        """Stop a job; from any thread."""
        with self._lock:
            self._stopped.add(job)
            if self._running is not None and self._running[0] == job:
                self._running[1].cancel()
