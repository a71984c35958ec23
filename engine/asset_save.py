"""An asset to whichever file its name asks for."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.asset import Asset
from engine.asset_folder import FOLDER_SUFFIX, save_asset, save_thumbnail
from engine.errors import EngineError
from engine.export.mesh_file import save_mesh
from engine.export.presets import Preset, preset_named
from engine.ovoxel.ovoxel_file import OVoxels, save_ovoxels
from engine.pipelines.finish import FinishJob, finish
from engine.pipelines.report import Report

FINISHED = (".glb", ".obj")


def save(asset: Asset, path: Path, preset: Preset | str | None, report: Report | None) -> None:
    """See ``Asset.save``."""
    suffix = path.suffix.lower()
    if preset is not None:
        if suffix not in FINISHED:
            raise EngineError(
                "mesh_format",
                f"{path.name} cannot hold a textured asset.",
                "Use a name that ends in .glb or .obj, or leave out the preset.",
            )
        chosen = preset_named(preset) if isinstance(preset, str) else preset
        report = report or Report()
        finished = finish(FinishJob.of(asset, fitted(chosen, path, report), path.stem), report)
        finished.save(path, image_format=chosen.image_format)
    elif suffix == FOLDER_SUFFIX:
        save_asset(asset, path)
        save_thumbnail(asset.mesh, path)
    elif suffix == ".vxz":
        materials = np.clip(asset.materials, 0, 1)
        save_ovoxels(path, OVoxels(asset.grid, materials, asset.placement))
    else:
        save_mesh(asset.mesh, path)


def fitted(preset: Preset, path: Path, report: Report) -> Preset:
    """The preset without what a file of this format cannot hold, which is noted."""
    if path.suffix.lower() == ".glb":
        return preset
    if not preset.has_one_mesh:
        report.note(
            f"{path.name} holds one mesh, without further levels of detail and hull; "
            "a .glb file holds them too."
        )
    return replace(preset.with_one_mesh(), image_format="png")
