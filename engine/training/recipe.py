"""How a small model is made: which toys, which stages in which order, which figures are enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.embedded import FOLDER
from engine.training.config import TrainConfig, read_config
from engine.training.data.make_asset import BuildSettings
from protocol.finishes import FinishAdvice
from protocol.samplers import SamplerParams

STRUCTURE_GRID = 16
LATENTS = "embedded"

Watch = Callable[[str, int, int], None]
"""Told how far a stage is: its name, steps done, of how many; may raise to stop between steps."""


def nobody(stage: str, done: int, total: int) -> None:
    del stage, done, total


@dataclass(frozen=True)
class Paths:
    """Where things are.

    Args:
        configs: the folder of the configurations, one per stage.
        data: the data folder.
        out: gets a folder per stage and the checkpoint.
        ships: the checkpoint whose weights the training begins with; it is copied.
    """

    configs: Path
    data: Path
    out: Path
    ships: Path = FOLDER

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint"

    @property
    def shipped(self) -> Path:
        return self.out / "embedded"

    @property
    def first(self) -> Path:
        """The copy: what ships may be replaced by the result of this training, or moved."""
        return self.out / "first_weights"

    def config(self, stage: str) -> TrainConfig:
        return read_config(self.configs / f"{stage}.json")


@dataclass(frozen=True)
class Bar:
    """When an auto-encoder is good enough on held-out toys.

    Args:
        least: F-score at one voxel for a shape VAE, PSNR in decibels for a material VAE.
        rounds: trainings at most; each after the first starts from what the one before left.
    """

    least: float
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """
    Args:
        toys: what the data folder is built from.
        settings: of the data folder.
        more_views: pictures of each toy beside those of the settings
            (``engine.training.data.more_views``).
        words: whether a text encoder is trained after the picture encoder.
        auto_encoders, flows: stages in their order, configurations by their names; the picture
            encoder is trained between them.
        from_checkpoint: stages that start from networks that are in the checkpoint already.
        warm: stages that take of the weights that ship what fits (``TrainConfig.warm_start``).
        bars: of stages that are repeated until they are good enough.
        structure, shape, texture: samplers.
        qualities: quality -> type, for those that are not as usual.
        finishing: how results are best finished.
    """

    toys: str
    settings: BuildSettings
    auto_encoders: Sequence[str]
    flows: Sequence[str]
    from_checkpoint: frozenset[str] = frozenset()
    warm: frozenset[str] = frozenset()
    more_views: int = 0
    words: bool = False
    bars: Mapping[str, Bar] = field(default_factory=dict)
    structure: SamplerParams
    shape: SamplerParams
    texture: SamplerParams
    qualities: Mapping[str, str]
    finishing: FinishAdvice


_ONE_STEP = SamplerParams(steps=1, guidance_strength=1.0, rescale_t=3.0)

EMBEDDED = Recipe(
    toys="toybox:0-2699",
    settings=BuildSettings((64, 128), 6, 144),
    auto_encoders=("shape_vae", "material_vae", "structure_vae"),
    flows=("structure_flow", "shape_flow_64", "texture_flow_64", "shape_flow", "texture_flow"),
    from_checkpoint=frozenset({"shape_flow", "texture_flow"}),
    # Not the material VAE: its encoder does not ship, and the mean over cells is a better start.
    warm=frozenset(
        {"shape_vae", "structure_vae", "image_encoder", "text_encoder"}
        | {"structure_flow", "shape_flow_64", "texture_flow_64"}
    ),
    more_views=4,
    words=True,
    bars={"shape_vae": Bar(0.95, 3), "material_vae": Bar(23.0, 1)},
    # All three chosen on held-out toys that the evaluation does not see
    # (docs/decisions/0034-one-step.md), which also says why ``high`` is ``standard``.
    structure=SamplerParams(steps=6, guidance_strength=1.0, rescale_t=3.0),
    shape=_ONE_STEP,
    texture=_ONE_STEP,
    qualities={"high": "128"},
    # Chosen by eye, see docs/decisions/0032-small-model-closed.md.
    finishing=FinishAdvice(closed=True, resolution=64, faces=30_000),
)
"""The small model that ships: cells of 8^3 voxels (docs/decisions/0038-finer-cells.md)."""
