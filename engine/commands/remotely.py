"""Jobs of the command line that a running engine does."""

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from engine.assets.names import folder_of
from engine.commands.console import seconds_line_of, settings_of
from engine.commands.progress import Followed
from engine.commands.told import result_lines
from engine.host.files import check_place
from engine.remote import Engine, RemoteJob, sendable
from protocol.errors import EngineError
from protocol.events import Done, Event
from protocol.finishes import FINISHED_SUFFIXES, FinishChoice
from protocol.jobs import TextureJob


def opened_engine(home: Path) -> Engine:
    """The engine that runs, as the command line."""
    return Engine(home, name=f"command line on {platform.node()}")


def engine_of(context: typer.Context) -> Engine:
    """The engine of the user's home.

    Raises:
        EngineError: ``engine_not_running``, and why it does not let this client in.
    """
    return opened_engine(settings_of(context).home)


def make_remotely(
    engine: Engine,
    jobs: Sequence[Any],
    targets: Sequence[Path],
    choice: FinishChoice | None,
    checkpoint: str | None,
    follow: Followed,
    show: Callable[[str], None],
    verbose: bool,
) -> None:
    """Jobs to files. Ctrl-C cancels those that are not done.

    Raises:
        EngineError: why one failed; those before it are written.
    """
    for target in targets:
        check_target(target, finished=choice is not None)
    submitted = [
        submitted_job(engine, job, choice, checkpoint=checkpoint, title=target.stem)
        for job, target in zip(jobs, targets, strict=True)
    ]
    with cancelled_by_interrupt(submitted):
        for spec, job, target in zip(jobs, list(submitted), targets, strict=True):
            seconds: dict[str, float] = {}
            on_event = follow.shown(target.name if len(jobs) > 1 else "")
            job.wait(lambda event, seconds=seconds, on=on_event: _both(event, on, seconds))
            submitted.remove(job)
            given = isinstance(spec, TextureJob)
            _, lines = save_result(job, target, given_mesh=given)
            for line in lines:
                show(line)
            if verbose:
                show(seconds_line_of(seconds))


def submitted_job(
    engine: Engine,
    job: Any,
    choice: FinishChoice | None,
    *,
    checkpoint: str | None = None,
    batch: bool = False,
    title: str = "",
) -> RemoteJob:
    """A job of ``protocol.jobs`` whose references are files of this machine, in the queue."""
    sent, attached = sendable(job)
    return engine.submit(sent, attached, choice, checkpoint=checkpoint, batch=batch, title=title)


def save_result(
    job: RemoteJob, target: Path, *, given_mesh: bool = False
) -> tuple[tuple[Path, ...], list[str]]:
    """Write the model and, where the job made one, the asset's folder beside it.

    Args:
        given_mesh: whether it is a mesh that was textured, which keeps its faces.

    Returns:
        The model's files, and what is to be said of them.
    """
    snapshot, folder = job.snapshot(), None
    parts = snapshot.row.parts
    files = job.save(target)
    if "asset" in parts:  # finishing again makes none
        folder = job.save_asset(folder_of(target))
    shown = None if given_mesh else folder
    mesh = job.mesh("finished" if "finished" in parts else "mesh")
    return files, list(result_lines(files, shown, mesh, snapshot.choice))


def check_target(target: Path, *, finished: bool) -> None:
    """Better to refuse now than after minutes of work.

    Raises:
        EngineError: ``mesh_format``, ``unwritable``.
    """
    suffixes = FINISHED_SUFFIXES if finished else (*FINISHED_SUFFIXES, ".ply")
    if target.suffix.lower() not in suffixes:
        raise EngineError(
            "mesh_format",
            f"{target.name} cannot hold the result.",
            f"Use a name that ends in {' or '.join(suffixes)}.",
        )
    check_place(target)


@contextmanager
def cancelled_by_interrupt(jobs: Sequence[RemoteJob]) -> Iterator[None]:
    """Ctrl-C cancels the jobs that are in the list then."""
    try:
        yield
    except KeyboardInterrupt:
        for job in jobs:
            with suppress(EngineError):
                job.cancel()
        raise


def _both(event: Event, on_event: Callable[[Event], None], seconds: dict[str, float]) -> None:
    on_event(event)
    if isinstance(event, Done):
        seconds.update(event.seconds)
