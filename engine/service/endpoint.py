"""The socket that clients talk to: one ROUTER under CURVE, a session for each connection.

Replies and events go before data: chunks of parts leave one at a time, only as many as a client
asked for, and only when nothing else waits for that client. What waits is bounded: a newer progress
replaces an older one, and a client that reads nothing for too long is forgotten.
"""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

import zmq

from protocol.errors import EngineError
from protocol.events import ENDS, Event, replaced_by_newer
from protocol.messages import FROM_CLIENT, Message
from protocol.replies import PartChunk, Refused, Reply
from protocol.wire import LARGEST_BUFFER, Buffer, Received, Shaped, decode, encode, request_id

log = logging.getLogger(__name__)

MOST_WAITING = 2000
"""Messages that wait for a client that does not read."""
MOST_DATA = 4
"""Replies with data among them: a picture each."""
QUEUED_IN_SOCKET = 16
"""Messages that libzmq holds for a client; what is more waits here, where it can be replaced."""
HEARTBEAT_MS, SILENCE_MS = 2000, 6000
PROBE_SECONDS = 5.0
"""A client that was silent for so long is sent something, which fails if it is gone."""
STRANGER_SECONDS = 60.0
"""Who has not said Hello is told nothing, and forgotten after so much silence."""

_FAULT = EngineError(
    "internal", "The engine made a mistake.", "Report it with the log of the engine."
)

_SLOW = EngineError(
    "client_slow", "Pictures that were asked for before wait to be read.", "Ask again later."
)


@dataclass
class Transfer:
    """Chunks of a part that a client asked for."""

    id: int
    job: str
    name: str
    file: BinaryIO
    offset: int
    chunk: int
    left: int


@dataclass
class Session:
    """A connection.

    Attributes:
        identity: that libzmq gave it.
        key: public CURVE key, which was admitted.
        address: of the peer.
        client: its name; empty before ``Hello``.
        jobs: ids of the jobs whose events it gets.
        seen: when it last sent something.
        arriving: its jobs that are being checked, in the order in which they came: each is empty
            until it is known what to do with it.
    """

    identity: bytes
    key: str
    address: str
    client: str = ""
    jobs: set[str] = field(default_factory=set[str])
    seen: float = 0.0
    waiting: "OrderedDict[object, list[Buffer]]" = field(
        default_factory=OrderedDict[object, list[Buffer]]
    )
    transfers: deque[Transfer] = field(default_factory=deque[Transfer])
    arriving: deque[list[Callable[[], object]]] = field(
        default_factory=deque[list[Callable[[], object]]]
    )

    @property
    def same_machine(self) -> bool:
        return self.address.startswith("127.") or self.address in ("::1", "localhost")


class Answer(Protocol):
    """Sends the reply to a request, with what goes along with it."""

    def __call__(self, reply: Reply, buffers: Mapping[str, Shaped] | None = None, /) -> None: ...


Handler = Callable[[Session, Received, Answer], None]


