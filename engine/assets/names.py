"""What the folder of an asset and the files in it are called; nothing is imported for it."""

from pathlib import Path

FOLDER_SUFFIX = ".maquette"
RECIPE, SOURCE, LATENTS, VOXELS = "recipe.json", "source.png", "latents.safetensors", "asset.vxz"
THUMBNAIL = "thumbnail.png"


def folder_of(target: Path) -> Path:
    """The folder of the asset whose model is written to ``target``."""
    return target.with_suffix(FOLDER_SUFFIX)
