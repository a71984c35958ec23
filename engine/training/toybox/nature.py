"""Families of plants."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc, chaikin, in_plane
from engine.training.toybox.solids import (
    Solid,
    cylinder,
    ellipsoid,
    extrude,
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
    gills = lathe([(foot * 0.6, height + 0.04), (radius * 0.86, height - 0.1)], capped=False)
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


def pine(random: np.random.Generator) -> list[Part]:
    """A trunk under cones of needles, perhaps with snow on them."""
    tiers, radius = int(random.integers(3, 6)), random.uniform(0.75, 1.05)
    step, trunk = random.uniform(0.45, 0.62), random.uniform(0.3, 0.6)
    green = m.foliage(random)
    other = m.unlike(green, m.foliage, random, 0.15) if random.random() < 0.5 else green
    snowy = random.random() < 0.35
    cones: list[list[Solid]] = [[], []]
    caps = []
    for k in range(tiers):
        size = radius * (1 - 0.72 * k / tiers)
        low, tall = trunk + step * k, step * 1.9
        bell = [
            (0, low + 0.1),
            (size, low),
            (size * 0.98, low + 0.06),
            (size * 0.45, low + tall * 0.45),
        ]
        cones[k % 2].append(rounded_lathe([*bell, (0, low + tall)], segments=24))
        cap = [
            (size * 0.66, low + tall * 0.28),
            (size * 0.52, low + tall * 0.47),
            (0, low + tall + 0.06),
        ]
        caps.append(lathe(cap, segments=24))
    stem = cylinder(random.uniform(0.14, 0.22), trunk + 0.3, segments=16)
    parts = [Part(stem, m.bark(random))]
    parts += [Part(joined(*some), shade) for some, shade in zip(cones, (green, other), strict=True)]
    if snowy:
        parts.append(Part(joined(*caps), m.pale(random)))
    elif random.random() < 0.4:
        star = ellipsoid(0.16, 0.16, 0.16, segments=12).moved(z=trunk + step * (tiers + 0.9) + 0.05)
        parts.append(Part(star, m.metal(random)))
    return parts


def cactus(random: np.random.Generator) -> list[Part]:
    """A ribbed column with arms in a pot, perhaps in flower."""
    radius, height, ribs = (
        random.uniform(0.32, 0.45),
        random.uniform(1.4, 2.0),
        int(random.integers(7, 11)),
    )
    column = _ribbed(
        rounded_lathe(
            [(0, 0), (radius, 0), (radius, 0), (radius * 1.1, height * 0.6)]
            + [(radius, height), (0, height)],
            segments=ribs * 6,
        ),
        ribs,
    )
    arms, blooms = [], [(0.0, 0.0, height)]
    for k in range(int(random.integers(1, 4))):
        side = 1 if k % 2 == 0 else -1
        out, low, rise = (
            radius + random.uniform(0.35, 0.5),
            height * random.uniform(0.3, 0.55),
            random.uniform(0.4, 0.8),
        )
        bend = np.array([(0, low), (out, low), (out, low + 0.1), (out, low + rise)])
        size = radius * random.uniform(0.5, 0.62)
        path = in_plane(chaikin(bend, 3), "xz") * (side, 1, 1)
        arm = joined(
            tube(path, size, segments=18),
            ellipsoid(size, size, size, segments=18).moved(side * out, 0, low + rise),
        )
        turn = random.uniform(-35, 35)
        arms.append(arm.turned("z", turn))
        blooms.append(
            (
                side * out * np.cos(np.radians(turn)),
                side * out * np.sin(np.radians(turn)),
                low + rise + size,
            )
        )
    rim, deep = radius * random.uniform(1.5, 1.9), random.uniform(0.5, 0.7)
    pot = lathe(
        [(0, -deep), (rim * 0.75, -deep), (rim * 0.92, -0.18), (rim, -0.18), (rim, 0.04)]
        + [(rim - 0.12, 0.04), (rim - 0.14, -0.06), (0, -0.06)]
    )
    green = m.foliage(random)
    parts = [
        Part(joined(column, *arms), green),
        Part(pot, m.ceramic(random)),
        Part(cylinder(rim - 0.06, 0.12).moved(z=-0.14), m.clay(random)),
    ]
    if random.random() < 0.6:
        flowers = [ellipsoid(0.15, 0.15, 0.12, segments=12).moved(x, y, z) for x, y, z in blooms]
        parts.append(Part(joined(*flowers), m.unlike(green, m.paint, random, 0.7)))
    return parts


def pumpkin(random: np.random.Generator) -> list[Part]:
    """A ribbed fruit with a stalk, a leaf, and sometimes a face."""
    ribs, tall = int(random.integers(7, 11)), random.uniform(0.6, 0.95)
    fruit = ellipsoid(1, 1, tall, segments=ribs * 6)
    flat = np.hypot(fruit.vertices[:, 0], fruit.vertices[:, 1])
    dent = 0.22 * np.exp(-((flat / 0.35) ** 2)) * np.sign(fruit.vertices[:, 2])
    fruit = _ribbed(Solid(fruit.vertices - np.outer(dent, (0, 0, 1)), fruit.faces), ribs)
    skin = m.surface(
        "skin",
        m.pick(
            ((0.90, 0.45, 0.10), (0.85, 0.58, 0.20), (0.45, 0.52, 0.25), (0.88, 0.80, 0.68)), random
        ),
        random,
        (0.4, 0.7),
    )
    path = np.array(
        [
            (0, 0, tall * 0.7),
            (0.02, 0, tall + 0.1),
            (random.uniform(-0.3, 0.3), 0.1, tall + random.uniform(0.25, 0.45)),
        ]
    )
    stalk = tube(chaikin(path, 2), np.linspace(0.2, 0.12, len(chaikin(path, 2))), segments=8)
    blade = (
        leaf(0.8, 0.6, rise=0.35, droop=0.5)
        .turned("z", random.uniform(-150, -30))
        .moved(z=tall * 0.85)
    )
    green = m.foliage(random)
    parts = [Part(fruit, skin), Part(stalk, m.bark(random)), Part(blade, green)]
    if random.random() < 0.5:
        tri = [(0.17, -0.12), (0.0, 0.17), (-0.17, -0.12)]
        eye = extrude(tri, 0.35).turned("x", 90)
        eyes = [eye.moved(i * 0.33, -0.6, 0.2 * tall) for i in (-1, 1)]
        x = np.linspace(-0.55, 0.55, 13)
        z = tall * (0.8 * x * x - 0.3)
        path = np.stack([x, -0.93 * np.sqrt(1 - x * x - (z / tall) ** 2), z], axis=1)
        smile = tube(path, 0.1, segments=10)
        parts.append(Part(joined(*eyes, smile), m.dark(random)))
    return parts


def _ribbed(solid: Solid, ribs: int) -> Solid:
    """Waves around the Z axis."""
    turn = np.arctan2(solid.vertices[:, 1], solid.vertices[:, 0])
    wave = 1 - 0.13 * (1 - np.abs(np.cos(ribs * turn / 2)))[:, None]
    return Solid(
        solid.vertices * np.concatenate([wave, wave, np.ones_like(wave)], axis=1), solid.faces
    )
