"""`maquette submit generate|texture|upscale|finish`: jobs into the queue of a running engine."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.arguments import (
    check_fits,
    check_order,
    finish_choice,
    matte_method,
    picture_file,
    pictures_or_prompts,
    samplings,
)
from engine.commands.console import errors_shown, settings_of
from engine.commands.jobs import Saved, follow_job, show_job
from engine.commands.options import (
    Batch,
    Checkpoint,
    Closed,
    Faces,
    Fast,
    FinerQuality,
    FinerSteps,
    Finish,
    Force,
    Guidance,
    Height,
    Hull,
    ImageFormat,
    Json,
    Levels,
    Lods,
    Matte,
    MaxTokens,
    NormalMap,
    Occlusion,
    Origin,
    Picture,
    Quads,
    Quality,
    Rebuild,
    RequireTextures,
    Scale,
    Seed,
    Solid,
    Steps,
    TextureSteps,
    Type,
    Wait,
    Wall,
)
from engine.commands.outputs import Outputs, Source
from engine.commands.remotely import (
    cancelled_by_interrupt,
    check_target,
    engine_of,
    submitted_job,
)
from engine.host.command import command
from protocol.errors import EngineError
from protocol.finishes import FinishChoice

app = typer.Typer(help="Put a job into the queue of the running engine.", no_args_is_help=True)


@app.command()
def generate(
    context: typer.Context,
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="A picture of the object.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="Words instead of a picture, for checkpoints that know some."),
    ] = None,
    finishing: Finish = "standard",
    faces: Faces = None,
    quads: Quads = None,
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
    image_format: ImageFormat = None,
    quality: Quality = None,
    kind: Type = None,
    seed: Seed = 42,
    steps: Steps = None,
    guidance: Guidance = None,
    fast: Fast = False,
    matte: Matte = "auto",
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    batch: Batch = False,
    wait: Wait = False,
    output: Saved = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """A 3D asset from a picture, or from words."""
    with errors_shown(context.obj):
        from protocol.jobs import GenerateJob

        images = [image] if image else []
        found = pictures_or_prompts(images, [prompt] if prompt is not None else [])
        if len(found) > 1:
            raise EngineError(
                "option_invalid",
                "A picture and words cannot both say what shall be made.",
                "Leave out one of them.",
            )
        job = GenerateJob(
            picture=found[0], type=kind, quality=quality, seed=seed,
            matte=matte_method(matte), max_tokens=max_tokens,
            samplers=samplings(steps, guidance, GenerateJob), fast=fast,
        )  # fmt: skip
        choice = finish_choice(
            finishing, output, faces=faces, quads=quads, closed=closed, solid=solid, wall=wall,
            normal_map=normal_map, occlusion=occlusion, levels=levels, collision_hull=hull,
            image_format=image_format, lods=lods, height=height, scale=scale, origin=origin,
        )  # fmt: skip
        then = Then(wait, output, force, as_json, images)
        title = image.stem if image else str(prompt)
        _submit(context, job, choice, title, checkpoint, batch, then)


@app.command()
def texture(
    context: typer.Context,
    mesh: Annotated[Path, typer.Argument(metavar="MESH", help="A mesh file.")],
    image: Picture,
    finishing: Finish = "standard",
    image_format: ImageFormat = None,
    resolution: Annotated[
        int | None, typer.Option(help="Voxels an axis; the highest if absent.")
    ] = None,
    seed: Seed = 42,
    steps: TextureSteps = None,
    guidance: Guidance = None,
    fast: Fast = False,
    matte: Matte = "auto",
    require_textures: RequireTextures = False,
    checkpoint: Checkpoint = None,
    batch: Batch = False,
    wait: Wait = False,
    output: Saved = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """New materials for a mesh, from a picture."""
    with errors_shown(context.obj):
        from protocol.jobs import TextureJob
        from protocol.references import File

        check_order(mesh, image)
        if not mesh.exists():
            raise EngineError("mesh_absent", f"{mesh} does not exist.", "Give a mesh file.")
        job = TextureJob(
            mesh=File(str(mesh)), picture=picture_file(image), resolution=resolution, seed=seed,
            matte=matte_method(matte), samplers=samplings(steps, guidance, TextureJob), fast=fast,
            require_textures=require_textures,
        )  # fmt: skip
        choice = finish_choice(finishing, output, image_format=image_format)
        then = Then(wait, output, force, as_json, [mesh, image])
        _submit(context, job, choice, mesh.stem, checkpoint, batch, then)


@app.command()
def upscale(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="ASSET|MESH|JOB", help="A folder, a mesh file, or a job's id.")
    ],
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="The asset's own if absent.")
    ] = None,
    finishing: Finish = "standard",
    faces: Faces = None,
    quads: Quads = None,
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
    image_format: ImageFormat = None,
    quality: FinerQuality = None,
    kind: Type = None,
    seed: Annotated[int | None, typer.Option(help="The asset's own if absent.")] = None,
    steps: FinerSteps = None,
    guidance: Guidance = None,
    fast: Fast = False,
    matte: Matte = "auto",
    require_textures: RequireTextures = False,
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    batch: Batch = False,
    wait: Wait = False,
    output: Saved = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """A finer version of an asset or of a mesh."""
    with errors_shown(context.obj):
        from protocol.jobs import UpscaleJob

        job = UpscaleJob(
            source=_source(context, source),
            picture=None if image is None else picture_file(image),
            type=kind, quality=quality, seed=seed, matte=matte_method(matte),
            max_tokens=max_tokens, fast=fast, samplers=samplings(steps, guidance, UpscaleJob),
            require_textures=require_textures,
        )  # fmt: skip
        choice = finish_choice(
            finishing, output, faces=faces, quads=quads, closed=closed, solid=solid, wall=wall,
            normal_map=normal_map, occlusion=occlusion, levels=levels, collision_hull=hull,
            image_format=image_format, lods=lods, height=height, scale=scale, origin=origin,
        )  # fmt: skip
        title = Path(source).stem
        sources = [_named(source), *([] if image is None else [image])]
        then = Then(wait, output, force, as_json, sources)
        _submit(context, job, choice, title, checkpoint, batch, then)


@app.command()
def finish(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(metavar="ASSET|MESH|JOB", help="A folder, a .vxz or mesh file, or a job."),
    ],
    finishing: Annotated[str, typer.Option("--finish", help="full, standard, game.")] = "standard",
    faces: Faces = None,
    quads: Quads = None,
    texture: Annotated[int | None, typer.Option(help="Texture size in texels.")] = None,
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
    image_format: ImageFormat = None,
    keep_inner: Annotated[
        bool, typer.Option("--keep-inner", help="Keep parts that nobody outside can see.")
    ] = False,
    resolution: Annotated[int, typer.Option(help="Voxels an axis, for a mesh file.")] = 512,
    rebuild: Rebuild = False,
    require_textures: RequireTextures = False,
    batch: Batch = False,
    wait: Wait = False,
    output: Saved = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Clean, simplify, unwrap and bake again, with other settings."""
    with errors_shown(context.obj):
        from protocol.jobs import FinishJob

        job = FinishJob(
            source=_source(context, source), finish=finishing, faces=faces, quads=quads,
            texture_size=texture,
            closed=closed, solid=solid, wall=wall, normal_map=normal_map, occlusion=occlusion,
            levels=levels, collision_hull=hull, keep_inner=keep_inner, resolution=resolution,
            rebuild=rebuild, require_textures=require_textures, height=height, scale=scale,
            origin=origin,  # pyright: ignore[reportArgumentType]
            lods=lods,  # pyright: ignore[reportArgumentType]
            image_format=image_format,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        check_fits(output, image_format, lods)
        then = Then(wait, output, force, as_json, [_named(source)])
        _submit(context, job, None, Path(source).stem, None, batch, then)


def _source(context: typer.Context, text: str) -> Any:
    """A file or a folder if there is one of that name, else a job.

    Raises:
        EngineError: ``mesh_absent``, ``job_unknown``, ``job_ambiguous``.
    """
    from protocol.references import File, Stored

    if Path(text).exists():
        return File(text)
    if not re.fullmatch("[0-9a-f]{1,32}", text):
        raise EngineError(
            "mesh_absent",
            f"{text} does not exist, and it is not the id of a job.",
            f"Give a folder, a mesh file, or a job as {command('jobs')} shows it.",
        )
    with engine_of(context) as engine:
        return Stored(engine.job(text).id)


def _named(text: str) -> Source:
    return Path(text) if Path(text).exists() else text


@dataclass(frozen=True)
class Then:
    """What happens once a job is in the queue.

    Attributes:
        sources: that it is made from.
    """

    wait: bool
    output: Path | None
    force: bool
    as_json: bool
    sources: Sequence[Source]


def _submit(
    context: typer.Context,
    job: Any,
    choice: FinishChoice | None,
    title: str,
    checkpoint: str | None,
    batch: bool,
    then: Then,
) -> None:
    outputs = Outputs(settings_of(context).home, force=then.force)
    if then.output is not None:  # before the job is in the queue
        check_target(then.output, finished=True)
    with engine_of(context) as engine:
        submitted = submitted_job(
            engine, job, choice, checkpoint=checkpoint, batch=batch, title=title
        )
        if not then.wait and then.output is None:
            show_job(submitted, as_json=then.as_json)
            return
        with cancelled_by_interrupt([submitted]):
            follow_job(
                submitted, then.output, outputs, then.sources, as_json=then.as_json, verbose=False
            )
