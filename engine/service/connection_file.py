"""engine.json: how clients on this machine find the service, and what lets them in."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from engine.host.files import unwritable
from engine.service import windows
from protocol.connection import FILE_NAME, Connection


def write_connection(home: Path, connection: Connection) -> None:
    """Write it whole, readable by this user alone from its first byte on.

    Raises:
        EngineError: ``unwritable``, ``disk_full``.
    """
    path = home / FILE_NAME
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if sys.platform == "win32":
                _only_owner(temporary)
            file.write(connection.to_json())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def remove_connection(home: Path, pid: int) -> None:
    """Remove it where it is that of this process."""
    path = home / FILE_NAME
    with suppress(OSError, ValueError):
        if json.loads(path.read_text(encoding="utf-8"))["pid"] == pid:
            path.unlink()


def _only_owner(path: Path) -> None:
    """Modes mean nothing to Windows: leave the owner (S-1-3-4) as the only one in the list."""
    command = ("icacls", str(path), "/inheritance:r", "/grant:r", "*S-1-3-4:F")
    subprocess.run(command, check=True, capture_output=True, creationflags=windows.FLAGS)
