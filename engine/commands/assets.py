"""`maquette generate`, `texture` and `upscale`: arguments to jobs, results to people."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from engine.commands.console import (
    binary_size,
    err,
    errors_shown,
    out,
    reporting,
    results,
    settings_of,
    show_seconds,
)
from engine.commands.finish import check_finished_output, fitting, write_finished
from engine.commands.models import origin_of
from engine.host.files import check_place
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.assets.asset import Asset
    from engine.checkpoints.checkpoint import Checkpoint as OpenedCheckpoint
    from engine.export.presets import Preset as Finishing
    from engine.images.rembg_matte import RembgMatte
    from engine.report import Report
    from engine.residency.models import Models
    from engine.weights.store import Store


Output = Annotated[
    Path, typer.Option("--output", "-o", help="A .glb or .obj file; without finishing also .ply.")
]
Finish = Annotated[
    str, typer.Option("--finish", help="full, standard, game, or none: raw, colours per vertex.")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        help="A folder with a pipeline.json, or a hub repository's name; if absent the published "
        "weights where they are on this disk, else the small model that ships."
    ),
]
Device = Annotated[str | None, typer.Option(help="Such as cpu or cuda:1; the best one if absent.")]
Memory = Annotated[
    float | None, typer.Option(min=0.01, help="GiB that may be used; what is free if absent.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the hub.")]
Preset = Annotated[
    str | None, typer.Option(help="draft, standard or high; the checkpoint's default if absent.")
]
FinerPreset = Annotated[str | None, typer.Option(help="standard or high; high if absent.")]
Type = Annotated[
    str | None, typer.Option("--type", help="Instead of a preset, such as 512 or 1024_cascade.")
]
Matte = Annotated[str, typer.Option(help="How the background goes: auto, alpha, rembg, plain.")]
Seed = Annotated[int, typer.Option(help="Another seed, another result.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Cells above which a cascade's resolution is lowered.")
]
Steps = Annotated[list[str] | None, typer.Option(help="STAGE=N: structure, shape or texture.")]
TextureSteps = Annotated[list[str] | None, typer.Option(help="texture=N.")]
FinerSteps = Annotated[list[str] | None, typer.Option(help="STAGE=N: shape or texture.")]
Guidance = Annotated[list[str] | None, typer.Option(help="STAGE=STRENGTH, as --steps.")]
Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture of the thing.")]


def generate(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="One asset each.")],
    output: Output,
    finishing: Finish = "standard",
    preset: Preset = None,
    kind: Type = None,
    seed: Seed = 42,
    variants: Annotated[int, typer.Option(help="So many seeds, one after the other.")] = 1,
    steps: Steps = None,
    guidance: Guidance = None,
    matte: Matte = "auto",
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    device: Device = None,
    memory: Memory = None,
    offline: Offline = False,
) -> None:
    """Make 3D assets from pictures."""
    with errors_shown(context.obj):
        from engine.systems.jobs import GenerateJob
        from engine.systems.trellis2.generate import generate_all
        from engine.systems.trellis2.routes import MAX_TOKENS

        chosen = _finishing(finishing, output)
        changes = _samplings(steps, guidance, ("structure", "shape", "texture"))
        jobs = [
            job
            for image in images
            for job in GenerateJob(
                picture=_read(image), type=kind, preset=preset, seed=seed, matte=_matte(matte),
                max_tokens=max_tokens or MAX_TOKENS, **changes,
            ).variants(variants)
        ]  # fmt: skip
        targets = _targets(output, len(jobs))
        _check_folders(targets)
        models = _open(context, checkpoint, device, memory, offline)
        with results() as show, reporting() as report:
            assets = generate_all(jobs, models, report)
            for target, asset in zip(targets, assets, strict=True):
                _write(asset, target, chosen, report, show)
        _summary(report, models)


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
) -> None:
    """Give a mesh the materials of the thing in a picture."""
    with errors_shown(context.obj):
        from engine.systems.jobs import TextureJob
        from engine.systems.trellis2.texture import texture as run

        _check_order(mesh, image)
        chosen = _finishing(finishing, output)
        job = TextureJob(
            mesh=mesh, picture=_read(image), resolution=resolution, seed=seed,
            matte=_matte(matte), **_samplings(steps, guidance, ("texture",)),
        )  # fmt: skip
        _check_folders([output])
        models = _open(context, checkpoint, device, memory, offline)
        with results() as show, reporting() as report:
            _write(run(job, models, report), output, chosen, report, show)
        _summary(report, models)


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
    preset: FinerPreset = None,
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
) -> None:
    """Make a finer version of an asset or of a mesh."""
    with errors_shown(context.obj):
        from engine.assets.folder import load_asset
        from engine.systems.jobs import UpscaleJob
        from engine.systems.trellis2.routes import MAX_TOKENS
        from engine.systems.trellis2.upscale import upscale as run

        chosen = _finishing(finishing, output)
        job = UpscaleJob(
            source=load_asset(source) if source.is_dir() else source,
            picture=None if image is None else _read(image),
            type=kind, preset=preset, seed=seed, matte=_matte(matte),
            max_tokens=max_tokens or MAX_TOKENS,
            **_samplings(steps, guidance, ("shape", "texture")),
        )  # fmt: skip
        _check_folders([output])
        models = _open(context, checkpoint, device, memory, offline)
        with results() as show, reporting() as report:
            _write(run(job, models, report), output, chosen, report, show)
        _summary(report, models)


def _open(
    context: typer.Context,
    checkpoint: str | None,
    device: str | None,
    memory: float | None,
    offline: bool,
) -> "Models":
    from engine.checkpoints.checkpoint import load_checkpoint
    from engine.host.machine import known_device
    from engine.residency.memory import reset_peak
    from engine.residency.models import Models
    from engine.weights.default_checkpoint import default_checkpoint
    from engine.weights.store import Store

    settings = settings_of(context)
    offline = offline or settings.offline
    origin = origin_of(settings)
    store = Store(Path(settings.models), origin=origin, offline=offline)
    where = known_device(device)
    reset_peak(where)
    if checkpoint is None:
        place, sentence = default_checkpoint(store)
        if sentence is not None:
            err.print(sentence, markup=False)
    else:
        place = store.checkpoint(checkpoint)
    opened = load_checkpoint(place, offline=offline, origin=origin)
    return Models(
        opened,
        device=where,
        budget=None if memory is None else round(memory * 2**30),
        encoder_folder=_encoder_folder(store, opened),
        matte=_matte_network(store),
        offline=offline,
        origin=origin,
    )


def _encoder_folder(store: "Store", checkpoint: "OpenedCheckpoint") -> Path | None:
    """Where DINOv3 was downloaded to; None where it was not, or is not what is wanted.

    Raises:
        EngineError: ``weights_partial``.
    """
    from engine.checkpoints.image_encoders import is_dinov3
    from engine.residency.models import IMAGE_ENCODER
    from engine.weights.catalogue import catalogue

    component = checkpoint.generation.image_encoder
    own = IMAGE_ENCODER in checkpoint.models
    if own or component is None or not is_dinov3(component.name):
        return None
    weight = catalogue()["image_encoder"]
    state = store.state(weight)
    if state == "partial":
        raise EngineError(
            "weights_partial",
            f"The download of {weight.repository} is not complete.",
            f"Run: maquette models download {weight.name}",
        )
    return store.folder_of(weight.repository) if state == "present" else None


def _matte_network(store: "Store") -> "RembgMatte":
    """The network for backgrounds that was downloaded, else the one that rembg finds itself."""
    from engine.images.rembg_matte import RembgMatte
    from engine.weights.catalogue import catalogue

    for weight in (catalogue()["matte"], catalogue()["matte_lite"]):
        if store.state(weight) == "present":
            return RembgMatte(
                Path(weight.files[0].name).stem,
                weights_folder=store.folder_of(weight.repository),
                allow_download=False,
            )
    return RembgMatte(allow_download=not store.offline)


def _write(
    asset: "Asset",
    target: Path,
    preset: "Finishing | None",
    report: "Report",
    show: Callable[[str], None],
) -> None:
    """The asset's folder, and the file: finished, or raw without a preset."""
    from engine.assets.folder import save_asset, save_thumbnail
    from engine.export.mesh_file import save_mesh
    from engine.finishing.finish import FinishJob, finish

    folder = _folder_of(target)
    with report.stage("saving"):
        save_asset(asset, folder)
    show(
        f"{len(asset.grid.coords):,} voxels of {asset.grid.grid_size}^3, "
        f"seed {asset.recipe['seed']}; latents in {folder}"
    )
    with _told_where_it_is(folder, target):
        if preset is not None:
            job = FinishJob.of(asset, fitting(preset, target, report), target.stem)
            finished = finish(job, report)
            write_finished(finished, target, preset, report, show, folder=folder)
            with report.stage("thumbnail"):
                save_thumbnail(finished.meshes[0].mesh, folder)
            return
        with report.stage("writing"):
            save_mesh(asset.mesh, target)
        with report.stage("thumbnail"):
            save_thumbnail(asset.mesh, folder)
        mesh = asset.mesh
        show(f"{target}: {len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces")


