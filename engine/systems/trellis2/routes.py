"""Which types of request a checkpoint can serve: read off its networks, not written down here.

A checkpoint has a shape flow and a texture flow for each of its resolutions (their published names
end with it; two names may mean the same files), and its decoders say how many voxels a latent cell
stands for. ``512`` samples once at 512^3;
``1536_cascade`` samples at the lowest resolution first, and then with the networks of the highest
one at a grid for 1536^3.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.systems.trellis2.names import MATERIAL_DECODER
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.residency.models import Models

_SHAPE_FLOW = "shape_slat_flow_model_"
_TEXTURE_FLOW = "tex_slat_flow_model_"

CASCADE_STEPS = 8
"""It is lowered by this part of the finer networks' latent grid at a time (8 cells of 64, which are
128 voxels, as published)."""
FINEST_CASCADE = 2
"""A cascade goes up to so many times the highest resolution of its networks."""


@dataclass(frozen=True)
class Offer:
    """What decides which routes a checkpoint has.

    Attributes:
        home: where it is, for errors.
        networks: names of all that it has.
        factor: voxels to a latent cell an axis.
        default_type, qualities: as in ``PipelineSpec``.
    """

    home: str
    networks: frozenset[str]
    factor: int
    default_type: str | None
    qualities: Mapping[str, str]


def offer_of(models: "Models") -> Offer:
    """What an open checkpoint offers."""
    spec = models.generation
    channels = models.skeleton(MATERIAL_DECODER).config.model_channels
    return Offer(
        home=str(models.checkpoint.home),
        networks=frozenset(models.checkpoint.models),
        factor=factor_from(channels),
        default_type=spec.default_type,
        qualities=spec.qualities,
    )


def factor_from(model_channels: Sequence[int]) -> int:
    """Voxels to a latent cell an axis: 2 for each level of the material decoder but one."""
    return 1 << (len(model_channels) - 1)


@dataclass(frozen=True)
class Level:
    """A resolution that has networks of its own.

    Attributes:
        resolution: voxels an axis.
        latent_grid: cells of the latent an axis.
        pixels: size a side at which the encoder looks at the picture for it.
    """

    resolution: int
    latent_grid: int

    @property
    def pixels(self) -> int:
        return self.resolution

    @property
    def shape_flow(self) -> str:
        return f"{_SHAPE_FLOW}{self.resolution}"

    @property
    def texture_flow(self) -> str:
        return f"{_TEXTURE_FLOW}{self.resolution}"


@dataclass(frozen=True)
class Route:
    """How a type is served.

    Attributes:
        name: of the type.
        structure_pixels: size at which the encoder looks at the picture for the structure.
        first: the level whose shape is sampled first.
        fine: the level of the second shape in a cascade; None: no cascade.
        resolution: what was asked for.
        factor: voxels to a latent cell.
    """

    name: str
    structure_pixels: int
    first: Level
    fine: Level | None
    resolution: int
    factor: int

    @property
    def last(self) -> Level:
        """The level of the final shape and of the texture."""
        return self.fine or self.first

    @property
    def step(self) -> int:
        """Voxels an axis by which a cascade's resolution is lowered at a time."""
        return max(1, self.last.latent_grid // CASCADE_STEPS) * self.factor


def levels_of(offer: Offer) -> list[Level]:
    """Resolutions with a texture flow, the lowest first.

    Raises:
        EngineError: ``pipeline_invalid`` when there is none.
    """
    found = sorted(
        int(name.removeprefix(_TEXTURE_FLOW))
        for name in offer.networks
        if re.fullmatch(_TEXTURE_FLOW + r"\d+", name)
    )
    if not found:
        raise EngineError(
            "pipeline_invalid",
            f"The checkpoint {offer.home} has no {_TEXTURE_FLOW}<resolution>.",
            "Use a checkpoint that is laid out as microsoft/TRELLIS.2-4B.",
        )
    return [Level(resolution, resolution // offer.factor) for resolution in found]


def generation_levels(offer: Offer) -> list[Level]:
    """Those of ``levels_of`` that have a shape flow too."""
    levels = [level for level in levels_of(offer) if level.shape_flow in offer.networks]
    if not levels:
        raise EngineError(
            "pipeline_invalid",
            f"The checkpoint {offer.home} has no flow for shapes.",
            "Use a checkpoint that is laid out as microsoft/TRELLIS.2-4B.",
        )
    return levels


def qualities(offer: Offer) -> Mapping[str, str]:
    """Quality -> type: what the checkpoint says, or else as usual.

    Usually ``draft`` is the lowest, ``standard`` the checkpoint's default or else a cascade,
    ``high`` a cascade half as fine again.
    """
    return {**_usual_qualities(offer), **offer.qualities}


def _usual_qualities(offer: Offer) -> dict[str, str]:
    levels = generation_levels(offer)
    low, high = levels[0].resolution, levels[-1].resolution
    if low == high:
        return {"draft": str(low), "standard": str(low), "high": str(low)}
    return {
        "draft": str(low),
        "standard": offer.default_type or f"{high}_cascade",
        "high": f"{high + high // 2}_cascade",
    }


def type_names(offer: Offer) -> list[str]:
    """The usual types, in the order of their cost."""
    levels = generation_levels(offer)
    plain = [str(level.resolution) for level in levels]
    usual = dict.fromkeys([*_usual_qualities(offer).values(), *qualities(offer).values()])
    return [*plain, *(name for name in usual if name not in plain)]


def route_of(offer: Offer, name: str | None, quality: str | None = None) -> Route:
    """How a type, or a quality, is served; both None: the checkpoint's default.

    Raises:
        EngineError: ``type_unknown``.
    """
    if quality is not None:
        name = qualities(offer)[quality]
    if name is None:
        name = qualities(offer)["standard"]
    levels = {level.resolution: level for level in generation_levels(offer)}
    factor = offer.factor
    low, high = levels[min(levels)], levels[max(levels)]
    found = re.fullmatch(r"(\d+)(_cascade)?", name)
    if found:
        resolution = int(found[1])
        if found[2] is None and resolution in levels:
            level = levels[resolution]
            return Route(name, low.pixels, level, None, resolution, factor)
        route = Route(name, low.pixels, low, high, resolution, factor)
        fits = high.resolution <= resolution <= FINEST_CASCADE * high.resolution
        if found[2] and len(levels) > 1 and fits and resolution % route.step == 0:
            return route
    raise EngineError(
        "type_unknown",
        f"The checkpoint {offer.home} cannot make the type {name!r}.",
        f"Choose one of {', '.join(type_names(offer))}.",
    )


def cascade_of(
    offer: Offer, name: str | None, quality: str | None, *, finer_than: int
) -> tuple[Route, Level]:
    """A route that ends with a finer shape, and the level of that; both None: the usual ``high``.

    Args:
        finer_than: voxels an axis that there are already.

    Raises:
        EngineError: ``type_not_finer``, and as ``route_of``.
    """
    asked = f"quality {quality or 'high'}" if name is None else f"type {name}"
    by_quality = name is None
    if name is None and quality is None:
        name = _usual_qualities(offer)["high"]
    route = route_of(offer, name, quality)
    if route.fine is None:
        what = f"The {asked} samples a shape only once."
        raise _not_finer(offer, what, finer_than, by_quality=by_quality)
    check_finer(offer, route.resolution, finer_than=finer_than, by_quality=by_quality)
    return route, route.fine


def check_finer(
    offer: Offer,
    resolution: int,
    *,
    finer_than: int,
    lowered: bool = False,
    by_quality: bool = False,
) -> None:
    """Refuse to make what is there already, or something coarser.

    Args:
        by_quality: whether a quality was asked for, not a type.
        lowered: whether the resolution is less than what was asked for.

    Raises:
        EngineError: ``type_not_finer``.
    """
    if resolution <= finer_than:
        what = f"The asset has {finer_than}^3 voxels already; this would give {resolution}^3."
        error = _not_finer(offer, what, finer_than, by_quality=by_quality)
        if lowered:
            error.hint = "Allow more cells of the latent (--max-tokens)."
        raise error


def _not_finer(offer: Offer, what: str, finer_than: int, *, by_quality: bool) -> EngineError:
    highest = generation_levels(offer)[-1].resolution
    names = [*type_names(offer), f"{FINEST_CASCADE * highest}_cascade"]
    finer = [
        name
        for name in dict.fromkeys(names)
        if name.endswith("_cascade") and int(name.removesuffix("_cascade")) > finer_than
    ]
    hint = "Use a checkpoint that has finer networks."
    if finer and len(generation_levels(offer)) > 1:
        better = [quality for quality, kind in qualities(offer).items() if kind in finer]
        if not by_quality:
            hint = f"Choose one of {', '.join(finer)}."
        elif better:
            hint = f"Choose the quality {' or '.join(better)}."
        else:
            hint = f"No quality of this checkpoint does; give a type: {' or '.join(finer)}."
    return EngineError("type_not_finer", what, hint)


def texture_level(offer: Offer, resolution: int) -> Level:
    """The level whose networks texture a mesh at a resolution: the first that is not below."""
    levels = levels_of(offer)
    return next((level for level in levels if level.resolution >= resolution), levels[-1])
