"""The lock of the set-up: one runs at a time, and only who holds it may be ended.

What stands in the file says no more than who held it last: that process may be gone, and its number
may belong to any other by now.
"""

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

PATIENCE = 3.0
"""Seconds that a set-up tries for: whoever looks holds the lock for a moment, and Windows gives
back what a dead process held only when it comes to it."""
_BESIDE, _ALL = 1 << 30, 1 << 20
"""Nobody else may read or write a byte that is locked on Windows, not even as a part of more: bytes
far behind what stands in the file. Who holds it locks all of them; who looks, where a lock cannot
be shared, locks one of his own, so that two who look never see each other."""


@dataclass(frozen=True)
class Holder:
    """
    Attributes:
        pid: of the process that holds it.
        token: of its order.
    """

    pid: int
    token: str


def opened(file: Path) -> FileIO:
    """To be given to ``take``. Unbuffered, since a buffer reads and writes other bytes than asked.

    Raises:
        OSError: it cannot be written.
    """
    return file.open("a+b", buffering=0)


def take(lock: FileIO, token: str) -> bool:
    """Whether this process has it now; it is given back when the process ends, however.

    Args:
        lock: from ``opened``; gets the number of this process, and the token.
        token: of the order; without spaces.
    """
    end = time.monotonic() + PATIENCE
    while not _locked(lock, shared=False):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    lock.seek(0)
    lock.truncate()
    with suppress(OSError):  # on a full disk it is held all the same, by nobody knows whom
        lock.write(f"{os.getpid()} {token}".encode())
    return True


def holder(file: Path) -> Holder | None:
    """Who holds it now; None: nobody does. Waits for nothing."""
    try:
        with file.open("rb", buffering=0) as lock:
            if _locked(lock, shared=True):
                _unlock(lock)
                return None
            lock.seek(0)
            pid, _, token = lock.read(200).decode("ascii").partition(" ")
            return Holder(int(pid), token)
    except (OSError, ValueError):
        return None


def _locked(lock: FileIO, *, shared: bool) -> bool:
    """Whether it was free, and is locked now.

    Raises:
        OSError: there are no locks in this folder.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            lock.seek(_place(shared))
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1 if shared else _ALL)
        else:
            import fcntl

            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(lock.fileno(), kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(lock: FileIO) -> None:
    """Now: when Windows unlocks what a closed file had locked is up to Windows."""
    if sys.platform == "win32":
        import msvcrt

        lock.seek(_place(shared=True))
        msvcrt.locking(lock.fileno(), msvcrt.LK_UNLCK, 1)


def _place(shared: bool) -> int:
    return _BESIDE + (os.getpid() % _ALL if shared else 0)
