"""What a pipeline tells while it works, and how it is told to stop."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Cancelled(Exception):
    """The request was cancelled; nothing was made."""


class CancelToken:
    """Set by anybody, from any thread; looked at before every step and stage."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raises ``Cancelled`` once ``cancel`` was called."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True)
class Progress:
    """How far a stage is: ``done`` of ``of`` steps."""

    stage: str
    done: int
    of: int


class Report:
    """Goes along with a request through its pipeline.

    Args:
        on_progress: called when a stage begins, after each of its steps, and when it ends.
        on_part: called with the name and value of a part as soon as there is one: "structure",
            (N, 3) int32 cells and their grid size; "mesh", the coloured ``Mesh``. None: nobody
            listens, and parts are not made.
        on_note: called with a sentence that the user should read, once for equal ones.
        cancel: see there.

    Attributes:
        seconds: by stage, of the stages that ended well.
        notes: the sentences of the last request.
    """

    def __init__(
        self,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_part: Callable[[str, Any], None] | None = None,
        on_note: Callable[[str], None] = lambda sentence: None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._on_part = on_part
        self._on_note = on_note
        self.cancel = cancel or CancelToken()
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []
        self._told: set[str] = set()

    def begin(self) -> None:
        """Another request begins: it has notes of its own."""
        self.notes = []

    @contextmanager
    def stage(self, name: str, steps: int = 1) -> Iterator[Callable[[int], None]]:
        """Tell about a stage; gives a function to be called with the number of steps done."""
        self.cancel.check()
        start = time.perf_counter()
        self._on_progress(Progress(name, 0, steps))

        def step(done: int) -> None:
            self._on_progress(Progress(name, done, steps))
            self.cancel.check()

        yield step
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self._on_progress(Progress(name, steps, steps))
        self.cancel.check()

    def part(self, name: str, make: Callable[[], Any]) -> None:
        """A part is there, or can be made for whoever listens."""
        if self._on_part is not None:
            self._on_part(name, make())

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
        if sentence not in self._told:
            self._told.add(sentence)
            self._on_note(sentence)
