"""`maquette generate`, `texture` and `upscale`: arguments to jobs, results to people."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.assets.names import folder_of
from engine.commands.arguments import (
    check_order,
    finish_choice,
    matte_method,
    picture_file,
    pictures_or_prompts,
    samplings,
    targets_of,
)
from engine.commands.console import (
    err,
    errors_shown,
    results,
    settings_of,
)
from engine.commands.options import (
    Checkpoint,
    Closed,
    Device,
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
    Levels,
    Lods,
    Matte,
    MaxTokens,
    Memory,
    NormalMap,
    NoService,
    Occlusion,
    Offline,
    Origin,
    Output,
    Picture,
    Prompts,
    Quads,
    Quality,
    RequireTextures,
    Scale,
    Seed,
    Solid,
    Steps,
    TextureSteps,
    Type,
    Verbose,
    Wall,
)
from engine.commands.outputs import Outputs, Source, files_of
from engine.commands.progress import Followed, followed
from engine.commands.remotely import make_remotely, opened_engine
from engine.commands.told import figure_lines, result_lines
from engine.host.command import command
from engine.remote import is_running
from engine.settings import Settings
from protocol.finishes import FINISHED_SUFFIXES, FinishChoice

if TYPE_CHECKING:
    from engine.report import Report


def generate(
    context: typer.Context,
    output: Output,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE...", help="One asset each.")
    ] = None,
    prompt: Prompts = None,
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
    variants: Annotated[int, typer.Option(help="How many assets, each with the next seed.")] = 1,
    steps: Steps = None,
    guidance: Guidance = None,
    fast: Fast = False,
    matte: Matte = "auto",
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
    no_service: NoService = False,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Make 3D assets from pictures, or from words."""
    here = Here(no_service, device, memory, offline)
    with errors_shown(context.obj):
        from protocol.jobs import GenerateJob

        chosen = finish_choice(
            finishing, output, faces=faces, quads=quads, closed=closed, solid=solid, wall=wall,
            normal_map=normal_map, occlusion=occlusion, levels=levels, collision_hull=hull,
            image_format=image_format, lods=lods, height=height, scale=scale, origin=origin,
        )  # fmt: skip
        changes = samplings(steps, guidance, GenerateJob)
        jobs = [
            job
            for picture in pictures_or_prompts(images, prompt)
            for job in GenerateJob(
                picture=picture, type=kind, quality=quality, seed=seed,
                matte=matte_method(matte), max_tokens=max_tokens, samplers=changes,
                fast=fast,
            ).variants(variants)
        ]  # fmt: skip
        targets = targets_of(output, len(jobs))
        origins = [*([image] for image in images or ()), *([] for _ in prompt or ())]
        sources = [origin for origin in origins for _ in range(variants)]
        claims = Claims(targets, sources, force)
        _work(context, jobs, claims, chosen, checkpoint, here, verbose)


