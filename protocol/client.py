"""The client of the engine, for the add-on, the command line and scripts. It never waits by itself.

Call ``poll`` often, such as ten times a second from a timer: it sends, receives and keeps the
connection alive, all within the time that it is given. There is no thread::

    with EngineClient(lambda: read_connection(file), name="desk", program="script 1") as client:
        job = client.submit(GenerateJob(picture=File("/home/me/chair.png")))
        for told in client.poll(0.005):
            ...
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from .connection import Connection
from .downloads import Downloads
from .errors import EngineError
from .events import ENDS, Event, replaced_by_newer
from .finishes import FinishChoice
from .jobs import Job
from .messages import FROM_ENGINE
from .presence import LOOK_EVERY, Presence, State
from .replies import JobSnapshot, PartHead, Refused, Reply, Welcome
from .requests import (
    ENDED,
    Attach,
    Cancel,
    Pair,
    Priority,
    ReleaseMemory,
    Request,
    Retry,
    Shutdown,
    Submit,
    new_job_id,
)
from .wire import Buffer, Received, Shaped, decode, encode, request_id

logger = logging.getLogger(__name__)

SLOW_UPLOAD, SLOW_LOCAL_UPLOAD = 1e6, 1e8
"""Bytes a second below which an upload counts as silence; a Ping waits behind what is uploaded."""
MOST_WAITING = 1000
NOT_REPEATED = (Shutdown, ReleaseMemory, Pair)
"""Requests that a new connection must not repeat by itself: they may have been obeyed."""


@dataclass(frozen=True)
class Answer:
    """A reply to a request.

    Attributes:
        id: that the request got.
        reply: ``Refused`` for all that went wrong.
        buffers: that came with it, such as "picture" with a ``CutOutPicture``.
    """

    id: int
    reply: Reply
    buffers: Mapping[str, Shaped] = field(default_factory=dict[str, Shaped])


@dataclass(frozen=True)
class Fetched:
    """A part that is here, whole and checked.

    Attributes:
        id: that ``fetch`` gave.
        head: what it is.
        data: its bytes; ``protocol.layout.views`` gives the arrays.
    """

    id: int
    head: PartHead
    data: "memoryview[int]"


Told = Event | Answer | Fetched


@dataclass
class _Waiting:
    """A request without an answer yet."""

    request: Request
    frames: list[Buffer]
    sent: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(memoryview(frame).nbytes for frame in self.frames)


class EngineClient:
    """One client of the engine.

    Args:
        find: gives the connection, such as ``read_connection`` of a file; asked again whenever the
            engine is not there. An ``EngineError`` from it becomes ``problem``.
        name: of this client for people; owns its jobs.
        program: name and version of the program.
        clock: seconds, never backwards.
    """

    def __init__(
        self,
        find: Callable[[], Connection],
        *,
        name: str,
        program: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._last_id = 0
        self._presence = Presence(find, name, program, clock, self._next_id)
        self._downloads = Downloads(clock, self._next_id)
        self._losses = 0
        self._greeted: Welcome | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._followed: set[str] = set()
        self._inbox: dict[object, Told] = {}
        self._closed = False

    def __enter__(self) -> "EngineClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> State:
        """Whether the engine is there, as of the last ``poll``."""
        return self._presence.state

    @property
    def problem(self) -> EngineError | None:
        """Why it is not, for the user; None while it is, or is being connected to."""
        return self._presence.problem

    @property
    def welcome(self) -> Welcome | None:
        """What the engine said of itself; None before the first connection."""
        return self._presence.welcome

    @property
    def fetching(self) -> bool:
        """Whether parts are on their way: poll more often, so that they come faster."""
        return len(self._downloads) > 0

    def request(self, message: Request, buffers: Mapping[str, Shaped] | None = None) -> int:
        """Send a request as soon as the engine is there; its answer comes from ``poll``.

        It is repeated by itself after a lost connection, except those in ``NOT_REPEATED``.

        Returns:
            An id that the ``Answer`` will carry.

        Raises:
            EngineError: ``message_too_large``, ``too_many_requests``.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise EngineError(
                "too_many_requests",
                f"{MOST_WAITING} requests wait for the engine already.",
                "Start the engine, or wait for its answers.",
            )
        id = self._next_id()
        self._waiting[id] = _Waiting(message, encode(message, id, buffers))
        if isinstance(message, Submit | Retry):
            self._followed.add(message.id)
        elif isinstance(message, Attach):
            self._followed.add(message.job)
        return id

    def submit(
        self,
        job: Job,
        attached: Mapping[str, Shaped] | None = None,
        *,
        finish: FinishChoice | None = None,
        checkpoint: str | None = None,
        priority: Priority = "interactive",
        title: str = "",
        picture_sha256: str = "",
        id: str | None = None,
    ) -> str:
        """Put a job into the queue.

        Args:
            attached: what its ``Attached`` references name.
            finish, checkpoint, priority, title, picture_sha256, id: as in ``Submit``; the id is
                drawn if None.

        Returns:
            The job's id, which its events carry.

        Raises:
            EngineError: as ``request``.
        """
        submit = Submit(
            id=id or new_job_id(),
            job=job,
            finish=finish,
            checkpoint=checkpoint,
            priority=priority,
            title=title,
            picture_sha256=picture_sha256,
        )
        self.request(submit, attached)
        return submit.id

    def cancel(self, job: str) -> int:
        """Stop a job; ``Cancelled`` tells when it is. Raises as ``request``."""
        return self.request(Cancel(job=job))

    def fetch(self, job: str, name: str) -> int:
        """Get a part of a job, by its file on the same machine; resumed after a lost connection.

        Returns:
            An id that the ``Fetched``, or an ``Answer`` of ``Refused``, will carry.
        """
        id = self._next_id()
        self._downloads.begin(id, job, name)
        return id

    def fraction_fetched(self, id: int) -> float:
        """How much of a part is here, from 0 to 1."""
        return self._downloads.fraction(id)

    def poll(self, budget_s: float = 0.005, *, wait_s: float = 0.0) -> list[Told]:
        """Do what can be done now, and tell what came.

        Args:
            budget_s: seconds to spend at most; a message that was begun is finished, so that the
                check of a large mesh may take some milliseconds more.
            wait_s: seconds to wait for something to come, if nothing is there.

        Returns:
            In order; of two events that say the same about a job, only the newer.
        """
        self._work(budget_s)
        if wait_s > 0 and not self._inbox and not self._downloads.reading:
            self._presence.wait(min(wait_s, LOOK_EVERY))
            self._work(budget_s)
        told = list(self._inbox.values())
        self._inbox.clear()
        return told

    def wait_for(self, id: int, timeout_s: float) -> Reply | Fetched:
        """Wait for the answer to a request, or for a part. What else comes is left for ``poll``.

        Raises:
            EngineError: what the engine refused with; ``problem`` when there is no engine;
                ``no_answer`` after ``timeout_s`` seconds.
        """
        end = self._clock() + timeout_s
        while True:
            self._work(0.05)
            told = self._inbox.pop(("answer", id), None)
            if isinstance(told, Fetched):
                return told
            if isinstance(told, Answer):
                if isinstance(told.reply, Refused):
                    raise told.reply.error()
                return told.reply
            left = end - self._clock()
            problem = self.problem if self.state in ("gone", "refused") else None
            if problem is None and left <= 0:
                problem = EngineError(
                    "no_answer",
                    f"The engine did not answer within {timeout_s:g} seconds.",
                    "Try again; if it happens again, restart the engine.",
                )
            if problem is not None:
                self._forget(id)
                raise problem
            if not self._downloads.reading:
                self._presence.wait(min(left, 0.1))

    def ask(
        self,
        message: Request,
        buffers: Mapping[str, Shaped] | None = None,
        *,
        timeout_s: float = 30.0,
    ) -> Reply:
        """``request``, then ``wait_for``: for programs that have nothing else to do."""
        return cast(Reply, self.wait_for(self.request(message, buffers), timeout_s))

    def close(self) -> None:
        """End within 0.1 s, whatever was not sent. May be called twice."""
        self._closed = True
        for id in list(self._waiting):
            self._forget(id)
        self._downloads.close()
        self._presence.close()

    def _work(self, budget_s: float) -> None:
        if self._closed:
            raise EngineError("client_closed", "This client is closed.", "Make another one.")
        end = self._clock() + budget_s
        self._presence.visit()
        self._receive(end)
        uploading = sum(waiting.size for waiting in self._waiting.values() if waiting.sent)
        connection = self._presence.connection
        local = connection is not None and connection.local
        self._presence.judge(uploading / (SLOW_LOCAL_UPLOAD if local else SLOW_UPLOAD))
        if self._presence.losses != self._losses:
            self._losses = self._presence.losses
            self._lose()
        if self.state == "alive":
            self._send(local=local)
        self._downloads.read(end)
        for id, ended in self._downloads.ended():
            if isinstance(ended, EngineError):
                self._answer(id, Refused.of(ended))
            elif ended.head is not None:
                self._inbox["answer", id] = Fetched(id, ended.head, ended.data)

    def _receive(self, end: float) -> None:
        while (frames := self._presence.receive()) is not None:
            try:
                self._take(decode(frames, FROM_ENGINE))
            except EngineError as error:
                id = request_id(frames)
                if id in self._waiting:
                    self._answer(id, Refused.of(error))
                elif error.code != "kind_unknown":
                    logger.warning("A message of the engine was dropped: %s", error)
            if self._clock() >= end:
                return

    def _take(self, received: Received) -> None:
        message: Any = received.message
        if isinstance(message, get_args(Event)):
            # The newer of two that say the same comes last, as it came.
            key = replaced_by_newer(message) or object()
            self._inbox.pop(key, None)
            self._inbox[key] = message
            if isinstance(message, ENDS):
                self._followed.discard(message.job)
        elif self._presence.take(received.id, message) or self._downloads.take(received):
            return
        elif received.id in self._waiting:
            if isinstance(message, JobSnapshot) and message.row.state in ENDED:
                self._followed.discard(message.row.id)
            self._answer(received.id, message, received.buffers)

    def _lose(self) -> None:
        """What was sent may never be answered: repeat it, or say so."""
        self._downloads.resume()
        for id, waiting in list(self._waiting.items()):
            if waiting.sent and isinstance(waiting.request, NOT_REPEATED):
                lost = Refused(
                    code="connection_lost",
                    message="The connection was lost before the engine answered.",
                    hint="Look whether it was done.",
                )
                self._answer(id, lost)
            waiting.sent = False

    def _send(self, *, local: bool) -> None:
        if self.welcome is not self._greeted:
            if self._greeted is not None:
                self._attach_again()
            self._greeted = self.welcome
        for waiting in self._waiting.values():
            if not waiting.sent:
                waiting.sent = self._presence.send(waiting.frames)
                if not waiting.sent:
                    return
        for id, request in self._downloads.requests(local=local):
            self._presence.send(encode(request, id))

    def _attach_again(self) -> None:
        """Events of jobs may have been missed; the snapshots tell what has become of them."""
        asked = [waiting.request for waiting in self._waiting.values()]
        known = {request.id for request in asked if isinstance(request, Submit | Retry)}
        known |= {request.job for request in asked if isinstance(request, Attach)}
        for job in sorted(self._followed - known):
            self.request(Attach(job=job))

    def _answer(self, id: int, reply: Reply, buffers: Mapping[str, Shaped] | None = None) -> None:
        self._waiting.pop(id, None)
        self._inbox["answer", id] = Answer(id, reply, buffers or {})

    def _forget(self, id: int) -> None:
        self._waiting.pop(id, None)
        if id in self._downloads:
            self._downloads.forget(id)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
