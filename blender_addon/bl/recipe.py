"""How an object was made: JSON in one custom property, which every version of Blender keeps."""

import json
from collections.abc import Mapping
from typing import Any

PROPERTY = "maquette"


def write(thing: Any, recipe: Mapping[str, Any]) -> None:
    """Put a recipe on an object."""
    thing[PROPERTY] = json.dumps(dict(recipe), ensure_ascii=False)


def read(thing: Any | None) -> dict[str, Any]:
    """The recipe of an object, with ``job`` (the id) and ``stage``; empty where there is none."""
    text = thing.get(PROPERTY) if thing is not None else None
    if not isinstance(text, str):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}  # somebody edited it
    return found if isinstance(found, dict) else {}


def job_of(thing: Any | None) -> str:
    """Id of the job that made an object, or empty."""
    job = read(thing).get("job", "")
    return job if isinstance(job, str) else ""
