"""`maquette jobs`, `attach`, `cancel`, `retry`: the jobs of a running engine."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.console import err, errors_shown, out, results, seconds_line_of, settings_of
from engine.commands.options import Force, Json, Verbose, Wait
from engine.commands.outputs import Outputs, Source
from engine.commands.progress import followed
from engine.commands.remotely import check_target, engine_of, save_result
from engine.host.command import command
from engine.remote import RemoteJob, is_running
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Event
from protocol.plain import to_dict
from protocol.replies import JobRow

Job = Annotated[str, typer.Argument(metavar="JOB", help="An id, or the beginning of one.")]
Saved = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the result: a .glb, .obj, .stl or .3mf file."),
]


def jobs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Jobs, the newest first."""
    with errors_shown(context.obj):
        home = settings_of(context).home
        if is_running(home):
            with engine_of(context) as engine:
                rows = engine.jobs(limit)
        else:
            from engine.service.offline import stored_jobs

            rows = stored_jobs(home, limit)
            sentence = "The engine is not running; these are the jobs in its store."
            err.print(f"{sentence} To start it: {command('serve')}", markup=False)
        if as_json:
            out.print_json(json.dumps([to_dict(row) for row in rows]))
            return
        for row in rows:
            out.print(_line(row), markup=False)
        if not rows:
            out.print("No jobs.")


def attach(
    context: typer.Context,
    job: Job,
    output: Saved = None,
    force: Force = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Follow a job to its end, and write its result if asked for."""
    with errors_shown(context.obj), engine_of(context) as engine:
        found = engine.job(job)
        if output is not None:
            check_target(output, finished=True)
        outputs = Outputs(settings_of(context).home, force=force)
        follow_job(found, output, outputs, as_json=as_json, verbose=verbose)


def cancel(context: typer.Context, job: Job) -> None:
    """Stop a job, or take it out of the queue."""
    with errors_shown(context.obj):
        with engine_of(context) as engine:
            found = engine.job(job)
            found.cancel()
            *_, ended = found.events()
        match ended:
            case Cancelled(forced=True):
                out.print(f"{found.id} is cancelled; the worker had to be ended for it.")
            case Cancelled():
                out.print(f"{found.id} is cancelled.")
            case _:
                out.print(f"{found.id} had ended before.")


def retry(
    context: typer.Context,
    job: Job,
    again: Annotated[bool, typer.Option("--again", help="Also a job that is done.")] = False,
    wait: Wait = False,
    output: Saved = None,
    force: Force = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Resume an interrupted job, or begin one again that failed or was cancelled."""
    with errors_shown(context.obj), engine_of(context) as engine:
        old = engine.job(job)
        if output is not None:
            check_target(output, finished=True)
        state = old.snapshot().row.state
        if state == "done" and not again:
            raise EngineError(
                "job_done",
                f"The job {old.id[:8]} is done, and would give the same again.",
                f"To save its result: {command('attach', old.id[:8], '-o', 'OUT.glb')}; "
                f"to do it again all the same: {command('retry', old.id[:8], '--again')}",
            )
        retried = old.resume() if state == "interrupted" else old.retry()
        if wait or output:
            outputs = Outputs(settings_of(context).home, force=force)
            follow_job(retried, output, outputs, as_json=as_json, verbose=verbose)
        else:
            show_job(retried, as_json=as_json)


def show_job(job: RemoteJob, *, as_json: bool) -> None:
    """The id of a job that was put into the queue, and how to follow it."""
    if as_json:
        out.print_json(json.dumps({"job": job.id}))
    else:
        out.print(job.id)
        err.print(f"To follow it: {command('attach', job.id[:8])}", markup=False)


def follow_job(
    job: RemoteJob,
    output: Path | None,
    outputs: Outputs,
    sources: Sequence[Source] = (),
    *,
    as_json: bool,
    verbose: bool,
) -> None:
    """Follow a job, and write its result.

    Args:
        output: looked at by ``check_target`` before; None: only follow.
        sources: that the job was made from; none: as the engine tells.

    Raises:
        EngineError: as ``RemoteJob.wait``.
    """
    if output is None:
        _follow(job, None, as_json=as_json, verbose=verbose)
        return
    snapshot = job.snapshot()
    if not sources:
        row = snapshot.row
        sources = [row.picture_sha256 if row.kind == "generate" and row.picture_sha256 else job.id]
    with outputs.claimed([output], [sources], folders=True, choice=snapshot.choice) as (target,):
        _follow(job, target, as_json=as_json, verbose=verbose)


def _follow(job: RemoteJob, target: Path | None, *, as_json: bool, verbose: bool) -> None:
    seconds: dict[str, float] = {}
    files: list[str] = []
    with results() as show, followed(verbose=verbose, starting=False) as follow:
        say = (lambda line: None) if as_json else show
        on_event = follow.shown()
        job.wait(_noting(on_event, seconds))
        if target is not None:
            written, lines = save_result(job, target)
            for line in lines:
                say(line)
            files += [str(file) for file in written]
        elif not as_json:
            say(f"{job.id} is done.")
        if verbose and seconds:  # not of jobs that an older version did
            say(seconds_line_of(seconds))
    if as_json:
        row = to_dict(job.snapshot().row)
        out.print_json(json.dumps({"job": job.id, "seconds": seconds, "files": files, "row": row}))


def _noting(
    on_event: Callable[[Event], None], seconds: dict[str, float]
) -> Callable[[Event], None]:
    def noted(event: Event) -> None:
        on_event(event)
        if isinstance(event, Done):
            seconds.update(event.seconds)

    return noted


def _line(row: JobRow) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created))
    state = str(row.state)
    if row.state == "running":
        left = "" if row.eta is None else f", {row.eta:.0f} s left"
        state = f"running {row.fraction:.0%}{left}"
    elif row.state == "queued":
        state = f"waits, {row.position} before it"
    elif row.state == "interrupted":
        state = f"interrupted; to resume it: {command('retry', row.id[:8])}"
    failure = f": {row.failure.message}" if row.failure else ""
    return f"{row.id[:8]}  {at}  {row.kind:8} {row.title or '-'}  {state}{failure}  ({row.client})"
