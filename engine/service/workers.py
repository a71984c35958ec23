"""Starting, watching and ending a worker process."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.pipe.messages import (
    GRACE_SECONDS,
    START_SECONDS,
    Cancel,
    Command,
    Event,
    HandOver,
    Memory,
    Ready,
    Run,
    Setup,
    Warm,
    Warmed,
)
from engine.service.child import KILL_SECONDS, Child, how_it_ended
from engine.service.crashes import Crashes
from engine.service.inbox import Inbox
from protocol.errors import EngineError
from protocol.events import ENDS, Cancelled, Progress, WorkerState

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the supervisor waits, in seconds.

    Attributes:
        start: for a worker to be ready.
        cancel: for a job to stop by itself; then the worker is killed.
        idle: with a worker that has nothing to do; then it is ended and its memory is free.
        stop: for a worker that was asked to end.
        back_off: before a start after a crash; doubled by each crash, to at most ``back_off_most``.
        crashes, window: so many crashes within so many seconds, and no other worker is started.
    """

    start: float = START_SECONDS
    cancel: float = 2.0
    idle: float = 300.0
    stop: float = GRACE_SECONDS + 1.0
    back_off: float = 0.5
    back_off_most: float = 8.0
    crashes: int = 5
    window: float = 120.0


class Listener(Protocol):
    """Who is told about a worker."""

    def on_worker_event(self, event: Event) -> None:
        """What the worker sent, but for Ready, Memory and Warmed; ends of its own jobs only."""
        ...

    def on_crash(self, job: str, sentence: str) -> None:
        """The worker ended though nobody had asked it to; ``job`` ran, or is empty."""
        ...

    def on_worker_change(self) -> None:
        """``state`` or another attribute of the supervisor is new."""
        ...


