"""The command line: reads arguments, shows progress, results and errors, and nothing more."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from engine import __version__
from engine.commands import render as render_command
from engine.errors import EngineError

USER_ERROR, INTERRUPTED = 2, 130

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

app = typer.Typer(
    name="maquette",
    help="Image to 3D: clean meshes with PBR materials.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def main() -> None:
    """Entry point of the `maquette` command."""
    app(prog_name="maquette")


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"maquette {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Debug = False,
) -> None:
    del version
    context.obj = debug
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_time=False, show_path=False)],
    )
    logging.getLogger("numba").setLevel(logging.WARNING)


@app.command()
def convert(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A .glb, .gltf, .obj, .ply, .stl or .vxz file.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .vxz file, or .glb, .ply, .obj from a .vxz.")
    ],
    resolution: Annotated[
        int, typer.Option(help="Cells per axis of the grid, when OUT is a .vxz file.")
    ] = 512,
    allow_missing_textures: Annotated[
        bool, typer.Option("--allow-missing-textures", help="Go on without them.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Convert a mesh to O-Voxels, or O-Voxels to a mesh."""
    with _errors_shown(debug or context.obj):
        # Here, so that --help and --version do not wait for numba.
        from engine.pipelines import convert as pipeline

        start = time.perf_counter()
        to_voxels = target.suffix.lower() == ".vxz"
        if to_voxels == (source.suffix.lower() == ".vxz"):
            raise EngineError(
                "convert_direction",
                f"Cannot convert {source.name} to {target.name}.",
                "One of the two must be a .vxz file, the other a mesh.",
            )
        with _progress_bar() as report:
            if to_voxels:
                result = pipeline.mesh_file_to_ovoxels(
                    source,
                    target,
                    resolution=resolution,
                    allow_missing_textures=allow_missing_textures,
                    on_progress=report,
                )
            else:
                result = pipeline.ovoxels_to_mesh_file(source, target, on_progress=report)
        seconds = time.perf_counter() - start
        x, y, z = result.placement.centre
        out.print(
            f"{result.vertices:,} vertices, {result.faces:,} faces, {result.voxels:,} voxels "
            f"of {result.grid_size}^3\n"
            f"unit cube: scale {result.placement.scale:.6g}, centre ({x:.6g}, {y:.6g}, {z:.6g})\n"
            f"{target}: {target.stat().st_size:,} bytes, {seconds:.2f} s",
            markup=False,
        )


@contextmanager
def _errors_shown(debug: bool) -> Iterator[None]:
    """An error that the user can mend: message and hint on stderr, exit status 2."""
    try:
        yield
    except EngineError as error:
        if debug:
            err.print_exception()
        err.print(f"Error: {error.message}", style="bold red", markup=False)
        err.print(error.hint, markup=False)
        raise typer.Exit(USER_ERROR) from None
    except KeyboardInterrupt:
        err.print("Stopped.")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _progress_bar() -> Iterator["Report"]:
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield Report(progress)


class _Shell:
    """The command line as the modules of engine/commands see it."""

    out = out
    errors_shown = staticmethod(_errors_shown)
    progress_bar = staticmethod(_progress_bar)


render_command.register(app, _Shell())


class Report:
    """One bar for each stage, in the order in which they come."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage)
        self._progress.update(self._tasks[stage], completed=done, total=total)
