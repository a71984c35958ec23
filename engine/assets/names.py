"""What the folder of an asset and the files in it are called, and where one may be; no torch."""

from pathlib import Path

from engine.host.files import check_name
from protocol.errors import EngineError

FOLDER_SUFFIX = ".maquette"
ASSET = "asset"
"""Stem of what lies in the folder of a job: asset.maquette, asset.glb."""
RECIPE, SOURCE, LATENTS, VOXELS = "recipe.json", "source.png", "latents.safetensors", "asset.vxz"
THUMBNAIL = "thumbnail.png"


def folder_of(target: Path) -> Path:
    """The folder of the asset whose model is written to ``target``."""
    return target.with_suffix(FOLDER_SUFFIX)


def asset_of_job(folder: Path) -> Path:
    """The folder of the asset that a job makes, in the job's own folder."""
    return folder / f"{ASSET}{FOLDER_SUFFIX}"


def is_asset_folder(path: Path) -> bool:
    """Whether a folder holds an asset."""
    return path.is_dir() and (path / RECIPE).is_file()


def check_folder(folder: Path) -> None:
    """Refuse a place where something else than an asset is.

    Raises:
        EngineError: ``folder_taken``, ``name_too_long``.
    """
    check_name(folder)
    if folder.exists() and not is_asset_folder(folder):
        raise EngineError(
            "folder_taken",
            f"{folder} is there already and is not an asset.",
            "Choose another name, or remove it.",
        )
