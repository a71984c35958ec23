"""Jobs on their way into the store: what is attached becomes files first, on the disk's thread."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from engine.host.files import link_or_copy, unwritable, write_bytes_atomic
from engine.pipe.messages import AttachedFile
from engine.service.checking import check_inputs
from engine.service.endpoint import Answer, Session
from engine.service.estimates import rough_profile
from engine.service.inbox import Inbox
from engine.service.job_queue import JobQueue, sources
from engine.service.records import INPUTS, NewJob
from engine.service.running import Running
from engine.service.store import Store
from protocol import replies, requests
from protocol.errors import EngineError
from protocol.jobs import FinishJob, GenerateJob, Job, RenderJob
from protocol.layout import Array
from protocol.references import Attached, File, Prompt, Reference
from protocol.wire import Shaped


class Submitting:
    """Takes in new jobs.

    Args:
        disk: a single thread, so that jobs stay in the order in which they came.
        check: asks whether the checkpoint can do a job: Accepted or Refused.
        wake: called when there is a job for a worker that may have been given up.
    """

    def __init__(
        self,
        store: Store,
        queue: JobQueue,
        running: Running,
        inbox: Inbox,
        disk: ThreadPoolExecutor,
        check: Callable[[requests.Submit, Answer], None],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._queue, self._running = store, queue, running
        self._inbox, self._disk, self._check, self._wake = inbox, disk, check, wake

    def submit(
        self,
        session: Session,
        message: requests.Submit,
        buffers: Mapping[str, Shaped],
        answer: Answer,
    ) -> None:
        """
        Raises:
            EngineError: ``attachment_missing``, ``source_missing``.
        """
        if self._store.has(message.id):
            self._welcome(session, message.id, answer)
            return
        new = NewJob(
            id=message.id,
            spec=message.job,
            finish=message.finish,
            checkpoint=message.checkpoint,
            profile=rough_profile(message.job, message.finish, message.checkpoint),
            attached={
                name: AttachedFile(
                    file=f"{INPUTS}/{i}",
                    array=Array(name=name, dtype=shaped.dtype, shape=shaped.shape),
                )
                for i, (name, shaped) in enumerate(sorted(buffers.items()))
            },
            title=message.title[:200],
            picture=message.picture_sha256,
            client=session.client,
            batch=message.priority == "batch",
        )
        _check_attached(new)
        self._queue.check_sources(new)
        self._take_in(session, new, answer, lambda: self._write(new, buffers), buffers)

    def retry(self, session: Session, message: requests.Retry, answer: Answer) -> None:
        """
        Raises:
            EngineError: ``job_unknown``, ``job_not_interrupted``, ``job_not_over``,
                ``attachment_missing``, ``source_missing``.
        """
        old = self._store.job(message.job)
        if message.id == message.job:
            if old.state in ("queued", "running"):  # somebody was faster
                self._welcome(session, old.id, answer)
                return
            if old.state != "interrupted" or message.changed or message.finish:
                raise EngineError(
                    "job_not_interrupted",
                    f"The job {old.id} is {old.state}, and only an interrupted one can be resumed, "
                    "as it was.",
                    "Try it again under a new id.",
                )
            self._store.requeue(old.id, forgive=True)
            self._wake()
            self._welcome(session, old.id, answer)
            self._running.tell_position(old.id)
            return
        if self._store.has(message.id):
            self._welcome(session, message.id, answer)
            return
        if old.state in ("queued", "running"):
            raise EngineError(
                "job_not_over", f"The job {old.id} is {old.state}.", "Cancel it first."
            )
        spec = message.changed or old.spec
        finish = message.finish or old.finish
        new = NewJob(
            id=message.id,
            spec=spec,
            finish=finish,
            checkpoint=old.checkpoint,
            profile=rough_profile(spec, finish, old.checkpoint),
            attached=old.attached,
            title=old.title,
            picture=old.picture if _pictures(spec) == _pictures(old.spec) else "",
            client=session.client,
            batch=old.batch,
            retry_of=old.id,
        )
        _check_attached(new)
        self._queue.check_sources(new)
        self._take_in(session, new, answer, lambda: self._copy(old.id, new.id), {})

    def _take_in(
        self,
        session: Session,
        new: NewJob,
        answer: Answer,
        write: Callable[[], None],
        buffers: Mapping[str, Shaped],
    ) -> None:
        """Check and write what belongs to a job, and then, back on the loop, let it wait."""

        def on_disk() -> None:
            try:
                check_inputs(new.spec, buffers)
                write()
                picture = new.picture or self._picture_of(new)
            except EngineError as error:
                self._inbox.post(partial(failed, error))
            except OSError as error:
                reason = unwritable(self._store.folder(new.id), error)
                self._inbox.post(partial(failed, reason))
            else:
                self._inbox.post(partial(add, picture))

        def failed(error: EngineError) -> None:
            if not self._store.has(new.id):
                folder = self._store.folder(new.id)
                self._disk.submit(shutil.rmtree, folder, ignore_errors=True)
            answer(replies.Refused.of(error))

        def add(picture: str) -> None:
            try:
                if not self._store.has(new.id):
                    picture = picture or self._picture_of_sources(new)
                    self._store.add(replace(new, picture=picture))
            except EngineError as error:
                failed(error)
                return
            self._wake()
            self._welcome(session, new.id, answer)
            self._running.tell_position(new.id)

        def checked(reply: replies.Reply, _: object = None, /) -> None:
            # Without the helper nobody can tell; the worker will.
            if isinstance(reply, replies.Refused) and reply.code not in _NOT_TOLD:
                in_turn(partial(answer, reply))
            else:
                in_turn(partial(self._disk.submit, on_disk))

        in_turn = _place_in_turn(session)
        if _is_usual(new):
            in_turn(partial(self._disk.submit, on_disk))
        else:
            self._check(
                requests.Submit(id=new.id, job=new.spec, checkpoint=new.checkpoint), checked
            )

    def _picture_of(self, new: NewJob) -> str:
        """SHA-256 of the job's own picture or words; empty where there are none to read."""
        for reference in _pictures(new.spec):
            match reference:
                case Prompt(text=text):
                    return hashlib.sha256(text.encode()).hexdigest()
                case File(path=path):
                    file = Path(path)
                case Attached(name=name) if name in new.attached:
                    file = self._store.folder(new.id) / new.attached[name].file
                case _:
                    continue
            with suppress(OSError), file.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        return ""

    def _picture_of_sources(self, new: NewJob) -> str:
        """That of the job whose result this one continues from, or empty."""
        found = (self._store.job(job).picture for job in sources(new) if self._store.has(job))
        return next((picture for picture in found if picture), "")

    def _welcome(self, session: Session, job: str, answer: Answer) -> None:
        session.jobs.add(job)
        position = self._queue.position(job)
        answer(replies.Submitted(job=job, position=position, eta=self._running.etas().get(job)))

    def _write(self, new: NewJob, buffers: Mapping[str, Shaped]) -> None:
        folder = self._store.folder(new.id)
        (folder / INPUTS).mkdir(parents=True, exist_ok=True)
        for name, attached in new.attached.items():
            write_bytes_atomic(folder / attached.file, buffers[name].data)  # pyright: ignore[reportArgumentType]

    def _copy(self, old: str, new: str) -> None:
        target = self._store.folder(new) / INPUTS
        target.mkdir(parents=True, exist_ok=True)
        source = self._store.folder(old) / INPUTS
        if source.is_dir():
            for file in source.iterdir():
                place = target / file.name
                place.unlink(missing_ok=True)
                link_or_copy(file, place)  # inputs never change