@contextmanager
def _told_where_it_is(folder: Path, target: Path) -> Iterator[None]:
    """Minutes of work are not lost by Ctrl-C once the folder is there; say so."""
    try:
        yield
    except KeyboardInterrupt:
        file = target if target.suffix.lower() in (".glb", ".obj") else target.with_suffix(".glb")
        go_on = shlex.join(["maquette", "finish", str(folder), "-o", str(file)])
        err.print(f"The asset is saved in {folder}. To go on: {go_on}", markup=False)
        raise


def _finishing(name: str, output: Path) -> "Finishing | None":
    """The preset of that name, None for "none"; better to refuse now than after minutes of work."""
    from engine.export.presets import preset_named

    if name == "none":
        _check_output(output)
        return None
    check_finished_output(output, "; with --finish none also .ply")
    return preset_named(name)


def _summary(report: "Report", models: "Models") -> None:
    from engine.residency.memory import peak_bytes

    show_seconds(report)
    peak = peak_bytes(models.device)
    if peak is not None:
        whose = "on the device" if models.device.type == "cuda" else "of the process"
        out.print(f"Peak memory {whose}: {binary_size(peak)}.", markup=False)


def _check_output(output: Path) -> None:
    """Better to refuse now than after minutes of work."""
    from engine.export.mesh_file import SUFFIXES

    if output.suffix.lower() not in SUFFIXES:
        raise EngineError(
            "mesh_format",
            f"{output.name} has no suffix of a mesh format that can be written.",
            f"Use one of {', '.join(SUFFIXES)}.",
        )
    check_place(output)


