"""`maquette generate`, `texture` and `upscale`: arguments to jobs, results to people."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

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
    FinerQuality,
    FinerSteps,
    Finish,
    Guidance,
    Matte,
    MaxTokens,
    Memory,
    Offline,
    Output,
    Picture,
    Quality,
    Seed,
    Steps,
    TextureSteps,
    Type,
    Verbose,
)
from engine.commands.progress import followed
from engine.commands.told import figure_lines, result_lines
from engine.host.command import command
from protocol.errors import EngineError
from protocol.finishes import FINISHES, FinishChoice

if TYPE_CHECKING:
    from engine.report import Report
    from protocol.references import File
    from protocol.samplers import Sampling


def generate(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="One asset each.")],
    output: Output,
    finishing: Finish = "standard",
    faces: Faces = None,
    closed: Closed = None,
    quality: Quality = None,
    kind: Type = None,
    seed: Seed = 42,
    variants: Annotated[int, typer.Option(help="How many assets, each with the next seed.")] = 1,
    steps: Steps = None,
    guidance: Guidance = None,
    matte: Matte = "auto",
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
    verbose: Verbose = False,
) -> None:
    """Make 3D assets from pictures."""
    with errors_shown(context.obj):
        from protocol.jobs import GenerateJob

        chosen = _finishing(finishing, faces, closed)
        changes = _samplings(steps, guidance, ("structure", "shape", "texture"))
        jobs = [
            job
            for image in images
            for job in GenerateJob(
                picture=_read(image), type=kind, quality=quality, seed=seed, matte=_matte(matte),
                max_tokens=max_tokens, samplers=changes,
            ).variants(variants)
        ]  # fmt: skip
        targets = _targets(output, len(jobs))
        _work(context, jobs, targets, chosen, checkpoint, device, memory, offline, verbose)


def texture(
    context: typer.Context,
    mesh: Annotated[Path, typer.Argument(metavar="MESH", help="A mesh file.")],
    image: Picture,
    output: Output,
    finishing: Finish = "standard",
    resolution: Annotated[
        int | None, typer.Option(help="Voxels an axis; the highest if absent.")
    ] = None,
    seed: Seed = 42,
    steps: TextureSteps = None,
    guidance: Guidance = None,
    matte: Matte = "auto",
    checkpoint: Checkpoint = None,
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
    verbose: Verbose = False,
) -> None:
    """Give a mesh the materials of the object in a picture."""
    with errors_shown(context.obj):
        from protocol.jobs import TextureJob
        from protocol.references import File

        _check_order(mesh, image)
        chosen = _finishing(finishing)
        job = TextureJob(
            mesh=File(str(mesh)), picture=_read(image), resolution=resolution, seed=seed,
            matte=_matte(matte), samplers=_samplings(steps, guidance, ("texture",)),
        )  # fmt: skip
        _work(context, [job], [output], chosen, checkpoint, device, memory, offline, verbose)


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
    closed: Closed = None,
    quality: FinerQuality = None,
    kind: Type = None,
    seed: Annotated[int | None, typer.Option(help="The asset's own if absent.")] = None,
    steps: FinerSteps = None,
    guidance: Guidance = None,
    matte: Matte = "auto",
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
    verbose: Verbose = False,
) -> None:
    """Make a finer version of an asset or of a mesh."""
    with errors_shown(context.obj):
        from protocol.jobs import UpscaleJob
        from protocol.references import File

        chosen = _finishing(finishing, faces, closed)
        job = UpscaleJob(
            source=File(str(source)),
            picture=None if image is None else _read(image),
            type=kind, quality=quality, seed=seed, matte=_matte(matte), max_tokens=max_tokens,
            samplers=_samplings(steps, guidance, ("shape", "texture")),
        )  # fmt: skip
        _work(context, [job], [output], chosen, checkpoint, device, memory, offline, verbose)


def _work(
    context: typer.Context,
    jobs: Sequence[Any],
    targets: Sequence[Path],
    choice: FinishChoice | None,
    checkpoint: str | None,
    device: str | None,
    memory: float | None,
    offline: bool,
    verbose: bool,
) -> None:
    """Jobs to files, one after the other."""
    with results() as show, followed(verbose=verbose) as follow:
        from engine.warm_up import warm_up

        warm_up("generate")  # beginning while torch is imported
        from engine import session

        with session.claimed(targets, finished=choice is not None):
            models = session.open_models(
                settings_of(context),
                checkpoint=checkpoint,
                device=device,
                budget=None if memory is None else round(memory * 2**30),
                offline=offline,
                tell=lambda sentence: err.print(sentence, markup=False),
            )
            for job, target in zip(jobs, targets, strict=True):
                report = follow.report(target.name if len(jobs) > 1 else "")
                with report.ending(), _told_where_it_is(report, target):
                    then = session.delivery_stages(choice, models.generation.finishing)
                    asset = session.run(job, models, report, then=then)
                    delivered = session.deliver(asset, target, choice, report)
                for line in result_lines(delivered):
                    show(line)
                if verbose:
                    for line in figure_lines(asset, delivered, report, models):
                        show(line)


def _finishing(
    name: str, faces: int | None = None, closed: bool | None = None
) -> FinishChoice | None:
    """What the options say, None for "none"."""
    if name == "none":
        return None
    if name not in FINISHES:
        raise EngineError(
            "finish_unknown",
            f"There is no finish {name!r}.",
            f"Choose one of {', '.join(FINISHES)}, none.",
        )
    return FinishChoice(finish=name, faces=faces, closed=closed)


@contextmanager
def _told_where_it_is(report: "Report", target: Path) -> Iterator[None]:
    """Minutes of work are not lost by Ctrl-C once the folder is there; say so."""
    try:
        yield
    except KeyboardInterrupt:
        if "saving" in report.seconds:
            from engine.session import folder_of

            folder = folder_of(target)
            file = (
                target if target.suffix.lower() in (".glb", ".obj") else target.with_suffix(".glb")
            )
            resume = command("finish", str(folder), "-o", str(file))
            err.print(f"The asset is saved in {folder}. To finish it: {resume}", markup=False)
        raise


def _targets(output: Path, count: int) -> list[Path]:
    """The file itself, or name_1, name_2, ... where there are several assets."""
    if count == 1:
        return [output]
    return [output.with_name(f"{output.stem}_{i}{output.suffix}") for i in range(1, count + 1)]


def _read(image: Path) -> "File":
    """Unreadable pictures are noticed before the work begins."""
    from engine.meshing.load import READERS

    if image.suffix.lower() in READERS:
        raise EngineError(
            "picture_is_mesh",
            f"{image} is a mesh, and a picture is needed here.",
            f"To give it materials from a picture: {command('texture', str(image), 'PICTURE')}",
        )
    from engine.images.reading import read_image
    from protocol.references import File

    read_image(image)
    return File(str(image))


def _check_order(mesh: Path, image: Path) -> None:
    """Both arguments are files, and easily swapped."""
    from engine.meshing.load import READERS

    if image.suffix.lower() in READERS and mesh.suffix.lower() not in READERS:
        raise EngineError(
            "arguments_swapped",
            f"{image} is a mesh and stands where the picture should.",
            f"The mesh comes first: {command('texture', str(image), str(mesh))}",
        )


def _matte(name: str) -> Any:
    from engine.images.matte import Method

    if name not in get_args(Method):
        raise EngineError(
            "matte_method",
            f"There is no way to remove a background called {name!r}.",
            f"Choose one of {', '.join(get_args(Method))}.",
        )
    return name


def _samplings(
    steps: list[str] | None, guidance: list[str] | None, stages: tuple[str, ...]
) -> dict[str, "Sampling"]:
    """STAGE=VALUE entries as ``Sampling`` by stage, only of stages that are changed."""
    from protocol.samplers import Sampling

    values: dict[str, dict[str, Any]] = {}
    for option, entries, field, convert in (
        ("--steps", steps, "steps", int),
        ("--guidance", guidance, "guidance_strength", float),
    ):
        for entry in entries or []:
            stage, _, text = entry.partition("=")
            try:
                if stage not in stages:
                    raise ValueError
                values.setdefault(stage, {})[field] = convert(text)
            except ValueError as error:
                raise EngineError(
                    "option_invalid",
                    f"{option} {entry} is not understood.",
                    f"Write {option} STAGE=NUMBER with one of {', '.join(stages)}.",
                ) from error
    return {stage: Sampling(**fields) for stage, fields in values.items()}
