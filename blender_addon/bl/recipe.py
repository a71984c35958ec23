"""How an object was made: JSON in one custom property, which every version of Blender keeps."""

import math
from collections.abc import Mapping
from typing import Any

from ..core import recipes
from ..core.deliveries import Delivery
from ..protocol.errors import EngineError

SENT = "sent"
"""Entry with what was done to the object's mesh before it was sent (``sent_of``)."""

SHAPE = "shape"
"""Entry with ``job`` and ``SENT`` of what made the shape, where a new look came after that."""


def write(thing: Any, recipe: Mapping[str, Any]) -> None:
    """Put a recipe on an object."""
    thing[recipes.PROPERTY] = recipes.to_text(recipe)


def of_delivery(delivery: Delivery) -> dict[str, Any]:
    """The recipe of the object that a delivery is given to."""
    target = delivery.target
    found = {**delivery.recipe, "job": delivery.job, "stage": delivery.stage}
    if target.purpose == "retexture" and target.matrix:
        # Its own mesh stays, so all of it is to be done with the first mesh that replaces it.
        found[SENT] = {
            "matrix": list(target.matrix),
            "bounds": list(target.bounds),
            "modifiers": list(target.modifiers),
        }
    elif target.purpose == "replace" and target.matrix:
        found[SENT] = {"matrix": list(target.matrix)}
    return found


def give(thing: Any, story: Mapping[str, Any]) -> None:
    """Put the recipe of a new look or finish on an object, or of a new shape. A look does not make
    the shape: what did is kept, since its picture is the one that shows the shape."""
    origin = _origin(thing) if story.get("kind") in ("texture", "finish") else {}
    write(thing, {**story, SHAPE: origin} if origin else story)


def _origin(thing: Any | None) -> dict[str, Any]:
    """``job`` and ``SENT`` of what made the shape of an object; empty: nobody knows."""
    recipe = read(thing)
    origin = recipe.get(SHAPE)
    if isinstance(origin, dict) and isinstance(origin.get("job"), str):
        return origin
    if recipe.get("kind") not in ("generate", "upscale"):
        return {}
    return {name: recipe[name] for name in ("job", SENT) if name in recipe}


def _made_by(thing: Any | None, *, of_shape: bool) -> dict[str, Any]:
    """What made an object: its shape where that is asked and known, else what came last."""
    return (of_shape and _origin(thing)) or read(thing)


def sent_of(thing: Any | None) -> dict[str, tuple[Any, ...]]:
    """``matrix``, ``bounds`` and ``modifiers`` of ``core.deliveries.Target`` for what is made
    from the stored result of an object's shape, as its recipe says; what is wrong there is left
    out."""
    said = _made_by(thing, of_shape=True).get(SENT)
    said = said if isinstance(said, dict) else {}
    found: dict[str, tuple[Any, ...]] = {}
    for name, count in (("matrix", 16), ("bounds", 6)):
        values = said.get(name)
        if isinstance(values, list) and len(values) == count and all(map(_is_number, values)):
            found[name] = tuple(float(value) for value in values)
    names = said.get("modifiers")
    if isinstance(names, list):
        found["modifiers"] = tuple(name for name in names if isinstance(name, str))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def read(thing: Any | None) -> dict[str, Any]:
    """The recipe of an object, with ``job`` and ``stage``; empty where there is none to read."""
    text = thing.get(recipes.PROPERTY) if thing is not None else None
    if not isinstance(text, str):
        return {}
    try:
        return recipes.read(text)
    except EngineError:
        return {}  # somebody edited it


def resolution_of(thing: Any | None) -> int:
    """Voxels an axis of the stored result that an object shows; 0 where nobody knows, such as
    under a look that came after the shape."""
    recipe = read(thing)
    made = recipe.get("made")
    side = made.get("resolution") if isinstance(made, dict) else None
    return side if isinstance(side, int) and recipe.get("kind") != "texture" else 0


def is_of_look(thing: Any | None) -> bool:
    """Whether all that is known is what made its look: its shape was not made here."""
    return read(thing).get("kind") == "texture" and not _origin(thing)


def job_of(thing: Any | None, *, of_shape: bool = False) -> str:
    """Id of the job that made an object, or empty.

    Args:
        of_shape: what made the shape, not a look that came later.
    """
    job = _made_by(thing, of_shape=of_shape).get("job", "")
    return job if isinstance(job, str) else ""
