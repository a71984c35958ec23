"""A service in a process of its own, and a client that waits for what it wants to see."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import zmq

from protocol import replies
from protocol.connection import Connection, read_connection
from protocol.events import EngineStatus, Event
from protocol.jobs import GenerateJob
from protocol.messages import EVENTS, FROM_ENGINE, PROTOCOL_VERSION
from protocol.references import Attached
from protocol.requests import Hello, Submit
from protocol.wire import Received, Shaped, decode, encode

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
"""Seconds until something that should happen counts as not happening; the machine may be busy."""

PNG = b"\x89PNG\r\n\x1a\n"
"""How a picture begins: no more is looked at before the worker."""
Kind = TypeVar("Kind")


class Peer:
    """A client on a raw socket.

    Attributes:
        events: all that came so far.
        buffers: that came with the last reply.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        token: str | None = None,
        keys: tuple[str, str] | None = None,
        name: str = "tester",
        hello: bool = True,
    ) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_serverkey = connection.server_key.encode()
        public, secret = keys or (connection.client_public, connection.client_secret)
        self.socket.curve_publickey, self.socket.curve_secretkey = public.encode(), secret.encode()
        self.socket.connect(connection.endpoint)
        self.events: list[Event] = []
        self.chunks: list[Received] = []
        self._last = 0
        self._replies: dict[int, Any] = {}
        self.buffers: Mapping[str, Shaped] = {}
        self.welcome: Any = None
        if hello:
            self.welcome = self.ask(
                Hello(
                    oldest=PROTOCOL_VERSION,
                    newest=PROTOCOL_VERSION,
                    token=connection.token if token is None else token,
                    client=name,
                    program="tests",
                )
            )

    def send(self, request: Any, buffers: Mapping[str, Shaped] | None = None) -> int:
        self._last += 1
        self.socket.send_multipart(encode(request, self._last, buffers))
        return self._last

    def ask(
        self,
        request: Any,
        buffers: Mapping[str, Shaped] | None = None,
        patience: float = PATIENCE,
    ) -> Any:
        """The reply."""
        id = self.send(request, buffers)
        self.until(lambda: id in self._replies, patience)
        return self._replies.pop(id)

    def submit(self, id: str, *, seed: int = 0, **others: Any) -> Any:
        job = GenerateJob(picture=Attached("picture"), seed=seed)
        buffers = {"picture": Shaped.of_file(PNG + id.encode())}
        return self.ask(Submit(id=id, job=job, **others), buffers)

    def until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Receive until it holds.

        Raises:
            TimeoutError: it does not come about.
        """
        end = time.monotonic() + patience
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"not seen; events: {self.events[-5:]}")
            if self.socket.poll(20):
                self._receive()
        return found

    def event(self, kind: type[Kind], job: str | None = None, patience: float = PATIENCE) -> Kind:
        """The first event of a kind (about a job)."""

        def found() -> Any:
            for event in self.events:
                if isinstance(event, kind) and job in (None, getattr(event, "job", None)):
                    return event
            return None

        return self.until(found, patience)

    def of(self, job: str) -> list[Any]:
        """Events of a job."""
        others = [event for event in self.events if not isinstance(event, EngineStatus)]
        return [event for event in others if getattr(event, "job", None) == job]

    def pump(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.socket.poll(max(1, int(left * 1000))):
                self._receive()

    def _receive(self) -> None:
        received = decode(self.socket.recv_multipart(), FROM_ENGINE)
        message: Any = received.message
        if type(message) in EVENTS.values():
            self.events.append(message)
        elif isinstance(received.message, replies.PartChunk):
            self.chunks.append(received)
        else:
            self._replies[received.id] = received.message
            self.buffers = received.buffers

    def close(self) -> None:
        self.context.destroy(linger=0)


class Server:
    """A service with the fake worker, as `maquette serve --fake` starts it."""

    def __init__(
        self, home: Path, script: Mapping[str, Any], *arguments: str, wait: bool = True
    ) -> None:
        self.home = home
        self.script = home.parent / f"{home.name}.script.json"
        home.parent.mkdir(parents=True, exist_ok=True)
        self.script.write_text(json.dumps(script), encoding="utf-8")
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.peers: list[Peer] = []
        self.start(wait=wait)

    def start(self, *, wait: bool = True) -> None:
        command = (*(sys.executable, "-m", "engine", "serve", "--fake", str(self.script)),)
        self.process = subprocess.Popen(
            (*command, *self.arguments),
            cwd=ROOT,
            env={**os.environ, "MAQUETTE_HOME": str(self.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if wait:
            self.connection = self.connected()

    def connected(self) -> Connection:
        """What engine.json of this very process says."""
        process, file = self.running(), self.home / "engine.json"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if file.exists() and (found := read_connection(file)).pid == process.pid:
                return found
            if process.poll() is not None:
                break
            time.sleep(0.01)
        raise TimeoutError(f"no service: {self.ended()}")

    def running(self) -> "subprocess.Popen[bytes]":
        if self.process is None:
            raise RuntimeError("not started")
        return self.process

    def peer(self, **arguments: Any) -> Peer:
        self.peers.append(Peer(self.connection, **arguments))
        return self.peers[-1]

    def kill(self) -> None:
        self.running().kill()
        self.running().communicate()

    def ended(self, patience: float = PATIENCE) -> tuple[int, str]:
        """Exit status and stderr, once it is gone."""
        _, errors = self.running().communicate(timeout=patience)
        return self.running().returncode, errors.decode()

    def children(self) -> list[int]:
        import psutil

        return [child.pid for child in psutil.Process(self.running().pid).children(recursive=True)]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        process = self.running()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        elif process.stderr:
            process.stderr.close()


def gone(pids: Sequence[int], patience: float) -> bool:
    """Whether all these processes have ended, within so many seconds."""
    import psutil

    end = time.monotonic() + patience
    while any(_alive(psutil, pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _alive(psutil: Any, pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
