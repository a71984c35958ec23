"""Patterns as small tiles: stripes, dots, checks, grain, bricks, letters.

A tile is a factor and a texture whose product are its colours, so that the factor, the largest of
each channel, still says roughly what colour a material has. Tiles repeat seamlessly, but letters.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.mesh import Material, Texture
from engine.training.toybox.solids import Solid

TILE = 0.3
"""Side of a tile that is projected on a toy, in sides of the box."""
PIXELS, FINER = 96, 3
"""Pixels a side of a tile, and how much finer it is drawn before it is averaged."""
Color = tuple[float, float, float]

_GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10101 10011 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "X": "10001 10001 01010 00100 01010 10001 10001",
    "Y": "10001 10001 01010 00100 00100 00100 00100",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "8": "01110 10001 10001 01110 10001 10001 01110",
}
LETTERS = "".join(_GLYPHS)


def with_tile(material: Material, colors: np.ndarray) -> Material:
    """A material with a tile instead of its colour.

    Args:
        colors: (H, W, 3) in [0, 1], first row at the top.
    """
    factor = np.maximum(np.ceil(colors.max(axis=(0, 1)) * 1000) / 1000, 0.02)
    pixels = np.rint(np.clip(colors / factor, 0, 1) * 255).astype(np.uint8)
    red, green, blue = factor.tolist()
    return replace(
        material, base_color_factor=(red, green, blue), base_color_texture=Texture(pixels)
    )


def stripes(first: Color, second: Color, count: int, *, upright: bool) -> np.ndarray:
    """Bands of two colours, ``count`` of each to a tile."""
    u, v = _places()
    return _two((u if upright else v) * count % 1 < 0.5, first, second)


def dots(ground: Color, ink: Color, count: int, size: float) -> np.ndarray:
    """Discs in staggered rows, ``count`` rows; ``size`` is their radius in rows, below 0.5."""
    u, v = _places()
    count += count % 2  # an odd row beside its repetition would not be staggered
    row = np.floor(v * count)
    across = (u * count + 0.5 * (row % 2)) % 1 - 0.5
    return _two(np.hypot(across, v * count % 1 - 0.5) > size, ground, ink)


def checks(first: Color, second: Color, count: int) -> np.ndarray:
    """Squares of two colours with their mean where bands cross, as woven cloth has."""
    u, v = _places()
    share = ((u * count % 1 < 0.5).astype(float) + (v * count % 1 < 0.5)) / 2
    return _mean(np.asarray(first) * share[..., None] + np.asarray(second) * (1 - share[..., None]))


def grain(color: Color, random: np.random.Generator, *, depth: float) -> np.ndarray:
    """Wood: wavy lines, upright, that are darker by up to ``depth``."""
    u, v = _places()
    bend = np.zeros_like(u)
    for wave in (1, 2, 3):
        bend += (
            np.sin(2 * np.pi * (wave * v + random.uniform())) * random.uniform(0.05, 0.15) / wave
        )
    lines = int(random.integers(4, 7))
    ring = 0.5 + 0.5 * np.sin(2 * np.pi * (lines * u + bend * 2))
    fine = 0.5 + 0.5 * np.sin(2 * np.pi * (lines * 3 * u + bend * 5 + random.uniform()))
    dark = depth * (0.75 * ring**3 + 0.25 * fine)
    return _mean(np.asarray(color) * (1 - dark[..., None]))


def bricks(
    brick: Color, mortar: Color, random: np.random.Generator, *, rows: int, joint: float = 0.16
) -> np.ndarray:
    """Rows of bricks, each row half a brick on, each brick a little lighter or darker."""
    u, v = _places()
    rows += rows % 2
    across = max(1, rows // 2)
    row = np.floor(v * rows).astype(int)
    along = u * across + 0.5 * (row % 2)
    column = np.floor(along).astype(int) % across
    light = random.uniform(0.82, 1.0, (rows, across))[row, column]
    side = np.minimum(along % 1, 1 - along % 1) * rows / across
    flat = np.minimum(v * rows % 1, 1 - v * rows % 1)
    inside = np.minimum(side, flat) > joint / 2
    colors = np.where(inside[..., None], np.asarray(brick) * light[..., None], np.asarray(mortar))
    return _mean(colors)


def letters(text: str, ground: Color, ink: Color, *, border: float = 0.14) -> np.ndarray:
    """Letters side by side on a ground, the whole of them as wide as high as they come.

    Raises:
        KeyError: a letter that is not one of ``LETTERS``.
    """
    glyphs = [np.array([list(row) for row in _GLYPHS[letter].split()], int) for letter in text]
    gap = np.zeros((7, 1), int)
    line = np.concatenate([part for glyph in glyphs for part in (glyph, gap)][:-1], axis=1)
    u, v = _places()
    x, y = ((place - border) / (1 - 2 * border) for place in (u, v))
    inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
    column = np.clip(x * line.shape[1], 0, line.shape[1] - 1).astype(int)
    row = np.clip(y * 7, 0, 6).astype(int)
    return _two(~(inside & (line[row, column] == 1)), ground, ink)


def cube_uvs(corners: np.ndarray, size: float) -> np.ndarray:
    """(F, 3, 2) UVs of triangles (F, 3, 3): each is seen along the axis that it faces most.

    Args:
        size: of a tile, in the units of the corners.
    """
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(normals).argmax(axis=1)
    across = np.array([1, 0, 0])[facing]
    up = np.array([2, 2, 1])[facing]
    rows = np.arange(len(corners))
    picked = np.stack([corners[rows, :, across], corners[rows, :, up]], axis=-1)
    return picked / size


def label_uvs(solid: Solid, *, back: bool = False, axes: tuple[int, int] = (0, 2)) -> np.ndarray:
    """(F, 3, 2) UVs that put one tile upright over a solid seen from the front, or from behind.

    Args:
        axes: the axes that go right and up in the picture.
    """
    flat = solid.vertices[:, axes]
    low, high = flat.min(axis=0), flat.max(axis=0)
    uvs = (flat - low) / (high - low)
    if back:
        uvs[:, 0] = 1 - uvs[:, 0]
    return uvs[solid.faces]


def _places() -> tuple[np.ndarray, np.ndarray]:
    """Right and down of each fine pixel's middle, in [0, 1]."""
    side = (np.arange(PIXELS * FINER) + 0.5) / (PIXELS * FINER)
    v, u = np.meshgrid(side, side, indexing="ij")
    return u, v


def _two(first: np.ndarray, color: Sequence[float], other: Sequence[float]) -> np.ndarray:
    return _mean(np.where(first[..., None], color, other))


def _mean(colors: np.ndarray) -> np.ndarray:
    """Fine pixels to pixels."""
    return colors.reshape(PIXELS, FINER, PIXELS, FINER, 3).mean(axis=(1, 3))
