"""Arguments of the command line that several verbs share, as what jobs take."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.host.command import command
from engine.systems.table import sampled_stages
from protocol.errors import EngineError
from protocol.finishes import FINISHES, FinishChoice
from protocol.jobs import MakingJob
from protocol.limits import MATTE_METHODS, check_one_of

if TYPE_CHECKING:
    from protocol.references import File, Prompt
    from protocol.samplers import Sampling


_OPTIONS = {"texture_size": "texture", "collision_hull": "hull"}
"""Options that are called otherwise than their fields."""


def finish_choice(name: str, output: Path | None, **changes: Any) -> FinishChoice | None:
    """What the options say, None for "none".

    Args:
        output: the file that is asked for.
        changes: fields of ``FinishChoice``.

    Raises:
        EngineError: ``finish_unknown``, ``finish_none``, and what ``check_fits`` and
            ``FinishChoice`` raise.
    """
    check_fits(output, changes.get("image_format"), changes.get("lods"))
    if name == "none":
        given = [_OPTIONS.get(field, field) for field, value in changes.items() if value]
        if given:
            options = ", ".join(f"--{option.replace('_', '-')}" for option in given)
            raise EngineError(
                "finish_none",
                f"Without finishing there is nothing for {options} to change.",
                "Leave that out, or choose a finish.",
            )
        return None
    if name not in FINISHES:
        raise EngineError(
            "finish_unknown",
            f"There is no finish {name!r}.",
            f"Choose one of {', '.join(FINISHES)}, none.",
        )
    return FinishChoice(finish=name, **changes)


def check_fits(output: Path | None, image_format: str | None, lods: str | None) -> None:
    """Refuse another format than PNG, and a place for levels of detail, where the file that is
    asked for could not hold them.

    Raises:
        EngineError: ``image_format``, ``lods``.
    """
    if output is None or output.suffix.lower() == ".glb":
        return
    if image_format not in (None, "png"):
        raise EngineError(
            "image_format",
            f"Only .glb files hold pictures of the format {image_format}; those beside "
            f"{output.name} would be .png files.",
            "Leave out --image-format, or write a .glb file.",
        )
    if lods is not None:
        raise EngineError(
            "lods",
            f"Only .glb files hold levels of detail; {output.name} would hold the finest alone.",
            "Leave out --lods, or write a .glb file.",
        )


def targets_of(output: Path, count: int) -> list[Path]:
    """The file itself, or name_1, name_2, ... where there are several assets."""
    if count == 1:
        return [output]
    return [output.with_name(f"{output.stem}_{i}{output.suffix}") for i in range(1, count + 1)]


def _texturing(mesh: Path, picture: "Path | str") -> str:
    return command("texture", str(mesh), str(picture), "-o", "OUT.glb")


def picture_file(image: Path) -> "File":
    """Unreadable pictures are noticed before the work begins."""
    from engine.readers.headers import SUFFIXES

    if image.suffix.lower() in SUFFIXES and image.exists():
        raise EngineError(
            "picture_is_mesh",
            f"{image} is a mesh, and a picture is needed here.",
            f"To give it materials from a picture: {_texturing(image, 'PICTURE')}",
        )
    from engine.images.reading import read_image
    from protocol.references import File

    read_image(image)
    return File(str(image))


def pictures_or_prompts(
    images: Sequence[Path] | None, prompts: Sequence[str] | None
) -> "list[File | Prompt]":
    """What assets are made from, pictures first.

    Raises:
        EngineError: ``picture_missing`` where there is neither; ``prompt_invalid``; and as
            ``picture_file``.
    """
    from protocol.references import Prompt

    found: list[File | Prompt] = [picture_file(image) for image in images or ()]
    found += [Prompt(text) for text in prompts or ()]
    if not found:
        raise EngineError(
            "picture_missing",
            "Nothing says what shall be made.",
            'Give a picture, or words: --prompt "a red mushroom with white dots"',
        )
    return found


def check_order(mesh: Path, image: Path) -> None:
    """Both arguments are files, and easily swapped."""
    from engine.readers.headers import SUFFIXES

    if image.suffix.lower() in SUFFIXES and mesh.suffix.lower() not in SUFFIXES:
        raise EngineError(
            "arguments_swapped",
            f"{image} is a mesh and stands where the picture should.",
            f"The mesh comes first: {_texturing(image, mesh)}",
        )


def matte_method(name: str) -> Any:
    check_one_of("matte_method", "way to remove a background called", name, MATTE_METHODS)
    return name


def samplings(
    steps: list[str] | None, guidance: list[str] | None, job: type[MakingJob]
) -> dict[str, "Sampling"]:
    """STAGE=VALUE entries as ``Sampling`` by stage, only of stages that are changed."""
    from protocol.samplers import Sampling

    stages = sampled_stages(job)
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
