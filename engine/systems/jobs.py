"""What can be asked for: one frozen dataclass each, checked when it is made."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.images.picture import PictureMatte
from engine.mesh import Mesh
from engine.sampling import SamplerParams
from engine.sampling.noise import LARGEST_SEED, check_seed
from engine.systems.trellis2.routes import MAX_TOKENS, PRESETS
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.assets.asset import Asset

DEFAULT_SEED = 42
LOWEST_RESOLUTION, HIGHEST_RESOLUTION = 16, 2048


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What a request changes about one of the checkpoint's samplers; None leaves it as it is.

    The fields are those of ``SamplerParams``.
    """

    steps: int | None = None
    guidance_strength: float | None = None
    guidance_rescale: float | None = None
    guidance_interval: tuple[float, float] | None = None
    rescale_t: float | None = None
    sigma_min: float | None = None

    def __post_init__(self) -> None:
        self.over(SamplerParams())

    def over(self, params: SamplerParams) -> SamplerParams:
        """The sampler with these changes.

        Raises:
            EngineError: ``sampler_parameter``.
        """
        return replace(params, **self._changes())

    def before(self, later: "Sampling") -> "Sampling":
        """These changes, and then the later ones, which hold where both say something."""
        return replace(self, **later._changes())

    def _changes(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class GenerateJob:
    """An asset from a picture.

    Args:
        picture: bytes of a picture file, or where it is.
        type: such as 1024_cascade; None: ``preset``, or else the checkpoint's default.
        preset: draft, standard or high, instead of a type.
        seed: 0 to 2^63 - 1.
        matte: how the background is removed, see ``load_picture``.
        structure, shape, texture: changes to the samplers.
        max_tokens: cells of the latent above which a cascade's resolution is lowered.

    Raises:
        EngineError: ``job_invalid``, ``preset_unknown``, ``seed_invalid``, ``sampler_parameter``.
    """

    picture: bytes | Path
    type: str | None = None
    preset: str | None = None
    seed: int = DEFAULT_SEED
    matte: PictureMatte = "auto"
    structure: Sampling = field(default_factory=Sampling)
    shape: Sampling = field(default_factory=Sampling)
    texture: Sampling = field(default_factory=Sampling)
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        check_seed(self.seed)
        _check_type(self.type, self.preset)
        _check_tokens(self.max_tokens)

    def variants(self, count: int) -> "list[GenerateJob]":
        """The same job with ``count`` seeds that follow each other, the first its own.

        Raises:
            EngineError: ``job_invalid``, ``seed_invalid``.
        """
        _check_whole("variants", count, 1, 1000)
        return [replace(self, seed=self.seed + i) for i in range(count)]


@dataclass(frozen=True, kw_only=True)
class TextureJob:
    """New materials for a mesh that exists.

    Args:
        mesh: in object space, of any size and in any place; or a mesh file.
        picture, matte, seed, texture: as in ``GenerateJob``.
        resolution: voxels an axis, 16 to 2048; None: the checkpoint's highest.

    Raises:
        EngineError: as ``GenerateJob``.
    """

    mesh: Mesh | Path
    picture: bytes | Path
    resolution: int | None = None
    seed: int = DEFAULT_SEED
    matte: PictureMatte = "auto"
    texture: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.resolution is not None:
            _check_whole("resolution", self.resolution, LOWEST_RESOLUTION, HIGHEST_RESOLUTION)


@dataclass(frozen=True, kw_only=True)
class UpscaleJob:
    """A finer version of an asset, or of a mesh that Maquette did not make.

    Args:
        source: the asset, the mesh, or a mesh file.
        picture: None: the asset's.
        type, preset: a cascade that is finer than the asset; both None: the preset ``high``.
        seed: None: the asset's, or else 42.
        matte, shape, texture, max_tokens: as in ``GenerateJob``; changes are to the samplers that
            the asset was made with, or else to the checkpoint's.

    Raises:
        EngineError: as ``GenerateJob``, and ``picture_missing`` for a mesh without a picture.
    """

    source: "Asset | Mesh | Path"
    picture: bytes | Path | None = None
    type: str | None = None
    preset: str | None = None
    seed: int | None = None
    matte: PictureMatte = "auto"
    shape: Sampling = field(default_factory=Sampling)
    texture: Sampling = field(default_factory=Sampling)
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        if self.seed is not None:
            check_seed(self.seed)
        _check_type(self.type, self.preset)
        _check_tokens(self.max_tokens)
        if self.picture is None and isinstance(self.source, Mesh | Path):
            raise EngineError(
                "picture_missing",
                "A mesh alone does not say what its finer details look like.",
                "Give a picture of the object as well.",
            )


def _check_type(type: str | None, preset: str | None) -> None:
    if preset is not None and preset not in PRESETS:
        raise EngineError(
            "preset_unknown",
            f"There is no preset {preset!r}.",
            f"Choose one of {', '.join(PRESETS)}.",
        )
    if type is not None and preset is not None:
        raise EngineError(
            "job_invalid", f"Both the type {type} and the preset {preset} are given.", "Give one."
        )


def _check_tokens(value: int) -> None:
    _check_whole("max_tokens", value, 1, LARGEST_SEED)


def _check_whole(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise EngineError(
            "job_invalid",
            f"{name} cannot be {value!r}.",
            f"Give a whole number from {low} to {high}.",
        )
