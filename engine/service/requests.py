"""What the service answers to each request."""

import logging
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from engine.service.admission import PAIRING_SECONDS, Admission
from engine.service.endpoint import Answer, Endpoint, Session, Transfer
from engine.service.housekeeping import discard, remove_folders
from engine.service.job_queue import JobQueue, sources
from engine.service.records import JobRecord, row_of
from engine.service.running import Running
from engine.service.staff import Staff
from engine.service.store import OPEN, Store
from engine.service.submitting import Submitting
from protocol import replies, requests
from protocol.checkpoints import CheckpointDescription
from protocol.errors import EngineError
from protocol.events import EngineStatus, Note
from protocol.messages import PROTOCOL_VERSION
from protocol.references import Attached, File
from protocol.wire import Received, Shaped, mismatch, negotiate

log = logging.getLogger(__name__)


class House(Protocol):
    """What only the service as a whole can do."""

    session: str
    engine: str
    protocol: int
    machine: str

    def status(self) -> EngineStatus: ...
    def full_status(self) -> replies.Status: ...
    def leave(self, *, wait: bool) -> None: ...
    def open_pairing(self) -> str: ...


class Helper(Protocol):
    """Who checks pictures and keeps weights, in a process of its own."""

    def look(
        self,
        request: requests.CheckPicture | requests.CutOut,
        shaped: Shaped | None,
        answer: Answer,
    ) -> None: ...
    def describe(self, request: requests.DescribeCheckpoint, answer: Answer) -> None: ...
    def models(self, request: Any, id: int, answer: Answer, session: Session) -> None: ...


