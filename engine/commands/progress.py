"""Jobs as people follow them: one bar for all of a job on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from engine.commands import interrupt
from engine.commands.console import err
from engine.report import Report
from protocol import events
from protocol.stages import STAGES

_WIDEST = max(len(stage.label) for stage in STAGES.values())


class Followed:
    """Makes the reports of jobs whose events are shown.

    Args:
        bars: where bars are drawn; None: plain lines, one for each stage that begins.
        verbose: whether notes for those who want to know more are shown.
        starting: whether something starts first, which is said.
    """

    def __init__(self, bars: Progress | None, *, verbose: bool, starting: bool) -> None:
        self.bars = bars
        self._verbose = verbose
        self._told: set[str] = set()
        self._cold_told = False
        # Importing the networks' libraries takes a second or two, before the first stage begins.
        self._starting = bars.add_task("Starting", total=None) if bars and starting else None
        if bars is None and starting:
            err.print("Starting")

    def report(self, title: str = "") -> Report:
        """The report of the next job; ``title`` tells it from others."""
        kernels = sys.modules.get("engine.kernels")
        if kernels is not None and not self._cold_told and kernels.are_cold():
            self._cold_told = True
            err.print("First use: kernels are compiled once, so this takes longer than later jobs.")
        return Report(_Job(self, title).show)

    def shown(self, title: str = "") -> Callable[[events.Event], None]:
        """Shows the events of the next job, which another process does."""
        return _Job(self, title).show

    def note(self, event: events.Note) -> None:
        """Shows a sentence, once for all jobs."""
        if (event.level == "user" or self._verbose) and event.sentence not in self._told:
            self._told.add(event.sentence)
            err.print(event.sentence, markup=False)

    def started(self) -> None:
        """The first stage of the first job has begun."""
        if self.bars is not None and self._starting is not None:
            self.bars.remove_task(self._starting)
            self._starting = None


class _Job:
    """The events of one job, as a bar or as lines."""

    def __init__(self, followed: Followed, title: str) -> None:
        self._followed = followed
        self._title = f"  {title}" if title else ""
        self._task: TaskID | None = None

    def show(self, event: events.Event) -> None:
        interrupt.check()
        if isinstance(event, events.Note):
            self._followed.note(event)
        elif isinstance(event, events.Queued) and event.position:
            self._followed.note(events.Note(sentence=f"Waiting; jobs before it: {event.position}."))
        elif isinstance(event, events.Interrupted):
            self._followed.note(events.Note(sentence="The engine was interrupted."))
        elif isinstance(event, events.Progress):
            self._followed.started()
            if self._followed.bars is None:
                self._line(event)
            else:
                self._bar(self._followed.bars, event)

    def _line(self, event: events.Progress) -> None:
        if event.step == 0:
            label = STAGES[event.stage].label
            err.print(f"{event.fraction:4.0%}  {label}{self._title}", markup=False)

    def _bar(self, bars: Progress, event: events.Progress) -> None:
        if self._task is None:
            self._task = bars.add_task("", total=1.0)
        text = f"{STAGES[event.stage].label:{_WIDEST}}{self._title}"
        bars.update(self._task, description=text, completed=event.fraction)


@contextmanager
def followed(*, verbose: bool = False, starting: bool = True) -> Iterator[Followed]:
    """Bars, or lines, for as long as jobs run; ``starting``: as ``Followed`` takes it."""
    if not err.is_terminal:
        yield Followed(None, verbose=verbose, starting=starting)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Elapsed())
    with Progress(*columns, console=err) as bars:
        yield Followed(bars, verbose=verbose, starting=starting)
