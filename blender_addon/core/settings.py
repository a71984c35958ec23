"""What a user chose, as plain values, and the jobs of the protocol that it makes.

Nothing here is of Blender: operators read their properties into these. A value that is None, 0 or
empty leaves the choice to the checkpoint or to the finish.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from ..protocol.limits import DEFAULT_SEED, LARGEST_SEED, MatteMethod

if TYPE_CHECKING:  # operators load this when Blender starts: jobs are loaded when one is made
    from ..protocol.finishes import FinishChoice
    from ..protocol.jobs import FinishJob, GenerateJob, TextureJob, UpscaleJob
    from ..protocol.references import Reference
    from ..protocol.samplers import Sampling

MOST_VARIANTS = 8
"""That a panel offers at once."""
SURFACES = {
    "auto": (None, False),
    "closed": (True, False),
    "open": (False, False),
    "solid": (True, True),
}
"""The names of a choice, and what it means for ``closed`` and ``solid`` of ``FinishSettings``."""
FinishName = Literal["full", "standard", "game"]


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """A sampler that was changed under "Advanced"; None: as the checkpoint has it.

    Attributes:
        steps: 1 to 1000.
        guidance_strength: 0 or more.
    """

    steps: int | None = None
    guidance_strength: float | None = None

    @property
    def changed(self) -> bool:
        """Whether it says anything."""
        return self.steps is not None or self.guidance_strength is not None


@dataclass(frozen=True, kw_only=True)
class FinishSettings:
    """How a surface is made ready for use.

    Attributes:
        finish: what the values below change; "game" is the button *Game-ready*.
        faces: target; None: as the finish says.
        quads: make so many quads instead of triangles; only without ``faces``.
        texture_size: side of the textures in texels; None: as the finish says.
        closed: remesh to a closed surface; None: as the checkpoint advises.
        solid: make a solid for printing out of it, with walls that are thick enough.
        normal_map: the detail that simplification removes; None: as the finish says.
        levels: of detail, 1 to 4; None: as the finish says.
        collision_hull: a convex hull goes along; None: as the finish says.
        keep_inner: keep parts that nobody outside can see.
    """

    finish: FinishName = "standard"
    faces: int | None = None
    quads: int | None = None
    texture_size: int | None = None
    closed: bool | None = None
    solid: bool = False
    normal_map: bool | None = None
    levels: int | None = None
    collision_hull: bool | None = None
    keep_inner: bool = False

    @property
    def surface(self) -> str:
        """The name of the choice."""
        if self.solid:
            return "solid"
        return next(name for name, (closed, _) in SURFACES.items() if closed is self.closed)

    def choice(self) -> "FinishChoice":
        """As the protocol has it.

        Raises:
            EngineError: ``face_target``, ``quads``, ``texture_size``, ``job_invalid``.
        """
        from ..protocol.finishes import FinishChoice

        return FinishChoice(**asdict(self))

    def job(self, source: str) -> "FinishJob":
        """Finish a stored result again.

        Args:
            source: id of the job that made it.

        Raises:
            EngineError: as ``choice``.
        """
        from ..protocol.jobs import FinishJob
        from ..protocol.references import Stored

        return FinishJob(source=Stored(source), **asdict(self))


Stages = Mapping[str, StageSettings]


def _samplers(stages: Stages) -> "dict[str, Sampling]":
    from ..protocol.samplers import Sampling

    return {
        name: Sampling(steps=stage.steps, guidance_strength=stage.guidance_strength)
        for name, stage in stages.items()
        if stage.changed
    }


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """An object from a picture.

    Attributes:
        quality: draft, standard or high; empty: the checkpoint's default.
        seed: of the first variant.
        variants: how many, with seeds that follow each other.
        matte: how the background is removed, unless the matte was corrected.
        stages: changed samplers by stage.
        fast: some steps of the networks are saved, for a small error.
        finish: how the object is made ready; None: the raw surface with colours by vertex.
        checkpoint: of the networks; empty: as the engine is set.
        batch: it runs after everything that somebody waits for.
    """

    quality: str = ""
    seed: int = DEFAULT_SEED
    variants: int = 1
    matte: MatteMethod = "auto"
    stages: Stages = field(default_factory=dict[str, StageSettings])
    fast: bool = False
    finish: FinishSettings | None = FinishSettings()
    checkpoint: str = ""
    batch: bool = False

    def jobs(
        self, picture: "Reference", *, matte: MatteMethod | None = None
    ) -> "list[GenerateJob]":
        """A job for each variant.

        Args:
            matte: instead of the one above, when the matte was corrected.

        Raises:
            EngineError: what is out of range.
        """
        from ..protocol.jobs import GenerateJob

        first = GenerateJob(
            picture=picture,
            quality=self.quality or None,
            seed=min(self.seed, LARGEST_SEED + 1 - self.variants),
            matte=matte or self.matte,
            samplers=_samplers(self.stages),
            fast=self.fast,
        )
        return first.variants(self.variants)


@dataclass(frozen=True, kw_only=True)
class TextureSettings:
    """New materials for a mesh.

    Attributes:
        resolution: voxels an axis; None: the checkpoint's highest.
        texture_size: side of the textures in texels; None: as the standard finish.
        seed, matte, stages, fast, checkpoint, batch: as in ``GenerateSettings``.
    """

    resolution: int | None = None
    texture_size: int | None = None
    seed: int = DEFAULT_SEED
    matte: MatteMethod = "auto"
    stages: Stages = field(default_factory=dict[str, StageSettings])
    fast: bool = False
    checkpoint: str = ""
    batch: bool = False

    @property
    def finish(self) -> FinishSettings:
        """The faces of the mesh stay as they are; only the textures are made."""
        return FinishSettings(texture_size=self.texture_size)

    def job(
        self, mesh: "Reference", picture: "Reference", *, matte: MatteMethod | None = None
    ) -> "TextureJob":
        """
        Raises:
            EngineError: what is out of range.
        """
        from ..protocol.jobs import TextureJob

        return TextureJob(
            mesh=mesh,
            picture=picture,
            resolution=self.resolution,
            seed=self.seed,
            matte=matte or self.matte,
            samplers=_samplers(self.stages),
            fast=self.fast,
        )


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """A finer version of an object.

    Attributes:
        quality: that it ends at; empty: the checkpoint's finest.
        seed: None: as the object was made, or else 42.
        finish: as in ``GenerateSettings``.
        matte, stages, fast, checkpoint, batch: as in ``GenerateSettings``.
    """

    quality: str = ""
    seed: int | None = None
    matte: MatteMethod = "auto"
    stages: Stages = field(default_factory=dict[str, StageSettings])
    fast: bool = False
    finish: FinishSettings | None = FinishSettings(finish="full")
    checkpoint: str = ""
    batch: bool = False

    def job(
        self, source: "Reference", picture: "Reference | None", *, matte: MatteMethod | None = None
    ) -> "UpscaleJob":
        """
        Args:
            source: the stored result of a job, or an attached mesh.
            picture: None: the one that the stored result was made from.

        Raises:
            EngineError: what is out of range.
        """
        from ..protocol.jobs import UpscaleJob

        return UpscaleJob(
            source=source,
            picture=picture,
            quality=self.quality or None,
            seed=self.seed,
            matte=matte or self.matte,
            samplers=_samplers(self.stages),
            fast=self.fast,
        )


Settings = GenerateSettings | TextureSettings | UpscaleSettings | FinishSettings


def check(settings: Settings) -> None:
    """Refuse what is out of range, before there is a picture or a mesh.

    Raises:
        EngineError: which value, and what it can be.
    """
    from ..protocol.references import Attached

    anything = Attached("anything")
    match settings:
        case GenerateSettings():
            settings.jobs(anything)
        case TextureSettings():
            settings.job(anything, anything)
        case UpscaleSettings():
            settings.job(anything, None)
        case FinishSettings():
            settings.choice()
            return
    if settings.finish is not None:
        settings.finish.choice()
