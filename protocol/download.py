"""One part on its way to the client: by chunks, resumed where it stopped, or by its file."""

import hashlib
from collections.abc import Iterator
from io import FileIO
from mmap import ACCESS_READ, mmap

from .errors import EngineError
from .parts import checking_part
from .replies import PartChunk, PartHead
from .requests import FetchPart
from .wire import Buffer

CHUNK = 1 << 20
WINDOW = 12
"""Chunks asked for and not there yet, at most."""
LARGEST_PART = 1 << 31


class Download:
    """A part that is being fetched. It keeps the bytes; somebody else sends its requests.

    Args:
        job, name: of the part.

    Attributes:
        head: what the part is; None as long as that is unknown.
        have: bytes that are here, and in the hash.
        done: all bytes are here and right.
    """

    def __init__(self, job: str, name: str) -> None:
        self.job, self.name = job, name
        self.head: PartHead | None = None
        self.have = 0
        self.done = False
        self._by_file = True
        self._asked = 0
        self._asked_head = False
        self._data: mmap | bytearray = bytearray()
        self._hash = hashlib.sha256()
        self._file: mmap | None = None
        self._restarted = False
        self._checks: Iterator[None] | None = None

    @property
    def data(self) -> "memoryview[int]":
        """The bytes of the part, once it is done."""
        return memoryview(self._data if self._file is None else self._file)

    @property
    def reading(self) -> bool:
        """Whether ``read`` has work."""
        return (self._file is not None or self._checks is not None) and not self.done

    def resume(self) -> None:
        """The connection was lost: what was asked for will not come."""
        self._asked, self._asked_head = self.have, False

    def next_request(self, *, local: bool) -> FetchPart | None:
        """What to ask for now; None: enough is asked for.

        Args:
            local: the engine is on this machine, and its files can be tried.
        """
        if self.done or self.reading:
            return None
        self._by_file = self._by_file and local
        if not self._asked_head:
            credit = 0 if self._by_file else WINDOW
        elif self.head is None or self._asked >= self.head.size:
            return None
        else:
            # Several chunks a request, so that few requests are needed.
            credit = WINDOW + (self.have - self._asked) // CHUNK
            if credit < WINDOW // 2:
                return None
        self._asked_head = True
        request = FetchPart(
            job=self.job,
            name=self.name,
            offset=self._asked,
            chunk=CHUNK,
            credit=credit,
            by_file=self._by_file,
        )
        self._asked += credit * CHUNK
        return request

    def take_head(self, head: PartHead) -> None:
        """A reply to one of the requests.

        Raises:
            EngineError: ``part_too_large``, ``part_invalid``.
        """
        if self.done or self.reading:
            return
        if self.head is not None:
            if (head.size, head.sha256) == (self.head.size, self.head.sha256):
                return
            # The job ran again and made another part of this name: from the start.
            self._asked = 0
        if head.size > LARGEST_PART:
            raise EngineError(
                "part_too_large",
                f"The part {head.name} has {head.size} bytes.",
                "Simplify the mesh, or choose smaller textures.",
            )
        self._begin(head)
        if head.path and self._by_file:
            self._open(head)
        self._finish_if_complete()

    def take_chunk(self, chunk: PartChunk, data: Buffer) -> None:
        """Bytes of the part; those that are here already, or come too early, are dropped.

        Raises:
            EngineError: ``part_damaged``, ``part_invalid``.
        """
        if self.head is None or self.done or self.reading or chunk.offset != self.have:
            return
        piece = memoryview(data)[: self.head.size - self.have]
        self._data[self.have : self.have + len(piece)] = piece
        self._hash.update(piece)
        self.have += len(piece)
        self._finish_if_complete()

    def read(self) -> None:
        """Another piece of the file, or of the check of what is here.

        Raises:
            EngineError: ``part_invalid``.
        """
        if self._checks is not None:
            if next(self._checks, self) is self:
                self._checks, self.done = None, True
            return
        if self._file is None or self.head is None or self.done:
            return
        with memoryview(self._file)[self.have : self.have + CHUNK] as piece:
            self._hash.update(piece)
            self.have += len(piece)
        if self.have == self.head.size and self._hash.hexdigest() != self.head.sha256:
            # The file is not what the engine says; over the connection it will be.
            self.close()
            self._begin(self.head)
        self._finish_if_complete()

    def close(self) -> None:
        """Give up."""
        self._checks = None  # it holds the file
        if self._file is not None and not self.done:
            self._file.close()
            self._file = None

    def _begin(self, head: PartHead) -> None:
        self.head, self.have = head, 0
        # The system gives memory only for what comes, so that nobody's word makes it large; a
        # bytearray that grows would be copied as a whole, again and again.
        try:
            self._data = mmap(-1, head.size) if head.size else bytearray()
        except (OSError, ValueError, MemoryError) as error:
            raise EngineError(
                "part_too_large",
                f"There is no memory for the part {head.name} of {head.size} bytes.",
                "Close other programs and fetch it again, or simplify the mesh.",
            ) from error
        self._hash = hashlib.sha256()

    def _open(self, head: PartHead) -> None:
        """Map the file into memory: half the work of reading it. The engine replaces and removes
        files, but never changes one."""
        self._by_file = False
        try:
            with FileIO(head.path) as file:
                if head.size and file.seek(0, 2) == head.size:
                    self._file = mmap(file.fileno(), head.size, access=ACCESS_READ)
        except (OSError, ValueError):
            return

    def _finish_if_complete(self) -> None:
        if self.head is None or self.have < self.head.size:
            return
        if self._hash.hexdigest() == self.head.sha256:
            self._checks = checking_part(self.head.layout, self.data)
        elif self._restarted:
            raise EngineError(
                "part_damaged",
                f"The part {self.name} of the job {self.job} is damaged.",
                "Finish the job again.",
            )
        else:
            self._restarted = True
            self._asked = 0
            self._begin(self.head)
