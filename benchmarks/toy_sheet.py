"""A contact sheet of the toy box: one toy of each family, without names.

    python -m benchmarks.toy_sheet OUT.png [SEED]

Looked at after every change of a family: each toy has to be named right by sight.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from engine.render.camera import orbit
from engine.render.picture import render
from engine.training.toybox import FAMILIES, make_toy

COLUMNS, TILE, PAPER = 9, 112, 235
CAMERA = orbit(-25, 18, radius=0.72)


def main() -> None:
    out = Path(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    tiles = [tile_of(seed, family) for family in FAMILIES]
    tiles += [np.full_like(tiles[0], PAPER)] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.vstack(rows)).save(out, optimize=True)


def tile_of(seed: int, family: str) -> np.ndarray:
    """(TILE, TILE, 3) uint8 picture of a toy on paper."""
    rgba = render(make_toy(seed, family).mesh, CAMERA, width=TILE).rgba
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + PAPER * (1 - alpha)).astype(np.uint8)


if __name__ == "__main__":
    main()