def texture(
    context: typer.Context,
    mesh: Annotated[Path, typer.Argument(metavar="MESH", help="A mesh file.")],
    image: Picture,
    output: Output,
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
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
    no_service: NoService = False,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Give a mesh the materials of the object in a picture."""
    here = Here(no_service, device, memory, offline)
    with errors_shown(context.obj):
        from protocol.jobs import TextureJob
        from protocol.references import File

        check_order(mesh, image)
        chosen = finish_choice(finishing, output, image_format=image_format)
        job = TextureJob(
            mesh=File(str(mesh)), picture=picture_file(image), resolution=resolution, seed=seed,
            matte=matte_method(matte), samplers=samplings(steps, guidance, TextureJob), fast=fast,
            require_textures=require_textures,
        )  # fmt: skip
        claims = Claims([output], [[mesh, image]], force)
        _work(context, [job], claims, chosen, checkpoint, here, verbose)


def upscale(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="ASSET|MESH", help="A folder of an asset, or a mesh file.")
    ],
    output: Output,
    finishing: Finish = "standard",
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="The asset's own if absent.")
    ] = None,
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
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
    no_service: NoService = False,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Make a finer version of an asset or of a mesh."""
    here = Here(no_service, device, memory, offline)
    with errors_shown(context.obj):
        from protocol.jobs import UpscaleJob
        from protocol.references import File

        chosen = finish_choice(
            finishing, output, faces=faces, quads=quads, closed=closed, solid=solid, wall=wall,
            normal_map=normal_map, occlusion=occlusion, levels=levels, collision_hull=hull,
            image_format=image_format, lods=lods, height=height, scale=scale, origin=origin,
        )  # fmt: skip
        job = UpscaleJob(
            source=File(str(source)),
            picture=None if image is None else picture_file(image),
            type=kind, quality=quality, seed=seed, matte=matte_method(matte), max_tokens=max_tokens,
            samplers=samplings(steps, guidance, UpscaleJob), fast=fast,
            require_textures=require_textures,
        )  # fmt: skip
        claims = Claims([output], [[source, *([] if image is None else [image])]], force)
        _work(context, [job], claims, chosen, checkpoint, here, verbose)


@dataclass(frozen=True)
class Here:
    """Options about work in this very process; any of them keeps it from a running engine."""

    no_service: bool
    device: str | None
    memory: float | None
    offline: bool

    @property
    def wanted(self) -> bool:
        return bool(self.no_service or self.device or self.memory or self.offline)


@dataclass(frozen=True)
class Claims:
    """Where results are to be written, and what each is made from."""

    targets: Sequence[Path]
    sources: Sequence[Sequence[Source]]
    force: bool


def _work(
    context: typer.Context,
    jobs: Sequence[Any],
    claims: Claims,
    choice: FinishChoice | None,
    checkpoint: str | None,
    here: Here,
    verbose: bool,
) -> None:
    """Jobs to files, by the engine that runs or else in this process."""
    settings = settings_of(context)
    outputs = Outputs(settings.home, force=claims.force)
    with (
        results() as show,
        followed(verbose=verbose) as follow,
        outputs.claimed(claims.targets, claims.sources, folders=True, choice=choice) as targets,
    ):
        if not here.wanted and is_running(settings.home):
            with opened_engine(settings.home) as engine:
                make_remotely(engine, jobs, targets, choice, checkpoint, follow, show, verbose)
        else:
            _work_here(settings, jobs, targets, choice, checkpoint, here, follow, show, verbose)


def _work_here(
    settings: Settings,
    jobs: Sequence[Any],
    targets: Sequence[Path],
    choice: FinishChoice | None,
    checkpoint: str | None,
    here: Here,
    follow: Followed,
    show: Callable[[str], None],
    verbose: bool,
) -> None:
    """Jobs to files, one after the other."""
    from engine.warm_up import warm_up

    warm_up("generate")  # beginning while torch is imported
    from engine import session
    from protocol.jobs import TextureJob

    with session.claimed(files_of(targets, choice), finished=choice is not None):
        models = session.open_models(
            settings,
            checkpoint=checkpoint,
            device=here.device,
            budget=None if here.memory is None else round(here.memory * 2**30),
            offline=here.offline,
            job=jobs[0],
            tell=lambda sentence: err.print(sentence, markup=False),
        )
        for job, target in zip(jobs, targets, strict=True):
            report = follow.report(target.name if len(jobs) > 1 else "")
            with report.ending(), _told_where_it_is(report, target):
                given = isinstance(job, TextureJob)
                advice = models.generation.finishing
                then = session.delivery_stages(choice, advice, given_mesh=given)
                asset = session.run(job, models, report, then=then)
                delivered = session.deliver(asset, target, choice, report)
            folder = None if given else delivered.folder
            for line in result_lines(delivered.files, folder, delivered.mesh, choice):
                show(line)
            if verbose:
                for line in figure_lines(asset, delivered, report, models):
                    show(line)


@contextmanager
def _told_where_it_is(report: "Report", target: Path) -> Iterator[None]:
    """Minutes of work are not lost by Ctrl-C once the folder is there; say so."""
    try:
        yield
    except KeyboardInterrupt:
        if "saving" in report.seconds:
            folder = folder_of(target)
            file = (
                target if target.suffix.lower() in FINISHED_SUFFIXES else target.with_suffix(".glb")
            )
            resume = command("finish", str(folder), "-o", str(file))
            err.print(f"The asset is saved in {folder}. To finish it: {resume}", markup=False)
        raise
