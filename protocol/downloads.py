"""All parts that are on their way to a client."""

from collections.abc import Callable, Iterator

from .download import Download
from .errors import EngineError
from .replies import PartChunk, PartHead, Refused
from .requests import FetchPart
from .wire import Received

STALLED_AFTER = 5.0
"""Seconds without a byte after which a part is asked for again."""


class Downloads:
    """Downloads by id, and the requests that they made.

    Args:
        clock: seconds, never backwards.
        next_id: gives ids for requests.
    """

    def __init__(self, clock: Callable[[], float], next_id: Callable[[], int]) -> None:
        self._clock, self._next_id = clock, next_id
        self._by_id: dict[int, Download] = {}
        self._requests: dict[int, int] = {}
        self._moved: dict[int, tuple[int, float]] = {}
        self._failed: dict[int, EngineError] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id: int) -> bool:
        return id in self._by_id

    @property
    def reading(self) -> bool:
        """Whether ``read`` has work."""
        return any(download.reading for download in self._by_id.values())

    def begin(self, id: int, job: str, name: str) -> None:
        """Get a part."""
        self._by_id[id] = Download(job, name)
        self._moved[id] = (0, self._clock())

    def fraction(self, id: int) -> float:
        """How much of a part is here, from 0 to 1."""
        download = self._by_id.get(id)
        if download is None or download.head is None:
            return 0.0
        return download.have / max(1, download.head.size)

    def resume(self) -> None:
        """The connection was lost."""
        self._requests.clear()
        for download in self._by_id.values():
            download.resume()

    def requests(self, *, local: bool) -> Iterator[tuple[int, FetchPart]]:
        """What to send now, with ids."""
        now = self._clock()
        for id, download in self._by_id.items():
            have, since = self._moved[id]
            if download.have != have:
                self._moved[id] = (download.have, now)
            elif now - since > STALLED_AFTER:
                self._moved[id] = (have, now)
                download.resume()
            while (request := download.next_request(local=local)) is not None:
                request_id = self._next_id()
                self._requests[request_id] = id
                yield request_id, request

    def take(self, received: Received) -> bool:
        """Whether a message was for one of these."""
        id = self._requests.get(received.id)
        if id is None:
            return False
        download, message = self._by_id[id], received.message
        try:
            if isinstance(message, PartHead):
                download.take_head(message)
            elif isinstance(message, PartChunk) and "data" in received.buffers:
                download.take_chunk(message, received.buffers["data"].data)
            elif isinstance(message, Refused):
                raise message.error()
        except EngineError as error:
            self._failed[id] = error
        return True

    def read(self, end: float) -> None:
        """Read from files, and check what is here, until the clock says ``end``."""
        for id, download in self._by_id.items():
            while download.reading:
                try:
                    download.read()
                except EngineError as error:
                    self._failed[id] = error
                    break
                if self._clock() >= end:
                    return

    def ended(self) -> Iterator[tuple[int, Download | EngineError]]:
        """Those that are here, or failed; they are forgotten."""
        for id, download in list(self._by_id.items()):
            if id in self._failed or download.done:
                error = self._failed.get(id)
                self.forget(id)
                yield id, error or download

    def close(self) -> None:
        """Give up on all."""
        for id in list(self._by_id):
            self.forget(id)

    def forget(self, id: int) -> None:
        """Give up on a part."""
        self._by_id.pop(id).close()
        del self._moved[id]
        self._failed.pop(id, None)
        self._requests = {request: of for request, of in self._requests.items() if of != id}
