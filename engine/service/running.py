"""The job that runs, and what is stored and told of it: from the queue to its last event."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from engine.pipe import messages as pipe
from engine.service.estimates import (
    TOTAL,
    Estimate,
    fast_or_not,
    general_profile,
    history_with,
    rough_profile,
    size_of,
    total_seconds,
)
from engine.service.housekeeping import folder_bytes
from engine.service.job_queue import JobQueue, sources
from engine.service.records import INPUTS, JobRecord
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
    """Feeds the worker from the queue. It listens to the supervisor.

    Args:
        tell: sends an event of a job to those who follow it.
        on_change: called when the state of the engine is another one.

    Attributes:
        progress: the last one of the job that runs; None between jobs.
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
        self._record: JobRecord | None = None
        self._estimate: Estimate | None = None
        self._profile = self._general = self._device = ""
        self._cancelling = False
        self._fresh = False
        self._positions_changed, self._positions_due = False, 0.0
        self.progress: Progress | None = None
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

    def feed(self, worker: Supervisor) -> None:
        """Give the worker the next job, or start one for it; store what could not be stored."""
        self._save()
        if self.hold or self._unsaved or worker.job:
            return
        record = None
        try:
            record = self._queue.next()
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
        # What earlier attempts left is not done again, so their seconds say nothing of the whole.
        self._fresh = not any(
            path.name != INPUTS for path in self._store.folder(record.id).glob("*")
        )
        self._record = record = self._store.job(record.id)
        self._cancelling, self.progress, self._estimate, self._profile = False, None, None, ""
        self._device = worker.device.device_name if worker.device else ""
        worker.run(self._command(record), hidden=_paths(record))
        self.tell_positions()

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

    def cancel(self, job: str, worker: Supervisor) -> None:
        """Stop a job that has not ended; its Cancelled follows, or another end that was faster."""
        if job == worker.job:
            self._cancelling = True
            worker.cancel()
        else:
            self.on_worker_event(Cancelled(job=job))
            self.tell_positions()

    def interrupt(self, job: str) -> None:
        """The service ends while a job runs."""
        self._store.interrupt(job)
        self._tell(Interrupted(job=job, stage=self._stage()), job)

    def etas(self) -> dict[str, float]:
        """Seconds until jobs that run or wait are done; without those that nobody knows."""
        totals: dict[str, float | None] = {}
        found: dict[str, float] = {}
        ahead = 0.0
        if self._record is not None:
            left = self.progress.eta if self.progress else self._total(self._record.profile)
            if left is None:
                return {}
            found[self._record.id] = ahead = left
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
        self._unsaved.append(partial(self._keep, event))
        self._save()

    def on_crash(self, job: str, sentence: str) -> None:
        log.error("%s", sentence)
        if job:
            self._unsaved.append(partial(self._crashed, job, sentence))
            self._save()

    def _crashed(self, job: str, sentence: str) -> None:
        record = self._store.job(job)
        if self._cancelling:
            self._end(job, Cancelled(job=job, forced=True))
        elif record.attempts >= ATTEMPTS:
            error = EngineError(
                "worker_crashed",
                f"{sentence} It happened in all {record.attempts} attempts at this job.",
                "Try it with a lower quality or another device; the log of the engine says more.",
            )
            self._end(job, Failed(job=job, **_fields(error)))
        else:
            self._store.interrupt(job)
            self._tell(Interrupted(job=job, stage=self._stage()), job)
            self._store.requeue(job)
            self._record = self.progress = None
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
            case Done() | Failed() | Cancelled():
                self._end(event.job, event)
            case _:
                log.warning("a worker sent %s", type(event).__name__)

    def _on_started(self, event: pipe.Started) -> None:
        record = self._record
        if record is not None:
            profile = "|".join((self._device, record.kind, event.checkpoint, event.route))
            self._profile = profile + fast_or_not(record.spec)
            self._general = general_profile(self._device, event.checkpoint)
            own, others = self._store.history(self._profile), self._store.history(self._general)
            history = history_with(own, others, record.spec, record.finish)
            self._estimate = Estimate(event.stages, history)

    def _on_progress(self, event: Progress) -> None:
        before = self._stage()
        self.progress = replace(event, eta=self._estimate.update(event) if self._estimate else None)
        if event.stage != before:
            try:
                self._store.at_stage(event.job, event.stage)
            except EngineError as error:  # known too little, but nothing is lost
                log.warning("%s", error)
        self._tell(self.progress, event.job)

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
        costs: dict[str, dict[str, float]] = {}
        record = self._record if self._record and self._record.id == job else None
        if isinstance(event, Done) and record is not None and self._fresh:
            costs = {self._profile: event.seconds}
            costs[self._general] = {
                stage: seconds / size_of(stage, record.spec, record.finish)
                for stage, seconds in event.seconds.items()
            }
            costs[record.profile] = {TOTAL: sum(event.seconds.values())}
        seconds = event.seconds if isinstance(event, Done) else {}
        if not self._store.end(job, state, error=error, size=size, seconds=seconds, costs=costs):
            return
        log.info("job %s is %s", job, state)
        if record is not None:
            self._record = self.progress = None
        self._tell(event, job)
        self._on_change()

    def _command(self, record: JobRecord) -> pipe.Run:
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

    def _stage(self) -> str:
        return self.progress.stage if self.progress else ""

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
