"""What a job tells while it runs, and how it is told to stop."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from protocol.errors import EngineError
from protocol.events import Cancelled as CancelledEvent
from protocol.events import Done, Event, Failed, Note, Part, Progress
from protocol.stages import STAGES, Overall


class Cancelled(Exception):
    """The job was cancelled; what it had stored before is still there."""


class HandedOver(Exception):
    """Another process does the rest of the job, and tells of its end."""


class CancelToken:
    """Set by anybody, from any thread; looked at before every step and stage."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Stop here once ``cancel`` was called.

        Raises:
            Cancelled: then.
        """
        if self._event.is_set():
            raise Cancelled


class Report:
    """Goes along with one job, from its first stage to its last event.

    Args:
        send: gets the events of ``protocol.events``, in order, on the thread that works.
        on_part: called with the name and value of a part as soon as there is one, before its
            event is sent: "source", the picture without its background; "structure", (N, 3) int32
            cells and their grid size; "mesh", the coloured ``Mesh``; "finished", the ``Finished``
            and its ``Finish``. None: nobody listens, and parts are not made.
        job: id that all events carry.
        cancel: how the job is told to stop.

    Attributes:
        seconds: by stage, of the stages that ended well.
        notes: the sentences so far, each once.
    """

    def __init__(
        self,
        send: Callable[[Event], None] = lambda event: None,
        *,
        on_part: Callable[[str, Any], None] | None = None,
        job: str = "",
        cancel: CancelToken | None = None,
    ) -> None:
        self._send = send
        self._on_part = on_part
        self._job = job
        self._start = time.perf_counter()
        self._overall = Overall()
        self.cancel = cancel or CancelToken()
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []

    def expect(self, stages: tuple[str, ...]) -> None:
        """The stages that are going to come, so that fractions of the whole job are right."""
        self._overall = Overall(stages)

    @contextmanager
    def stage(self, name: str, steps: int = 1) -> Iterator[Callable[[int], None]]:
        """Tell about a stage of ``STAGES``; gives a function to be called with the steps done."""
        if name not in STAGES:
            raise ValueError(f"{name!r} is not a stage of protocol.stages")
        self.cancel.check()
        start = time.perf_counter()
        self._progress(name, 0, steps)

        def step(done: int) -> None:
            # The last step is told when the stage ends.
            if done < steps:
                self._progress(name, done, steps)
            self.cancel.check()

        yield step
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self._progress(name, steps, steps)
        self.cancel.check()

    def part(self, name: str, make: Callable[[], Any]) -> None:
        """A part is there, or can be made for whoever listens."""
        if self._on_part is not None:
            self._on_part(name, make())
            self._send(Part(job=self._job, name=name))

    def note(self, sentence: str, *, detail: bool = False) -> None:
        """A sentence that the user should read; ``detail``: only who wants to know more."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            level = "detail" if detail else "user"
            self._send(Note(job=self._job, sentence=sentence, level=level))

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Send the last event of the job: how what is inside ended. Exceptions pass through. A job
        that was handed over has not ended."""
        try:
            yield
        except HandedOver:
            raise
        except (Cancelled, KeyboardInterrupt):
            self._send(CancelledEvent(job=self._job))
            raise
        except EngineError as error:
            self._send(
                Failed(job=self._job, code=error.code, message=error.message, hint=error.hint)
            )
            raise
        except Exception as error:
            self._send(Failed(job=self._job, **_unforeseen(error)))
            raise
        self._send(Done(job=self._job, seconds=dict(self.seconds)))

    def _progress(self, stage: str, step: int, steps: int) -> None:
        fraction = self._overall.update(stage, step, steps)
        elapsed = time.perf_counter() - self._start
        self._send(
            Progress(
                job=self._job,
                stage=stage,
                step=step,
                steps=steps,
                fraction=fraction,
                elapsed=elapsed,
            )
        )


def percent(step: Callable[[int], None]) -> Callable[[int, int], None]:
    """For loops that count parts: their (done, total) as steps of a stage that has 100."""
    return lambda done, total: step(100 * done // max(1, total))


def _unforeseen(error: Exception) -> dict[str, str]:
    """What to say of an error that is a fault of ours: never its traceback."""
    return {
        "code": "internal",
        "message": f"Something went wrong inside the engine ({type(error).__name__}).",
        "hint": "Try again; if it happens again, report it with the log of the engine.",
    }
