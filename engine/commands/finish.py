"""`maquette finish`: an asset or a mesh made ready for use."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from engine.commands.console import errors_shown, reporting, results, show_seconds
from engine.host.files import check_place
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.export.presets import Preset
    from engine.finishing.finish import Finished, FinishJob
    from engine.report import Report

PRESET_HELP = "full, standard or game."


def finish(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="ASSET|MESH", help="An asset's folder, a .vxz or a mesh file."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .glb or .obj file.")],
    preset: Annotated[str, typer.Option(help=PRESET_HELP)] = "standard",
    faces: Annotated[int | None, typer.Option(help="Faces, other than the preset's.")] = None,
    texture: Annotated[
        int | None, typer.Option(help="Texture size in texels, other than the preset's.")
    ] = None,
    image_format: Annotated[
        str | None, typer.Option(help="png or jpeg, of pictures without alpha in a .glb file.")
    ] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Remesh to a closed surface.")] = False,
    keep_inner: Annotated[
        bool, typer.Option("--keep-inner", help="Keep parts that nobody outside can see.")
    ] = False,
    resolution: Annotated[int, typer.Option(help="Voxels an axis, for a mesh file.")] = 512,
) -> None:
    """Clean, simplify, unwrap and bake."""
    with errors_shown(context.obj):
        from engine.export.presets import preset_named
        from engine.finishing.finish import finish as run

        check_finished_output(output)
        _check_image_format(image_format, output)
        changes = {"faces": faces, "texture_size": texture, "image_format": image_format}
        chosen = replace(
            preset_named(preset), **{k: v for k, v in changes.items() if v is not None}
        )
        chosen.check()
        with results() as show, reporting() as report:
            job = _job(source, fitting(chosen, output, report), resolution, report)
            if job.given_mesh is not None and (faces is not None or keep_inner):
                raise EngineError(
                    "given_mesh",
                    f"{source} is a mesh that was textured: its faces stay as they are.",
                    "Leave out --faces and --keep-inner, or finish the mesh's own file.",
                )
            job = replace(job, name=output.stem, closed=closed, keep_inner=keep_inner)
            folder = source if source.is_dir() else None
            finished = run(job, report)
            if faces is not None and faces > finished.log.get("cleaned_faces", faces):
                report.note(
                    f"{faces:,} faces were asked for; the cleaned surface has only "
                    f"{finished.log['cleaned_faces']:,}."
                )
            write_finished(finished, output, chosen, report, show, folder=folder)
        show_seconds(report)


def write_finished(
    finished: "Finished",
    output: Path,
    preset: "Preset",
    report: "Report",
    show: Callable[[str], None],
    *,
    folder: Path | None = None,
) -> None:
    """Write the file and say what is in it, in the recipe of the asset's folder too."""
    from engine.assets.folder import add_to_recipe
    from engine.meshing.report import in_words

    log = finished.log
    with report.stage("writing"):
        finished.save(output, image_format=preset.image_format)
        if folder is not None:
            entry = {"file": output.name, "preset": asdict(preset), **log}
            add_to_recipe(folder, "finish", entry)
    if "before" in log:
        show(f"As voxels: {in_words(log['before'])}")
        mended = {name: count for name, count in log["removed"].items() if count}
        show(f"Removed or mended: {in_words(mended) or 'nothing'}")
    for named, level in zip(finished.meshes, log["levels"], strict=False):
        show(
            f"{named.name}: {level['texture_size']}^2 texels, alpha {level['alpha_mode']}, "
            f"UVs {level['unwrap']}, {in_words(level['after'])}"
        )
    show(f"Written to {output}.")


def fitting(preset: "Preset", target: Path, report: "Report") -> "Preset":
    """What the file can hold of a preset; a note says when that is less."""
    preset, note = preset.fitting(target.name)
    if note is not None:
        report.note(note)
    return preset


def check_finished_output(output: Path, more: str = "") -> None:
    """Better to refuse now than after minutes of work; ``more`` goes on with the remedy."""
    if output.suffix.lower() not in (".glb", ".obj"):
        raise EngineError(
            "mesh_format",
            f"{output.name} cannot hold a textured asset.",
            f"Use a name that ends in .glb or .obj{more}.",
        )
    check_place(output)


def _check_image_format(name: str | None, output: Path) -> None:
    from engine.export.gltf import ImageFormat

    if name is None:
        return
    if name not in get_args(ImageFormat):
        raise EngineError(
            "image_format",
            f"Pictures cannot be written as {name!r}.",
            f"Choose one of {', '.join(get_args(ImageFormat))}.",
        )
    if name != "png" and output.suffix.lower() != ".glb":
        raise EngineError(
            "image_format",
            f"The pictures beside {output.name} are .png files.",
            "Leave out --image-format, or write a .glb file.",
        )


def _job(source: Path, preset: "Preset", resolution: int, report: "Report") -> "FinishJob":
    """The asset in a folder, the O-Voxels in a file, or those of a mesh."""
    from engine.assets.folder import load_asset
    from engine.finishing.finish import FinishJob
    from engine.finishing.given_mesh import open_mesh, voxelise
    from engine.ovoxel import sample_materials
    from engine.ovoxel.ovoxel_file import load_ovoxels

    if source.is_dir():
        with report.stage("reading"):
            return FinishJob.of(load_asset(source), preset)
    if source.suffix.lower() == ".vxz":
        with report.stage("reading"):
            voxels = load_ovoxels(source)
        grid, materials, placement = voxels.grid, voxels.materials, voxels.placement
    else:
        with report.stage("reading"):
            mesh = open_mesh(source, allow_missing_textures=False)
        grid, placement = voxelise(mesh, resolution, report)
        report.note(
            f"The mesh ({len(mesh.faces):,} faces) is rebuilt from O-Voxels of {resolution}^3: "
            "what is finer than a voxel is lost."
        )
        with report.stage("materials"):
            unit = replace(mesh, vertices=placement.to_unit(mesh.vertices))
            materials = sample_materials(unit, grid)
    return FinishJob(grid, materials, preset, placement)
