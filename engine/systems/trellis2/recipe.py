"""What is written down of a TRELLIS.2 job, so that it can be continued and done again."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from engine import __version__
from engine.assets.recipe import RECIPE_VERSION, is_whole
from engine.host.machine import device_name
from engine.networks.scaled_linear import schemes_of
from engine.residency.models import Models
from engine.systems.trellis2.names import COARSE, SAMPLED, SHAPE, SYSTEM, TEXTURE
from engine.systems.trellis2.routes import Route
from engine.systems.trellis2.work import Work
from engine.weights.hub import Repository
from engine.weights.manifest import pinned_revision
from protocol.errors import EngineError
from protocol.plain import tag, to_dict
from protocol.samplers import SamplerParams

_ENDS = 1 << 20
_MOST_DRAWS = 16
_STAGES = {tag(job).removesuffix("_job"): stages for job, stages in SAMPLED.items()}
"""Kind of a job -> the samplers that it uses."""


def check_recipe(recipe: Mapping[str, Any]) -> None:
    """Refuse an asset that TRELLIS.2 cannot continue from.

    Args:
        recipe: as ``checked_recipe`` gives it.

    Raises:
        EngineError: ``asset_foreign`` for one of another system, ``asset_damaged``.
    """
    if recipe["system"] != SYSTEM:
        raise EngineError(
            "asset_foreign",
            f"The asset was made by {recipe['system']}; only that can continue from its latents.",
            "Give its mesh file instead of its folder.",
        )
    wrong = _wrong_in(recipe)
    if wrong is not None:
        raise EngineError(
            "asset_damaged",
            f"The asset's recipe.json is damaged: {wrong}.",
            "Make the asset again, or restore the folder from a copy.",
        )


def _wrong_in(recipe: Mapping[str, Any]) -> str | None:
    if not is_whole(recipe.get("max_tokens"), 1):
        return f"its max_tokens is {recipe.get('max_tokens')!r}"
    if "type" not in recipe or not isinstance(recipe["type"], str | None):
        return "its type is missing or no text"
    draws = recipe.get("coarse_draws")
    if not isinstance(draws, list) or len(draws) > _MOST_DRAWS:
        return "its coarse_draws are missing or no list"
    for shape in draws:
        if not isinstance(shape, list) or not all(is_whole(size, 1) for size in shape):
            return f"one of its coarse_draws is {shape!r}"
    for name in (COARSE, SHAPE, TEXTURE):
        if name not in recipe["latents"]:
            return f"its latents lack {name}"
    if recipe["samplers"].keys() != set(_STAGES[recipe["kind"]]):
        return "its samplers are missing or those of other stages"
    return None


def recipe_of(
    kind: str,
    work: Work,
    seed: int,
    route: Route | None,
    resolution: int,
    coarse_draws: int,
    *,
    quality: str | None = None,
    mesh_key: str | None = None,
) -> dict[str, Any]:
    """Everything that decides what comes out, as JSON values.

    Args:
        kind: generate, texture or upscale.
        route: None for a texture.
        resolution: of the voxels, which may be less than what was asked for.
        coarse_draws: how many draws the structure and the coarse shape took.
        quality: that was asked for, if one was.
        mesh_key: of the mesh that was given, if one was.
    """
    models = work.models
    return {
        "version": RECIPE_VERSION,
        "system": SYSTEM,
        "kind": kind,
        "seed": seed,
        "quality": quality,
        "type": route.name if route else None,
        "asked_resolution": route.resolution if route else resolution,
        "resolution": resolution,
        "max_tokens": work.max_tokens,
        "samplers": {name: _settings(params) for name, params in work.samplers.items()},
        "latents": [COARSE, SHAPE, TEXTURE],
        "coarse_draws": work.noise.shapes[:coarse_draws],
        "picture_sha256": work.picture.key,
        "prompt": work.picture.prompt,
        "mesh_sha256": mesh_key,
        "checkpoint": _checkpoint(models),
        "made_with": {
            "maquette": __version__,
            "torch": torch.__version__,
            "device": device_name(models.device),
            "dtypes": [str(dtype).removeprefix("torch.") for dtype in models.dtypes],
        },
        "finishing": to_dict(models.generation.finishing) if models.generation.finishing else None,
        "memory": work.memory,
        "notes": list(work.report.notes),
    }


def _settings(params: SamplerParams) -> dict[str, Any]:
    """Without what is not used, so that an engine that does not know it reads the rest."""
    return {name: value for name, value in to_dict(params).items() if value is not None}


def fingerprint(path: Path) -> str:
    """Tells weights apart without reading gigabytes: SHA-256 of size, beginning and end."""
    status = path.stat()
    return _fingerprint(path, status.st_size, status.st_mtime_ns)


@cache
def _fingerprint(path: Path, size: int, _changed: int) -> str:
    digest = hashlib.sha256(f"{size}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, size - _ENDS))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


def _checkpoint(models: Models) -> dict[str, Any]:
    home = models.checkpoint.home
    revision = None
    if isinstance(home, Repository):
        revision = home.revision or pinned_revision(home.name)
    networks = {}
    for name in sorted(models.used):
        _, weights = models.checkpoint.files(name)
        stem = models.checkpoint.models[name]
        networks[name] = {"stem": stem, "fingerprint": fingerprint(weights)}
        schemes = schemes_of(models.skeleton(name))
        if schemes:
            networks[name]["weights"] = " ".join(schemes)
    return {"home": str(home), "revision": revision, "networks": networks}
