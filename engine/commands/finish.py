"""`maquette finish`: an asset or a mesh made ready for use."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.console import errors_shown, out, reporting, show_seconds
from engine.errors import EngineError
from engine.files import check_place

if TYPE_CHECKING:
    from engine.asset import Asset
    from engine.export.presets import Preset
    from engine.pipelines.finish import Finished, FinishJob
    from engine.pipelines.report import Report

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
    closed: Annotated[bool, typer.Option("--closed", help="Remesh to a closed surface.")] = False,
    resolution: Annotated[int, typer.Option(help="Voxels an axis, for a mesh file.")] = 512,
) -> None:
    """Clean, simplify, unwrap and bake."""
    with errors_shown(context.obj):
        from engine.export.presets import preset_named
        from engine.pipelines.finish import finish as run

        check_finished_output(output)
        chosen = preset_named(preset)
        chosen = replace(
            chosen,
            faces=chosen.faces if faces is None else faces,
            texture_size=chosen.texture_size if texture is None else texture,
        )
        with reporting() as report:
            job = replace(_job(source, chosen, resolution, report), name=output.stem, closed=closed)
            folder = source if source.is_dir() else None
            write_finished(run(job, report), output, chosen, report, folder=folder)
        show_seconds(report)


def job_of(asset: "Asset", preset: "Preset") -> "FinishJob":
    """How a pipeline's result is finished."""
    from engine.ovoxel import dual_grid_to_mesh
    from engine.pipelines.finish import FinishJob

    return FinishJob(
        grid=asset.grid,
        materials=asset.materials,
        surface=dual_grid_to_mesh(asset.grid, asset.split_weight, orient=True),
        preset=preset,
        placement=asset.placement,
        given_mesh=asset.given_mesh,
    )


def write_finished(
    finished: "Finished",
    output: Path,
    preset: "Preset",
    report: "Report",
    *,
    folder: Path | None = None,
) -> None:
    """Write the file and say what is in it, in the recipe of the asset's folder too."""
    from engine.asset_folder import add_to_recipe
    from engine.export.mesh_file import save_mesh, save_scene

    with report.stage("writing"):
        if output.suffix.lower() == ".glb":
            save_scene(finished.meshes, output, image_format=preset.image_format)
        else:
            save_mesh(finished.meshes[0].mesh, output, image_format=preset.image_format)
        if folder is not None:
            log = {"file": output.name, "preset": asdict(preset), **finished.log}
            add_to_recipe(folder, "finish", log)
    if "before" in finished.log:
        out.print(f"Before: {_sentence(finished.log['before'])}", markup=False)
    for named, level in zip(finished.meshes, finished.log["levels"], strict=False):
        out.print(
            f"{named.name}: {level['texture_size']}^2 texels, alpha {level['alpha_mode']}, "
            f"{_sentence(level['after'])}",
            markup=False,
        )
    out.print(f"Written to {output}.", markup=False)


def check_finished_output(output: Path) -> None:
    """Better to refuse now than after minutes of work."""
    if output.suffix.lower() not in (".glb", ".obj"):
        raise EngineError(
            "mesh_format",
            f"{output.name} cannot hold a textured asset.",
            "Use a name that ends in .glb or .obj; with --finish none also .ply.",
        )
    check_place(output)


def _job(source: Path, preset: "Preset", resolution: int, report: "Report") -> "FinishJob":
    """The asset in a folder, the O-Voxels in a file, or those of a mesh."""
    from engine.asset_folder import load_asset
    from engine.meshing.load import load_mesh
    from engine.ovoxel import dual_grid_to_mesh, sample_materials
    from engine.ovoxel.ovoxel_file import load_ovoxels
    from engine.pipelines.finish import FinishJob
    from engine.pipelines.given_mesh import voxelise

    if source.is_dir():
        with report.stage("reading"):
            return job_of(load_asset(source), preset)
    if source.suffix.lower() == ".vxz":
        with report.stage("reading"):
            voxels = load_ovoxels(source)
        grid, materials, placement = voxels.grid, voxels.materials, voxels.placement
    else:
        with report.stage("reading"):
            mesh = load_mesh(source)
        grid, placement = voxelise(mesh, resolution, report)
        with report.stage("materials"):
            unit = replace(mesh, vertices=placement.to_unit(mesh.vertices))
            materials = sample_materials(unit, grid)
    surface = dual_grid_to_mesh(grid, orient=True)
    return FinishJob(grid, materials, surface, preset, placement)


def _sentence(numbers: dict) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:,.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value:,}"
        for name, value in numbers.items()
    )
