"""`maquette render`: stills and turntables of an asset."""

import time
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.console import errors_shown, out, settings_of
from engine.commands.options import Debug, Force, RequireTextures
from engine.commands.outputs import Outputs
from engine.commands.progress import followed
from engine.render.picture_files import check_pictures


def render(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="ASSET|MESH", help="An asset's folder, a .vxz or a mesh file.")
    ],
    target: Annotated[
        Path,
        typer.Option(
            *("-o", "--output"),
            help="A still (.png, .jpg), a turntable (.webp, .gif, .mp4) or its frames "
            "(name_###.png).",
        ),
    ],
    size: Annotated[int, typer.Option(help="Side of the square pictures in pixels.")] = 512,
    frames: Annotated[int, typer.Option(help="Pictures of a turntable, 1 to 720.")] = 36,
    seconds: Annotated[float, typer.Option(help="Time for one turn, 0.05 to 600.")] = 4.0,
    require_textures: RequireTextures = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Take a picture of an asset, or turn it around."""
    with errors_shown(debug or context.obj):
        start = time.perf_counter()
        check_pictures(target, frames, seconds)
        outputs = Outputs(settings_of(context).home, force=force)
        claimed = outputs.claimed([target], [[source]], frames=frames)
        with followed() as follow, claimed as (target,):
            from engine.warm_up import warm_up

            warm_up("render")
            from engine.assets.folder import load_asset
            from engine.render.asset import load_surface
            from engine.render.turntable import save_picture

            report = follow.report()
            report.expect(("reading", "rendering"))
            with report.ending():
                with report.stage("reading"):
                    if source.is_dir():
                        mesh = load_asset(source).mesh
                    else:
                        mesh = load_surface(
                            source, require_textures=require_textures, tell=report.note
                        )
                with report.stage("rendering", frames) as step:
                    files = save_picture(
                        mesh,
                        target,
                        size=size,
                        frames=frames,
                        seconds=seconds,
                        on_progress=lambda done, _total: step(done),
                    )
        taken = time.perf_counter() - start
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        out.print(f"{files[0]}{more}: {len(mesh.faces):,} faces, {taken:.2f} s", markup=False)
