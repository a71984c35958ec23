"""What can be asked for: one frozen dataclass each, of plain data, checked when it is made.

Stages, types and what a quality means are a system's and a checkpoint's to say: names of those are
checked when the job reaches them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .errors import EngineError
from .finishes import FinishChoice
from .limits import (
    DEFAULT_SEED,
    HIGHEST_RESOLUTION,
    LARGEST_SEED,
    LARGEST_TEXTURE,
    LOWEST_RESOLUTION,
    MATTE_METHODS,
    MOST_FRAMES,
    MOST_VARIANTS,
    QUALITIES,
    MatteMethod,
    check_flag,
    check_one_of,
    check_seed,
    check_whole,
)
from .references import Reference, check_reference
from .samplers import Sampling


@dataclass(frozen=True, kw_only=True)
class GenerateJob:
    """An asset from a picture.

    Args:
        picture: of the object.
        system: whose networks make it, such as trellis2; None: the checkpoint's.
        quality: of ``limits.QUALITIES``; None: ``type``, or else the checkpoint's default.
        type: a route of the system's, such as 1024_cascade, instead of a quality.
        seed: 0 to 2^63 - 1.
        matte: how the background is removed.
        samplers: changes to the checkpoint's samplers, by the system's names of its stages.
        fast: less time for a small error: passes of the networks are saved as the system sees fit,
            where ``samplers`` does not say how.
        max_tokens: cells of the latent above which a cascade's resolution is lowered; None: the
            system's limit.

    Raises:
        EngineError: ``reference_invalid``, ``job_invalid``, ``quality_unknown``, ``matte_method``,
            ``seed_invalid``.
    """

    picture: Reference
    system: str | None = None
    quality: str | None = None
    type: str | None = None
    seed: int = DEFAULT_SEED
    matte: MatteMethod = "auto"
    samplers: Mapping[str, Sampling] = field(default_factory=dict[str, Sampling])
    fast: bool = False
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        check_reference("picture", self.picture)
        check_seed(self.seed)
        check_flag("fast", self.fast)
        check_one_of("matte_method", "way to remove a background called", self.matte, MATTE_METHODS)
        _check_route(self.quality, self.type)
        check_whole("max_tokens", self.max_tokens, 1, LARGEST_SEED)

    def variants(self, count: int) -> "list[GenerateJob]":
        """The same job with ``count`` seeds that follow each other, the first its own.

        Raises:
            EngineError: ``job_invalid``, ``seed_invalid``.
        """
        check_whole("variants", count, 1, MOST_VARIANTS)
        return [replace(self, seed=self.seed + i) for i in range(count)]


@dataclass(frozen=True, kw_only=True)
class TextureJob:
    """New materials for a mesh that exists.

    Args:
        mesh: of any size and in any place, in object space.
        resolution: voxels an axis, 16 to 2048; None: the checkpoint's highest.
        require_textures: fail where a picture or material file of the mesh is missing or broken;
            else a note is told.
        picture, system, seed, matte, samplers, fast: as in ``GenerateJob``.

    Raises:
        EngineError: as ``GenerateJob``.
    """

    mesh: Reference
    picture: Reference
    system: str | None = None
    resolution: int | None = None
    seed: int = DEFAULT_SEED
    matte: MatteMethod = "auto"
    samplers: Mapping[str, Sampling] = field(default_factory=dict[str, Sampling])
    fast: bool = False
    require_textures: bool = False

    def __post_init__(self) -> None:
        check_reference("mesh", self.mesh)
        check_reference("picture", self.picture)
        check_seed(self.seed)
        check_flag("fast", self.fast)
        check_one_of("matte_method", "way to remove a background called", self.matte, MATTE_METHODS)
        check_whole("resolution", self.resolution, LOWEST_RESOLUTION, HIGHEST_RESOLUTION)


@dataclass(frozen=True, kw_only=True)
class UpscaleJob:
    """A finer version of an asset, or of a mesh that Maquette did not make.

    Args:
        source: the asset, or the mesh.
        picture: or another asset, whose picture is used; None: the asset's.
        quality, type: finer than the asset; both None: the quality ``high``.
        seed: None: the asset's, or else 42.
        require_textures: as in ``TextureJob``.
        system, matte, samplers, fast, max_tokens: as in ``GenerateJob``; changes are to the
            samplers that the asset was made with, or else to the checkpoint's.

    Raises:
        EngineError: as ``GenerateJob``.
    """

    source: Reference
    picture: Reference | None = None
    system: str | None = None
    quality: str | None = None
    type: str | None = None
    seed: int | None = None
    matte: MatteMethod = "auto"
    samplers: Mapping[str, Sampling] = field(default_factory=dict[str, Sampling])
    fast: bool = False
    max_tokens: int | None = None
    require_textures: bool = False

    def __post_init__(self) -> None:
        check_reference("source", self.source)
        if self.picture is not None:
            check_reference("picture", self.picture)
        if self.seed is not None:
            check_seed(self.seed)
        check_flag("fast", self.fast)
        check_one_of("matte_method", "way to remove a background called", self.matte, MATTE_METHODS)
        _check_route(self.quality, self.type)
        check_whole("max_tokens", self.max_tokens, 1, LARGEST_SEED)


@dataclass(frozen=True, kw_only=True)
class FinishJob(FinishChoice):
    """An asset, O-Voxels or a mesh made ready for use: cleaned, simplified, unwrapped, baked.

    Args:
        source: an asset, a .vxz file or a mesh.
        resolution: voxels an axis, for a mesh.
        rebuild: whether a mesh is made new from O-Voxels instead of keeping or reducing its faces.
        require_textures: as in ``TextureJob``.

    Raises:
        EngineError: ``reference_invalid``, ``job_invalid``, and as ``FinishChoice``.
    """

    source: Reference
    resolution: int = 512
    rebuild: bool = False
    require_textures: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("rebuild", self.rebuild)
        check_reference("source", self.source)
        check_whole("resolution", self.resolution, LOWEST_RESOLUTION, HIGHEST_RESOLUTION)


@dataclass(frozen=True, kw_only=True)
class RenderJob:
    """Pictures of an asset: one, or those of a turntable.

    Args:
        source: an asset, a .vxz file or a mesh.
        size: side of the square pictures in pixels.
        frames: of a turn, 1 to 720; 1 is a still.
        seconds: for one turn, above 0.
        require_textures: as in ``TextureJob``.

    Raises:
        EngineError: ``reference_invalid``, ``job_invalid``.
    """

    source: Reference
    size: int = 512
    frames: int = 1
    seconds: float = 4.0
    require_textures: bool = False

    def __post_init__(self) -> None:
        check_reference("source", self.source)
        check_whole("size", self.size, 1, LARGEST_TEXTURE)
        check_whole("frames", self.frames, 1, MOST_FRAMES)
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise EngineError(
                "job_invalid", f"seconds cannot be {self.seconds!r}.", "Give a number above 0."
            )


MakingJob = GenerateJob | TextureJob | UpscaleJob
"""What a system of networks does."""
Job = GenerateJob | TextureJob | UpscaleJob | FinishJob | RenderJob


def _check_route(quality: str | None, type: str | None) -> None:
    check_one_of("quality_unknown", "quality", quality, QUALITIES)
    if type is not None and quality is not None:
        raise EngineError(
            "job_invalid", f"Both the type {type} and the quality {quality} are given.", "Give one."
        )
