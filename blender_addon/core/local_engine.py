"""The engine's process on this machine: found, started, watched, ended; shared by all Blenders."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress

from ..protocol.errors import EngineError
from .disk import unwritable
from .endings import Breaker, ending
from .installed import Installed
from .launch import serve_command, start, stop_command
from .places import Places
from .running import Knock, Running, alive, end, read_running
from .telling import last_lines

LOOK_EVERY = 1.0
"""Seconds between looks at the connection file: an engine of another Blender is missed by then."""
RIVAL = 2.0
"""Seconds that another engine, which was started at the same moment, may take to be there."""
ENDING = 15.0
"""Seconds that an engine may take to end before it is ended; a job it waits for takes longer."""


class LocalEngine:
    """
    Args:
        places: of the engine.
        environment: that its processes start with.
        clock: seconds, never backwards.

    Attributes:
        running: the engine that runs; None: there is none.
        stopping: it was asked to end.
        trouble: how the last one, or the last start, ended badly.
    """

    def __init__(
        self, places: Places, environment: Mapping[str, str], clock: Callable[[], float]
    ) -> None:
        self.running: Running | None = None
        self.trouble: EngineError | None = None
        self._places, self._environment, self._clock = places, environment, clock
        self._breaker = Breaker(clock)
        self._child: subprocess.Popen[bytes] | None = None
        self._stopper: subprocess.Popen[bytes] | None = None
        self._end_at: float | None = None
        self._now = False
        self._rival_until: float | None = None
        self._knock: tuple[Running, Knock] | None = None
        self._stale: Running | None = None
        self._wanted: Installed | None = None
        self._look_at = clock()

    @property
    def starting(self) -> bool:
        """One is on its way, or it is not known yet whether one runs."""
        on_its_way = self._child is not None or self._rival_until is not None
        return self.running is None and (on_its_way or self._knock is not None)

    @property
    def stopping(self) -> bool:
        return self._end_at is not None

    @property
    def crashes(self) -> bool:
        """It crashed too often to be started again without being asked."""
        return self._breaker.open

    def poll(self) -> None:
        """See what has happened; takes a millisecond at most."""
        self._poll_child()
        self._poll_end()
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self.look()
        if self._knock is not None:
            self._poll_knock(*self._knock)

    def look(self) -> None:
        """Whether the connection file leads to an engine."""
        if self.running is not None and not alive(self.running.pid):
            self._miss()
        if self.running is not None or self._knock is not None:
            return
        found = read_running(self._places.connection)
        if found is None or found == self._stale:
            return
        if self._child is not None and found.pid == self._child.pid:
            self._found(found)
        elif alive(found.pid):
            self._knock = (found, Knock(found.endpoint))

    def start(self, installed: Installed, *, on_demand: bool = False) -> None:
        """Start one, unless one runs or is on its way.

        Args:
            installed: where it is.
            on_demand: nobody has asked for it: too many crashes of before count.

        Raises:
            EngineError: ``engine_crashes``, ``unwritable``.
        """
        if not on_demand:
            self._breaker.forgive()
        self.look()
        if self._knock is not None:
            self._wanted = installed
        if self.running is not None or self.starting:
            return
        if self.crashes and self.trouble is not None:
            raise EngineError("engine_crashes", self.trouble.message, self.trouble.hint)
        self.trouble = self._end_at = None
        try:
            self._places.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self._places.home, error) from error
        self._child = start(
            serve_command(installed.python),
            log=self._places.serve_log,
            environment=self._environment,
            folder=self._places.home,
        )

    def stop(
        self, installed: Installed | None, *, now: bool = False, then_start: bool = False
    ) -> None:
        """End the engine, for all Blenders.

        Args:
            installed: whose command line asks it; None: it is ended without being asked.
            now: do not wait for its job, which can be resumed.
            then_start: start it again.
        """
        self.trouble = None
        self._wanted = installed if then_start else None
        if self.running is None and self._child is None:
            return
        self._end_at, self._now = self._clock() + ENDING, now
        if self.running is None or installed is None:
            with suppress(OSError):
                os.kill(self.running.pid if self.running else self._child_pid, signal.SIGTERM)
            return
        with suppress(EngineError):  # where no log can be written it is ended after a while
            self._stopper = start(
                stop_command(installed.python, now=now),
                log=self._places.stop_log,
                environment=self._environment,
                folder=self._places.home,
            )

    def forgive(self) -> None:
        """Forget what went wrong: something else is used now."""
        self.trouble = None
        self._breaker.forgive()
        self._look_at = self._clock()

    def close(self) -> None:
        """Blender ends; the engine lives on until nobody needs it."""
        if self._knock is not None:
            self._knock[1].close()
        for process in (self._child, self._stopper):
            if process is not None and process.poll() is None:
                process.returncode = 0  # else Python warns that it still runs

    @property
    def _child_pid(self) -> int:
        return self._child.pid if self._child is not None else 0

    def _found(self, running: Running) -> None:
        self.running, self.trouble = running, None
        self._rival_until = self._wanted = None

    def _poll_knock(self, running: Running, knock: Knock) -> None:
        answered = knock.poll()
        if answered is None:
            return
        self._knock = None
        if answered:
            self._found(running)
            return
        # The number of a process that is gone belongs to another one by now.
        self._stale = running
        self._start_wanted()

    def _start_wanted(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            try:
                self.start(wanted)
            except EngineError as error:
                self.trouble = error

    def _miss(self) -> None:
        """The process of the connection file has ended."""
        self.running = None
        if self._child is not None:
            self._poll_child()  # which knows why
        elif not self.stopping and self._places.connection.exists():
            # It did not come to remove its file.
            self._fall(ending(None, last_lines(self._places.service_log)))

    def _fall(self, why: EngineError | None) -> None:
        self.trouble = why
        self._breaker.crashed()

    def _poll_child(self) -> None:
        child = self._child
        if child is None:
            if self._rival_until is not None and self._clock() > self._rival_until:
                self._rival_until = None
                self.trouble = ending(2, last_lines(self._places.serve_log))
            return
        status = child.poll()
        if status is None:
            return
        mine = self.running is None or self.running.pid == child.pid
        mine = mine or not alive(self.running.pid if self.running else 0)
        self._child = None
        if not mine:
            return
        self.running = None
        if self.stopping or status == 0:
            return
        if status == 2:
            # Perhaps another Blender has just started one; else its sentence will be shown.
            self._rival_until = self._clock() + RIVAL
            self._look_at = self._clock()
        else:
            self._fall(ending(status, last_lines(self._places.serve_log)))

    def _poll_end(self) -> None:
        if self._end_at is None:
            return
        if self._stopper is not None:
            status = self._stopper.poll()
            if status is not None:
                self._stopper = None
                # It may wait for its job; one that did not answer is waited for no longer.
                patience = 0.0 if status != 0 else ENDING if self._now else float("inf")
                self._end_at = self._clock() + patience
        if self.running is None and self._child is None:
            self._end_at = None
            self._start_wanted()
        elif self._clock() > self._end_at:
            for pid in {self.running.pid if self.running else 0, self._child_pid} - {0}:
                end(pid)
            self._end_at = float("inf")