class Endpoint:
    """The sessions and their socket.

    Args:
        context: in which ``Admission`` listens already.
        secret_key: CURVE key of the service.
        handle: called with each request; it calls its last argument with the reply, at once or
            later, on the same thread. An ``EngineError`` that it raises is the reply.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        secret_key: str,
        handle: Handler,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handle = handle
        self._clock = clock
        self.sessions: dict[bytes, Session] = {}
        self.socket = socket = context.socket(zmq.ROUTER)
        socket.curve_server = True
        socket.curve_secretkey = secret_key.encode()
        socket.zap_domain = b"maquette"
        socket.linger = 0
        socket.router_mandatory = True
        socket.sndhwm = QUEUED_IN_SOCKET
        socket.maxmsgsize = LARGEST_BUFFER + (1 << 16)
        socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, SILENCE_MS
        socket.handshake_ivl = SILENCE_MS

    def bind(self, host: str, port: int = 0) -> str:
        """Listen, and say where.

        Args:
            host: an address, never a name: names are not looked up.
            port: 0: the system chooses.

        Raises:
            EngineError: ``address_taken``.
        """
        address = f"tcp://{host}:{port or '*'}"
        try:
            self.socket.bind(address)
        except zmq.ZMQError as error:
            raise EngineError(
                "address_taken",
                f"Cannot listen at {address}: {error.strerror}.",
                "Give an address of this machine and a port that is free.",
            ) from error
        return self.socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def receive(self, most: int = 64) -> None:
        """Handle what has come in, up to so many messages."""
        for _ in range(most):
            try:
                identity, *frames = self.socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            if frames:
                self._receive(identity.bytes, frames)

    def _receive(self, identity: bytes, frames: list[zmq.Frame]) -> None:
        session = self.sessions.get(identity)
        if session is None:
            head = frames[0]
            session = Session(identity, str(head.get("User-Id")), str(head.get("Peer-Address")))
            self.sessions[identity] = session
        session.seen = self._clock()
        buffers = [frame.buffer for frame in frames]
        try:
            received = decode(buffers, FROM_CLIENT)
        except EngineError as error:
            self._send(session, Refused.of(error), request_id(buffers))
            return

        def answer(reply: Reply, buffers: Mapping[str, Shaped] | None = None, /) -> None:
            if self.sessions.get(identity) is not session:
                return
            if buffers and sum(len(frames) > 1 for frames in session.waiting.values()) >= MOST_DATA:
                reply, buffers = Refused.of(_SLOW), None
            self._send(session, reply, received.id, buffers=buffers)

        try:
            self._handle(session, received, answer)
        except EngineError as error:
            answer(Refused.of(error))
        except Exception:
            log.exception("a request could not be answered")
            answer(Refused.of(_FAULT))

    def tell(self, event: Event, job: str | None = None) -> None:
        """Send an event to those who follow a job; without one to everybody."""
        for session in list(self.sessions.values()):
            if session.client and (job is None or job in session.jobs):
                self._send(session, event, 0, replaced_by_newer(event))
                if job is not None and isinstance(event, ENDS):
                    session.jobs.discard(job)

    def tell_one(self, session: Session, event: Event) -> None:
        """Send an event to one client, if it is still there."""
        if self.sessions.get(session.identity) is session:
            self._send(session, event, 0, replaced_by_newer(event))

    def transfer(self, session: Session, transfer: Transfer) -> None:
        """Send chunks as soon as nothing else waits."""
        session.transfers.append(transfer)

    def flush(self) -> Literal["done", "more", "blocked"]:
        """Send what waits, and a chunk of a part to whoever waits for one.

        Returns:
            Whether there is more to send; "blocked": nothing of it could be sent now.
        """
        moved = more = False
        for session in list(self.sessions.values()):
            if self._drain(session) and session.transfers:
                moved |= self._send_chunk(session)
            more |= bool(session.waiting or session.transfers)
        if not more:
            return "done"
        return "more" if moved else "blocked"

    def probe(self, event: Callable[[], Event]) -> None:
        """Send something to those who were silent, so that those who are gone are noticed."""
        now = self._clock()
        for session in list(self.sessions.values()):
            silence = now - session.seen
            if session.client and silence >= PROBE_SECONDS:
                session.seen = now
                self.tell_one(session, event())
            elif not session.client and silence >= STRANGER_SECONDS:
                self.drop(session)

    def clients(self) -> int:
        """Sessions that said Hello."""
        return sum(1 for session in self.sessions.values() if session.client)

    def drop(self, session: Session) -> None:
        """Forget a session; its client has to say Hello again."""
        self.sessions.pop(session.identity, None)
        for transfer in session.transfers:
            transfer.file.close()

    def close(self) -> None:
        """Send what can be sent at once, and close."""
        self.flush()
        for session in list(self.sessions.values()):
            self.drop(session)
        self.socket.close(linger=200)

    def _send(
        self,
        session: Session,
        message: Message,
        id: int,
        key: object = None,
        buffers: Mapping[str, Shaped] | None = None,
    ) -> None:
        frames = encode(message, id, buffers)
        key = object() if key is None else key
        session.waiting.pop(key, None)  # the newer one goes to the end, where it belongs
        session.waiting[key] = frames
        self._drain(session)
        if len(session.waiting) > MOST_WAITING:
            log.warning("a client that does not read was forgotten")
            self.drop(session)

    def _drain(self, session: Session) -> bool:
        """Whether all is sent that waited."""
        while session.waiting:
            key, frames = next(iter(session.waiting.items()))
            if not self._put(session, frames):
                return False
            session.waiting.pop(key, None)
        return True

    def _send_chunk(self, session: Session) -> bool:
        """Whether something moved."""
        transfer = session.transfers[0]
        transfer.file.seek(transfer.offset)
        data = transfer.file.read(transfer.chunk)
        chunk = PartChunk(
            job=transfer.job, name=transfer.name, offset=transfer.offset, size=len(data)
        )
        if data:
            frames = encode(chunk, transfer.id, {"data": Shaped.of_file(data)})
            if not self._put(session, frames):
                return False
            transfer.offset += len(data)
            transfer.left -= 1
        if not data or not transfer.left:
            transfer.file.close()
            if session.transfers:
                session.transfers.popleft()
        return True

    def _put(self, session: Session, frames: list[Buffer]) -> bool:
        """Whether it could be sent, or need not be any more."""
        try:
            self.socket.send_multipart([session.identity, *frames], zmq.DONTWAIT, copy=False)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.drop(session)
            session.waiting.clear()
            session.transfers.clear()
        return True
