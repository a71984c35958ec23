"""The jobs of this Blender, from the button to their last event."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..protocol import events, replies
from ..protocol.finishes import FinishChoice
from ..protocol.jobs import Job
from ..protocol.plain import tag
from ..protocol.stages import STAGES
from .deliveries import Target
from .language import said
from .settings import Settings
from .snapshot import JobState, JobView

ACTIVE: tuple[JobState, ...] = ("sending", "queued", "running", "fetching", "waiting")
"""States of a job that is going to come to an end by itself."""
_RANKS: dict[JobState, int] = {"running": 0, "fetching": 0, "waiting": 0, "queued": 1, "sending": 1}
MISSED = 3.0
"""Seconds by which an estimate may be wrong before it counts as wrong."""
_WORDS = {
    "source_missing": (
        "The result that it was made from is not in the engine's store any more.",
        "Generate it again, or choose another object.",
    ),
}
"""What the engine says with the ids of jobs, in words for people."""


@dataclass(eq=False)
class Followed:
    """A job. Only ``Following`` and ``Fetching`` change it.

    Attributes:
        target: where its result goes; None: into the history only.
        job, finish: what was asked for; None where the engine has not told yet.
        parts: that the engine has told of, in order.
        resubmit: sends it again from the start, with other settings perhaps; None once the engine
            has it.
        deleted: its object is in no scene at the moment; an undo may bring it back.
        word: what has become of its result, for people; empty before that is known.
        picture_sha256: of the picture that it is made from, or empty.
        engine, checkpoint: that make it, for the recipe; empty where nobody has told.
    """

    id: str
    title: str
    target: Target | None
    job: Job | None = None
    finish: FinishChoice | None = None
    state: JobState = "sending"
    kind: str = ""
    stage: str = ""
    step: int = 0
    steps: int = 0
    fraction: float = 0.0
    elapsed: float = 0.0
    told_at: float = 0.0
    ends_at: float | None = None
    late: bool = False
    position: int = 0
    notes: list[str] = field(default_factory=list[str])
    problem: str = ""
    hint: str = ""
    waiting_for: str = ""
    parts: list[str] = field(default_factory=list[str])
    resubmit: Callable[[Settings | None], str] | None = None
    deleted: bool = False
    word: str = ""
    picture_sha256: str = ""
    engine: str = ""
    checkpoint: str = ""
    cancelling: bool = False

    @property
    def name(self) -> str:
        """Of its object where there is one, for people."""
        named = self.target.object_name if self.target else ""
        return named or self.title or said("The result")

    @property
    def gone(self) -> str:
        """That its object was deleted, and what becomes of the result; or empty."""
        if not self.deleted or self.state not in ACTIVE:
            return ""
        return said("{name} was deleted: its result will wait in the history.", name=self.name)

    def fail(self, problem: str, hint: str) -> None:
        """It ended badly."""
        self.state, self.problem, self.hint = "failed", problem, hint

    def interrupt(self) -> None:
        """The engine ended while it ran."""
        self.state, self.position = "interrupted", 0
        self.problem = "The engine ended while this job ran."
        self.hint = "Resume it: finished stages are kept."

    def progress(self, event: events.Progress, now: float) -> None:
        """A step was done. The moment at which it will be done is never moved away: where the
        engine does so, nobody knows it until the engine's word is below ours again."""
        self.state, self.position = "running", 0
        self.stage, self.step, self.steps = event.stage, event.step, event.steps
        self.fraction = max(self.fraction, event.fraction)
        self.elapsed, self.told_at = event.elapsed, now
        if event.eta is None:
            return
        ends_at = now + event.eta
        if self.ends_at is None:
            self.ends_at = ends_at
        else:
            # A little is within the error of the estimate, and would let it tremble.
            self.late = ends_at > self.ends_at + MISSED and now >= self.ends_at
            self.ends_at = min(self.ends_at, ends_at)

    def restart(self) -> None:
        """It begins again: what was told of the attempt before does not count."""
        self.stage, self.step, self.steps, self.fraction = "", 0, 0, 0.0
        self.elapsed, self.ends_at, self.late = 0.0, None, False
        self.problem, self.hint, self.cancelling = "", "", False

    def eta(self, now: float) -> float | None:
        """Seconds that are left, never more than before; None: nobody knows."""
        if self.state != "running" or self.ends_at is None or self.late or now >= self.ends_at:
            return None
        return self.ends_at - now

    def view(self, now: float, silent: bool = False) -> JobView:
        """For panels; whole seconds, so that it only changes when they do.

        Args:
            silent: the engine does not answer: nobody knows how far it is.
        """
        silent = silent and self.state in ("running", "fetching")
        running = self.state == "running" and not silent
        eta = None if silent else self.eta(now)
        stage = STAGES[self.stage].label if self.stage in STAGES else self.stage
        if self.cancelling and self.state in ACTIVE:
            stage = said("Cancelling")
        if silent:
            stage = said("No word from the engine")
        elapsed = self.elapsed + (max(0.0, now - self.told_at) if running else 0.0)
        return JobView(
            id=self.id,
            title=self.title,
            kind=self.kind,
            state=self.state,
            stage=stage,
            step=self.step,
            steps=self.steps,
            fraction=round(self.fraction, 3),
            elapsed=float(int(elapsed)),
            eta=None if eta is None else float(int(eta) + 1),
            position=self.position,
            notes=tuple(self.notes),
            problem=self.problem,
            hint=self.hint,
            waiting_for=self.waiting_for,
            target=self.target.object_name if self.target else "",
            gone=self.gone,
        )


