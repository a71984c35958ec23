"""Families of furniture."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    joined,
    lathe,
)


def _legs(x: float, y: float, height: float, thick: float, *, round_: bool, splay: float) -> Solid:
    """Four legs under the corners of a plate of half sides x and y."""
    legs = []
    for i in (-1, 1):
        for j in (-1, 1):
            leg = (
                cylinder(thick * 0.35, height, top=thick * 0.55, segments=12)
                if round_
                else box(thick, thick, height, bevel=0.02)
            )
            leg = leg.moved(z=-height).turned("y", -i * splay).turned("x", j * splay)
            legs.append(leg.moved(i * x, j * y, height))
    return joined(*legs)


def chair(random: np.random.Generator) -> list[Part]:
    """Four legs, a seat, perhaps a cushion, and a back of slats or one board."""
    width, depth = random.uniform(0.95, 1.3), random.uniform(0.95, 1.2)
    seat, back = random.uniform(0.85, 1.2), random.uniform(0.9, 1.5)
    frame = m.wood(random) if random.random() < 0.6 else m.paint(random)
    cover = m.unlike(frame, m.cloth, random)
    thick = random.uniform(0.12, 0.18)
    legs = _legs(
        width / 2 - 0.1,
        depth / 2 - 0.1,
        seat,
        thick,
        round_=bool(random.random() < 0.4),
        splay=random.uniform(0, 7),
    )
    parts = [
        Part(legs, frame),
        Part(box(width, depth, 0.14, bevel=0.05).moved(z=seat), frame),
    ]
    if random.random() < 0.6:
        parts.append(
            Part(box(width * 0.9, depth * 0.9, 0.16, bevel=0.07).moved(z=seat + 0.12), cover)
        )
    lean = random.uniform(2, 12)
    slats = int(random.integers(0, 5))
    if slats < 2:
        board = box(width * 0.95, 0.13, back, bevel=0.06)
        panels = [Part(board, cover if random.random() < 0.6 else frame)]
    else:
        posts = [box(0.13, 0.13, back, bevel=0.03).moved(i * (width / 2 - 0.07)) for i in (-1, 1)]
        gaps = (np.arange(slats) + 1) / slats * back - 0.2
        bars = [box(width * 0.9, 0.1, min(0.2, 0.5 * back / slats)).moved(z=gap) for gap in gaps]
        panels = [Part(joined(*posts), frame), Part(joined(*bars), cover)]
    for panel in panels:
        solid = panel.solid.turned("x", -lean).moved(y=depth / 2 - 0.08, z=seat + 0.05)
        parts.append(Part(solid, panel.material))
    return parts


def table(random: np.random.Generator) -> list[Part]:
    """A plate, round or not, on four legs or on one, with something on it."""
    height = random.uniform(0.9, 1.3)
    width, depth = random.uniform(1.6, 2.4), random.uniform(1.1, 1.6)
    top = m.wood(random) if random.random() < 0.6 else m.paint(random)
    base = m.unlike(top, m.metal if random.random() < 0.5 else m.wood, random, 0.25)
    if random.random() < 0.45:
        radius = random.uniform(0.8, 1.1)
        plate = cylinder(radius, 0.14, bevel=0.04, segments=48).moved(z=height)
        foot = radius * random.uniform(0.45, 0.7)
        stand = lathe(
            [(0, 0), (foot, 0), (foot, 0.08), (0.14, 0.2), (0.12, height * 0.6)]
            + [(0.25, height + 0.02), (0, height + 0.02)]
        )
    else:
        plate = box(width, depth, 0.14, bevel=0.05).moved(z=height)
        stand = _legs(
            width / 2 - 0.15,
            depth / 2 - 0.15,
            height,
            random.uniform(0.14, 0.2),
            round_=bool(random.random() < 0.5),
            splay=random.uniform(0, 6),
        )
    parts = [Part(plate, top), Part(stand, base)]
    if random.random() < 0.7:
        bowl = lathe([(0, 0), (0.18, 0), (0.38, 0.26), (0.32, 0.26), (0.14, 0.08), (0, 0.08)])
        place = random.uniform(-0.25, 0.25, 2)
        parts.append(
            Part(bowl.moved(*place.tolist(), height + 0.13), m.unlike(top, m.ceramic, random))
        )
    return parts
