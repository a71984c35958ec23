"""What a checkpoint's ``pipeline.json`` says, typed."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.errors import EngineError
from protocol.finishes import FinishAdvice
from protocol.limits import QUALITIES, is_number
from protocol.samplers import SamplerParams

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

SAMPLER, NORMALIZATION = "_sampler", "normalization"
"""How the names of the entries end."""
EULER_SAMPLER = "FlowEulerGuidanceIntervalSampler"


@dataclass(frozen=True)
class Component:
    """A network from elsewhere by its published class name, such as the image encoder."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Normalization:
    """Mean and spread per channel of a kind of latent; the flows work on (latent - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def normalize(self, feats: "Tensor") -> "Tensor":
        """(N, C) latent -> what flows work on."""
        return (feats - feats.new_tensor(self.mean)) / feats.new_tensor(self.std)

    def denormalize(self, feats: "Tensor") -> "Tensor":
        """(N, C) of a flow -> latent."""
        return feats * feats.new_tensor(self.std) + feats.new_tensor(self.mean)


@dataclass(frozen=True)
class PipelineSpec:
    """One pipeline of a checkpoint.

    Attributes:
        name: published class name.
        models: published network name -> stem of its two files.
        samplers: by the names of their entries, such as "shape_slat_sampler".
        normalizations: of latents, by the names of their entries, such as
            "shape_slat_normalization".
        image_encoder: what turns a picture into image_tokens (``image_cond_model``).
        default_type: 512, 1024, 1024_cascade or 1536_cascade; None where the file says nothing.
        finishing: how results are best finished; None where the file says nothing.
        qualities: quality -> type, for those that are not as usual.
    """

    name: str
    models: Mapping[str, str]
    samplers: Mapping[str, SamplerParams]
    normalizations: Mapping[str, Normalization]
    image_encoder: Component | None
    default_type: str | None
    finishing: FinishAdvice | None = None
    qualities: Mapping[str, str] = field(default_factory=dict)


def read_pipeline(path: Path) -> PipelineSpec:
    """Read a ``pipeline.json`` or ``texturing_pipeline.json``.

    Raises:
        EngineError: ``pipeline_invalid``, naming the entry that is wrong, or ``sampler_unknown``
            or ``sampler_parameter``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(path, str(error)) from error
    try:
        name, args = _text(content, "name"), _object(content, "args")
        models = _object(args, "models")
        if not models:
            raise ValueError('"models" names no networks')
        return PipelineSpec(
            name=name,
            models={key: _text(models, key) for key in models},
            samplers={key: _sampler(args, key) for key in args if key.endswith(SAMPLER)},
            normalizations={
                key: _normalization(args, key) for key in args if key.endswith(NORMALIZATION)
            },
            image_encoder=_component(args, "image_cond_model"),
            default_type=_text(args, "default_pipeline_type")
            if "default_pipeline_type" in args
            else None,
            finishing=FinishAdvice.read(content.get("finishing")),
            qualities=_qualities(content),
        )
    except ValueError as error:
        raise _invalid(path, str(error)) from error


def _qualities(content: Any) -> dict[str, str]:
    given = _object(content, "qualities", optional=True)
    for key in given.keys() - set(QUALITIES):
        raise ValueError(f'"qualities" has no entry "{key}"')
    return {key: _text(given, key) for key in given}


def _object(parent: Any, key: str, *, optional: bool = False) -> dict[str, Any]:
    if not isinstance(parent, dict):
        raise ValueError(f'where "{key}" is looked for there is no object')
    if optional and key not in parent:
        return {}
    value = parent.get(key)
    if not isinstance(value, dict):
        raise ValueError(f'"{key}" is missing or no object')
    return value


def _text(parent: Any, key: str) -> str:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, str) or not value:
        raise ValueError(f'"{key}" is missing or no text')
    return value


def _sampler(args: dict[str, Any], key: str) -> SamplerParams:
    entry = _object(args, key)
    for part in ("args", "params"):
        _object(entry, part, optional=True)
    return sampler_params(entry)


def sampler_params(entry: Mapping[str, Any]) -> SamplerParams:
    """The settings in a sampler entry of ``pipeline.json``.

    Args:
        entry: ``{"name": ..., "args": {"sigma_min": ...}, "params": {...}}``. Names that are not
            known here are ignored with a line in the log.

    Raises:
        EngineError: ``sampler_unknown`` for another kind of sampler, ``sampler_parameter`` for a
            value outside of its range.
    """
    if (name := entry.get("name")) != EULER_SAMPLER:
        raise EngineError(
            "sampler_unknown",
            f"The sampler {name!r} is not known.",
            f"Use a pipeline.json whose samplers are named {EULER_SAMPLER}.",
        )
    known = {field.name for field in fields(SamplerParams)}
    values = {**entry.get("args", {}), **entry.get("params", {})}
    for unknown in sorted(values.keys() - known):
        log.info("Sampler parameter %r is not used here and is ignored.", unknown)
    return SamplerParams(**{key: value for key, value in values.items() if key in known})


def _component(args: dict[str, Any], key: str) -> Component | None:
    if key not in args:
        return None
    entry = _object(args, key)
    return Component(_text(entry, "name"), _object(entry, "args", optional=True))


def _normalization(args: dict[str, Any], key: str) -> Normalization:
    entry = _object(args, key)
    mean, std = (_numbers(entry, part, key) for part in ("mean", "std"))
    if len(mean) != len(std) or min(std, default=0.0) <= 0:
        raise ValueError(f'"{key}" wants as many positive "std" as "mean"')
    return Normalization(mean, std)


def _numbers(entry: dict[str, Any], part: str, key: str) -> tuple[float, ...]:
    values = entry.get(part)
    if not isinstance(values, list) or not all(map(is_number, values)):
        raise ValueError(f'"{part}" of "{key}" is not a list of numbers')
    return tuple(map(float, values))


def _invalid(path: Path, why: str) -> EngineError:
    return EngineError(
        "pipeline_invalid",
        f"{path} does not describe a pipeline: {why}.",
        "Download the file again; it must be laid out as in microsoft/TRELLIS.2-4B.",
    )


def texturing_absent(home: str) -> EngineError:
    """The error for a checkpoint that cannot texture."""
    return EngineError(
        "texturing_absent",
        f"The checkpoint {home} has no texturing_pipeline.json.",
        "Use a checkpoint that has one, such as microsoft/TRELLIS.2-4B.",
    )
