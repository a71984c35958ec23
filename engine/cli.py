"""The command line: reads arguments, shows progress, results and errors, and nothing more."""

import logging
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from engine import __version__
from engine.commands import assets, bench, data, doctor, jobs, models, service, submit, watch
from engine.commands import finish as finish_command
from engine.commands import render as render_command
from engine.commands import serve as serve_command
from engine.commands import train as train_command
from engine.commands.console import SETTINGS, err, out
from engine.commands.console import errors_shown as _errors_shown
from engine.commands.progress import followed as _followed
from engine.settings import read_settings
from protocol.errors import EngineError

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
app.command()(finish_command.finish)
app.command()(render_command.render)
app.command()(train_command.train)
for verb in (service.status, service.stop, service.pair, service.check):
    app.command()(verb)
app.add_typer(submit.app, name="submit")
for verb in (jobs.jobs, jobs.attach, jobs.cancel, jobs.retry, watch.watch):
    app.command()(verb)
app.command()(serve_command.serve)

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
        int | None,
        typer.Option(help="Cells per axis of the grid, when OUT is a .vxz file; else 512."),
    ] = None,
    allow_missing_textures: Annotated[
        bool, typer.Option("--allow-missing-textures", help="Go on without them.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Convert a mesh to O-Voxels, or O-Voxels to a mesh."""
    with _errors_shown(debug or context.obj):
        # Here, so that --help and --version do not wait for numba.
        from engine.finishing import convert as pipeline

        start = time.perf_counter()
        to_voxels = target.suffix.lower() == ".vxz"
        if to_voxels == (source.suffix.lower() == ".vxz"):
            raise EngineError(
                "convert_direction",
                f"Cannot convert {source.name} to {target.name}.",
                "Give a mesh and a .vxz file, or a .vxz file and a .glb, .ply or .obj file.",
            )
        if resolution is not None and not to_voxels:
            raise EngineError(
                "convert_direction",
                f"{source.name} has its resolution already.",
                "Leave out --resolution; it is for the way from a mesh to O-Voxels.",
            )
        with _followed() as follow:
            report = follow.report()
            with report.ending():
                if to_voxels:
                    result = pipeline.mesh_file_to_ovoxels(
                        source,
                        target,
                        report,
                        resolution=512 if resolution is None else resolution,
                        allow_missing_textures=allow_missing_textures,
                    )
                else:
                    result = pipeline.ovoxels_to_mesh_file(source, target, report)
        seconds = time.perf_counter() - start
        x, y, z = result.placement.centre
        out.print(
            f"{result.vertices:,} vertices, {result.faces:,} faces, {result.voxels:,} voxels "
            f"of {result.grid_size}^3\n"
            f"unit cube: scale {result.placement.scale:.6g}, centre ({x:.6g}, {y:.6g}, {z:.6g})\n"
            f"{target}: {target.stat().st_size:,} bytes, {seconds:.2f} s",
            markup=False,
        )
