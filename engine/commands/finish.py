"""`maquette finish`: an asset or a mesh made ready for use."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.console import binary_size, errors_shown, results, seconds_line
from engine.commands.options import Closed, Faces
from engine.commands.progress import followed
from engine.host.files import check_place
from protocol.errors import EngineError
from protocol.finishes import FinishChoice, finish_help

if TYPE_CHECKING:
    from engine.finishing.finish import Finished


def finish(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="ASSET|MESH", help="An asset's folder, a .vxz or a mesh file."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .glb or .obj file.")],
    finishing: Annotated[str, typer.Option("--finish", help=f"{finish_help()}.")] = "standard",
    faces: Faces = None,
    texture: Annotated[
        int | None, typer.Option(help="Texture size in texels, other than the finish's.")
    ] = None,
    image_format: Annotated[
        str | None, typer.Option(help="png or jpeg, of pictures without alpha in a .glb file.")
    ] = None,
    closed: Closed = None,
    keep_inner: Annotated[
        bool, typer.Option("--keep-inner", help="Keep parts that nobody outside can see.")
    ] = False,
    resolution: Annotated[int, typer.Option(help="Voxels an axis, for a mesh file.")] = 512,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also figures of the mesh and seconds.")
    ] = False,
) -> None:
    """Clean, simplify, unwrap and bake."""
    with errors_shown(context.obj), results() as show, followed(verbose=verbose) as follow:
        from engine import session

        check_finished_output(output)
        choice = FinishChoice(
            finish=finishing, faces=faces, texture_size=texture, closed=closed,
            keep_inner=keep_inner, image_format=image_format,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        _check_image_format(image_format, output)
        report = follow.report()
        report.expect(("reading", *session.delivery_stages(choice)[1:-1]))
        with report.ending():
            opened = session.open_source(source, resolution, report)
            finished, settings = session.finish_source(opened, choice, output, report)
            folder = source if source.is_dir() else None
            session.write_finished(finished, output, settings, report, folder=folder)
        mesh = finished.meshes[0].mesh
        show(f"{output}: {len(mesh.faces):,} faces, {binary_size(output.stat().st_size)}")
        if verbose:
            for line in (*finishing_figures(finished), seconds_line(report)):
                show(line)


def finishing_figures(finished: "Finished") -> Iterator[str]:
    """What was found and done, in numbers."""
    from engine.meshing.report import in_words

    log = finished.log
    if "before" in log:
        yield f"As voxels: {in_words(log['before'])}"
        fixed = {name: count for name, count in log["removed"].items() if count}
        yield f"Removed or fixed: {in_words(fixed) or 'nothing'}"
    for named, level in zip(finished.meshes, log["levels"], strict=False):
        yield (
            f"{named.name}: {level['texture_size']}^2 texels, alpha {level['alpha_mode']}, "
            f"UVs {level['unwrap']}, {in_words(level['after'])}"
        )


def check_finished_output(output: Path) -> None:
    """Better to refuse now than after minutes of work."""
    if output.suffix.lower() not in (".glb", ".obj"):
        raise EngineError(
            "mesh_format",
            f"{output.name} cannot hold a textured asset.",
            "Use a name that ends in .glb or .obj.",
        )
    check_place(output)


def _check_image_format(name: str | None, output: Path) -> None:
    if name == "jpeg" and output.suffix.lower() != ".glb":
        raise EngineError(
            "image_format",
            f"The pictures beside {output.name} are .png files.",
            "Leave out --image-format, or write a .glb file.",
        )