@dataclass(kw_only=True)
class Desk:
    """Answers requests; ``handle`` is the endpoint's handler.

    Args:
        disk: one thread for writing and removing files, so that nobody waits for them.
        endpoint: set once there is one.
    """

    house: House
    store: Store
    queue: JobQueue
    running: Running
    staff: Staff
    admission: Admission
    submitting: Submitting
    helper: Helper
    disk: ThreadPoolExecutor
    endpoint: Endpoint | None = None

    def handle(self, session: Session, received: Received, answer: Answer) -> None:
        """Answer, now or later.

        Raises:
            EngineError: the reply is Refused.
        """
        message = received.message
        if isinstance(message, requests.Pair):
            answer(self._pair(session, message))
            return
        if isinstance(message, requests.Hello):
            answer(self._hello(session, message))
            return
        if not session.client:
            raise EngineError(
                "hello_first", "This connection has not said who it is.", "Send Hello first."
            )
        handler = self._handlers.get(type(message))
        if handler is None:
            raise EngineError("kind_unknown", "This is nothing to ask for.", "Update the engine.")
        handler(session, message, received, answer)

    def __post_init__(self) -> None:
        self._handlers: Mapping[type, Callable[[Session, Any, Received, Answer], None]] = {
            requests.Ping: lambda session, message, received, answer: answer(replies.Pong()),
            requests.Leave: self._leave,
            requests.Submit: self._submit,
            requests.Cancel: self._cancel,
            requests.Retry: self._retry,
            requests.Reorder: self._reorder,
            requests.ListJobs: self._list,
            requests.Attach: self._attach,
            requests.FetchPart: self._fetch,
            requests.Pin: self._pin,
            requests.Delete: self._delete,
            requests.CheckPicture: self._look,
            requests.CutOut: self._look,
            requests.DescribeCheckpoint: self._describe,
            requests.ListModels: self._models,
            requests.DownloadModels: self._models,
            requests.VerifyModels: self._models,
            requests.CancelModels: self._models,
            requests.RemoveModels: self._models,
            requests.GetStatus: self._status,
            requests.ReleaseMemory: self._release,
            requests.Shutdown: self._shutdown,
            requests.OpenPairing: self._open_pairing,
        }

    # Who somebody is

    def _hello(self, session: Session, hello: requests.Hello) -> replies.Welcome:
        version = negotiate(hello)
        if self.house.protocol != PROTOCOL_VERSION:
            raise mismatch(f"{hello.oldest} to {hello.newest}", str(self.house.protocol))
        if not self.admission.token_fits(session.key, hello.token):
            log.warning("a client at %s was refused: wrong token", session.address)
            raise EngineError(
                "token_wrong",
                "The token is not that of this engine.",
                "Read the connection file again; a client of another machine has to be paired.",
            )
        session.client = hello.client[:200] or "unnamed"
        log.info("%s said hello", hello.program[:100])
        return replies.Welcome(
            version=version,
            engine=self.house.engine,
            session=self.house.session,
            status=self.house.status(),
        )

    def _pair(self, session: Session, message: requests.Pair) -> replies.Paired:
        token = secrets.token_urlsafe(32)
        self.admission.pair(session.key, message.public_key, message.client[:200], token)
        return replies.Paired(token=token, engine=self.house.machine)

    def _open_pairing(
        self, session: Session, message: requests.OpenPairing, received: Received, answer: Answer
    ) -> None:
        self._only_local(session, "Pairing can be opened")
        answer(replies.PairingOpened(code=self.house.open_pairing(), seconds=PAIRING_SECONDS))

    def _leave(
        self, session: Session, message: requests.Leave, received: Received, answer: Answer
    ) -> None:
        if self.endpoint is not None:
            self.endpoint.drop(session)

    # Jobs

    def _submit(
        self, session: Session, message: requests.Submit, received: Received, answer: Answer
    ) -> None:
        if not self.admission.is_local(session.key):
            refuse_files(message.job)
        self.submitting.submit(session, message, received.buffers, answer)

    def _retry(
        self, session: Session, message: requests.Retry, received: Received, answer: Answer
    ) -> None:
        if message.changed is not None and not self.admission.is_local(session.key):
            refuse_files(message.changed)
        self.submitting.retry(session, message, answer)

    def _cancel(
        self, session: Session, message: requests.Cancel, received: Received, answer: Answer
    ) -> None:
        self.running.check_cancel(message.job)
        answer(replies.Accepted())
        self.running.cancel(message.job, self.staff)

    def _reorder(
        self, session: Session, message: requests.Reorder, received: Received, answer: Answer
    ) -> None:
        self.queue.reorder(message.job, message.before)
        answer(replies.Accepted())
        self.running.tell_positions()

    def _list(
        self, session: Session, message: requests.ListJobs, received: Received, answer: Answer
    ) -> None:
        before = None if message.after is None else self.store.job(message.after).number
        found = self.store.jobs(
            states=message.states,
            limit=message.limit + 1,
            before=before,
            picture=message.picture_sha256,
            search=message.search,
            begins=message.begins,
        )
        positions, etas = self.queue.positions(), self.running.etas()
        rows = [self._row(record, positions, etas) for record in found[: message.limit]]
        answer(replies.JobList(rows=tuple(rows), more=len(found) > message.limit))

    def _attach(
        self, session: Session, message: requests.Attach, received: Received, answer: Answer
    ) -> None:
        record = self.store.job(message.job)
        session.jobs.add(record.id)
        notes = self.store.notes(record.id)
        answer(
            replies.JobSnapshot(
                row=self._row(record, self.queue.positions(), self.running.etas()),
                job=record.spec,
                finish=record.finish,
                notes=tuple(
                    Note(job=record.id, sentence=sentence, level=level) for sentence, level in notes
                ),
                seconds=record.seconds,
            )
        )

    def _fetch(
        self, session: Session, message: requests.FetchPart, received: Received, answer: Answer
    ) -> None:
        self.store.job(message.job)
        part = self.store.part(message.job, message.name)
        path = self.store.folder(message.job) / part.file
        try:
            file = path.open("rb")
        except OSError as error:
            raise EngineError(
                "part_missing",
                f"The file of the part {message.name} cannot be read: {error.strerror}.",
                "Run the job again.",
            ) from error
        here = message.by_file and session.same_machine and self.admission.is_local(session.key)
        answer(
            replies.PartHead(
                job=message.job,
                name=message.name,
                size=part.bytes,
                sha256=part.sha256,
                layout=part.layout,
                path=str(path.absolute()) if here else "",
            )
        )
        if message.credit == 0 or message.offset >= part.bytes or self.endpoint is None:
            file.close()
            return
        chunks = Transfer(
            id=received.id,
            job=message.job,
            name=message.name,
            file=file,
            offset=message.offset,
            chunk=message.chunk,
            left=message.credit,
        )
        self.endpoint.transfer(session, chunks)

    def _pin(
        self, session: Session, message: requests.Pin, received: Received, answer: Answer
    ) -> None:
        self.store.job(message.job)
        self.store.pin(message.job, message.pinned)
        answer(replies.Accepted())

    def _delete(
        self, session: Session, message: requests.Delete, received: Received, answer: Answer
    ) -> None:
        record = self.store.job(message.job)
        waiting = self.store.jobs(states=OPEN)
        users = [other.id for other in waiting if message.job in (*sources(other), other.retry_of)]
        if record.state in OPEN or users:
            why = f"job {users[0]} needs it" if users else f"it is {record.state}"
            raise EngineError(
                "job_needed",
                f"The job {message.job} cannot be removed: {why}.",
                "Cancel the job that is not over yet.",
            )
        self.disk.submit(remove_folders, discard(self.store, [message.job]))
        answer(replies.Accepted())

    def _row(
        self, record: JobRecord, positions: Mapping[str, int], etas: Mapping[str, float]
    ) -> replies.JobRow:
        row = row_of(record, self.store.parts(record.id))
        if (progress := self.running.progress(record.id)) is not None:
            row = replace(row, stage=progress.stage, fraction=progress.fraction)
        return replace(row, position=positions.get(record.id, 0), eta=etas.get(record.id))

    # The engine

    def _look(
        self,
        session: Session,
        message: requests.CheckPicture | requests.CutOut,
        received: Received,
        answer: Answer,
    ) -> None:
        picture, shaped = message.picture, None
        if isinstance(picture, File):
            if not self.admission.is_local(session.key):
                refuse_files(message)
        elif isinstance(picture, Attached) and picture.name in received.buffers:
            shaped = received.buffers[picture.name]
        else:
            raise EngineError(
                "picture_missing", "There is no picture to look at.", "Send it with the request."
            )
        self.helper.look(message, shaped, answer)
        self._get_ready()

    def _describe(
        self,
        session: Session,
        message: requests.DescribeCheckpoint,
        received: Received,
        answer: Answer,
    ) -> None:
        def described(reply: replies.Reply, buffers: object = None, /) -> None:
            if isinstance(reply, CheckpointDescription):
                reply = self.running.expected(reply, message)
            answer(reply)

        self.helper.describe(message, described)
        self._get_ready()

    def _get_ready(self) -> None:
        """Somebody is choosing a picture: let the networks be there when it is chosen."""
        if not self.staff.worker.job:
            self.staff.worker.start()

    def _models(self, session: Session, message: Any, received: Received, answer: Answer) -> None:
        if not isinstance(message, requests.ListModels):
            self._only_local(session, "Weights can be changed")
        self.helper.models(message, received.id, answer, session)

    def _status(
        self, session: Session, message: requests.GetStatus, received: Received, answer: Answer
    ) -> None:
        answer(self.house.full_status())

    def _release(
        self, session: Session, message: requests.ReleaseMemory, received: Received, answer: Answer
    ) -> None:
        if job := self.staff.worker.job:
            raise EngineError(
                "engine_busy",
                f"The job {job} needs the memory.",
                "Cancel it, or wait until it is done.",
            )
        self.staff.release(lambda: answer(replies.Accepted()))

    def _shutdown(
        self, session: Session, message: requests.Shutdown, received: Received, answer: Answer
    ) -> None:
        self._only_local(session, "The engine can be ended")
        answer(replies.Accepted())
        self.house.leave(wait=message.wait)

    def _only_local(self, session: Session, what: str) -> None:
        if not self.admission.is_local(session.key):
            raise EngineError(
                "local_only", f"{what} on its own machine only.", "Ask whoever runs the engine."
            )


def refuse_files(message: Any) -> None:
    """A client of another machine must not read files of this one.

    Raises:
        EngineError: ``file_refused``.
    """
    for value in vars(message).values():
        if isinstance(value, File):
            raise EngineError(
                "file_refused",
                "A client of another machine cannot name files of this one.",
                "Send the file with the request.",
            )
