"""How an object was made, as JSON for its custom property, and back to settings.

Never in it: paths, tokens, what was typed into preferences. A picture is its SHA-256.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from ..protocol.errors import EngineError
from ..protocol.plain import to_dict
from ..protocol.references import Prompt, Stored
from ..protocol.stages import STAGES
from .language import said
from .settings import (
    FinishSettings,
    GenerateSettings,
    Settings,
    StageSettings,
    TextureSettings,
    UpscaleSettings,
    check,
)

if TYPE_CHECKING:
    from .following import Followed

    Buffer = bytes | bytearray | memoryview

PROPERTY = "maquette"
"""Name of the object's custom property."""
VERSION = 1
LARGEST = 1 << 18
_PATH = re.compile(r"[/~\\]|[A-Za-z]:[/\\]|file:")
"""How paths begin that are of one machine."""
_KINDS = {
    "generate": "Generate",
    "texture": "Retexture",
    "upscale": "Upscale",
    "finish": "Finish Again",
}
_REFERENCES = ("picture", "mesh", "source")


def recipe_of(job: "Followed", told: "Buffer" = b"") -> dict[str, Any]:
    """The recipe of a job that is done: plain JSON values.

    Args:
        told: recipe.json of the engine, which becomes the entry "made"; empty: it told nothing.
    """
    spec: dict[str, Any] = {} if job.job is None else to_dict(job.job)
    source = getattr(job.job, "source", None)
    picture = getattr(job.job, "picture", None)
    return {
        "version": VERSION,
        "job": job.id,
        "kind": job.kind,
        "title": job.title,
        "picture_sha256": job.picture_sha256,
        "prompt": picture.text if isinstance(picture, Prompt) else "",
        "made_from": source.job if isinstance(source, Stored) else "",
        "engine": job.engine,
        "checkpoint": _without_folder(job.checkpoint),
        "settings": {name: value for name, value in spec.items() if name not in _REFERENCES},
        "finish": to_dict(job.finish) if job.finish is not None else None,
        "made": _made(told),
    }


def _made(told: "Buffer") -> Any:
    """What the engine says of how it was made, without anything that is of its machine."""
    try:
        return _public(json.loads(bytes(told)))
    except (ValueError, RecursionError):
        return {}


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        return {k: _public(v) for k, v in entries if not (isinstance(v, str) and _PATH.match(v))}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_public(v) for v in items if not (isinstance(v, str) and _PATH.match(v))]
    return value


def _without_folder(checkpoint: str) -> str:
    """A repository of a hub as it is; of a folder nothing, since it is of one machine."""
    return checkpoint if re.fullmatch(r"[\w.-]+/[\w.-]+", checkpoint) else ""


def to_text(recipe: Mapping[str, Any]) -> str:
    """The text of the object's property."""
    return json.dumps(recipe, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read(text: str) -> dict[str, Any]:
    """The recipe that a property holds. Everything in it may be wrong: files are shared.

    Raises:
        EngineError: ``recipe_unreadable``.
    """
    try:
        if len(text) > LARGEST:
            raise ValueError("it is too long")
        found: Any = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
    except (ValueError, TypeError, RecursionError) as error:
        raise _unreadable(str(error)) from error
    return cast("dict[str, Any]", found)


def summary(recipe: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The recipe as rows of a label and a value, for a panel; whatever is strange is left out."""
    settings, finish = _mapping(recipe.get("settings")), _mapping(recipe.get("finish"))
    if recipe.get("kind") == "finish":
        finish = settings
    prompt = recipe.get("prompt")
    rows: list[tuple[str, Any]] = [
        (said("Made by"), said(_KINDS.get(str(recipe.get("kind")), ""))),
        (said("Text"), prompt) if prompt else (said("Picture"), recipe.get("title")),
        (said("Quality"), settings.get("quality")),
        (said("Resolution"), settings.get("resolution")),
        (said("Seed"), settings.get("seed")),
        (said("Fast"), said("on") if settings.get("fast") is True else ""),
        (said("Finish"), finish.get("finish")),
        (said("Faces"), finish.get("faces")),
        (said("Quads"), finish.get("quads")),
        (said("Texture size"), finish.get("texture_size")),
        (said("Surface"), _surface(finish)),
    ]
    for stage, sampler in _mapping(settings.get("samplers")).items():
        changes = _mapping(sampler)
        label = said(STAGES[stage].label) if stage in STAGES else stage
        words = [said("{steps} steps", steps=changes["steps"])] if changes.get("steps") else []
        if changes.get("guidance_strength") is not None:
            words.append(said("guidance {strength}", strength=changes["guidance_strength"]))
        rows.append((label, ", ".join(words)))
    rows += [(said("Networks"), recipe.get("checkpoint")), (said("Engine"), recipe.get("engine"))]
    return tuple(
        (label, str(value)[:200])
        for label, value in rows
        if isinstance(value, str | int | float) and value != ""
    )


def _surface(finish: Mapping[str, Any]) -> str:
    closed = finish.get("closed")
    if finish.get("solid") is True:
        return said("solid")
    if not isinstance(closed, bool):
        return ""
    return said("closed") if closed else said("open")


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def settings_of(recipe: Mapping[str, Any]) -> Settings:
    """The settings that a recipe was made with; what is not known is left as it comes.

    Raises:
        EngineError: ``recipe_unreadable``.
    """
    try:
        settings = _settings(recipe)
        check(settings)
    except EngineError as error:
        raise _unreadable(error.message.rstrip(".")) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _unreadable(str(error)) from error
    return settings


def _settings(recipe: Mapping[str, Any]) -> Settings:
    settings = _object(recipe.get("settings"))
    finish, kind = recipe.get("finish"), recipe.get("kind")
    common: dict[str, Any] = {
        name: settings[name]
        for name in ("seed", "quality", "matte", "fast")
        if settings.get(name) is not None
    }
    common["stages"] = {
        name: StageSettings(
            steps=_object(sampler).get("steps"),
            guidance_strength=_object(sampler).get("guidance_strength"),
        )
        for name, sampler in _object(settings.get("samplers")).items()
    }
    if recipe.get("checkpoint"):
        common["checkpoint"] = recipe["checkpoint"]
    match kind:
        case "generate":
            return GenerateSettings(**common, finish=_finish(finish))
        case "upscale":
            return UpscaleSettings(**common, finish=_finish(finish))
        case "texture":
            common.pop("quality", None)
            return TextureSettings(
                **common,
                resolution=settings.get("resolution"),
                texture_size=_object(finish).get("texture_size"),
            )
        case "finish":
            return _finish(settings) or FinishSettings()
        case _:
            raise ValueError(f"{kind!r:.40} is nothing that is made")


def _finish(values: Any) -> FinishSettings | None:
    if values is None:
        return None
    known = {field.name for field in fields(FinishSettings)}
    return FinishSettings(**{k: v for k, v in _object(values).items() if k in known})


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40} is not an object")
    return cast("dict[str, Any]", value)


def _unreadable(why: str) -> EngineError:
    return EngineError(
        "recipe_unreadable",
        said("The recipe of this object cannot be read: {why}.", why=why),
        "Make the object again; its mesh and materials are not touched.",
    )
