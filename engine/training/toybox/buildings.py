"""Families of buildings; their doors look to the front, -Y."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    extrude,
    hoop,
    joined,
    lathe,
    rounded_lathe,
    torus,
)


def house(random: np.random.Generator) -> list[Part]:
    """Walls under a gable roof, a door, windows and a chimney."""
    width, depth, height = (
        random.uniform(1.4, 2.1),
        random.uniform(1.3, 1.8),
        random.uniform(1.0, 1.6),
    )
    rise, over = random.uniform(0.6, 1.1), random.uniform(0.12, 0.25)
    kind = random.random()
    wall = m.masonry(random) if kind < 0.45 else (m.stone if kind < 0.6 else m.paint)(random)
    roof = m.unlike(wall, m.paint if random.random() < 0.5 else m.clay, random)
    if random.random() < 0.5:
        roof = m.shingles(random, roof.base_color_factor)
    gable = [
        (-width / 2, 0),
        (width / 2, 0),
        (width / 2, height),
        (0, height + rise),
        (-width / 2, height),
    ]
    body = extrude(gable, depth).turned("x", 90).moved(y=depth / 2)
    slope = float(np.degrees(np.arctan2(rise, width / 2)))
    length = np.hypot(rise, width / 2) + over
    plank = box(length, depth + 2 * over, 0.14, bevel=0.03).moved(x=length / 2 - 0.06)
    left = plank.turned("y", slope)
    roofs = joined(*(s.moved(z=height + rise - 0.02) for s in (left, left.scaled(-1, 1, 1))))
    trim = m.unlike(wall, m.pale if random.random() < 0.5 else m.wood, random)
    pane = m.surface("pane", m.jittered((0.2, 0.32, 0.45), random), random, (0.05, 0.2))
    tall = min(0.75, height * 0.7)
    door = box(0.4, 0.12, tall, bevel=0.03).moved(0, -depth / 2)
    frames, panes = [], []
    places = [(x, -depth / 2, 0) for x in (-width * 0.32, width * 0.32)]
    places += [(width / 2, 0, 90), (-width / 2, 0, 90)]
    for x, y, turn in places:
        spot = (x, y, height * 0.45)
        frames.append(box(0.4, 0.1, 0.46, bevel=0.03).turned("z", turn).moved(*spot))
        panes.append(
            box(0.28, 0.16, 0.34, bevel=0.02)
            .turned("z", turn)
            .moved(spot[0], spot[1], spot[2] + 0.06)
        )
    if rise > 0.75:
        frames.append(box(0.36, 0.1, 0.36, bevel=0.1).moved(0, -depth / 2, height + rise * 0.22))
        panes.append(
            box(0.24, 0.16, 0.24, bevel=0.07).moved(0, -depth / 2, height + rise * 0.22 + 0.06)
        )
    side = 1 if random.random() < 0.5 else -1
    chimney = box(0.28, 0.28, rise * 0.9, bevel=0.02).moved(
        side * width * 0.27, depth * 0.15, height + rise * 0.25
    )
    return [
        Part(body, wall),
        Part(roofs, roof),
        Part(door, m.unlike(wall, m.wood, random)),
        Part(joined(*frames), trim),
        Part(joined(*panes), pane),
        Part(chimney, m.clay(random)),
        Part(box(width + 0.3, depth + 0.3, 0.1, bevel=0.03).moved(z=-0.08), m.stone(random)),
    ]


def lighthouse(random: np.random.Generator) -> list[Part]:
    """A tapering tower in bands, a gallery, a lamp behind glass and a dome, on a rock."""
    foot, top, height = (
        random.uniform(0.55, 0.75),
        random.uniform(0.36, 0.46),
        random.uniform(1.9, 2.6),
    )
    count = int(random.integers(3, 7))
    white = m.pale(random)
    color = m.unlike(white, m.paint, random, 0.6)
    cuts = np.linspace(0, 1, count + 1)
    bands: list[list[Solid]] = [[], []]
    for k in range(count):
        ends = [(foot + (top - foot) * s, height * s) for s in (cuts[k], cuts[k + 1])]
        bands[k % 2].append(lathe(ends))
    gallery = cylinder(top + 0.22, 0.12, bevel=0.03).moved(z=height - 0.02)
    rail = joined(
        torus(top + 0.18, 0.045).moved(z=height + 0.34),
        *(
            cylinder(0.045, 0.3, segments=8).moved(
                (top + 0.18) * np.cos(t), (top + 0.18) * np.sin(t), height + 0.06
            )
            for t in np.arange(8) * np.pi / 4
        ),
    )
    room = random.uniform(0.5, 0.65)
    pane = cylinder(top * 0.8, room).moved(z=height + 0.05)
    bulb = ellipsoid(0.17, 0.17, 0.2, segments=16).moved(z=height + 0.1 + room / 2)
    dome = lathe(
        [(0, height + room), (top + 0.06, height + room), (top + 0.02, height + room + 0.1)]
        + [
            (top * 0.6, height + room + 0.34),
            (0.05, height + room + 0.46),
            (0, height + room + 0.7),
        ]
    )
    rock = rounded_lathe(
        [(0, -0.3), (foot + 0.55, -0.3), (foot + 0.35, -0.02), (foot + 0.1, 0.04), (0, 0.04)],
        segments=14,
        times=1,
    )
    door = box(0.3, 0.2, 0.5, bevel=0.05).moved(0, -foot + 0.06, 0.0)
    light = m.surface("light", m.jittered((0.97, 0.85, 0.4), random), random, (0.3, 0.6))
    return [
        Part(joined(*bands[0]), color),
        Part(joined(*bands[1]), white),
        Part(joined(gallery, rail), m.dark(random)),
        Part(pane, m.glass(random)),
        Part(bulb, light),
        Part(dome, color if random.random() < 0.7 else m.metal(random)),
        Part(rock, m.stone(random)),
        Part(door, m.wood(random)),
    ]


def castle(random: np.random.Generator) -> list[Part]:
    """A round tower with battlements or a pointed roof, a gate and a flag."""
    radius, height = random.uniform(0.6, 0.8), random.uniform(1.4, 2.1)
    wall = m.stone(random) if random.random() < 0.4 else m.masonry(random)
    out = radius * 1.18
    tower = lathe(
        [(0, 0), (radius * 1.1, 0), (radius, 0.3), (radius, height - 0.2), (out, height)]
        + [
            (out, height + 0.25),
            (out - 0.2, height + 0.25),
            (out - 0.2, height + 0.05),
            (0, height + 0.05),
        ]
    )
    count = int(random.integers(6, 10))
    tooth = box(0.2, 0.3, 0.24, bevel=0.02).moved(out - 0.1, 0, height + 0.2)
    teeth = [tooth.turned("z", 360 * k / count) for k in range(count)]
    band = hoop(radius + 0.1, height * 0.52, height * 0.52 + 0.12)
    gate = [
        box(0.5, 0.3, 0.55, bevel=0.02),
        cylinder(0.25, 0.3, segments=20).turned("x", 90).moved(0, 0.15, 0.55),
    ]
    slits = [
        box(0.14, 0.2, 0.42, bevel=0.03).moved(0, -radius + 0.05, height * 0.66).turned("z", 70 * k)
        for k in (-1, 0, 1)
    ]
    roof_color = m.unlike(wall, m.paint, random, 0.5)
    parts = [
        Part(joined(tower, *teeth), wall),
        Part(band, m.unlike(wall, m.stone, random, 0.2)),
        Part(joined(*gate).moved(0, -radius + 0.04), m.wood(random)),
        Part(joined(*slits), m.dark(random)),
    ]
    tip = height + 0.25
    if random.random() < 0.6:
        rise = random.uniform(0.9, 1.4)
        keep = cylinder(radius * 0.72, 0.6).moved(z=height)
        roof = lathe(
            [
                (0, height + 0.55),
                (radius * 0.95, height + 0.5),
                (radius * 0.5, height + 0.5 + rise * 0.42),
                (0, height + 0.5 + rise),
            ]
        )
        parts += [Part(keep, wall), Part(roof, roof_color)]
        tip = height + 0.4 + rise
    pole = cylinder(0.05, 0.65, segments=10).moved(z=tip - 0.1)
    flag = (
        extrude([(0, 0), (0.5, 0.14), (0, 0.28)], 0.09).turned("x", 90).moved(0, 0.045, tip + 0.24)
    )
    return [*parts, Part(pole, m.metal(random)), Part(flag, m.unlike(roof_color, m.cloth, random))]