class Supervisor:
    """At most one worker.

    Args:
        command: program and arguments of a worker.
        setup: its first command.
        inbox: of the loop that calls everything here.
        name: what the log calls it.

    Attributes:
        state: of the worker process.
        sentence: why it is broken, or what is wrong with its device, or empty.
        job: id of the job that runs, or empty.
        device: what the last worker told of it; None before.
        memory_used: bytes of the device; None where there is no worker or it did not tell.
        checkpoint: whose networks are loaded, or empty.
    """

    def __init__(
        self,
        command: Sequence[str],
        setup: Setup,
        inbox: Inbox,
        listener: Listener,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        name: str = "worker",
    ) -> None:
        self._command, self._setup, self._inbox = command, setup, inbox
        self._listener, self._name = listener, name
        self._patience = patience or Patience()
        self._clock = clock
        self._child: Child | None = None
        self._leaving: dict[Child, float] = {}
        self._when_gone: list[Callable[[], None]] = []
        limits = self._patience
        self._crashes = Crashes(
            limits.crashes, limits.window, limits.back_off, limits.back_off_most
        )
        self._not_before = 0.0
        self._deadline: float | None = None
        self.state: WorkerState = "none"
        self.sentence = ""
        self.job = ""
        self.device: Ready | None = None
        self.memory_used: int | None = None
        self.checkpoint = ""

    @property
    def free(self) -> bool:
        """Whether ``run`` may be called."""
        return self.state in ("warming", "warm")

    @property
    def pids(self) -> list[int]:
        """Of all workers that may still live."""
        return [child.pid for child in (self._child, *self._leaving) if child]

    def start(self) -> None:
        """Have a worker, as soon as crashes before allow it."""
        if self._child or self.state == "broken" or self._clock() < self._not_before:
            return
        try:
            child = Child(
                self._command,
                self._inbox,
                commands=Command,
                events=Event,
                on_event=lambda event: self._on_event(child, event),
                on_end=lambda status: self._on_end(child, status),
            )
        except EngineError as error:
            self._crashed("", str(error))
            return
        log.info("%s %d started", self._name, child.pid)
        self._child = child
        child.send(self._setup)
        self._set("starting", self._patience.start)

    def run(self, command: Run, *, hidden: Sequence[str] = ()) -> None:
        """Give the worker, which must be free, a job.

        Args:
            hidden: texts that must not appear in the log.
        """
        if self._child is None or not self.free:
            raise RuntimeError(f"a job was given to a worker that is {self.state}")
        self._child.hide(hidden)
        self.job = command.job
        self._child.send(command)
        self._set("busy", None)

    def cancel(self) -> None:
        """Stop the job that runs; the listener gets its Cancelled, or another end."""
        if self._child and self.job and self._deadline is None:
            self._child.send(Cancel(job=self.job))
            self._deadline = self._clock() + self._patience.cancel

    def hand_over(self, accepted: bool) -> None:
        """Answer the worker's Saved: accepted, the job is its no more."""
        if self._child and self.job:
            self._child.send(HandOver(job=self.job, accepted=accepted))
            if accepted:
                self.job = ""
                self._set("warm", self._patience.idle)

    def release(self, then: Callable[[], None] = lambda: None) -> None:
        """End the worker, which runs no job, so that the device's memory is free.

        Args:
            then: called when it is.
        """
        if self.job:
            raise RuntimeError("the worker of a job that runs cannot be released")
        if self._child is not None:
            self.retire()
            self._set("none", None)
        if self._leaving:
            self._when_gone.append(then)
        else:
            then()

    def forgive(self) -> None:
        """Start workers again, though they crashed: somebody wants it tried once more."""
        if self.state == "broken":
            self._crashes.forgive()
            self._not_before = 0.0
            self.sentence = ""
            self._set("none", None)

    def tick(self) -> None:
        """Look at the clock; to be called a few times a second."""
        now = self._clock()
        for child, deadline in self._leaving.items():
            if now >= deadline:
                child.kill()
        if self._child is None or self._deadline is None or now < self._deadline:
            return
        if self.state == "starting":
            seconds = self._patience.start
            log.warning("%s %d was not ready after %g s", self._name, self._child.pid, seconds)
            self._child.kill()  # a crash like any other
            self._deadline = None
        elif self.state == "busy":
            self._cancel_by_force()
        else:
            seconds = self._patience.idle
            log.info("%s %d was idle for %g s", self._name, self._child.pid, seconds)
            self.release()

    def retire(self) -> None:
        """Ask the worker to end; what it says from now on is not listened to."""
        if self._child is None:
            return
        self._child.close()
        self._leaving[self._child] = self._clock() + self._patience.stop
        self._child, self.job, self.memory_used, self.checkpoint = None, "", None, ""

    def close(self) -> None:
        """End everything; returns when no worker is left. A job that runs gets no end."""
        self.retire()
        end = self._clock() + self._patience.stop
        for child in self._leaving:
            if not child.wait(max(0.0, end - self._clock())):
                child.kill()
                child.wait(KILL_SECONDS)
        self._leaving.clear()

    def _cancel_by_force(self) -> None:
        job, child = self.job, self._child
        if child is None:
            return
        log.warning("%s %d did not stop its job and was killed", self._name, child.pid)
        self.retire()
        child.kill()
        self._set("none", None)
        self._listener.on_worker_event(Cancelled(job=job, forced=True))

    def _on_event(self, child: Child, event: Event) -> None:
        if child is not self._child:
            return
        match event:
            case Ready(problem=problem):
                self.device, self.sentence = event, problem
                if problem:
                    log.error("%s", problem)
                    self._set("warm", self._patience.idle)
                    return
                child.send(Warm())
                self._set("warming", self._patience.idle)
            case Warmed(checkpoint=checkpoint):
                self.checkpoint = checkpoint
                if self.state == "warming":
                    self._set("warm", self._patience.idle)
            case Memory(used=used):
                self.memory_used = used
            case _ if event.job != self.job or not self.job:
                log.warning("%s %d told of a job that it does not run", self._name, child.pid)
            case _ if isinstance(event, ENDS):
                self.job = ""
                self._set("warm", self._patience.idle)
                self._listener.on_worker_event(event)
            case Progress():
                self._listener.on_worker_event(replace(event, memory=self.memory_used))
            case _:
                self._listener.on_worker_event(event)

    def _on_end(self, child: Child, status: int) -> None:
        if self._leaving.pop(child, None) is not None:
            if not self._leaving:
                calls, self._when_gone = self._when_gone, []
                for call in calls:
                    call()
            return
        job = self.job
        self._child, self.job, self.memory_used, self.checkpoint = None, "", None, ""
        if status == 0 and not job and self.state != "starting":
            log.info("%s %d ended by itself", self._name, child.pid)
            self._set("none", None)
            return
        log.error("%s %d ended, status %d", self._name, child.pid, status)
        self._crashed(job, how_it_ended(status))

    def _crashed(self, job: str, sentence: str) -> None:
        now = self._clock()
        delay = self._crashes.add(now)
        if delay is None:
            self.sentence = (
                f"The {self._name} crashed {self._patience.crashes} times within "
                f"{self._patience.window:.0f} seconds and is not started again. {sentence}"
            )
            self._set("broken", None)
        else:
            self._not_before = now + delay
            self._set("none", None)
        self._listener.on_crash(job, sentence)

    def _set(self, state: WorkerState, patience: float | None) -> None:
        self.state = state
        self._deadline = None if patience is None else self._clock() + patience
        self._listener.on_worker_change()
