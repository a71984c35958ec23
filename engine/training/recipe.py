"""How a small model is made: which toys, which stages in which order, which figures are enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.training.config import TrainConfig, read_config
from engine.training.data.make_asset import BuildSettings
from protocol.finishes import FinishAdvice
from protocol.samplers import SamplerParams

STRUCTURE_GRID = 16
LATENTS = "embedded"
_EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"

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
        first_edition: the checkpoint that recipes with warm starts begin with; it is copied.
    """

    configs: Path
    data: Path
    out: Path
    first_edition: Path = _EMBEDDED_FOLDER

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint"

    @property
    def shipped(self) -> Path:
        return self.out / "embedded"

    @property
    def first(self) -> Path:
        """The copy: paths of first weights are part of a training's configuration."""
        return self.out / "first_edition"

    @property
    def grafted(self) -> Path:
        return self.out / "without_coarsest_level"

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
        encoded: resolution -> how many training assets are encoded there, the first by name; None:
            all of them.
        auto_encoders, flows: stages in their order, configurations by their names; the picture
            encoder is trained between them.
        from_checkpoint: stages that start from networks that are in the checkpoint already.
        warm: stages that take from the first edition what fits (``TrainConfig.warm_start``).
        without_coarsest_level: the shape VAE starts as that of the first edition
            (``engine.training.finer_cells``).
        bars: of stages that are repeated until they are good enough.
        structure, shape, texture: samplers.
        qualities: quality -> type, for those that are not as usual.
        finishing: how results are best finished.
    """

    toys: str
    settings: BuildSettings
    encoded: Mapping[int, int | None]
    auto_encoders: Sequence[str]
    flows: Sequence[str]
    from_checkpoint: frozenset[str] = frozenset()
    warm: frozenset[str] = frozenset()
    more_views: int = 0
    words: bool = False
    without_coarsest_level: bool = False
    bars: Mapping[str, Bar] = field(default_factory=dict)
    structure: SamplerParams
    shape: SamplerParams
    texture: SamplerParams
    qualities: Mapping[str, str]
    finishing: FinishAdvice


_SETTINGS = BuildSettings((64, 128), 6, 144)
_ONE_STEP = SamplerParams(steps=1, guidance_strength=1.0, rescale_t=3.0)

EMBEDDED = Recipe(
    toys="toybox:0-2959",
    settings=_SETTINGS,
    # On two cores encoding all of them would take longer than training the flows.
    encoded={64: 1500, 128: 1300},
    auto_encoders=("structure_vae", "shape_vae", "shape_decoder", "material_vae"),
    flows=("structure_flow", "shape_flow", "texture_flow"),
    from_checkpoint=frozenset({"shape_decoder"}),
    structure=SamplerParams(steps=12, guidance_strength=2.0, rescale_t=3.0),
    # Chosen on held-out toys that the evaluation does not see (docs/decisions/0034-one-step.md);
    # the cascade to 192^3 is worse than ``standard``, also by that page.
    shape=_ONE_STEP,
    texture=_ONE_STEP,
    qualities={"high": "128"},
    # Chosen by eye, see docs/decisions/0032-small-model-closed.md.
    finishing=FinishAdvice(closed=True, resolution=64, faces=30_000),
)
"""The first edition, whose weights ship: cells of 16^3 voxels."""

FINER = Recipe(
    toys="toybox:0-2699",
    settings=_SETTINGS,
    encoded={64: None, 128: None},
    auto_encoders=("shape_vae", "material_vae", "structure_vae"),
    flows=("structure_flow", "shape_flow_64", "texture_flow_64", "shape_flow", "texture_flow"),
    from_checkpoint=frozenset({"shape_flow", "texture_flow"}),
    warm=frozenset(
        {"image_encoder", "structure_vae", "structure_flow", "shape_flow_64", "texture_flow_64"}
    ),
    without_coarsest_level=True,
    more_views=4,
    words=True,
    bars={"shape_vae": Bar(0.95, 3), "material_vae": Bar(23.0, 1)},
    structure=EMBEDDED.structure,
    shape=EMBEDDED.shape,
    texture=EMBEDDED.texture,
    qualities=EMBEDDED.qualities,
    finishing=EMBEDDED.finishing,
)
"""The second edition: cells of 8^3 voxels (docs/decisions/0038-finer-cells.md)."""
