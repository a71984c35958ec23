"""Windows' locks of bytes as its documentation has them (LockFile, _locking), for tests elsewhere.

A locked byte belongs to the file object that has locked it: for every other one, of the same
process too, reading or writing any part of it is a PermissionError, and so is locking it; bytes
behind the end can be locked, and reading a range that reaches them fails as well, even where the
file is shorter. What a file that is closed had locked is unlocked some time later, unless it was
unlocked before.
"""

import io
import os
from pathlib import Path
from typing import Any

LK_UNLCK, LK_LOCK, LK_NBLCK, LK_RLCK, LK_NBRLCK = 0, 1, 2, 3, 4
DENIED = PermissionError(13, "Permission denied")


class Handle(io.FileIO):
    """An open file."""

    def __init__(self, system: "Windows", path: Path, mode: str) -> None:
        self._system = system
        super().__init__(str(path), mode.replace("b", ""))
        status = os.fstat(self.fileno())
        self.file = (status.st_dev, status.st_ino)
        system.handles[self.fileno()] = self

    def readinto(self, buffer: Any, /) -> int:
        self._check(len(memoryview(buffer).cast("B")))
        return super().readinto(buffer)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            self._check(max(0, os.fstat(self.fileno()).st_size - self.tell()))
        else:
            self._check(size)
        return super().read(size)

    def write(self, data: Any, /) -> int:
        if "a" in self.mode:
            self.seek(0, os.SEEK_END)
        self._check(len(data))
        return super().write(data)

    def close(self) -> None:
        if not self.closed:
            self._system.closed(self)
        super().close()

    def _check(self, length: int) -> None:
        begin = self.tell()
        if self._system.meets(self, begin, begin + length, but_own=True):
            raise DENIED


class Windows:
    """The module ``msvcrt``, and ``Path.open``.

    Attributes:
        late: files that were closed while they had something locked; it stays so until ``settle``.
    """

    LK_NBLCK, LK_UNLCK = LK_NBLCK, LK_UNLCK
    platform = "win32"

    def __init__(self) -> None:
        self.handles: dict[int, Handle] = {}
        self.late: list[Handle] = []
        self._locks: list[tuple[Handle, int, int]] = []

    def open(self, path: Path, mode: str = "r", buffering: int = -1, **others: Any) -> Any:
        if "b" not in mode:
            return open(path, mode, buffering, **others)
        raw = Handle(self, path, mode)
        if buffering == 0:
            return raw
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedReader(raw)

    def locking(self, fd: int, mode: int, count: int) -> None:
        """From the position of the file on, without another try."""
        handle, begin = self.handles[fd], os.lseek(fd, 0, os.SEEK_CUR)
        wanted = (handle, begin, begin + count)
        if mode == LK_UNLCK:
            if wanted not in self._locks:
                raise DENIED
            self._locks.remove(wanted)
        elif mode == LK_NBLCK:
            if self.meets(handle, begin, begin + count, but_own=False):
                raise DENIED
            self._locks.append(wanted)
        else:
            raise NotImplementedError(f"mode {mode} waits")

    def meets(self, handle: Handle, begin: int, end: int, *, but_own: bool) -> bool:
        """Whether any of the bytes is locked, also by the file object itself or only by others."""
        return any(
            owner.file == handle.file
            and not (but_own and owner is handle)
            and begin < last
            and first < end
            for owner, first, last in self._locks
        )

    def closed(self, handle: Handle) -> None:
        if any(owner is handle for owner, _, _ in self._locks):
            self.late.append(handle)

    def settle(self) -> None:
        """Time goes by, and Windows unlocks what dead processes and closed files had locked."""
        self._locks = [lock for lock in self._locks if lock[0] not in self.late]
        self.late.clear()
