"""`maquette data`: what networks are trained on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from engine.commands import interrupt
from engine.commands.console import err, errors_shown, out
from engine.commands.options import RequireTextures

if TYPE_CHECKING:
    from engine.training.data.build import BuildReport

app = typer.Typer(help="Build the data that networks are trained on.", no_args_is_help=True)

SHOWN = 20


class Split(Enum):
    """Values of --split."""

    train = "train"
    held_out = "held_out"


@app.callback()
def data() -> None:
    pass


@app.command()
def build(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(metavar="SRC", help="A folder of mesh files, or toybox:FIRST-LAST."),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The data folder.")],
    resolution: Annotated[
        list[int], typer.Option(help="Cells per axis; give it once for each grid.")
    ],
    views: Annotated[int, typer.Option(help="Pictures of each asset.")] = 6,
    picture: Annotated[int, typer.Option(help="Pixels per side of a picture.")] = 128,
    processes: Annotated[
        int | None, typer.Option(min=1, help="At a time; as many as there are cores.")
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(help="Of all files; without it, one in 16 is held out by its name."),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again what failed in an earlier build.")
    ] = False,
    require_textures: RequireTextures = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Make O-Voxels and pictures of many assets. Stopped, it resumes where it was."""
    with errors_shown(debug or context.obj):
        from engine.training.data import build as work
        from engine.training.data.make_asset import BuildSettings
        from engine.training.data.sources import find_sources

        sources = find_sources(source, None if split is None else split.value)
        settings = BuildSettings(
            tuple(sorted(set(resolution))), views, picture, require_textures=require_textures
        )
        with _bar() as report:
            result = work.build(
                sources, target, settings, processes=processes, retry=retry, on_progress=report
            )
        _show(result, target)


@contextmanager
def _bar() -> Iterator[Callable[[int, int, int], None]]:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task("assets", total=None, rate="", failed="")

        def report(done: int, total: int, failed: int) -> None:
            interrupt.check()
            speed = progress.tasks[0].speed
            progress.update(
                task,
                completed=done,
                total=total,
                rate=f"{speed:.1f}/s" if speed else "",
                failed=f"{failed} failed" if failed else "",
            )

        yield report


def _show(result: "BuildReport", target: Path) -> None:
    rate = f", {result.made / result.seconds:.1f}/s" if result.made else ""
    out.print(
        f"{target}: {result.made:,} assets made, {result.skipped:,} dealt with before, "
        f"{len(result.failed):,} failed, {result.seconds:.1f} s{rate}",
        markup=False,
    )
    for entry in result.failed[:SHOWN]:
        out.print(f"  {entry.name} ({entry.source}): {entry.reason}", markup=False)
    if len(result.failed) > SHOWN:
        out.print(f"  and {len(result.failed) - SHOWN:,} more; all are in index.sqlite")
    if result.failed:
        out.print("Fix the files and add --retry to try these again.", markup=False)
