"""Families of plants and animals."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc
from engine.training.toybox.solids import (
    Solid,
    cylinder,
    ellipsoid,
    joined,
    lathe,
    leaf,
    rounded_lathe,
    tube,
)


def mushroom(random: np.random.Generator) -> list[Part]:
    """A stem, a cap with dots, and gills under it."""
    radius, height = random.uniform(0.9, 1.3), random.uniform(1.0, 1.9)
    rise, foot = random.uniform(0.5, 1.0), random.uniform(0.3, 0.5)
    stem = rounded_lathe(
        [(0, 0), (foot, 0), (foot * 1.1, 0.15), (foot * 0.7, height * 0.6)]
        + [(foot * 0.7, height + 0.1), (0, height + 0.1)]
    )
    dome = arc(1.0, 0, 90, 12) * (radius, rise) + (0, height)
    dome[-1, 0] = 0
    cap = lathe([(0, height + 0.08), (radius * 0.9, height - 0.06), *dome.tolist()], capped=False)
    gills = lathe([(foot * 0.6, height + 0.04), (radius * 0.86, height - 0.1)], capped=True)
    skin = m.paint(random)
    dots = []
    start = random.uniform(0, 360)
    for row, (up, count) in enumerate(((22, 6), (52, 4), (90, 1))):
        for k in range(count):
            size = radius * random.uniform(0.13, 0.2)
            turn = np.radians(start + 360 * (k + 0.5 * row) / count + random.uniform(-12, 12))
            rise_at = np.radians(up)
            flat, lift = radius * np.cos(rise_at), rise * np.sin(rise_at)
            dot = ellipsoid(size, size, size * 0.55, segments=10).turned("y", 80 - up * 0.88)
            dots.append(
                dot.turned("z", float(np.degrees(turn))).moved(
                    flat * np.cos(turn), flat * np.sin(turn), height + lift
                )
            )
    parts = [Part(stem, m.pale(random)), Part(cap, skin), Part(gills, m.clay(random))]
    if random.random() < 0.75:
        parts.append(Part(joined(*dots), m.unlike(skin, m.pale, random)))
    return parts


def tree(random: np.random.Generator) -> list[Part]:
    """A trunk with a crown of several round bushes, perhaps with fruit."""
    height, thick = random.uniform(1.0, 1.7), random.uniform(0.16, 0.26)
    path = np.linspace((0, 0, 0), (random.uniform(-0.2, 0.2), 0, height + 0.4), 6)
    trunk = tube(path, np.linspace(thick * 1.3, thick * 0.7, 6))
    greens = [m.foliage(random), m.foliage(random)]
    crown: list[list[Solid]] = [[], []]
    fruit = []
    wide = random.uniform(0.55, 0.85)
    for k in range(int(random.integers(4, 8))):
        size = random.uniform(0.5, 0.75)
        turn, out = 2.4 * k + random.uniform(-0.4, 0.4), 0.0 if k == 0 else wide
        x, y = out * np.cos(turn), out * np.sin(turn)
        z = height + 0.5 + (0.45 if k == 0 else random.uniform(-0.1, 0.35))
        crown[k % 2].append(ellipsoid(size, size, size * 0.85, segments=20).moved(x, y, z))
        for _ in range(3):
            side = random.uniform(0, 2 * np.pi)
            lift = random.uniform(-0.3, 0.7)
            at = size * np.array(
                [np.cos(side) * np.cos(lift), np.sin(side) * np.cos(lift), 0.85 * np.sin(lift)]
            )
            fruit.append(ellipsoid(0.12, 0.12, 0.12, segments=8).moved(*(at + (x, y, z)).tolist()))
    parts = [Part(trunk, m.bark(random))]
    parts += [Part(joined(*bushes), green) for bushes, green in zip(crown, greens, strict=True)]
    if random.random() < 0.5:
        parts.append(Part(joined(*fruit), m.unlike(greens[0], m.paint, random, 0.6)))
    return parts


def plant(random: np.random.Generator) -> list[Part]:
    """A pot with earth and open leaves."""
    radius, height = random.uniform(0.5, 0.7), random.uniform(0.7, 1.0)
    rim = radius * 1.15
    pot = lathe(
        [(0, 0), (radius * 0.75, 0), (radius, height * 0.75), (rim, height * 0.75)]
        + [(rim, height), (rim - 0.12, height), (radius - 0.1, height * 0.7), (0, height * 0.7)]
    )
    earth = cylinder(radius - 0.02, 0.1).moved(z=height * 0.8)
    leaves: list[list[Solid]] = [[], []]
    rows = int(random.integers(2, 4))
    length, slim = random.uniform(1.1, 1.7), random.uniform(0.28, 0.45)
    for row in range(rows):
        count = int(random.integers(5, 8))
        for k in range(count):
            blade = leaf(
                length * random.uniform(0.85, 1.1) * (1 - 0.12 * row),
                length * slim,
                rise=0.7 + 0.9 * row + random.uniform(0, 0.3),
                droop=random.uniform(0.4, 0.9),
            )
            turn = 360 * (k + 0.5 * row) / count + random.uniform(-10, 10)
            leaves[row % 2].append(blade.turned("z", turn).moved(z=height * 0.85))
    green = m.foliage(random)
    return [
        Part(pot, m.ceramic(random)),
        Part(earth, m.bark(random)),
        Part(joined(*leaves[0]), green),
        Part(joined(*leaves[1]), m.unlike(green, m.foliage, random, 0.2)),
    ]
