"""What a TRELLIS.2 checkpoint can do, read from its JSON files; no networks are loaded."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.checkpoints.pipeline import PipelineSpec, read_pipeline, texturing_absent
from engine.systems.trellis2.names import (
    LABELS,
    MATERIAL_DECODER,
    REUSE_AFTER,
    SAMPLED,
    SAMPLERS,
    SYSTEM,
    TEXT_ENCODER,
    check_stages,
)
from engine.systems.trellis2.routes import (
    Offer,
    cascade_of,
    factor_from,
    levels_of,
    qualities,
    route_of,
    type_names,
)
from engine.weights.hub import NotHere, Source, sources_of
from engine.weights.sentences import model_folder
from engine.weights.store import Store
from protocol.checkpoints import CheckpointDescription, QualityRow, SamplerRow
from protocol.errors import EngineError
from protocol.finishes import FinishAdvice
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob
from protocol.limits import QUALITIES
from protocol.plain import tag


@dataclass(frozen=True)
class _Files:
    """The JSON files of a checkpoint.

    Args:
        texturing: None: it has none.
    """

    generation: PipelineSpec
    texturing: PipelineSpec | None
    offer: Offer


def describe(home: Source, store: Store) -> CheckpointDescription:
    """What the checkpoint can do; names, times and what is missing are left to the caller.

    Raises:
        EngineError: ``file_missing``, ``pipeline_invalid``, ``hub_*``.
    """
    files = _read(home, store)
    offer, generation = files.offer, files.generation
    return CheckpointDescription(
        checkpoint=str(home),
        name="",
        small=False,
        system=SYSTEM,
        qualities=tuple(_qualities(offer)),
        quality="standard",
        types=tuple(type_names(offer)),
        upscale_resolution=_upscaled(offer),
        texture_resolution=levels_of(offer)[-1].resolution if files.texturing else None,
        samplers=tuple(_samplers(files)),
        finishing=generation.finishing or FinishAdvice(),
        prompts=TEXT_ENCODER in generation.models,
        prompts_missing=_missing_for_prompts() if TEXT_ENCODER in generation.models else "",
    )


def _missing_for_prompts() -> str:
    try:
        model_folder()
    except EngineError as error:
        return error.message
    return ""


def check(job: MakingJob, home: Source, store: Store) -> None:
    """Refuse a type, a quality or a stage that the checkpoint does not have.

    Raises:
        EngineError: ``type_unknown``, ``type_not_finer``, ``stage_unknown``, ``texturing_absent``,
            and as ``describe``.
    """
    files = _read(home, store)
    check_stages(type(job), job.samplers)
    match job:
        case GenerateJob():
            route_of(files.offer, job.type, job.quality)
        case UpscaleJob():
            cascade_of(files.offer, job.type, job.quality, finer_than=0)
        case TextureJob() if files.texturing is None:
            raise texturing_absent(str(home))
        case TextureJob():
            pass


def _qualities(offer: Offer) -> Iterator[QualityRow]:
    before: dict[str, str] = {}
    for name, kind in qualities(offer).items():
        words = f"the same as {before[kind]}" if kind in before else QUALITIES[name]
        before.setdefault(kind, name)
        resolution = route_of(offer, kind).resolution
        yield QualityRow(name=name, words=words, type=kind, resolution=resolution)


def _upscaled(offer: Offer) -> int | None:
    try:
        return cascade_of(offer, None, None, finer_than=0)[0].resolution
    except EngineError:
        return None


def _samplers(files: _Files) -> list[SamplerRow]:
    rows: list[SamplerRow] = []
    for job, stages in SAMPLED.items():
        spec = files.texturing if job is TextureJob else files.generation
        for stage in stages:
            if spec is not None and (default := spec.samplers.get(SAMPLERS[stage])) is not None:
                kind = tag(job).removesuffix("_job")
                rows.append(
                    SamplerRow(
                        job=kind,
                        stage=stage,
                        label=LABELS[stage],
                        default=default,
                        reuse_after=REUSE_AFTER[stage],
                    )
                )
    return rows


def _read(home: Source, store: Store) -> _Files:
    generation = read_pipeline(home.file("pipeline.json"))
    try:
        texturing = read_pipeline(home.file("texturing_pipeline.json"))
    except NotHere:
        texturing = None
    networks = {**(texturing.models if texturing else {}), **generation.models}
    arguments = _arguments(networks, home, store)
    try:
        factor = factor_from(arguments["model_channels"])
    except (KeyError, TypeError) as error:
        raise EngineError(
            "pipeline_invalid",
            f"The material decoder of {home} does not say its channels.",
            "Download the checkpoint again.",
        ) from error
    offer = Offer(
        str(home), frozenset(networks), factor, generation.default_type, generation.qualities
    )
    return _Files(generation, texturing, offer)


def _arguments(networks: Mapping[str, str], home: Source, store: Store) -> Any:
    """Of the material decoder."""
    stem = networks.get(MATERIAL_DECODER)
    if stem is None:
        raise EngineError(
            "network_absent",
            f"The checkpoint {home} has no network {MATERIAL_DECODER!r}.",
            "Use a checkpoint that is laid out as microsoft/TRELLIS.2-4B.",
        )
    places = sources_of(stem, home, offline=store.offline, cache=None, origin=store.origin)
    for number, (place, inside) in enumerate(places, 1):
        try:
            content = json.loads(place.file(f"{inside}.json").read_text(encoding="utf-8"))
            return content["args"]
        except NotHere:
            if number == len(places):
                raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(
                "network_description",
                f"{inside}.json of {home} cannot be read.",
                "Download the checkpoint again.",
            ) from error
    return None
