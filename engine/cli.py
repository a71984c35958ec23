"""The command line: reads arguments, shows progress, results and errors, and nothing more."""

import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from engine import __version__
from engine.commands import assets, bench, data, doctor, jobs, models, service, submit, watch
from engine.commands import convert as convert_command
from engine.commands import finish as finish_command
from engine.commands import render as render_command
from engine.commands import serve as serve_command
from engine.commands import train as train_command
from engine.commands.console import SETTINGS, err, out
from engine.commands.options import Debug
from engine.settings import read_settings
from protocol.home import data_folder

# torch's threads else wait for each other at full speed; where another program uses a core, such as
# Blender, a generation on two cores took 10.2 s instead of 4.6. Must be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="maquette",
    help="Image to 3D: clean meshes with PBR materials.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for verb in (assets.generate, assets.texture, assets.upscale):
    app.command()(verb)
app.add_typer(models.app, name="models")
app.command()(doctor.doctor)
app.add_typer(bench.app, name="bench")
app.add_typer(data.app, name="data")
app.command()(convert_command.convert)
app.command()(finish_command.finish)
app.command()(render_command.render)
app.command()(train_command.train)
for verb in (service.status, service.stop, service.pair, service.check):
    app.command()(verb)
app.add_typer(submit.app, name="submit")
for verb in (jobs.jobs, jobs.attach, jobs.cancel, jobs.retry, watch.watch):
    app.command()(verb)
app.command()(serve_command.serve)


def main() -> None:
    """Entry point of the `maquette` command."""
    # Read by Triton; workers and services inherit it.
    home = data_folder(os.environ, sys.platform, Path.home())
    os.environ.setdefault("TRITON_CACHE_DIR", str(home / "triton"))
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
    context.meta[SETTINGS] = partial(read_settings, os.environ, sys.platform, Path.home())
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_time=False, show_path=False)],
    )
    logging.getLogger("numba").setLevel(logging.WARNING)
    if not debug:
        # It warns of every try; an error says in the end that the hub cannot be reached.
        logging.getLogger("huggingface_hub.utils._http").setLevel(logging.ERROR)
