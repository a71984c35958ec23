"""`maquette finish`: an asset or a mesh made ready for use."""

from collections.abc import Iterator
from dataclasses import replace
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
    from engine.assets.asset import Asset
    from engine.finishing.finish import Finished
    from engine.ovoxel import OVoxels
    from engine.report import Report


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
        from engine.finishing.finish import finish as run

        check_finished_output(output)
        choice = FinishChoice(
            finish=finishing, faces=faces, texture_size=texture, closed=closed,
            keep_inner=keep_inner, image_format=image_format,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        _check_image_format(image_format, output)
        report = follow.report()
        report.expect(("reading", *session.delivery_stages(choice)[1:-1]))
        with report.ending():
            asset, voxels = _opened(source, resolution, report)
            given = asset.given_mesh if asset else None
            if given is not None and (faces is not None or keep_inner):
                raise EngineError(
                    "given_mesh",
                    f"{source} is a mesh that was textured: its faces stay as they are.",
                    "Leave out --faces and --keep-inner, or finish the mesh's own file.",
                )
            settings = choice.settled(asset.finish_advice if asset else None)
            settings = session.fitting(settings, output, report)
            finished = run(voxels, settings, report, name=output.stem, given_mesh=given)
            if faces is not None and faces > finished.log.get("cleaned_faces", faces):
                report.note(
                    f"{faces:,} faces were asked for; the cleaned surface has only "
                    f"{finished.log['cleaned_faces']:,}."
                )
            folder = source if asset else None
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


def _opened(source: Path, resolution: int, report: "Report") -> "tuple[Asset | None, OVoxels]":
    """The asset in a folder, the O-Voxels in a file, or those of a mesh."""
    from engine.assets.folder import load_asset
    from engine.finishing.given_mesh import open_mesh, voxelise
    from engine.ovoxel import sample_materials
    from engine.ovoxel.ovoxel_file import load_ovoxels

    if source.is_dir():
        with report.stage("reading"):
            asset = load_asset(source)
        return asset, asset.voxels
    if source.suffix.lower() == ".vxz":
        with report.stage("reading"):
            return None, load_ovoxels(source)
    with report.stage("reading"):
        mesh = open_mesh(source, allow_missing_textures=False)
    voxels = voxelise(mesh, resolution, report)
    report.note(
        f"The mesh ({len(mesh.faces):,} faces) is rebuilt from O-Voxels of {resolution}^3: "
        "what is finer than a voxel is lost."
    )
    with report.stage("materials"):
        unit = replace(mesh, vertices=voxels.placement.to_unit(mesh.vertices))
        return None, replace(voxels, materials=sample_materials(unit, voxels.grid))
