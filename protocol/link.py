"""One encrypted ZeroMQ connection of a client, which never waits unless it is told to."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

from .requests import LARGEST_CHUNK
from .wire import Buffer

Change = Literal["up", "down", "refused"]

_CHANGES: dict[int, Change] = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "up",
    zmq.EVENT_DISCONNECTED: "down",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused",
}


class Link:
    """A DEALER that connects, and connects again, by itself.

    Args:
        endpoint: tcp://address:port.
        server_key: public CURVE key of the engine, Z85.
        public_key, secret_key: CURVE keys of this side, Z85.
    """

    def __init__(self, endpoint: str, server_key: str, public_key: str, secret_key: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        options = {
            zmq.LINGER: 0,
            # Frames for a lost connection are dropped: the client repeats what was unanswered.
            zmq.IMMEDIATE: 1,
            zmq.SNDHWM: 1000,
            zmq.RECONNECT_IVL: 50,
            zmq.RECONNECT_IVL_MAX: 1000,
            # libzmq's own thread notices a connection that died without a word.
            zmq.HEARTBEAT_IVL: 1000,
            zmq.HEARTBEAT_TIMEOUT: 5000,
            zmq.HEARTBEAT_TTL: 10000,
            zmq.MAXMSGSIZE: LARGEST_CHUNK + (1 << 16),
            zmq.IPV6: int("[" in endpoint),
            zmq.CURVE_SERVERKEY: server_key.encode(),
            zmq.CURVE_PUBLICKEY: public_key.encode(),
            zmq.CURVE_SECRETKEY: secret_key.encode(),
        }
        for option, value in options.items():
            self._socket.setsockopt(option, value)
        self._monitor: Any = self._socket.get_monitor_socket(sum(_CHANGES))
        self._socket.connect(endpoint)

    def changes(self) -> Iterator[Change]:
        """What has become of the connection since the last call, in order."""
        while self._monitor.poll(0):
            event: Any = recv_monitor_message(self._monitor)  # pyright: ignore[reportUnknownVariableType]
            if event["event"] in _CHANGES:
                yield _CHANGES[event["event"]]

    def send(self, frames: Sequence[Buffer]) -> bool:
        """Whether the frames are on their way; False: not now, try later."""
        try:
            # Always copied: pyzmq starts a thread for frames that are not.
            self._socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False
        return True

    def receive(self) -> "list[memoryview[int]] | None":
        """The frames of the next message; None: there is none now."""
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        return [frame.buffer for frame in frames]

    def wait(self, seconds: float) -> None:
        """Return when something came or changed, at the latest after so many seconds."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        poller.poll(max(0, int(seconds * 1000)))

    def close(self, linger_s: float = 0.0) -> None:
        """End; what was not sent is lost.

        Args:
            linger_s: seconds to try to send it, at most.
        """
        self._socket.disable_monitor()
        self._context.destroy(linger=round(linger_s * 1000))
