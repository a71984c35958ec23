"""Becoming a client of an engine on another machine, by its one-time code."""

import time

import zmq

from .connection import Connection, PairingCode
from .errors import EngineError
from .link import Link
from .messages import FROM_ENGINE
from .replies import Paired, Refused
from .requests import Pair
from .wire import decode, encode


def pair(code: PairingCode, client: str, *, timeout_s: float = 10.0) -> Connection:
    """Draw keys of our own and make them known to the engine.

    Args:
        code: that ``maquette pair`` shows on the engine's machine; it is used up.
        client: name of this client for people.

    Returns:
        What to keep in a connection file that only this user can read.

    Raises:
        EngineError: ``pairing_failed`` when nothing that knows the code answers; what the engine
            refuses with.
    """
    public, secret = (key.decode() for key in zmq.curve_keypair())
    once = zmq.curve_public(code.secret_key.encode()).decode()
    link = Link(code.endpoint, code.server_key, once, code.secret_key)
    try:
        paired = _ask(link, Pair(public_key=public, client=client), timeout_s)
    finally:
        link.close()
    return Connection(
        endpoint=code.endpoint,
        server_key=code.server_key,
        client_public=public,
        client_secret=secret,
        token=paired.token,
        engine=paired.engine,
    )


def _ask(link: Link, request: Pair, timeout_s: float) -> Paired:
    end = time.monotonic() + timeout_s
    sent = False
    while (left := end - time.monotonic()) > 0:
        link.wait(left if sent else min(left, 0.05))
        if "refused" in link.changes():
            break
        sent = sent or link.send(encode(request, 1))
        if (frames := link.receive()) is not None:
            reply = decode(frames, FROM_ENGINE).message
            if isinstance(reply, Paired):
                return reply
            if isinstance(reply, Refused):
                raise reply.error()
    raise EngineError(
        "pairing_failed",
        "No engine answered that knows this pairing code.",
        "A code is good once and for a short time: make another one with `maquette pair`, and let "
        "the engine listen for other machines with `maquette serve --bind`.",
    )