def _folder_of(target: Path) -> Path:
    from engine.assets.folder import FOLDER_SUFFIX

    return target.with_suffix(FOLDER_SUFFIX)


def _check_folders(targets: Sequence[Path]) -> None:
    """Better to refuse now than after minutes of work."""
    from engine.assets.folder import check_folder

    for target in targets:
        check_folder(_folder_of(target))


def _targets(output: Path, count: int) -> list[Path]:
    """The file itself, or name_1, name_2, ... where there are several assets."""
    if count == 1:
        return [output]
    return [output.with_name(f"{output.stem}_{i}{output.suffix}") for i in range(1, count + 1)]


def _read(image: Path) -> Path:
    """Unreadable pictures are noticed before the work begins."""
    from engine.images.reading import read_image

    read_image(image)
    return image


def _check_order(mesh: Path, image: Path) -> None:
    """Both arguments are files, and easily swapped."""
    from engine.meshing.load import READERS

    if image.suffix.lower() in READERS and mesh.suffix.lower() not in READERS:
        raise EngineError(
            "arguments_swapped",
            f"{image} is a mesh and stands where the picture should.",
            f"The mesh comes first: maquette texture {image} {mesh}",
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
) -> dict[str, Any]:
    """STAGE=VALUE entries as ``Sampling`` by stage, only of stages that are changed."""
    from engine.systems.jobs import Sampling

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
