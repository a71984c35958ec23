"""`maquette finish`: an asset or a mesh made ready for use."""

from pathlib import Path
from typing import Annotated

import typer

from engine.commands.arguments import check_fits
from engine.commands.console import errors_shown, results, seconds_line, settings_of
from engine.commands.options import (
    Closed,
    Faces,
    Force,
    Height,
    Hull,
    ImageFormat,
    Levels,
    Lods,
    NormalMap,
    Occlusion,
    Origin,
    Quads,
    Rebuild,
    RequireTextures,
    Scale,
    Solid,
    Wall,
)
from engine.commands.outputs import Outputs, files_of
from engine.commands.progress import followed
from engine.commands.told import finishing_figures, result_lines
from protocol.finishes import FinishChoice, finish_help


def finish(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="ASSET|MESH", help="An asset's folder, a .vxz or a mesh file."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .glb, .obj, .stl or .3mf file.")
    ],
    finishing: Annotated[str, typer.Option("--finish", help=f"{finish_help()}.")] = "standard",
    faces: Faces = None,
    quads: Quads = None,
    texture: Annotated[
        int | None, typer.Option(help="Texture size in texels, other than the finish's.")
    ] = None,
    image_format: ImageFormat = None,
    closed: Closed = None,
    solid: Solid = False,
    wall: Wall = None,
    normal_map: NormalMap = None,
    occlusion: Occlusion = None,
    levels: Levels = None,
    lods: Lods = None,
    hull: Hull = None,
    height: Height = None,
    scale: Scale = None,
    origin: Origin = None,
    keep_inner: Annotated[
        bool, typer.Option("--keep-inner", help="Keep parts that nobody outside can see.")
    ] = False,
    resolution: Annotated[int, typer.Option(help="Voxels an axis, for a mesh file.")] = 512,
    rebuild: Rebuild = False,
    require_textures: RequireTextures = False,
    force: Force = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also figures of the mesh and seconds.")
    ] = False,
) -> None:
    """Clean, simplify, unwrap and bake."""
    with errors_shown(context.obj), results() as show, followed(verbose=verbose) as follow:
        choice = FinishChoice(
            finish=finishing, faces=faces, quads=quads, texture_size=texture, closed=closed,
            normal_map=normal_map, occlusion=occlusion, levels=levels, collision_hull=hull,
            solid=solid, wall=wall, height=height, scale=scale,
            origin=origin,  # pyright: ignore[reportArgumentType]
            lods=lods,  # pyright: ignore[reportArgumentType]
            keep_inner=keep_inner, image_format=image_format,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        check_fits(output, image_format, lods)
        outputs = Outputs(settings_of(context).home, force=force)
        with outputs.claimed([output], [[source]], choice=choice) as (output,):
            from engine import session

            report = follow.report()
            report.expect(session.stages_of_finishing(source, choice, output, rebuild=rebuild))
            claimed = session.claimed(files_of([output], choice), finished=True)
            with claimed, report.ending():
                opened = session.open_source(
                    source, resolution, report, choice,
                    rebuild=rebuild, require_textures=require_textures,
                )  # fmt: skip
                finished, settings = session.finish_source(opened, choice, output, report)
                folder = source if source.is_dir() else None
                files = session.write_finished(finished, output, settings, report, folder=folder)
        for line in result_lines(files, None, finished.mesh, choice):
            show(line)
        if verbose:
            for line in (*finishing_figures(finished), seconds_line(report)):
                show(line)
