"""`maquette convert`: meshes to O-Voxels and back."""

import time
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.console import errors_shown, out, settings_of
from engine.commands.options import Debug, Force, RequireTextures
from engine.commands.outputs import Outputs
from engine.commands.progress import followed
from protocol.errors import EngineError


def convert(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A mesh file or a .vxz file."),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .vxz file, or .glb, .ply, .obj from a .vxz.")
    ],
    resolution: Annotated[
        int | None,
        typer.Option(help="Cells per axis of the grid, when OUT is a .vxz file; else 512."),
    ] = None,
    require_textures: RequireTextures = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Convert a mesh to O-Voxels, or O-Voxels to a mesh."""
    with errors_shown(debug or context.obj):
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
                "Leave out --resolution; it belongs to the conversion of a mesh.",
            )
        outputs = Outputs(settings_of(context).home, force=force)
        with followed() as follow, outputs.claimed([target], [[source]]) as (target,):
            report = follow.report()
            with report.ending():
                if to_voxels:
                    result = pipeline.mesh_file_to_ovoxels(
                        source,
                        target,
                        report,
                        resolution=512 if resolution is None else resolution,
                        require_textures=require_textures,
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
