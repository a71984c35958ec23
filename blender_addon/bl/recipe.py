"""How an object was made: JSON in one custom property, which every version of Blender keeps."""

import math
from collections.abc import Mapping
from typing import Any

from ..core import recipes
from ..core.deliveries import Delivery
from ..protocol.errors import EngineError

SENT = "sent"
"""Entry with what was done to the object's mesh before it was sent (``sent_of``)."""


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


def sent_of(thing: Any | None) -> dict[str, tuple[Any, ...]]:
    """``matrix``, ``bounds`` and ``modifiers`` of ``core.deliveries.Target`` for what is made
    from the stored result of an object, as its recipe says; what is wrong there is left out."""
    said = read(thing).get(SENT)
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


def job_of(thing: Any | None) -> str:
    """Id of the job that made an object, or empty."""
    job = read(thing).get("job", "")
    return job if isinstance(job, str) else ""
