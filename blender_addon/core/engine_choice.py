"""Which engine this user chose: the one set up here, a folder's, or another machine's."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..protocol.errors import EngineError
from .disk import unwritable

if TYPE_CHECKING:
    from ..protocol.connection import Connection

FILE, REMOTE = "engine_choice.json", "remote_engine.json"


@dataclass(frozen=True)
class Choice:
    """
    Attributes:
        folder: of an engine that the user named; empty: the one that was set up.
        remote: address of another machine's; empty: this machine's.
    """

    folder: str = ""
    remote: str = ""


class EngineChoice:
    """The choice, kept in a folder that outlives updates of the extension.

    Args:
        user_folder: as ``bpy.utils.extension_path_user`` says.

    Attributes:
        chosen: what is used.
        remote_file: connection file of another machine's engine.
    """

    def __init__(self, user_folder: Path) -> None:
        self._folder = user_folder
        self.remote_file = user_folder / REMOTE
        self.chosen = self._read()

    def use_own(self) -> None:
        self._write(Choice(), None)

    def use_folder(self, folder: Path) -> None:
        self._write(Choice(folder=str(folder)), None)

    def use_remote(self, connection: "Connection") -> None:
        """Keep what another machine gave us; only this user can read it."""
        address = connection.endpoint.removeprefix("tcp://")
        self._write(Choice(remote=address), connection.to_json())

    def forget_remote(self) -> None:
        """Also what it gave us: that machine has to be paired with again."""
        with suppress(FileNotFoundError):
            self.remote_file.unlink()
        self.use_own()

    def _write(self, choice: Choice, secret: str | None) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if secret is not None:
                _write(self.remote_file, secret)
            _write(
                self._folder / FILE,
                json.dumps({"folder": choice.folder, "remote": choice.remote}),
            )
        except OSError as error:
            raise unwritable(self._folder, error) from error
        self.chosen = choice

    def _read(self) -> Choice:
        try:
            data: Any = json.loads((self._folder / FILE).read_text(encoding="utf-8"))
            choice = Choice(str(data["folder"]), str(data["remote"]))
        except (OSError, ValueError, LookupError, TypeError):
            return Choice()
        if choice.remote and not self.remote_file.exists():
            return Choice()
        return choice


def _write(file: Path, text: str) -> None:
    """All or nothing, and from its first byte on readable by this user alone.

    On Windows the user's folder is closed to others by itself.
    """
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def pairing_address(address: str, code: str) -> str:
    """The line to parse: the code, with another address where the user gave one.

    Args:
        address: host or host:port as it is reached from here; may be empty.
        code: what ``maquette pair`` shows, ``host:port/keys``, or only its keys.

    Raises:
        EngineError: ``pairing_code_invalid``.
    """
    code, address = "".join(code.split()), address.strip().removeprefix("tcp://").rstrip("/")
    shown, _, keys = code.rpartition("/")
    if address and ":" not in address and ":" in shown:
        address = f"{address}:{shown.rpartition(':')[2]}"
    if not (address or shown) or not keys:
        raise EngineError(
            "pairing_code_invalid",
            "This is not a pairing code, or not all of it.",
            "Copy the whole line that `maquette pair` shows on the other machine.",
        )
    return f"{address or shown}/{keys}"
