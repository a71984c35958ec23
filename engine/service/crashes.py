"""When a process that crashed may be started again, and when it is left alone."""

from collections import deque


class Crashes:
    """Remembers the last crashes of one process.

    Args:
        most, window: after so many crashes within so many seconds it is not started again.
        back_off: seconds before a start after a crash; doubled by each, to at most
            ``back_off_most``.
    """

    def __init__(self, most: int, window: float, back_off: float, back_off_most: float) -> None:
        self._most, self._window = most, window
        self._back_off, self._back_off_most = back_off, back_off_most
        self._crashes: deque[float] = deque(maxlen=most)

    def add(self, now: float) -> float | None:
        """There was one more; seconds until a start may be tried, or None: too many.

        Args:
            now: seconds of a clock that never goes back.
        """
        self._crashes.append(now)
        recent = sum(1 for crash in self._crashes if now - crash < self._window)
        if recent >= self._most:
            return None
        return min(self._back_off * 2 ** (recent - 1), self._back_off_most)

    def forgive(self) -> None:
        """One more start may be tried, though there were too many."""
        self._crashes.popleft()
