"""What a checkpoint can do, as a panel shows it."""

from dataclasses import dataclass, field

from .finishes import FinishAdvice
from .samplers import SamplerParams


@dataclass(frozen=True, kw_only=True)
class QualityRow:
    """A quality that can be asked for.

    Attributes:
        name: of ``limits.QUALITIES``.
        words: what it means, for people.
        type: what a job may name in its place, such as 1024_cascade.
        resolution: voxels an axis.
        missing: bytes of its weights that would have to be downloaded first; 0: all are here.
        seconds: that such a job took on this machine, in the median, finishing included; None:
            there was none yet.
        memory: bytes of the device that it needs at least, planned and not measured; None: not
            known.
    """

    name: str
    words: str
    type: str
    resolution: int
    missing: int = 0
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class SamplerRow:
    """A stage whose sampler a job may change.

    Attributes:
        job: the kind of job: generate, texture or upscale.
        stage: what ``samplers`` of the job calls it.
        label: for people.
        default: the checkpoint's settings.
        reuse_after: that a fast job adds to them; None: it saves no passes of this stage.
    """

    job: str
    stage: str
    label: str
    default: SamplerParams
    reuse_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointDescription:
    """What a checkpoint can do; read from its files, without loading it.

    Attributes:
        checkpoint: its folder, or its repository on the hub.
        name: for people.
        small: whether it is the small model that ships.
        note: a sentence for the user when the small model stands in, else empty.
        system: whose networks these are, such as trellis2.
        qualities: the cheapest first.
        quality: of a job that names none.
        types: further names of routes, for experts; the cheapest first.
        upscale_resolution: voxels an axis of an upscale that names no quality; None: it cannot.
        upscale_seconds: as ``QualityRow.seconds``, of such an upscale.
        texture_resolution: voxels an axis of a texture job that names none; None: it cannot.
        texture_seconds: as ``QualityRow.seconds``, of such a texture job.
        game_seconds: as ``QualityRow.seconds``, of finishing an asset with the finish game.
        samplers: stages that sample, by kind of job, in the order in which they run.
        finishing: how its results are best finished.
        prompts: whether words may take the place of a picture.
        prompts_missing: what has to be installed before they can, as a sentence; empty: nothing.
    """

    checkpoint: str
    name: str
    small: bool
    note: str = ""
    system: str
    qualities: tuple[QualityRow, ...]
    quality: str
    types: tuple[str, ...] = ()
    upscale_resolution: int | None = None
    upscale_seconds: float | None = None
    texture_resolution: int | None = None
    texture_seconds: float | None = None
    game_seconds: float | None = None
    samplers: tuple[SamplerRow, ...] = ()
    finishing: FinishAdvice = field(default_factory=FinishAdvice)
    prompts: bool = False
    prompts_missing: str = ""
