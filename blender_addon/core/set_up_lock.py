"""The lock of the set-up: one runs at a time, and only who holds it may be ended.

The number in the file says no more than who held it last: that process may be gone, and its number
may belong to any other by now.
"""

import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

PATIENCE = 1.0
"""Seconds that a set-up tries for: whoever looks holds the lock for a moment."""
_BESIDE = 1000
"""Windows locks bytes, and those could not be read: one beside the number."""


def take(lock: BinaryIO) -> bool:
    """Whether this process has it now; it is given back when the process ends, however.

    Args:
        lock: opened for reading and appending; gets the number of this process.
    """
    end = time.monotonic() + PATIENCE
    while not _locked(lock, shared=False):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return True


def holder(file: Path) -> int:
    """The process that holds it now; 0: none does. Waits for nothing."""
    try:
        with file.open("rb") as lock:
            if _locked(lock, shared=True):
                return 0
            lock.seek(0)
            return int(lock.read(20) or 0)
    except (OSError, ValueError):
        return 0


def _locked(lock: BinaryIO, *, shared: bool) -> bool:
    """Whether it was free; closing the file frees it again.

    Raises:
        OSError: there are no locks in this folder.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            lock.seek(_BESIDE)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(lock.fileno(), kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
