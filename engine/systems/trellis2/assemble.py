"""What the networks gave, made into an asset."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import __version__
from engine.assets.recipe import RECIPE_VERSION
from engine.host.machine import device_name
from engine.networks.material_vae import DecodedMaterial
from engine.networks.shape_vae import DecodedShape
from engine.ovoxel import DualGrid, OVoxels
from engine.ovoxel.placement import Placement
from engine.residency.models import Models
from engine.systems.trellis2.routes import Route
from engine.systems.trellis2.work import Work
from engine.weights.hub import Repository
from engine.weights.manifest import pinned_revision
from protocol.plain import to_dict

_ENDS = 1 << 20


def voxels_of(
    shape: DecodedShape, material: DecodedMaterial, resolution: int, placement: Placement
) -> OVoxels:
    """What two decoders gave, ordered by x, y, z."""
    coords = shape.raw.coords[:, 1:].cpu().numpy()
    order = np.lexsort(coords.T[::-1])
    grid = DualGrid(
        coords=coords[order],
        dual_vertices=shape.dual_vertices.cpu().numpy()[order],
        intersected=shape.intersected.cpu().numpy()[order],
        grid_size=resolution,
    )
    return OVoxels(
        grid,
        material.attributes.cpu().numpy()[order],
        placement,
        split_weight=shape.split_weight.cpu().numpy()[order],
    )


def recipe_of(
    kind: str,
    work: Work,
    seed: int,
    route: Route | None,
    resolution: int,
    coarse_draws: int,
    *,
    mesh_key: str | None = None,
) -> dict[str, Any]:
    """Everything that decides what comes out, as JSON values.

    Args:
        kind: generate, texture or upscale.
        route: None for a texture.
        resolution: of the voxels, which may be less than what was asked for.
        coarse_draws: how many draws the structure and the coarse shape took.
        mesh_key: of the mesh that was given, if one was.
    """
    models = work.models
    return {
        "version": RECIPE_VERSION,
        "kind": kind,
        "seed": seed,
        "type": route.name if route else None,
        "asked_resolution": route.resolution if route else resolution,
        "resolution": resolution,
        "max_tokens": work.max_tokens,
        "samplers": {name: to_dict(params) for name, params in work.samplers.items()},
        "coarse_draws": work.noise.shapes[:coarse_draws],
        "picture_sha256": work.picture.key,
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
    return {"home": str(home), "revision": revision, "networks": networks}