def kind_of(job: Job) -> str:
    """generate, texture, upscale, finish or render."""
    return tag(type(job)).removesuffix("_job")


class Following:
    """Jobs by id, in the order in which they were begun.

    Args:
        clock: seconds, never backwards.
        on_part: called with a job and the name of a part that is there.
        on_end: called with a job that has ended, well or not, or was interrupted.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        on_part: Callable[[Followed, str], None],
        on_end: Callable[[Followed], None],
    ) -> None:
        self._clock, self._on_part, self._on_end = clock, on_part, on_end
        self._jobs: dict[str, Followed] = {}

    def __contains__(self, job: str) -> bool:
        return job in self._jobs

    def __iter__(self) -> Iterator[Followed]:
        return iter(list(self._jobs.values()))

    def get(self, job: str) -> Followed | None:
        """The job of that id, if it is followed."""
        return self._jobs.get(job)

    def add(self, job: Followed) -> None:
        """Follow a job; what is done and placed makes room for it."""
        self._jobs = {id: other for id, other in self._jobs.items() if other.state != "done"}
        self._jobs[job.id] = job

    def remove(self, job: str) -> None:
        """Follow it no longer."""
        self._jobs.pop(job, None)

    def submitted(self, job: Followed, reply: replies.Reply) -> None:
        """The answer to Submit or Retry."""
        if isinstance(reply, replies.Refused):
            job.fail(*_WORDS.get(reply.code, (reply.message, reply.hint)))
            self._on_end(job)
        elif isinstance(reply, replies.Submitted):
            job.resubmit = None
            if job.state == "sending":
                job.state, job.position = "queued", reply.position

    def take(self, event: Any) -> None:
        """An event; those of jobs that are not followed mean nothing here."""
        job = self._jobs.get(getattr(event, "job", ""))
        if job is None or job.state in ("done", "waiting", "fetching"):
            return
        match event:
            case events.Queued(position=position):
                if job.state == "running":  # the worker died, and it begins again
                    job.restart()
                job.state, job.position = "queued", position
            case events.Progress():
                job.progress(event, self._clock())
            case events.Note(sentence=sentence, level="user"):
                job.notes.append(sentence)
            case events.Part(name=name):
                self._part(job, name)
            case events.Interrupted():
                job.interrupt()
                self._on_end(job)
            case events.Done():
                self._end(job, "fetching")
            case events.Failed(message=message, hint=hint):
                job.problem, job.hint = message, hint
                self._end(job, "failed")
            case events.Cancelled():
                self._end(job, "cancelled")
            case _:
                return

    def take_snapshot(self, snapshot: replies.JobSnapshot) -> None:
        """All about a job: events may have been missed."""
        row = snapshot.row
        job = self._jobs.get(row.id)
        if job is None:
            return
        job.resubmit = None
        job.job, job.finish, job.kind = snapshot.job, snapshot.finish, row.kind
        job.title = job.title or row.title
        job.picture_sha256 = job.picture_sha256 or row.picture_sha256
        job.notes[:] = [note.sentence for note in snapshot.notes if note.level == "user"]
        job.fraction = max(job.fraction, row.fraction) if row.state == "running" else job.fraction
        if row.state == "done":
            job.parts[:] = row.parts  # the whole result comes at once
        else:
            for name in row.parts:
                self._part(job, name)
        if job.state in ("done", "waiting", "fetching"):
            return
        match row.state:
            case "queued":
                job.state, job.position = "queued", row.position
            case "running":
                job.state, job.position = "running", 0
                job.stage = row.stage
                job.told_at = self._clock()
            case "interrupted":
                self.take(events.Interrupted(job=row.id, stage=row.stage))
            case "done":
                self.take(events.Done(job=row.id, seconds={}))
            case "cancelled":
                self.take(events.Cancelled(job=row.id))
            case "failed":
                self.take(row.failure or events.Failed(job=row.id, code="", message="", hint=""))

    def objects_seen(self, there: Callable[[int], bool], file: str | None) -> None:
        """Which of their objects were deleted.

        Args:
            there: whether an object is in a scene of the open file, by ``session_uid``.
            file: key of that file; None: of all.
        """
        for job in self:
            target = job.target
            here = target is not None and target.object and file in (None, target.file)
            job.deleted = bool(here and target and not there(target.object))

    def engine_died(self) -> None:
        """The engine's process has ended: what ran can be resumed. What waits for its turn does so
        for the next engine too."""
        for job in self:
            if job.state == "running":
                job.interrupt()
                self._on_end(job)

    def views(self, silent: bool = False) -> tuple[JobView, ...]:
        """For panels: what runs, what waits in its order, what has ended.

        Args:
            silent: the engine does not answer.
        """
        now = self._clock()
        found = [job.view(now, silent) for job in self._jobs.values()]
        return tuple(sorted(found, key=lambda job: (_RANKS.get(job.state, 2), job.position)))

    def _part(self, job: Followed, name: str) -> None:
        if name not in job.parts:
            job.parts.append(name)
            self._on_part(job, name)

    def _end(self, job: Followed, state: JobState) -> None:
        job.state, job.position, job.stage = state, 0, ""
        job.fraction = 1.0 if state == "fetching" else job.fraction
        self._on_end(job)
