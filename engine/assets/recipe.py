"""What an asset's recipe must hold, so that others can rely on it."""

from typing import Any

from protocol.errors import EngineError
from protocol.finishes import FinishAdvice
from protocol.samplers import SamplerParams

RECIPE_VERSION = 1
KINDS = ("generate", "texture", "upscale")
_STAGES = frozenset({"structure", "shape", "texture"})
_MOST_DRAWS = 16


def checked_recipe(recipe: Any) -> dict[str, Any]:
    """A recipe as JSON gave it, if everything is there that work on an asset starts from.

    Raises:
        ValueError: saying what is wrong.
    """
    if not isinstance(recipe, dict):
        raise ValueError("the recipe is no object")
    if recipe.get("version") != RECIPE_VERSION:
        raise ValueError(f"its version is {recipe.get('version')!r}, not {RECIPE_VERSION}")
    if recipe.get("kind") not in KINDS:
        raise ValueError(f"its kind is {recipe.get('kind')!r}")
    for name, least in (("seed", 0), ("resolution", 1), ("max_tokens", 1)):
        if not _is_whole(recipe.get(name), least):
            raise ValueError(f"its {name} is {recipe.get(name)!r}")
    if "type" not in recipe or not isinstance(recipe["type"], str | None):
        raise ValueError("its type is missing or no text")
    _check_draws(recipe.get("coarse_draws"))
    _check_samplers(recipe.get("samplers"))
    FinishAdvice.read(recipe.get("finishing"))
    return recipe


def _check_draws(draws: Any) -> None:
    if not isinstance(draws, list) or len(draws) > _MOST_DRAWS:
        raise ValueError("its coarse_draws are missing or no list")
    for shape in draws:
        if not isinstance(shape, list) or not all(_is_whole(size, 1) for size in shape):
            raise ValueError(f"one of its coarse_draws is {shape!r}")


def _check_samplers(samplers: Any) -> None:
    if not isinstance(samplers, dict) or "texture" not in samplers or samplers.keys() - _STAGES:
        raise ValueError("its samplers are missing or those of unknown stages")
    for stage, params in samplers.items():
        try:
            SamplerParams(**params)
        except (TypeError, EngineError) as error:
            raise ValueError(f"its sampler for {stage}: {error}") from error


def _is_whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least
