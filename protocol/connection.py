"""How a client finds the engine and proves who it is: the connection file and the pairing code."""

import base64
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zmq.utils import z85

from .errors import EngineError
from .limits import short
from .plain import from_dict, to_dict

FILE_NAME = "engine.json"
LARGEST_FILE = 1 << 16
_ENDPOINT = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """All that a client needs. Whoever can read the file that holds it can use the engine.

    Attributes:
        endpoint: tcp://address:port.
        server_key: public CURVE key of the engine, 40 characters of Z85.
        client_public, client_secret: CURVE keys of the client, 40 characters of Z85 each.
        token: for ``Hello``.
        engine: name and version of the engine's program; empty where it is not known.
        protocol: newest version of the protocol that it speaks.
        pid: of the engine's front process; 0 on another machine.
    """

    endpoint: str
    server_key: str
    client_public: str
    client_secret: str
    token: str
    engine: str = ""
    protocol: int = 1
    pid: int = 0

    def __post_init__(self) -> None:
        if not _ENDPOINT.fullmatch(self.endpoint):
            raise _invalid("endpoint", self.endpoint, "tcp://address:port")
        for name in ("server_key", "client_public", "client_secret"):
            key_bytes(name, getattr(self, name))

    @property
    def local(self) -> bool:
        """Whether the engine is on this machine, as far as its address says."""
        return self.endpoint.startswith("tcp://127.") and self.pid > 0

    def to_json(self) -> str:
        """The text of a connection file."""
        return json.dumps(to_dict(self), indent=1)


def read_connection(file: Path) -> Connection:
    """The connection that a file holds.

    Raises:
        EngineError: ``engine_not_running`` when there is no such file; ``connection_invalid``.
    """
    try:
        with file.open("rb") as opened:
            data: Any = json.loads(opened.read(LARGEST_FILE))
        return from_dict(Connection, data)
    except FileNotFoundError as error:
        raise EngineError(
            "engine_not_running", f"No engine runs here: there is no {file}.", "Start the engine."
        ) from error
    except (OSError, ValueError, RecursionError, EngineError) as error:
        raise EngineError(
            "connection_invalid",
            f"The connection file {file} cannot be read ({short(error)}).",
            "Restart the engine, which writes it again.",
        ) from error


@dataclass(frozen=True)
class PairingCode:
    """What ``maquette pair`` shows, for one client of another machine, once.

    Args:
        endpoint: where the engine listens.
        server_key: as in ``Connection``.
        secret_key: a CURVE key that is good for one ``Pair``, 40 characters of Z85.
    """

    endpoint: str
    server_key: str
    secret_key: str

    def __str__(self) -> str:
        keys = key_bytes("server_key", self.server_key) + key_bytes("secret_key", self.secret_key)
        address = self.endpoint.removeprefix("tcp://")
        return f"{address}/{base64.urlsafe_b64encode(keys).decode().rstrip('=')}"

    @classmethod
    def parse(cls, text: str) -> "PairingCode":
        """The code that somebody typed or pasted.

        Raises:
            EngineError: ``pairing_code_invalid``.
        """
        address, _, coded = "".join(text.split()).rpartition("/")
        endpoint = f"tcp://{address}"
        try:
            keys = base64.b64decode(coded + "==", altchars=b"-_", validate=True)
        except ValueError:
            keys = b""
        if not _ENDPOINT.fullmatch(endpoint) or len(keys) != 64:
            raise EngineError(
                "pairing_code_invalid",
                "This is not a pairing code, or not all of it.",
                "Copy the whole line that `maquette pair` shows.",
            )
        server, secret = z85.encode(keys[:32]).decode(), z85.encode(keys[32:]).decode()
        return cls(endpoint, server, secret)


def key_bytes(name: str, key: str) -> bytes:
    """The 32 bytes of a CURVE key.

    Args:
        key: 40 characters of Z85.

    Raises:
        EngineError: ``connection_invalid``.
    """
    try:
        raw = z85.decode(key) if len(key) == 40 else b""
    except (KeyError, ValueError, struct.error):
        raw = b""
    if len(raw) != 32:
        # A key is a secret, so the error does not show it.
        raise _invalid(name, "what it is", "the 40 characters of a CURVE key in Z85")
    return raw


def _invalid(field: str, value: object, wanted: str) -> EngineError:
    return EngineError("connection_invalid", f"{field} cannot be {value}.", f"Give {wanted}.")
