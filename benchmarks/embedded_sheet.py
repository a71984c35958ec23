"""A contact sheet of the embedded model: held-out pictures, results, truths, unselected.

    python -m benchmarks.embedded_sheet CHECKPOINT DATA OUT.webp [--type TYPE] [--odd PICTURE ...]

The first 24 assets of the held-out split, four to a row: picture, what was made of it, finished as
users get it, and the true O-Voxels, both from the side of the picture. With --odd: other pictures,
each beside its result.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from engine.finishing.finish import finish
from engine.mesh import Mesh
from engine.render.camera import orbit
from engine.render.picture import render
from engine.report import Report
from engine.residency.models import Models
from engine.systems.inputs import Inputs
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.generate import generate
from engine.training.data.dataset import Dataset
from engine.training.evaluate import VIEW
from engine.training.reconstruct import opaque_surface, ovoxels_of
from protocol.errors import EngineError
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob

ASSETS, COLUMNS, TILE = 24, 4, 144
TEXTURE = 512
"""Texels a side: far more than a tile shows."""
PAPER = 225


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", default=None)
    parser.add_argument("--odd", type=Path, nargs="*", default=[])
    asked = parser.parse_args()
    models = Models(load_checkpoint(asked.checkpoint, offline=True))
    tiles = (
        [odd_tile(models, path, asked.type) for path in asked.odd]
        if asked.odd
        else held_out_tiles(models, asked.data, asked.type)
    )
    sheet_of(tiles).save(asked.out, quality=80)


def sheet_of(tiles: list[np.ndarray]) -> Image.Image:
    """Tiles (H, W, 3) uint8 of one height, four to a row."""
    rows = [np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)]
    width = max(row.shape[1] for row in rows)
    return Image.fromarray(
        np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)),
                          constant_values=PAPER) for row in rows])
    )  # fmt: skip


def held_out_tiles(
    models: Models, data: Path, kind: str | None, count: int = ASSETS
) -> list[np.ndarray]:
    dataset = Dataset(data, "held_out")
    resolution = max(dataset.resolutions)
    tiles: list[np.ndarray] = []
    for index in range(min(count, len(dataset))):
        picture = dataset.picture(index, VIEW)
        azimuth = float(str(dataset.camera(index, VIEW)["azimuth_degrees"]))
        voxels = dataset.voxels(index, resolution)
        truth = opaque_surface(ovoxels_of(voxels, resolution))
        result = generated(models, Image.fromarray(picture), kind)
        tiles.append(np.hstack([flat(picture), seen(result, azimuth), seen(truth, azimuth), gap()]))
        print(f"{index + 1} {dataset.names[index]} {dataset.families[index]}", flush=True)
    return tiles


def odd_tile(models: Models, path: Path, kind: str | None) -> np.ndarray:
    picture = np.asarray(Image.open(path).convert("RGBA"))
    return np.hstack([flat(picture), seen(generated(models, path, kind), 25.0), gap()])


def generated(models: Models, picture: Path | Image.Image, kind: str | None) -> Mesh | None:
    matte = "cutout" if isinstance(picture, Image.Image) else "auto"
    inputs = Inputs()
    job = GenerateJob(picture=inputs.attach(picture), type=kind, matte=matte)
    try:
        asset = generate(job, models, Report(), inputs)
    except EngineError as error:
        print(error)
        return None
    settings = FinishChoice(texture_size=TEXTURE).settled(asset.finish_advice)
    return finish(asset.voxels, settings, Report()).meshes[0].mesh


def seen(mesh: Mesh | None, azimuth: float) -> np.ndarray:
    if mesh is None or len(mesh.faces) == 0:
        return np.full((TILE, TILE, 3), PAPER // 2, np.uint8)
    return flat(render(mesh, orbit(azimuth, 20, radius=0.7), width=TILE).rgba)


def flat(rgba: np.ndarray) -> np.ndarray:
    image = Image.fromarray(rgba)
    image.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    paper = Image.new("RGBA", (TILE, TILE), (PAPER, PAPER, PAPER, 255))
    paper.alpha_composite(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    return np.asarray(paper.convert("RGB"))


def gap() -> np.ndarray:
    return np.full((TILE, 12, 3), 255, np.uint8)


if __name__ == "__main__":
    main()
