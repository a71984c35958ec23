"""Assets in folders: ``recipe.json``, ``source.png``, ``latents.safetensors``, ``asset.vxz``.

Beside these, ``thumbnail.png`` shows the asset to people; an asset without one is whole.

Latents come back exactly, so continuing from a stored asset gives what continuing at once would.
Of the surface, ``asset.vxz`` holds what the format can (8 bits); dual vertices and split weights,
which it cannot, lie beside the latents with 16 bits, and a mesh that was textured lies there as it
was.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.assets.asset import Asset, Latent
from engine.assets.names import (
    LATENTS,
    RECIPE,
    SOURCE,
    VOXELS,
    check_folder,
    is_asset_folder,
)
from engine.assets.recipe import checked_recipe
from engine.host.files import made_beside, settle, unwritable, write_bytes_atomic
from engine.mesh import Mesh
from engine.ovoxel.ovoxel_file import load_ovoxels, rounded_materials, save_ovoxels
from engine.ovoxel.ovoxels import OVoxels
from protocol.errors import EngineError

_OF_CORNERS_AND_FACES = ("uvs", "normals", "polygons")
"""What a mesh that was given may have beside its vertices and faces."""


def save_asset(asset: Asset, folder: str | Path) -> None:
    """Write an asset into a folder of its own, all or nothing; an asset that is there is replaced.

    Raises:
        EngineError: ``folder_taken`` when something else is there, ``disk_full``, ``unwritable``.
    """
    folder = Path(os.path.realpath(folder))
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with made_beside(folder) as made:
            _write(asset, made)
            for file in made.iterdir():
                settle(file)
    except (OSError, SafetensorError) as error:
        raise unwritable(folder, error) from error
    except EngineError as error:
        # From writing a single file in the temporary folder, whose name means nothing to users.
        if isinstance(error.__cause__, OSError):
            raise unwritable(folder, error.__cause__) from error
        raise


def load_asset(folder: str | Path) -> Asset:
    """Read an asset.

    Raises:
        EngineError: ``asset_missing`` or ``asset_damaged``, naming the file; and what
            ``load_ovoxels`` raises.
    """
    folder = Path(folder)
    if not is_asset_folder(folder):
        raise EngineError(
            "asset_missing",
            f"{folder} is not the folder of an asset: it has no {RECIPE}.",
            "Give a folder that generate, texture or upscale made: its name ends in .maquette.",
        )
    name = RECIPE
    try:
        recipe = checked_recipe(json.loads((folder / RECIPE).read_text(encoding="utf-8")))
        name = SOURCE
        with Image.open(folder / SOURCE) as image:
            picture = image.convert("RGBA")
        name = LATENTS
        # Copies: as views of the file they would lie unaligned, and a CPU's matrix products would
        # then differ in their last bits from those of the tensors that were stored.
        tensors = {key: value.clone() for key, value in load_file(folder / LATENTS).items()}
        ovoxels = load_ovoxels(folder / VOXELS)
        return _assembled(recipe, picture, tensors, ovoxels)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EngineError(
            "asset_damaged",
            f"{folder / name} is missing or damaged ({' '.join(str(error).split())[:120]}).",
            "Make the asset again, or restore the folder from a copy.",
        ) from error


def as_stored(asset: Asset) -> Asset:
    """The asset as ``load_asset`` would give it back, so that what is made of it at once is what
    would be made of it later. Once more changes nothing."""
    voxels, given = asset.voxels, asset.given_mesh
    dual_vertices, split = voxels.grid.dual_vertices, voxels.split_weight
    return replace(
        asset,
        voxels=replace(
            voxels,
            grid=replace(voxels.grid, dual_vertices=_halved(dual_vertices)),
            materials=rounded_materials(voxels.materials),
            split_weight=None if split is None else _halved(split),
        ),
        given_mesh=None if given is None else _kept_of(given),
    )


def _halved(values: np.ndarray) -> np.ndarray:
    """Rounded to 16 bits."""
    return torch.from_numpy(values).half().float().numpy()


def _kept_of(mesh: Mesh) -> Mesh:
    """What an asset keeps of a mesh that was given: not its materials, which are new ones."""
    return Mesh(
        np.asarray(mesh.vertices, np.float32),
        np.asarray(mesh.faces, np.int32),
        None if mesh.uvs is None else np.asarray(mesh.uvs, np.float32),
        normals=None if mesh.normals is None else np.asarray(mesh.normals, np.float32),
        polygons=None if mesh.polygons is None else np.asarray(mesh.polygons, np.int32),
    )


def add_to_recipe(folder: str | Path, name: str, value: Any) -> None:
    """Put an entry of JSON values into the recipe of a stored asset, in place of one of that name.

    Raises:
        EngineError: ``asset_damaged`` for a recipe that cannot be read, ``disk_full``,
            ``unwritable``.
    """
    path = Path(folder) / RECIPE
    try:
        recipe = {**json.loads(path.read_text(encoding="utf-8")), name: value}
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(
            "asset_damaged",
            f"{path} is missing or damaged ({' '.join(str(error).split())[:120]}).",
            "Make the asset again, or restore the folder from a copy.",
        ) from error
    write_bytes_atomic(path, recipe_bytes(recipe))


def recipe_bytes(recipe: Any) -> bytes:
    """A recipe as its file has it."""
    return (json.dumps(recipe, indent=2, ensure_ascii=False) + "\n").encode()


def _write(asset: Asset, folder: Path) -> None:
    (folder / RECIPE).write_bytes(recipe_bytes(asset.recipe))
    asset.picture.save(folder / SOURCE)
    save_file(_tensors(asset), folder / LATENTS)
    save_ovoxels(folder / VOXELS, asset.voxels)


def _tensors(asset: Asset) -> dict[str, Tensor]:
    tensors = {
        "surface.dual_vertices": torch.from_numpy(asset.voxels.grid.dual_vertices).half(),
    }
    if asset.voxels.split_weight is not None:
        tensors["surface.split_weight"] = torch.from_numpy(asset.voxels.split_weight).half()
    # Names of ours have a dot in them, so that those of a system cannot meet them.
    tensors |= asset.tensors
    for name, latent in asset.latents.items():
        tensors[f"{name}.coords"] = latent.coords
        tensors[f"{name}.feats"] = latent.feats
        tensors[f"{name}.resolution"] = torch.tensor(latent.resolution)
    if asset.given_mesh is not None:
        mesh = _kept_of(asset.given_mesh)
        tensors["mesh.vertices"] = torch.from_numpy(mesh.vertices)
        tensors["mesh.faces"] = torch.from_numpy(mesh.faces)
        for name in _OF_CORNERS_AND_FACES:
            if (values := getattr(mesh, name)) is not None:
                tensors[f"mesh.{name}"] = torch.from_numpy(values)
    # safetensors refuses tensors that share memory, as coarse and shape may.
    return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}


def _assembled(
    recipe: dict[str, Any], picture: Image.Image, tensors: dict[str, Tensor], ovoxels: OVoxels
) -> Asset:
    dual_vertices = tensors["surface.dual_vertices"].float().numpy()
    if dual_vertices.shape != ovoxels.grid.dual_vertices.shape:
        raise ValueError("it belongs to other voxels")
    split = tensors.get("surface.split_weight")
    latents = {
        name: Latent(
            tensors[f"{name}.coords"],
            tensors[f"{name}.feats"],
            int(tensors[f"{name}.resolution"]),
        )
        for name in recipe["latents"]
    }
    given = None
    if "mesh.vertices" in tensors:
        others: dict[str, Any] = {
            name: tensors[f"mesh.{name}"].numpy()
            for name in _OF_CORNERS_AND_FACES
            if f"mesh.{name}" in tensors
        }
        given = Mesh(tensors["mesh.vertices"].numpy(), tensors["mesh.faces"].numpy(), **others)
    return Asset(
        voxels=replace(
            ovoxels,
            grid=replace(ovoxels.grid, dual_vertices=dual_vertices),
            split_weight=None if split is None else split.float().numpy(),
        ),
        latents=latents,
        recipe=recipe,
        picture=picture,
        given_mesh=given,
        tensors={name: tensor for name, tensor in tensors.items() if "." not in name},
    )
