"""Families of furniture."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    joined,
    lathe,
    rounded_lathe,
    torus,
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
    padded = random.random() < 0.6
    if padded:
        parts.append(
            Part(box(width * 0.9, depth * 0.9, 0.16, bevel=0.07).moved(z=seat + 0.12), cover)
        )
    lean = random.uniform(2, 12)
    slats = int(random.integers(0, 5))
    if slats < 2:
        board = box(width * 0.95, 0.13, back, bevel=0.06)
        panels = [Part(board, frame if padded and random.random() < 0.6 else cover)]
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
        x, y = random.uniform(-0.25, 0.25, 2).tolist()
        parts.append(Part(bowl.moved(x, y, height + 0.13), m.unlike(top, m.ceramic, random)))
    return parts


def lamp(random: np.random.Generator) -> list[Part]:
    """A foot, a stem, an open shade and the bulb in it."""
    height, foot = random.uniform(1.1, 1.9), random.uniform(0.4, 0.6)
    low, high = random.uniform(0.65, 0.95), random.uniform(0.3, 0.55)
    tall, top = random.uniform(0.7, 1.0), height + 0.55
    base = m.metal(random) if random.random() < 0.5 else m.ceramic(random)
    bulge = random.uniform(0.12, 0.4) if random.random() < 0.5 else 0.1
    stand = rounded_lathe(
        [(0, 0), (foot, 0), (foot, 0.12), (foot * 0.9, 0.14), (0.11, 0.2), (bulge, height * 0.45)]
        + [(0.09, height * 0.8), (0.09, height + 0.1), (0, height + 0.1)]
    )
    bend = np.linspace(0, 1, 7)
    radii = low + (high - low) * bend ** random.uniform(0.7, 1.3)
    shade = lathe(np.stack([radii, top - tall + tall * bend], axis=1), capped=False)
    cover = m.unlike(base, m.cloth, random)
    rim = m.unlike(cover, m.paint, random)
    rims = joined(
        torus(low, 0.05).moved(z=top - tall),
        torus(high, 0.05).moved(z=top),
    )
    bulb = ellipsoid(0.17, 0.17, 0.22, segments=16).moved(z=height + 0.2)
    return [Part(stand, base), Part(shade, cover), Part(rims, rim), Part(bulb, m.pale(random))]


def armchair(random: np.random.Generator) -> list[Part]:
    """Thick arms and a thick back around a cushion, on four feet."""
    width, depth = random.uniform(0.9, 1.9), random.uniform(0.85, 1.1)
    arm, seat, back = (
        random.uniform(0.22, 0.34),
        random.uniform(0.4, 0.55),
        random.uniform(0.55, 0.9),
    )
    cover = m.cloth(random)
    full = width + 2 * arm
    frame = joined(
        box(full, depth + 0.3, seat, bevel=0.06),
        box(full * 0.98, 0.34, seat + back, bevel=0.14).moved(y=depth / 2),
        *(
            box(arm, depth + 0.2, seat + back * random.uniform(0.4, 0.5), bevel=0.1).moved(
                i * (width + arm) / 2, -0.04
            )
            for i in (-1, 1)
        ),
    )
    soft = m.unlike(cover, m.cloth, random) if random.random() < 0.7 else cover
    count = 2 if width > 1.4 else 1
    cushions = [
        box(width / count - 0.03, depth - 0.1, 0.24, bevel=0.1).moved(
            (k - (count - 1) / 2) * width / count, -0.16, seat - 0.04
        )
        for k in range(count)
    ]
    pillow = (
        box(0.5, 0.2, 0.5, bevel=0.1)
        .turned("x", -20)
        .moved(random.uniform(-0.2, 0.2) * width, depth * 0.2, seat + 0.18)
    )
    legs = _legs(full / 2 - 0.12, depth / 2, 0.25, 0.2, round_=True, splay=0.0)
    parts = [
        Part(frame.moved(z=0.2), cover),
        Part(joined(*cushions).moved(z=0.2), soft),
        Part(legs, m.wood(random)),
    ]
    if random.random() < 0.6:
        parts.append(Part(pillow.moved(z=0.2), m.unlike(soft, m.cloth, random)))
    return parts


def bed(random: np.random.Generator) -> list[Part]:
    """A frame with a headboard, a mattress, pillows and a blanket; its foot is in front."""
    width, length = random.uniform(1.1, 1.9), random.uniform(2.0, 2.3)
    head, low = random.uniform(0.8, 1.2), random.uniform(0.25, 0.4)
    frame = m.wood(random) if random.random() < 0.7 else m.paint(random)
    board = box(width + 0.2, 0.16, head, bevel=0.05).moved(y=length / 2)
    foot = box(width + 0.2, 0.16, head * random.uniform(0.45, 0.7), bevel=0.05).moved(y=-length / 2)
    rail = box(width + 0.1, length, 0.22).moved(z=low - 0.1)
    mattress = box(width, length - 0.15, 0.3, bevel=0.08).moved(z=low + 0.08)
    share = random.uniform(0.5, 0.68)
    cover = m.cloth(random)
    blanket = box(width + 0.12, (length - 0.1) * share, 0.34, bevel=0.08)
    blanket = blanket.moved(y=-(length - 0.15) * (1 - share) / 2, z=low + 0.1)
    fold = box(width + 0.14, 0.2, 0.36, bevel=0.06)
    fold = fold.moved(y=length * (share - 0.5) - 0.12, z=low + 0.11)
    count = 2 if width > 1.45 else 1
    pillows = [
        box(width / count * 0.8, 0.42, 0.2, bevel=0.1)
        .turned("x", 12)
        .moved((k - (count - 1) / 2) * width / count, length / 2 - 0.36, low + 0.36)
        for k in range(count)
    ]
    return [
        Part(joined(board, foot, rail), frame),
        Part(mattress, m.pale(random)),
        Part(blanket, cover),
        Part(fold, m.unlike(cover, m.cloth, random)),
        Part(joined(*pillows), m.unlike(cover, m.pale, random)),
    ]


def sofa(random: np.random.Generator) -> list[Part]:
    """Two or three seats between round arms, with pillows, often in a pattern."""
    count = int(random.integers(2, 4))
    seat = random.uniform(0.85, 1.0)
    width, depth = count * seat, random.uniform(1.0, 1.2)
    low, back, arm = random.uniform(0.4, 0.5), random.uniform(0.6, 0.8), random.uniform(0.16, 0.22)
    plain = m.cloth(random)
    cover = plain if random.random() < 0.6 else m.patterned(plain, random)
    full = width + 4 * arm
    roll = cylinder(arm * 1.25, depth + 0.2, bevel=0.06).turned("x", 90).moved(y=depth / 2 + 0.1)
    sides = [
        joined(
            box(arm * 2, depth + 0.2, low + 0.32, bevel=0.05).moved(i * (width / 2 + arm), 0, 0),
            roll.moved(i * (width / 2 + arm), 0, low + 0.32),
        )
        for i in (-1, 1)
    ]
    frame = joined(
        box(full * 0.96, depth, low, bevel=0.05),
        box(width + 2 * arm, 0.32, low + back, bevel=0.14).moved(y=depth / 2),
        *sides,
    )
    soft = m.unlike(cover, m.cloth, random) if random.random() < 0.5 else cover
    places = [(k - (count - 1) / 2) * seat for k in range(count)]
    cushions = [
        box(seat - 0.04, depth - 0.2, 0.26, bevel=0.11).moved(x, -0.14, low - 0.04) for x in places
    ]
    backs = [
        box(seat - 0.06, 0.28, back * 0.85, bevel=0.12)
        .turned("x", -12)
        .moved(x, depth / 2 - 0.28, low + 0.2)
        for x in places
    ]
    pillow = box(0.55, 0.22, 0.55, bevel=0.1).turned("x", -22)
    ends = (places[0] - 0.08, places[-1] + 0.08)[: int(random.integers(1, 3))]
    pillows = [pillow.turned("y", 8 * i).moved(x, -0.06, low + 0.22) for i, x in enumerate(ends)]
    feet = _legs(full / 2 - 0.2, depth / 2 - 0.1, 0.2, 0.2, round_=True, splay=0.0)
    up = 0.16
    return [
        Part(frame.moved(z=up), cover),
        Part(joined(*cushions, *backs).moved(z=up), soft),
        Part(joined(*pillows).moved(z=up), m.patterned(m.unlike(soft, m.plastic, random), random)),
        Part(feet, m.wood(random)),
    ]
