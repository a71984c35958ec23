"""What every asset's recipe must hold; what a system puts beside it is checked by the system."""

from typing import Any

from protocol.errors import EngineError
from protocol.finishes import FinishAdvice
from protocol.samplers import SamplerParams

RECIPE_VERSION = 2
KINDS = ("generate", "texture", "upscale")
_LATENTS_OF_VERSION_1 = ["coarse", "shape", "texture"]


def checked_recipe(recipe: Any) -> dict[str, Any]:
    """A recipe as JSON gave it, brought to the present version.

    It has ``system``, ``kind``, ``seed``, ``resolution``, ``samplers`` by the system's names of its
    stages, and ``latents``, the names of those that are kept. Version 1 knew one system only.

    Raises:
        ValueError: saying what is wrong.
    """
    if not isinstance(recipe, dict):
        raise ValueError("the recipe is not an object")
    if recipe.get("version") == 1:
        added = {"version": 2, "system": "trellis2", "latents": _LATENTS_OF_VERSION_1}
        recipe = recipe | added
    if recipe.get("version") != RECIPE_VERSION:
        raise ValueError(f"its version is {recipe.get('version')!r}, not 1 or {RECIPE_VERSION}")
    if not isinstance(recipe.get("system"), str):
        raise ValueError(f"its system is {recipe.get('system')!r}")
    if recipe.get("kind") not in KINDS:
        raise ValueError(f"its kind is {recipe.get('kind')!r}")
    for name, least in (("seed", 0), ("resolution", 1)):
        if not is_whole(recipe.get(name), least):
            raise ValueError(f"its {name} is {recipe.get(name)!r}")
    latents = recipe.get("latents")
    if not isinstance(latents, list) or not all(isinstance(name, str) for name in latents):
        raise ValueError(f"its latents are {latents!r}")
    _check_samplers(recipe.get("samplers"))
    FinishAdvice.read(recipe.get("finishing"))
    return recipe


def is_whole(value: Any, least: int) -> bool:
    """Whether a JSON value is a whole number that is not below ``least``."""
    return type(value) is int and value >= least


def _check_samplers(samplers: Any) -> None:
    if not isinstance(samplers, dict):
        raise ValueError("its samplers are missing")
    for stage, params in samplers.items():
        try:
            SamplerParams(**params)
        except (TypeError, EngineError) as error:
            raise ValueError(f"its sampler for {stage}: {error}") from error
