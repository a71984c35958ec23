"""A service of a few lines for tests of the client: in a thread, with CURVE, without a store."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from protocol.connection import Connection
from protocol.errors import EngineError
from protocol.events import EngineStatus, Event
from protocol.layout import Array, Layout
from protocol.messages import FROM_CLIENT
from protocol.parts import Packed
from protocol.replies import Accepted, PartChunk, PartHead, Pong, Refused, Reply, Submitted, Welcome
from protocol.requests import FetchPart, Hello, Ping, Submit
from protocol.wire import Received, Shaped, decode, encode, negotiate, request_id

TOKEN = "a token"


@dataclass
class Stored:
    """A part that the service has."""

    head: PartHead
    data: bytes


def stored(job: str, name: str, packed: Packed, path: str = "") -> Stored:
    data = b"".join(bytes(chunk) for chunk in packed.chunks())
    sha256 = hashlib.sha256(data).hexdigest()
    head = PartHead(
        job=job, name=name, size=len(data), sha256=sha256, layout=packed.layout, path=path
    )
    return Stored(head, data)


def noise(size: int) -> Packed:
    """Bytes that differ everywhere, as a file."""
    data = hashlib.shake_128(b"noise").digest(size)
    array = Array(name="data", dtype="uint8", shape=(size,))
    return Packed(Layout(kind="file", arrays=(array,)), (data,))


@dataclass
class Service:
    """What it does is changed by its fields, from any thread.

    Attributes:
        parts: by job and name.
        silent: takes messages and answers nothing.
        chunks_left: how many chunks it sends before it forgets to send more.
        greets_first: whether it answers nobody who has not said Hello.
        session: of its Welcome.
        answer: its reply to a request; None: the usual one.
        received: requests, in order.
    """

    parts: dict[tuple[str, str], Stored] = field(default_factory=dict[tuple[str, str], Stored])
    silent: bool = False
    chunks_left: int = 1 << 30
    greets_first: bool = True
    session: str = "first"
    answer: Callable[[Received], Reply | None] = lambda received: None
    received: list[Any] = field(default_factory=list[Any])
    port: int = 0

    def __post_init__(self) -> None:
        self._public, self._secret = zmq.curve_keypair()
        self.client_keys = zmq.curve_keypair()
        self.start()

    def connection(self, **changes: Any) -> Connection:
        public, secret = self.client_keys
        values: dict[str, Any] = {
            "endpoint": f"tcp://127.0.0.1:{self.port}",
            "server_key": self._public.decode(),
            "client_public": public.decode(),
            "client_secret": secret.decode(),
            "token": TOKEN,
            "pid": 1,
        }
        return Connection(**(values | changes))

    def start(self) -> None:
        """Listen; again on the same port after ``stop``."""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.curve_server = True
        self._socket.curve_secretkey = self._secret
        if self.port:
            self._socket.bind(f"tcp://127.0.0.1:{self.port}")
        else:
            self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._peers: set[bytes] = set()
        self._stopping = False
        self._events: list[tuple[Event, ...]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()

    def send(self, *events: Event) -> None:
        """Events to all clients that said hello, together."""
        self._events.append(events)

    def _run(self) -> None:
        while not self._stopping:
            if self._events:
                for event in self._events.pop(0):
                    for peer in self._peers:
                        self._socket.send_multipart([peer, *encode(event)])
            if self._socket.poll(5) and not self.silent:
                peer, *frames = self._socket.recv_multipart()
                self._answer(peer, frames)
        self._context.destroy(linger=0)

    def _answer(self, peer: bytes, frames: list[bytes]) -> None:
        try:
            received = decode(frames, FROM_CLIENT)
            reply = self._reply(peer, received)
        except EngineError as error:
            self._socket.send_multipart([peer, *encode(Refused.of(error), request_id(frames))])
            return
        if reply is not None:
            self._socket.send_multipart([peer, *encode(reply, received.id)])
        if isinstance(reply, PartHead) and isinstance(received.message, FetchPart):
            self._send_chunks(peer, received.id, received.message)

    def _reply(self, peer: bytes, received: Received) -> Reply | None:
        message = received.message
        self.received.append(message)
        if isinstance(message, Hello):
            if message.token != TOKEN:
                raise EngineError("token_wrong", "The token is wrong.", "Restart the engine.")
            version = negotiate(message)
            self._peers.add(peer)
            status = EngineStatus(worker="none")
            return Welcome(version=version, engine="fake 1", session=self.session, status=status)
        if self.greets_first and peer not in self._peers:
            raise EngineError("hello_first", "Who are you?", "Say Hello.")
        if (special := self.answer(received)) is not None:
            return special
        match message:
            case Ping():
                return Pong()
            case Submit():
                return Submitted(job=message.id, position=0)
            case FetchPart():
                if (message.job, message.name) not in self.parts:
                    raise EngineError("part_unknown", "There is no such part.", "Choose another.")
                return self.parts[message.job, message.name].head
            case _:
                return Accepted()

    def _send_chunks(self, peer: bytes, id: int, request: FetchPart) -> None:
        part, offset = self.parts[request.job, request.name], request.offset
        for _ in range(request.credit):
            data = part.data[offset : offset + request.chunk]
            if not data or not self.chunks_left:
                return
            self.chunks_left -= 1
            chunk = PartChunk(job=request.job, name=request.name, offset=offset, size=len(data))
            frames = encode(chunk, id, {"data": Shaped.of_file(data)})
            self._socket.send_multipart([peer, *frames])
            offset += len(data)
