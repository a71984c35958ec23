"""How an object was made: JSON in one custom property, which every version of Blender keeps."""

from collections.abc import Mapping
from typing import Any

from ..core import recipes
from ..protocol.errors import EngineError

STAGE = "stage"


def write(thing: Any, recipe: Mapping[str, Any]) -> None:
    """Put a recipe on an object."""
    thing[recipes.PROPERTY] = recipes.to_text(recipe)


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
