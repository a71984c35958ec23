"""Becoming a client of an engine on another machine, by its one-time code."""

import time
from collections.abc import Callable

import zmq

from .connection import Connection, PairingCode
from .errors import EngineError
from .link import Link
from .messages import FROM_ENGINE
from .replies import Paired, Refused
from .requests import Pair
from .wire import decode, encode


class Pairing:
    """An attempt to become a client that never waits: call ``poll`` until it gives something.

    Args:
        code: that ``maquette pair`` shows on the engine's machine; it is used up.
        client: name of this client for people.
        timeout_s: seconds until it fails.
        clock: seconds, never backwards.
    """

    def __init__(
        self,
        code: PairingCode,
        client: str,
        *,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Draw keys of our own, to be made known to the engine.
        self._public, self._secret = (key.decode() for key in zmq.curve_keypair())
        once = zmq.curve_public(code.secret_key.encode()).decode()
        self._link = Link(code.endpoint, code.server_key, once, code.secret_key)
        self._code, self._client, self._clock = code, client, clock
        self._end = clock() + timeout_s
        self._sent = False

    def poll(self, *, wait_s: float = 0.0) -> Connection | None:
        """What to keep in a connection file that only this user can read; None: not yet.

        Args:
            wait_s: seconds to wait for something to come.

        Raises:
            EngineError: ``pairing_failed`` when nothing that knows the code answers; what the
                engine refuses with.
        """
        if wait_s > 0:
            # Until the request is sent nothing can come, but the connection be ready.
            self._link.wait(wait_s if self._sent else min(wait_s, 0.05))
        if "refused" in self._link.changes() or self._clock() >= self._end:
            raise _failed()
        request = Pair(public_key=self._public, client=self._client)
        self._sent = self._sent or self._link.send(encode(request, 1))
        frames = self._link.receive()
        reply = None if frames is None else decode(frames, FROM_ENGINE).message
        if isinstance(reply, Refused):
            raise reply.error()
        if not isinstance(reply, Paired):
            return None
        return Connection(
            endpoint=self._code.endpoint,
            server_key=self._code.server_key,
            client_public=self._public,
            client_secret=self._secret,
            token=reply.token,
            engine=reply.engine,
        )

    def close(self) -> None:
        """End at once. May be called twice."""
        self._link.close()


def pair(code: PairingCode, client: str, *, timeout_s: float = 10.0) -> Connection:
    """``Pairing`` for programs that can wait; arguments, result and errors as there."""
    pairing = Pairing(code, client, timeout_s=timeout_s)
    try:
        while (connection := pairing.poll(wait_s=0.5)) is None:
            pass
        return connection
    finally:
        pairing.close()


def _failed() -> EngineError:
    return EngineError(
        "pairing_failed",
        "No engine answered that knows this pairing code.",
        "A code is good once and for a short time: make another one with `maquette pair`, and let "
        "the engine listen for other machines with `maquette serve --bind`.",
    )
