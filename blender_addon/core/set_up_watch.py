"""The set-up as Blender sees it: polled, never waited for; it may be that of another Blender."""

import json
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..protocol.errors import EngineError
from .disk import disk_full, is_full
from .places import Places
from .set_up_lock import Holder, holder
from .telling import Tail, last_lines

LOG_LINES = 200
LOOK_EVERY = 1.0
"""Seconds between looks whether another Blender sets up the engine."""


@dataclass(frozen=True)
class Asked:
    """What the user has to agree to.

    Attributes:
        text: why, and how much.
        download, disk: bytes.
    """

    text: str
    download: int
    disk: int


class SetUpWatch:
    """
    Args:
        places: of the engine.
        clock: seconds, never backwards.

    Attributes:
        running: one runs.
        step, fraction, done, total: as it told last; see ``telling.Teller.step``.
        note: something to know that did not end it.
        log: last lines of its log.
        problem: how the last one ended badly.
        asked: what the last one has ended with.
        finished: how many have ended well.
    """

    def __init__(self, places: Places, clock: Callable[[], float]) -> None:
        self.running = False
        self.step, self.note = "", ""
        self.fraction, self.done, self.total = 0.0, 0, 0
        self.log: tuple[str, ...] = ()
        self.problem: EngineError | None = None
        self.asked: Asked | None = None
        self.finished = 0
        self._places, self._clock = places, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._holder: Holder | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._told, self._log = Tail(places.told("")), Tail(places.set_up_log)
        self._ended = False
        self._look_at = 0.0

    @property
    def pid(self) -> int:
        """Of the process that may be ended: ours, or the one that holds the lock; 0: none runs."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else 0
        found = holder(self._places.lock) if self.running else None
        return found.pid if found is not None else 0

    def begin(self, process: "subprocess.Popen[bytes]", token: str) -> None:
        """Follow one that was started just now.

        Args:
            token: of its order.
        """
        self._follow(token)
        self._process = process

    def poll(self) -> None:
        """Read what is new. Takes a millisecond at most."""
        self._leaving = [process for process in self._leaving if process.poll() is None]
        if not self.running:
            self._find_another()
            return
        status = self._process.poll() if self._process else None
        gone = status is not None if self._process else not self._alive()
        self._read()
        if gone:
            self._read()  # what came between
            self._end(status)

    def cancelled(self) -> None:
        """It was ended because the user wanted so."""
        self._close()
        self._look_at = self._clock() + 3 * LOOK_EVERY  # it needs a moment to be gone
        self.problem = EngineError(
            "set_up_cancelled", "The set-up was cancelled.", "What was downloaded is kept."
        )

    def let_run(self, process: "subprocess.Popen[bytes]") -> None:
        """Nobody waits for what this one does."""
        self._leaving.append(process)

    def forget(self) -> None:
        """How the last one ended was seen."""
        self.problem = self.asked = None

    def close(self) -> None:
        """Follow it no longer; it is finished without us."""
        self._close()
        for process in self._leaving:
            process.returncode = 0  # else Python warns that it still runs

    def _follow(self, token: str) -> None:
        self._close()
        self.running, self._ended = True, False
        self.step, self.note, self.problem, self.asked = "Starting", "", None, None
        self.fraction, self.done, self.total, self.log = 0.0, 0, 0, ()
        self._lines.clear()
        self._told, self._log = Tail(self._places.told(token)), Tail(self._places.set_up_log)
        self._log.skip()

    def _find_another(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        found = holder(self._places.lock)
        if found is not None and not _over(self._places.told(found.token)):
            self._follow(found.token)
            self._holder = found

    def _alive(self) -> bool:
        now = self._clock()
        if now < self._look_at:
            return True
        self._look_at = now + LOOK_EVERY
        return holder(self._places.lock) == self._holder

    def _read(self) -> None:
        for line in self._told.lines():
            try:
                told: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            self._take(told)
        if lines := [line for line in self._log.lines() if line.strip()]:
            self._lines.extend(lines)
            self.log = tuple(self._lines)

    def _take(self, told: dict[str, Any]) -> None:
        match told:
            case {"step": step, "fraction": fraction, "done": done, "total": total}:
                self.step, self.done, self.total = step, done, total
                self.fraction = max(self.fraction, fraction)
            case {"note": note}:
                self.note = note
            case {"asks": text, "download": download, "disk": disk}:
                self.asked, self._ended = Asked(text, download, disk), True
            case {"failed": [code, message, hint]}:
                self.problem, self._ended = EngineError(code, message, hint), True
            case {"finished": _}:
                self.finished += 1
                self._ended = True
            case _:
                return

    def _end(self, status: int | None) -> None:
        if status == 4:
            self.problem = EngineError(
                "set_up_runs", "Another Blender is setting up the engine.", "Wait until it is done."
            )
        elif not self._ended and is_full(self._places.home):
            self.problem = disk_full(self._places.home)
        elif not self._ended:
            said = last_lines(self._places.process_log, 1)
            self.problem = EngineError(
                "set_up_died",
                "The set-up has ended without a word."
                + (f" Its last words: {said[0]}" if said else ""),
                "Try again: what was downloaded is kept.",
            )
        self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._leaving.append(self._process)
        self.running, self._process, self._holder = False, None, None
        self._told.close()
        self._log.close()


def _over(told: Path) -> bool:
    """Whether a set-up has told its end."""
    last = last_lines(told, 1)
    return bool(last) and any(f'"{word}"' in last[0] for word in ("finished", "failed", "asks"))
