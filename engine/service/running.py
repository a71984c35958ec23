"""Jobs that run, and what is stored and told of them: from the queue to their last events."""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from engine.pipe import messages as pipe
from engine.service.estimates import rough_profile, total_seconds
from engine.service.housekeeping import folder_bytes
from engine.service.job_queue import JobQueue, sources
from engine.service.records import INPUTS, JobRecord
from engine.service.running_job import RunningJob
from engine.service.staff import Staff
from engine.service.store import OPEN, Store
from engine.service.workers import Supervisor
from protocol.checkpoints import CheckpointDescription
from protocol.errors import EngineError
from protocol.events import (
    Cancelled,
    Done,
    Event,
    Failed,
    Interrupted,
    Note,
    Part,
    Progress,
    Queued,
)
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, GenerateJob, Job, TextureJob, UpscaleJob
from protocol.references import Attached, File, Stored
from protocol.requests import DescribeCheckpoint

log = logging.getLogger(__name__)

ATTEMPTS = 2
"""A job during which the worker crashed so often has failed."""
POSITIONS_SECONDS = 0.5
"""Between two tellings of all places in the queue, which may be long."""
BATCH_ATTEMPTS = 5
"""A batch job is begun so often by itself when services ended while it ran."""


class Running:
    """Feeds worker and finisher from the queue. It listens to their supervisors.

    Args:
        tell: sends an event of a job to those who follow it.
        on_change: called when the state of the engine is another one.

    Attributes:
        sentence: why jobs do not continue, for the user, or empty.
        hold: start no other job.
    """

    def __init__(
        self,
        store: Store,
        queue: JobQueue,
        tell: Callable[[Event, str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._store, self._queue = store, queue
        self._tell, self._on_change = tell, on_change
        self._unsaved: deque[Callable[[], None]] = deque()
        self._jobs: dict[str, RunningJob] = {}
        self._saved: pipe.Saved | None = None
        self._look = False
        self._positions_changed, self._positions_due = False, 0.0
        self.sentence = ""
        self.hold = False

    @property
    def unsaved(self) -> bool:
        """Whether something waits for room on the disk."""
        return bool(self._unsaved)

    def recover(self) -> list[str]:
        """Jobs that ran when the last service ended wait for their users, or run again.

        Returns:
            Ids of those that wait.
        """
        waiting: list[str] = []
        for record in self._store.recover():
            log.info("job %s was interrupted", record.id)
            if record.batch and record.attempts < BATCH_ATTEMPTS:
                self._store.requeue(record.id)
            else:
                waiting.append(record.id)
        return waiting

    def progress(self, job: str) -> Progress | None:
        """The last one of a job that runs; None before the first, and of other jobs."""
        running = self._jobs.get(job)
        return running.progress if running else None

    def feed(self, staff: Staff) -> None:
        """Give worker and finisher their next jobs, or start one for it; store what could not be
        stored."""
        self._save()
        self._answer(staff)
        if self.hold or self._unsaved:
            return
        if staff.to_finisher and (self._look or not staff.worker.job):
            self._look = False
            self._give(staff.finisher, staff, networks=False)
            if self._is_handed_over(staff.worker.job):
                staff.finisher.start()  # it is going to be needed, and takes seconds
        if not staff.worker.job:
            # Memory that was given back stays so, as long as nothing needs networks.
            only = staff.to_finisher or (staff.two and not staff.worker.free)
            self._give(staff.worker, staff, networks=True if only else None)

    def _is_handed_over(self, job: str) -> bool:
        """Whether a job of the worker is going to be, by what is known now."""
        running = self._jobs.get(job)
        return bool(running and running.record.finish is not None and self._something_waits())

    def _something_waits(self) -> bool:
        """Whether the worker would have another job to do."""
        try:
            return self._queue.next() is not None
        except EngineError:
            return False

    def _give(self, worker: Supervisor, staff: Staff, *, networks: bool | None) -> None:
        """The next job, of those that need networks or not; None: any."""
        record = None
        try:
            record = self._queue.next(networks=networks)
            if record is None:
                return
            self._queue.check_sources(record)
            if not worker.free:
                worker.start()
                return
            self._store.begin(record.id)
        except EngineError as error:
            if record is not None and error.code == "source_missing":
                self.on_worker_event(Failed(job=record.id, **_fields(error)))
            else:
                self._say(error.message)
            return
        device = staff.worker.device
        job = RunningJob(
            self._store.job(record.id),
            # The finisher's work counts as any other's: it is the same.
            device=device.device_name if device else "",
            fresh=not any(p.name != INPUTS for p in self._store.folder(record.id).glob("*")),
            beside=worker is staff.finisher,
        )
        self._jobs[record.id] = job
        # What is written without finishing is written in no time.
        halves = staff.two and not job.beside and record.finish is not None
        worker.run(self._command(job.record, "first" if halves else ""), hidden=_paths(record))
        self.tell_positions()

    def _answer(self, staff: Staff) -> None:
        """Whether the finisher takes the job whose asset the worker has saved: only where it is
        free and the worker has another job to do. Else nothing is gained by waiting for it."""
        saved, self._saved = self._saved, None
        if saved is None or saved.job != staff.worker.job:
            return
        job, finisher = self._jobs[saved.job], staff.finisher
        held = job.cancelling or self.hold or self._unsaved
        accepted = finisher.free and not held and self._something_waits()
        staff.worker.hand_over(accepted)
        if accepted:
            job.hand_over(saved.seconds)
            finisher.run(self._command(job.record, "second"), hidden=_paths(job.record))

    def check_cancel(self, job: str) -> None:
        """
        Raises:
            EngineError: ``job_ended``, ``job_unknown``.
        """
        state = self._store.job(job).state
        if state not in OPEN:
            raise EngineError(
                "job_ended", f"The job {job} is {state}.", "There is nothing to be cancelled."
            )

    def cancel(self, job: str, staff: Staff) -> None:
        """Stop a job that has not ended; its Cancelled follows, or another end that was faster."""
        worker = staff.who_does(job)
        if worker is not None:
            self._jobs[job].cancelling = True
            worker.cancel()
        else:
            self.on_worker_event(Cancelled(job=job))
            self.tell_positions()

    def interrupt(self, job: str) -> None:
        """The service, or whoever did a job, ends while it runs."""
        self._store.interrupt(job)
        running = self._jobs.get(job)
        self._tell(Interrupted(job=job, stage=running.stage if running else ""), job)

    def etas(self) -> dict[str, float]:
        """Seconds until jobs that run or wait are done; without those that nobody knows."""
        totals: dict[str, float | None] = {}
        found: dict[str, float] = {}
        ahead: float | None = 0.0
        for job, running in self._jobs.items():
            profile, progress = running.record.profile, running.progress
            left = progress.eta if progress else self._total(profile)
            if left is not None:
                found[job] = left
            if not running.beside:  # what the finisher does holds nothing up
                ahead = left
        if ahead is None:
            return found
        for job, profile in self._store.line().items():
            if profile not in totals:
                totals[profile] = self._total(profile)
            seconds = totals[profile]
            if seconds is None:
                break
            ahead += seconds
            found[job] = ahead
        return found

    def expected(
        self,
        description: CheckpointDescription,
        asked: DescribeCheckpoint,
    ) -> CheckpointDescription:
        """A checkpoint's description with the seconds that such jobs took here."""

        def seconds(job: Job, finish: FinishChoice | None = asked.finish) -> float | None:
            return self._total(rough_profile(job, finish, asked.checkpoint))

        def generating(quality: str) -> float | None:
            found = seconds(GenerateJob(picture=picture, quality=quality))
            if found is None and quality == description.quality:
                return seconds(GenerateJob(picture=picture))  # which names none
            return found

        picture = mesh = Attached("any")
        qualities = tuple(
            replace(row, seconds=generating(row.name)) for row in description.qualities
        )
        return replace(
            description,
            qualities=qualities,
            upscale_seconds=seconds(UpscaleJob(source=mesh), asked.upscale_finish),
            texture_seconds=seconds(TextureJob(mesh=mesh, picture=picture)),
            game_seconds=self._total(
                rough_profile(FinishJob(source=mesh, finish="game"), None, None)
            ),
        )

    # What the supervisor tells

    def on_worker_event(self, event: pipe.Event) -> None:
        if isinstance(event, Progress):
            self._on_progress(event)
            return
        if isinstance(event, pipe.Saved):
            self._saved = event  # and the worker waits for the answer: the next ``feed``
            return
        self._unsaved.append(partial(self._keep, event))
        self._save()

    def on_crash(self, job: str, sentence: str) -> None:
        log.error("%s", sentence)
        if job:
            self._unsaved.append(partial(self._crashed, job, sentence))
            self._save()

    def _crashed(self, job: str, sentence: str) -> None:
        record = self._store.job(job)
        if self._is_cancelling(job):
            self._end(job, Cancelled(job=job, forced=True))
        elif record.attempts >= ATTEMPTS:
            error = EngineError(
                "worker_crashed",
                f"{sentence} It happened in all {record.attempts} attempts at this job.",
                "Try it with a lower quality or another device; the log of the engine says more.",
            )
            self._end(job, Failed(job=job, **_fields(error)))
        else:
            self._begin_again(job)

    def _is_cancelling(self, job: str) -> bool:
        running = self._jobs.get(job)
        return running is not None and running.cancelling

    def _begin_again(self, job: str) -> None:
        self.interrupt(job)
        self._store.requeue(job)
        self._jobs.pop(job, None)
        self.tell_positions()

    def on_worker_change(self) -> None:
        self._on_change()

    def _save(self) -> None:
        """Store and tell what the worker said, in order; a full disk is waited for."""
        while self._unsaved:
            try:
                self._unsaved[0]()
            except EngineError as error:
                self._say(error.message)
                return
            self._unsaved.popleft()
        self._say("")

    def _keep(self, event: pipe.Event) -> None:
        match event:
            case pipe.Started():
                self._on_started(event)
            case Note(job=job, sentence=sentence, level=level):
                self._store.put_note(job, sentence, level)
                self._tell(event, job)
            case pipe.PartFile():
                self._on_part(event)
            case Failed(code=pipe.NEEDS_NETWORKS, job=job) if self._may_begin_again(job):
                log.error("%s", event.message)
                if self._is_cancelling(job):
                    self._end(job, Cancelled(job=job))
                else:
                    self._begin_again(job)
            case Done() | Failed() | Cancelled():
                self._end(event.job, event)
            case _:
                log.warning("a worker sent %s", type(event).__name__)

    def _on_started(self, event: pipe.Started) -> None:
        if running := self._jobs.get(event.job):
            running.started(event, self._store.history)

    def _on_progress(self, event: Progress) -> None:
        running = self._jobs.get(event.job)
        if running is None:
            return
        before = running.stage
        event = running.moved(event)
        if event.stage != before:
            try:
                self._store.at_stage(event.job, event.stage)
            except EngineError as error:  # known too little, but nothing is lost
                log.warning("%s", error)
        self._tell(event, event.job)

    def _on_part(self, part: pipe.PartFile) -> None:
        folder = self._store.folder(part.job)
        path = folder / part.file
        inside = path.resolve().is_relative_to(folder.resolve())
        if inside and path.is_file() and path.stat().st_size == part.bytes:
            self._store.put_part(part)
            self._tell(Part(job=part.job, name=part.name), part.job)
        else:
            sentence = f"The part {part.name} was lost: its file is not as the worker said."
            self._keep(Note(job=part.job, sentence=sentence))

    def _end(self, job: str, event: Done | Failed | Cancelled) -> None:
        error = None
        state = "done" if isinstance(event, Done) else "cancelled"
        if isinstance(event, Failed):
            state, error = "failed", EngineError(event.code, event.message, event.hint)
        size = folder_bytes(self._store.folder(job))
        running = self._jobs.get(job)
        seconds: Mapping[str, float] = {}
        costs: Mapping[str, Mapping[str, float]] = {}
        if isinstance(event, Done) and running is not None:
            event = running.whole(event)
            seconds, costs = event.seconds, running.costs(event.seconds)
        first = self._store.end(job, state, error=error, size=size, seconds=seconds, costs=costs)
        self._jobs.pop(job, None)
        if not first:
            return
        log.info("job %s is %s", job, state)
        self._tell(event, job)
        self._on_change()

    def _may_begin_again(self, job: str) -> bool:
        return self._store.job(job).attempts < ATTEMPTS

    def _command(self, record: JobRecord, half: pipe.Half) -> pipe.Run:
        folder = self._store.folder(record.id).absolute()
        return pipe.Run(
            job=record.id,
            spec=record.spec,
            finish=record.finish,
            checkpoint=record.checkpoint,
            folder=str(folder),
            attached={
                name: replace(attached, file=str(folder / attached.file))
                for name, attached in record.attached.items()
            },
            stored={job: str(self._asset_of(job)) for job in sources(record)},
            earlier=str(self._store.folder(record.retry_of).absolute()) if record.retry_of else "",
            attempt=record.attempts,
            title=record.title,
            half=half,
        )

    def _asset_of(self, job: str) -> Path:
        """The folder of the job that made an asset: finishing one again makes no other."""
        while self._store.has(job):
            spec = self._store.job(job).spec
            if not (isinstance(spec, FinishJob) and isinstance(spec.source, Stored)):
                break
            job = spec.source.job
        return self._store.folder(job).absolute()

    def tell_positions(self) -> None:
        """Places in the queue are other ones now; told by ``tick``, all at once."""
        self._positions_changed = True
        self._on_change()

    def tick(self, now: float) -> None:
        """Look at the clock (``time.monotonic``)."""
        self._look = True  # not at every turn of the loop: it asks the database
        if self._positions_changed and now >= self._positions_due:
            self._positions_changed, self._positions_due = False, now + POSITIONS_SECONDS
            for job, position in self._queue.positions().items():
                self._tell(Queued(job=job, position=position), job)

    def tell_position(self, job: str) -> None:
        """A job has come into the queue."""
        self._tell(Queued(job=job, position=self._queue.position(job)), job)
        self._on_change()

    def _total(self, profile: str) -> float | None:
        return total_seconds(self._store.history(profile))

    def _say(self, sentence: str) -> None:
        if sentence != self.sentence:
            self.sentence = sentence
            if sentence:
                log.error("%s", sentence)
            self._on_change()


def _fields(error: EngineError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _paths(record: JobRecord) -> list[str]:
    """Paths that a job names: of pictures, which are nobody else's business."""
    return [value.path for value in vars(record.spec).values() if isinstance(value, File)]
