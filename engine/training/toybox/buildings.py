"""Families of buildings; their doors look to the front, -Y."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import box, extrude, joined


def house(random: np.random.Generator) -> list[Part]:
    """Walls under a gable roof, a door, windows and a chimney."""
    width, depth, height = (
        random.uniform(1.4, 2.1),
        random.uniform(1.3, 1.8),
        random.uniform(1.0, 1.6),
    )
    rise, over = random.uniform(0.6, 1.1), random.uniform(0.12, 0.25)
    wall, roof = m.stone(random) if random.random() < 0.4 else m.paint(random), m.clay(random)
    roof = m.unlike(wall, m.paint if random.random() < 0.5 else m.clay, random)
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
