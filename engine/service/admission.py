"""Who may talk to the service: CURVE keys, asked for by libzmq before a single message comes in.

A CURVE server without such an authenticator lets any client in that knows its public key.
"""

import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import zmq
from zmq.utils import z85

from engine.service.store import Store
from protocol.connection import PairingCode
from protocol.errors import EngineError

log = logging.getLogger(__name__)

ZAP = "inproc://zeromq.zap.01"
"""Where libzmq asks (RFC 27)."""
PAIRING_SECONDS = 600.0


@dataclass
class _OpenCode:
    public: str
    until: float


class Admission:
    """The keys and tokens that count.

    Args:
        context: of the sockets that are guarded.
        local: public key of clients of this machine.
        local_token: theirs.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        store: Store,
        local: str,
        local_token: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._local, self._local_token = local, local_token
        self._clock = clock
        self._paired = store.admitted()
        self._code: _OpenCode | None = None
        self.socket = context.socket(zmq.REP)
        self.socket.bind(ZAP)

    def answer(self) -> None:
        """Answer one question of libzmq; to be called when the socket is readable."""
        frames = self.socket.recv_multipart()
        version, request, _domain, address, _identity, mechanism, *credentials = frames
        key = ""
        if mechanism == b"CURVE" and len(credentials) == 1 and len(credentials[0]) == 32:
            key = z85.encode(credentials[0]).decode()
        if self._known(key):
            status, text = b"200", b"OK"
        else:
            status, text = b"400", b""
            log.warning("a peer at %s was refused: unknown key", address.decode("ascii", "replace"))
        self.socket.send_multipart([version, request, status, text, key.encode(), b""])

    def is_local(self, key: str) -> bool:
        return key == self._local

    def is_pairing(self, key: str) -> bool:
        """Whether it is the key of a one-time code that is open."""
        code = self._code
        return code is not None and key == code.public and self._clock() < code.until

    def token_fits(self, key: str, token: str) -> bool:
        wanted = self._local_token if self.is_local(key) else self._paired.get(key)
        return wanted is not None and hmac.compare_digest(wanted.encode(), token.encode())

    def open_pairing(self, endpoint: str, server_key: str) -> PairingCode:
        """A new one-time code; the one before is worthless from now on."""
        public, secret = (key.decode() for key in zmq.curve_keypair())
        self._code = _OpenCode(public, self._clock() + PAIRING_SECONDS)
        return PairingCode(endpoint, server_key, secret)

    def pair(self, key: str, new_key: str, client: str, token: str) -> None:
        """Admit a client for good, and forget the code that it came with.

        Raises:
            EngineError: ``pairing_refused``.
        """
        if not self.is_pairing(key):
            raise EngineError(
                "pairing_refused",
                "This pairing code was used before, or it is too old.",
                "Run 'maquette pair' on the engine's machine for a new one.",
            )
        self._store.admit(new_key, client, token)
        self._paired[new_key] = token
        self._code = None
        log.info("a client was paired")

    def close(self) -> None:
        self.socket.close(linger=0)

    def _known(self, key: str) -> bool:
        return bool(key) and (self.is_local(key) or key in self._paired or self.is_pairing(key))