def _place_in_turn(session: Session) -> Callable[[Callable[[], object]], None]:
    """A place behind the client's earlier jobs: what it is given is done once theirs is.

    A check by the helper takes a while, and jobs are to wait in the order in which they came.
    """
    place: list[Callable[[], object]] = []
    session.arriving.append(place)

    def fill(action: Callable[[], object]) -> None:
        place.append(action)
        while session.arriving and session.arriving[0]:
            session.arriving.popleft()[0]()

    return fill


_NOT_TOLD = ("helper_crashed", "internal")


def _is_usual(new: NewJob) -> bool:
    """Whether any checkpoint can do it: nothing is asked for that one may lack."""
    spec = new.spec
    if isinstance(spec, FinishJob | RenderJob):
        return True
    named = (new.checkpoint, spec.system, spec.samplers, getattr(spec, "type", None))
    return isinstance(spec, GenerateJob) and not any(named)


def _pictures(spec: Job) -> tuple[Reference, ...]:
    """What a job names as its picture: one or none."""
    picture = getattr(spec, "picture", None)
    return () if picture is None else (picture,)


def _check_attached(new: NewJob) -> None:
    for value in vars(new.spec).values():
        if isinstance(value, Attached):
            names = new.attached
            if value.name not in names and not any(n.startswith(f"{value.name}.") for n in names):
                raise EngineError(
                    "attachment_missing",
                    f"{value.name} is named by the job but did not come with it.",
                    "Send it as a buffer of that name.",
                )
