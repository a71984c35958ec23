"""How the set-up's process tells Blender how far it is: lines of JSON in a file that only grows."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..protocol.errors import EngineError

LARGEST_READ = 1 << 16
OFTEN = 0.1
"""Seconds between two words about the same step."""


class Teller:
    """The end that writes.

    Args:
        file: is emptied.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", encoding="utf-8")
        self._text, self._told_at = "", 0.0

    def step(self, text: str, fraction: float, done: int = 0, total: int = 0) -> None:
        """
        Args:
            text: what is being done, for people.
            fraction: of the whole, 0 to 1.
            done, total: bytes, where they are what counts.
        """
        now = time.monotonic()
        if text == self._text and now < self._told_at + OFTEN:
            return
        self._text, self._told_at = text, now
        self._tell(step=text, fraction=round(fraction, 4), done=done, total=total)

    def note(self, text: str) -> None:
        """Something to know that does not end it."""
        self._tell(note=text)

    def asks(self, text: str, download: int, disk: int) -> None:
        """It ends here, and would cost other than was agreed to."""
        self._tell(asks=text, download=download, disk=disk)

    def failed(self, error: EngineError) -> None:
        self._tell(failed=[error.code, error.message, error.hint])

    def done(self) -> None:
        self._tell(finished=True)

    def _tell(self, **what: Any) -> None:
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()


@dataclass
class Tail:
    """The end that reads: what was added to a file since the last look, and never waits.

    Args:
        file: need not be there yet. Of a line that is not complete yet, nothing is given.
    """

    file: Path
    _opened: BinaryIO | None = None
    _rest: bytes = b""

    def lines(self) -> list[str]:
        """Whole lines, at most about 64 KiB of them at a time."""
        try:
            if self._opened is None:
                self._opened = self.file.open("rb")
            data = self._opened.read(LARGEST_READ)
        except OSError:
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]

    def skip(self) -> None:
        """What is there by now is of no interest."""
        try:
            self._opened = self.file.open("rb")
            self._opened.seek(0, 2)
        except OSError:
            self._opened = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def last_lines(file: Path, count: int = 20) -> list[str]:
    """The end of a log: lines with something in them."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, 2) - (LARGEST_READ >> 2)))
            text = opened.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]
