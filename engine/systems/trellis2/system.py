"""TRELLIS.2: a structure, a shape in one step or in a cascade of two, and materials."""

from typing import TYPE_CHECKING

from engine.systems.system import System
from engine.systems.trellis2.names import MAX_TOKENS, SAMPLED, SYSTEM
from engine.systems.trellis2.weights import weights
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob

if TYPE_CHECKING:
    from engine.assets.asset import Asset
    from engine.checkpoints.build import NetworkKinds
    from engine.checkpoints.checkpoint import Checkpoint
    from engine.checkpoints.image_encoders import EncoderSource
    from engine.report import Report
    from engine.residency.models import Models
    from engine.residency.plan import Use
    from engine.systems.inputs import Inputs
    from engine.weights.hub import Source
    from engine.weights.store import Store
    from protocol.checkpoints import CheckpointDescription


def _networks() -> "NetworkKinds":
    from engine.systems.trellis2.networks import NETWORKS

    return NETWORKS


def _image_encoder(checkpoint: "Checkpoint", store: "Store") -> "EncoderSource | None":
    from engine.systems.trellis2.encoder import encoder_from

    return encoder_from(checkpoint, store)


def _describe(home: "Source", store: "Store") -> "CheckpointDescription":
    from engine.systems.trellis2.description import describe

    return describe(home, store)


def _check(job: MakingJob, home: "Source", store: "Store") -> None:
    from engine.systems.trellis2.description import check

    check(job, home, store)


def _expect(job: MakingJob, models: "Models") -> tuple[str, ...]:
    from engine.systems.trellis2.expected import expected_stages

    return expected_stages(job, models)


def _usual_needs(models: "Models") -> "list[Use]":
    from engine.systems.trellis2.needs import needs_of_generation
    from engine.systems.trellis2.routes import offer_of, route_of

    return needs_of_generation(models, route_of(offer_of(models), None), MAX_TOKENS)


def _run(job: MakingJob, models: "Models", report: "Report", inputs: "Inputs") -> "Asset":
    from engine.systems.trellis2.generate import generate
    from engine.systems.trellis2.texture import texture
    from engine.systems.trellis2.upscale import upscale

    match job:
        case GenerateJob():
            return generate(job, models, report, inputs)
        case TextureJob():
            return texture(job, models, report, inputs)
        case UpscaleJob():
            return upscale(job, models, report, inputs)


def _rerun(asset: "Asset") -> "tuple[MakingJob, Inputs]":
    from engine.systems.trellis2.rerun import job_again

    return job_again(asset)


TRELLIS2 = System(
    name=SYSTEM,
    pipelines=frozenset({"Trellis2ImageTo3DPipeline"}),
    jobs=SAMPLED,
    networks=_networks,
    image_encoder=_image_encoder,
    weights=weights,
    describe=_describe,
    check=_check,
    expect=_expect,
    usual_needs=_usual_needs,
    run=_run,
    rerun=_rerun,
)
