"""The engine's process, as far as the system knows it: whether it lives, and where it listens."""

import ctypes
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LARGEST_FILE = 1 << 16
_STILL_ACTIVE, _QUERY_LIMITED_INFORMATION = 259, 0x1000


@dataclass(frozen=True)
class Running:
    """What the connection file says, without its secrets.

    Attributes:
        pid: of the front process.
        endpoint: tcp://address:port.
        engine: name and version.
    """

    pid: int
    endpoint: str
    engine: str


def read_running(file: Path) -> Running | None:
    """None: there is no file, or it is not whole. Needs no wheel, unlike ``read_connection``."""
    try:
        with file.open("rb") as opened:
            data: Any = json.loads(opened.read(LARGEST_FILE))
        return Running(int(data["pid"]), str(data["endpoint"]), str(data.get("engine", "")))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def alive(pid: int) -> bool:
    """Whether there is such a process, which has not ended."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # one that has ended, and whose parent has not asked how, is still listed
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return state.rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return True


def _alive_on_windows(pid: int) -> bool:
    # Types of Windows' libraries are not known elsewhere.
    windll: Any = getattr(ctypes, "WinDLL")  # noqa: B009
    kernel: Any = windll("kernel32")
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle: Any = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return False
    try:
        status = ctypes.c_uint32()
        done = kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(status))
        return bool(done) and status.value == _STILL_ACTIVE
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def end(pid: int) -> None:
    """End a process at once, if it is there."""
    with suppress(OSError):
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


class Knock:
    """Whether anything listens where a connection file says, asked without waiting.

    After a crash the number of the process may belong to another one by now.

    Args:
        endpoint: tcp://address:port.

    Attributes:
        answered: None: not known yet.
    """

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self.answered: bool | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            # An address, never a name: nothing is looked up.
            self._socket.connect((parts.hostname or "127.0.0.1", parts.port or 0))
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            self._end(False)
        else:
            self._end(True)

    def poll(self) -> bool | None:
        """``answered``."""
        if self.answered is None:
            _, ready, failed = select.select([], [self._socket], [self._socket], 0)
            if failed:
                self._end(False)
            elif ready:
                self._end(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0)
        return self.answered

    def close(self) -> None:
        self._socket.close()

    def _end(self, answered: bool) -> None:
        self.answered = answered
        self._socket.close()
