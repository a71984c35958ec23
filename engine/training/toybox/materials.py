"""Materials of toys: palettes with some randomness. Colours are sRGB-encoded."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.mesh import Material
from engine.training.toybox import patterns
from engine.training.toybox.patterns import Color, with_tile

PAINTS: tuple[Color, ...] = (
    *((0.82, 0.14, 0.12), (0.93, 0.45, 0.10), (0.96, 0.76, 0.15), (0.32, 0.66, 0.22)),
    *((0.10, 0.52, 0.44), (0.12, 0.50, 0.80), (0.16, 0.24, 0.62), (0.48, 0.22, 0.62)),
    *((0.88, 0.38, 0.58), (0.93, 0.91, 0.86), (0.60, 0.62, 0.64), (0.20, 0.21, 0.23)),
    *((0.55, 0.80, 0.82), (0.70, 0.80, 0.35), (0.60, 0.22, 0.14), (0.98, 0.66, 0.52)),
)
METALS: tuple[Color, ...] = (
    *((0.77, 0.78, 0.80), (0.92, 0.76, 0.42), (0.88, 0.60, 0.46), (0.55, 0.56, 0.58)),
    *((0.80, 0.70, 0.45), (0.66, 0.70, 0.74)),
)
WOODS: tuple[Color, ...] = (
    *((0.72, 0.52, 0.32), (0.55, 0.35, 0.20), (0.40, 0.25, 0.15), (0.82, 0.66, 0.44)),
    *((0.63, 0.40, 0.24), (0.50, 0.27, 0.16)),
)
LEAVES: tuple[Color, ...] = (
    *((0.22, 0.50, 0.18), (0.33, 0.62, 0.22), (0.14, 0.38, 0.20), (0.50, 0.66, 0.22)),
    *((0.30, 0.52, 0.36),),
)
BARKS: tuple[Color, ...] = ((0.40, 0.28, 0.18), (0.48, 0.38, 0.28), (0.30, 0.21, 0.15))
STONES: tuple[Color, ...] = (
    *((0.58, 0.57, 0.54), (0.72, 0.69, 0.62), (0.45, 0.46, 0.48), (0.76, 0.62, 0.48)),
)
GLASSES: tuple[Color, ...] = (
    *((0.75, 0.88, 0.90), (0.25, 0.55, 0.30), (0.50, 0.30, 0.12), (0.25, 0.45, 0.75)),
    *((0.85, 0.85, 0.88), (0.65, 0.30, 0.55)),
)
BRICKS: tuple[Color, ...] = ((0.66, 0.30, 0.22), (0.72, 0.42, 0.30), (0.52, 0.26, 0.22))
CLAYS: tuple[Color, ...] = ((0.74, 0.40, 0.26), (0.82, 0.55, 0.38), (0.90, 0.84, 0.74))


def jittered(color: Color, random: np.random.Generator, amount: float = 0.06) -> Color:
    """A colour nearby: brighter or darker, and each channel a little different."""
    moved = np.add(color, random.uniform(-amount, amount)) + random.uniform(-amount, amount, 3) / 2
    red, green, blue = np.clip(moved, 0.02, 0.98)
    return round(float(red), 3), round(float(green), 3), round(float(blue), 3)


def pick(palette: Sequence[Color], random: np.random.Generator) -> Color:
    return jittered(palette[int(random.integers(len(palette)))], random)


def surface(
    name: str,
    color: Color,
    random: np.random.Generator,
    roughness: tuple[float, float],
    *,
    metallic: float = 0.0,
) -> Material:
    """An opaque material whose roughness is drawn from a range."""
    return Material(
        name=name,
        base_color_factor=color,
        metallic_factor=metallic,
        roughness_factor=round(float(random.uniform(*roughness)), 3),
    )


def metal(random: np.random.Generator) -> Material:
    return surface("metal", pick(METALS, random), random, (0.15, 0.45), metallic=1.0)


def plastic(random: np.random.Generator) -> Material:
    return surface("plastic", pick(PAINTS, random), random, (0.25, 0.5))


def paint(random: np.random.Generator) -> Material:
    """Glossy paint, on metal or on wood."""
    return surface("paint", pick(PAINTS, random), random, (0.15, 0.65))


def wood(random: np.random.Generator) -> Material:
    """Often with a grain."""
    plain = surface("wood", pick(WOODS, random), random, (0.55, 0.8))
    if random.random() < 0.35:
        return plain
    depth = random.uniform(0.15, 0.4)
    return with_tile(plain, patterns.grain(plain.base_color_factor, random, depth=depth))


def cloth(random: np.random.Generator) -> Material:
    """Sometimes with a pattern."""
    plain = surface("cloth", pick(PAINTS, random), random, (0.8, 1.0))
    return plain if random.random() < 0.65 else patterned(plain, random)


def patterned(plain: Material, random: np.random.Generator) -> Material:
    """The same with stripes, dots or checks in a second colour."""
    first = plain.base_color_factor
    second = unlike(plain, plastic, random, 0.5).base_color_factor
    kind, count = random.random(), int(random.integers(2, 5))
    if kind < 0.4:
        tile = patterns.stripes(first, second, count, upright=bool(random.random() < 0.4))
        name = "stripes"
    elif kind < 0.75:
        tile = patterns.dots(first, second, count, random.uniform(0.25, 0.36))
        name = "dots"
    else:
        tile = patterns.checks(first, second, count)
        name = "checks"
    return with_tile(replace(plain, name=name), tile)


def masonry(random: np.random.Generator) -> Material:
    """Bricks or cut stones in mortar."""
    if random.random() < 0.55:
        plain = surface("bricks", pick(BRICKS, random), random, (0.8, 1.0))
        rows, mortar = 6, jittered((0.80, 0.77, 0.72), random)
    else:
        plain = surface("stones", pick(STONES, random), random, (0.75, 1.0))
        rows, mortar = 4, jittered((0.40, 0.39, 0.38), random)
    tile = patterns.bricks(plain.base_color_factor, mortar, random, rows=rows)
    return with_tile(plain, tile)


def shingles(random: np.random.Generator, color: Color) -> Material:
    """Roof tiles in rows, with dark gaps."""
    plain = surface("shingles", color, random, (0.6, 0.9))
    red, green, blue = color
    gap = (red * 0.5, green * 0.5, blue * 0.5)
    return with_tile(plain, patterns.bricks(color, gap, random, rows=6, joint=0.2))


def lettered(text: str, random: np.random.Generator) -> Material:
    """Pale with coloured letters on it, for a part with UVs of ``patterns.label_uvs``."""
    ground = pale(random)
    ink = unlike(ground, plastic, random, 1.0).base_color_factor
    return with_tile(ground, patterns.letters(text, ground.base_color_factor, ink))


def foliage(random: np.random.Generator) -> Material:
    return surface("foliage", pick(LEAVES, random), random, (0.5, 0.85))


def bark(random: np.random.Generator) -> Material:
    return surface("bark", pick(BARKS, random), random, (0.85, 1.0))


def stone(random: np.random.Generator) -> Material:
    return surface("stone", pick(STONES, random), random, (0.75, 1.0))


def ceramic(random: np.random.Generator) -> Material:
    """Sometimes with a pattern."""
    plain = surface("ceramic", pick((*PAINTS, *CLAYS), random), random, (0.1, 0.5))
    return plain if random.random() < 0.75 else patterned(plain, random)


def clay(random: np.random.Generator) -> Material:
    return surface("clay", pick(CLAYS, random), random, (0.7, 0.95))


def rubber(random: np.random.Generator) -> Material:
    return surface("rubber", jittered((0.11, 0.11, 0.12), random, 0.04), random, (0.7, 0.95))


def dark(random: np.random.Generator) -> Material:
    """Something almost black and shiny: eyes, screens, buttons."""
    return surface("dark", jittered((0.08, 0.08, 0.10), random, 0.03), random, (0.1, 0.35))


def pale(random: np.random.Generator) -> Material:
    return surface("pale", jittered((0.92, 0.90, 0.86), random, 0.04), random, (0.4, 0.8))


def glass(random: np.random.Generator) -> Material:
    return see_through(surface("glass", pick(GLASSES, random), random, (0.05, 0.2)), random)


def see_through(material: Material, random: np.random.Generator) -> Material:
    """The same with an ``alpha_factor`` from 0.3 to 0.55."""
    alpha = round(float(random.uniform(0.3, 0.55)), 3)
    return replace(material, alpha_mode="blend", alpha_factor=alpha)


def unlike(material: Material, make, random: np.random.Generator, apart: float = 0.35) -> Material:
    """A material of ``make`` whose colour differs from another's by at least ``apart`` if possible.

    The sum of the differences of red, green and blue counts; the farthest of 8 is taken otherwise.
    """
    best, farthest = material, -1.0
    for _ in range(8):
        other = make(random)
        gap = float(np.abs(np.subtract(other.base_color_factor, material.base_color_factor)).sum())
        if gap > farthest:
            best, farthest = other, gap
        if gap >= apart:
            break
    return best
