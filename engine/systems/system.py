"""What a system of networks says about itself; importing it loads no networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.jobs import MakingJob

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
    from engine.weights.weight import Weight
    from protocol.checkpoints import CheckpointDescription

    Run = Callable[[MakingJob, Models, Report, Inputs], Asset]
    Expect = Callable[[MakingJob, Models], tuple[str, ...]]
    Needs = Callable[[Models], list[Use]]
    Encoder = Callable[[Checkpoint, Store], EncoderSource | None]
    Describe = Callable[[Source, Store], CheckpointDescription]
    Check = Callable[[MakingJob, Source, Store], None]
    Rerun = Callable[[Asset], tuple[MakingJob, Inputs]]


def _no_encoder(checkpoint: "Checkpoint", store: "Store") -> None:
    return None


def _nothing_wrong(job: MakingJob, home: "Source", store: "Store") -> None:
    return None


def _nothing(models: "Models") -> "list[Use]":
    return []


@dataclass(frozen=True, kw_only=True)
class System:
    """A system of networks that makes assets, such as TRELLIS.2.

    Attributes:
        name: in jobs and recipes; never changes.
        pipelines: the names by which a checkpoint's ``pipeline.json`` says that it is one.
        jobs: what it can do, of the classes in ``MakingJob`` -> the stages that sample, whose
            settings such a job may change.
        networks: the networks that a checkpoint may hold; called when one is opened.
        image_encoder: the picture encoder of a checkpoint, where it is not among its networks.
        weights: what of it is published, for the catalogue.
        describe: what a checkpoint can do, from its JSON files alone; names, times and what is
            missing are filled in for it.
        check: refuses a job that the checkpoint cannot do, by its JSON files alone.
        expect: names of ``protocol.stages`` that a job is going to pass, in order.
        usual_needs: the networks of a usual job in order, and their working memory: what a worker
            loads before it is asked; nothing if left out.
        run: does a job.
        rerun: the job that makes an asset of this system again, and what is attached to it.
    """

    name: str
    pipelines: frozenset[str]
    jobs: Mapping[type[MakingJob], tuple[str, ...]]
    networks: "Callable[[], NetworkKinds]"
    image_encoder: "Encoder" = _no_encoder
    weights: "Callable[[], tuple[Weight, ...]]" = tuple
    describe: "Describe"
    check: "Check" = _nothing_wrong
    expect: "Expect"
    usual_needs: "Needs" = _nothing
    run: "Run"
    rerun: "Rerun"
