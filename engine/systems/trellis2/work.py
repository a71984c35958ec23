"""What every stage of a request is given, and what happens when memory runs out in one."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from engine.checkpoints.pipeline import Normalization, PipelineSpec
from engine.images.picture import Picture, PictureSource, load_picture, written
from engine.report import Report
from engine.residency.models import Models, is_out_of_memory, out_of_memory
from engine.residency.plan import Use
from engine.sampling.noise import Noise
from engine.systems.inputs import Inputs
from engine.systems.kept import Kept
from engine.systems.trellis2.names import (
    MAX_TOKENS,
    REUSE_AFTER,
    SAMPLED,
    SAMPLERS,
    TEXT_ENCODER,
    check_stages,
)
from engine.weights.sentences import model_folder
from protocol.errors import EngineError
from protocol.jobs import MakingJob
from protocol.limits import MatteMethod
from protocol.references import Prompt
from protocol.samplers import SamplerParams, Sampling

Rest = ParamSpec("Rest")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Work:
    """A request on its way.

    Args:
        spec: the pipeline whose normalisations hold.
        picture: what it is made from.
        noise: its randomness; stages draw in the order in which they are called.
        samplers: settings of the flows, by the names of their stages.
        max_tokens: cells of the latent above which a cascade's resolution is lowered.
        kept: samples of an earlier attempt, and where those of this one are kept.
        memory: how each stage's network was on the device, for the recipe; see ``remember``.
    """

    models: Models
    report: Report
    spec: PipelineSpec
    picture: Picture
    noise: Noise
    samplers: Mapping[str, SamplerParams]
    max_tokens: int = MAX_TOKENS
    kept: Kept = field(default_factory=Kept)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)

    def remember(self, stage: str, *, slabs: Sequence[int] = (), **more: Any) -> None:
        """Note how a stage that is done was run: slabs, streamed blocks and what ``more`` names
        change last bits.

        Args:
            slabs: of a decoder or the shape encoder, for each way to its next level.
        """
        self.memory[stage] = {"policy": str(self.models.policy), "slabs": list(slabs), **more}

    @property
    def shape_norm(self) -> Normalization:
        return required(self.spec.normalizations, "shape_slat_normalization")

    @property
    def texture_norm(self) -> Normalization:
        return required(self.spec.normalizations, "tex_slat_normalization")


def begin_work(
    models: Models,
    report: Report,
    inputs: Inputs,
    uses: Sequence[Use],
    *,
    spec: PipelineSpec,
    picture: PictureSource | Prompt,
    matte: MatteMethod,
    noise: Noise,
    samplers: Mapping[str, SamplerParams],
    max_tokens: int = MAX_TOKENS,
) -> Work:
    """Choose the policy for a request, make its picture ready, and tell both.

    Args:
        inputs: also say what an earlier attempt has kept.
        uses: the networks of its stages.
        matte: how the picture's background is removed.
        spec, noise, samplers, max_tokens: as for ``Work``.

    Raises:
        EngineError: ``memory_too_small``, and as ``check_words`` and ``load_picture``.
    """
    report.note(f"Memory: {models.plan(uses)}.", detail=True)
    if sentence := savings(samplers):
        report.note(sentence)
    with report.stage("picture"):
        if isinstance(picture, Prompt):
            check_words(models)
            ready = written(picture.text)
        else:
            ready = load_picture(picture, matte, network=models.matte)
    # That a stored picture is cut out already tells a user nothing.
    report.note(ready.note, detail=not isinstance(picture, Prompt) and matte == "cutout")
    report.part("source", lambda: ready.cutout)
    return Work(models, report, spec, ready, noise, samplers, max_tokens, inputs.kept)


def check_words(models: Models) -> None:
    """Refuse a prompt where the checkpoint knows no words, or nothing reads them.

    Raises:
        EngineError: ``prompt_unsupported``, ``sentences_missing``.
    """
    if not models.has(TEXT_ENCODER):
        raise EngineError(
            "prompt_unsupported",
            "This checkpoint makes assets from pictures and knows no words.",
            "Give a picture of the object.",
        )
    model_folder()


def samplers_of(
    spec: PipelineSpec,
    job: type[MakingJob],
    changes: Mapping[str, Sampling],
    *,
    fast: bool = False,
) -> dict[str, SamplerParams]:
    """The checkpoint's samplers with a job's changes, by the names of their stages.

    Args:
        job: its class, which says what stages it will run.
        fast: save passes where the changes do not say how.

    Raises:
        EngineError: ``stage_unknown`` for a change to another stage; ``pipeline_invalid`` when the
            checkpoint lacks one that is used.
    """
    stages = SAMPLED[job]
    check_stages(job, changes)
    usual = {
        name: Sampling(reuse_after=REUSE_AFTER[name]) if fast else Sampling() for name in stages
    }
    return {
        name: usual[name]
        .before(changes.get(name, Sampling()))
        .over(required(spec.samplers, SAMPLERS[name]))
        for name in stages
    }


def savings(samplers: Mapping[str, SamplerParams]) -> str | None:
    """A sentence about the steps that are saved; None where nobody asked for that."""
    asked = {name: params for name, params in samplers.items() if params.reuse_after is not None}
    saved = [
        f"{len(params.saved_steps)} of {params.steps} steps ({name})"
        for name, params in asked.items()
        if params.saved_steps
    ]
    if saved:
        return f"Fast: {', '.join(saved)} are told from the steps before them."
    return "Fast: so few steps that none is saved." if asked else None


def required(entries: Mapping[str, Value], name: str) -> Value:
    """An entry of ``pipeline.json`` that may be absent.

    Raises:
        EngineError: ``pipeline_invalid`` when it is.
    """
    if name not in entries:
        raise EngineError(
            "pipeline_invalid",
            f"The checkpoint's pipeline.json has no {name}.",
            "Download it again; it must be laid out as in microsoft/TRELLIS.2-4B.",
        )
    return entries[name]


def repeated_when_full(
    stage: Callable[Concatenate[Work, Rest], Value],
) -> Callable[Concatenate[Work, Rest], Value]:
    """A stage that, when memory runs out, is repeated once with less of the model on the device.

    The stage must take its noise as an argument: drawing again would change the result.

    Raises:
        EngineError: ``out_of_memory`` when that is not enough.
    """

    @functools.wraps(stage)
    def run(work: Work, *args: Rest.args, **kwargs: Rest.kwargs) -> Value:
        try:
            return stage(work, *args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Out here the traceback is gone, and with it what the failed stage held.
        work.models.next_policy()
        work.report.note(f"Memory ran out; continuing with {work.models.policy}.")
        try:
            return stage(work, *args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        work.models.release()
        raise out_of_memory()

    return run
