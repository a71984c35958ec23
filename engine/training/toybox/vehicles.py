"""Families of vehicles; their noses point to the front, -Y, where they have one."""

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
    loft,
    rounded_lathe,
    sheet,
    torus,
)


def rocket(random: np.random.Generator) -> list[Part]:
    """A hull with a pointed nose, fins, a nozzle and portholes."""
    radius, height = random.uniform(0.5, 0.75), random.uniform(1.7, 2.6)
    nose = random.uniform(0.7, 1.2)
    hull = m.pale(random) if random.random() < 0.5 else m.metal(random)
    trim = m.unlike(hull, m.paint, random, 0.6)
    belly, foot = radius * random.uniform(1.0, 1.15), radius * random.uniform(0.65, 0.85)
    body = rounded_lathe([(0, 0), (foot, 0), (foot, 0), (belly, height * 0.45), (radius, height)])
    tip = rounded_lathe(
        [(0, height), (radius, height), (radius, height)]
        + [(radius * 0.8, height + nose * 0.5), (0, height + nose)]
    )
    count, out = int(random.integers(3, 5)), random.uniform(0.5, 0.8)
    tall = random.uniform(0.8, 1.2)
    outline = [(0, 0.05), (out, -0.45), (out + 0.08, -0.4), (out * 0.9, tall * 0.35), (0, tall)]
    fin = (
        extrude(outline, 0.14, bevel=0.03).moved(z=-0.07).turned("x", 90).moved(foot - 0.1, 0, 0.1)
    )
    start = random.uniform(0, 360)
    fins = joined(*(fin.turned("z", start + 360 * k / count) for k in range(count)))
    wide = foot * random.uniform(0.65, 0.85)
    nozzle = [(foot * 0.3, 0.05), (wide - 0.12, -0.35), (wide, -0.35), (foot * 0.4, 0.05)]
    panes, rims = [], []
    for k in range(int(random.integers(1, 4))):
        z = height * (0.8 - 0.24 * k)
        size = radius * 0.33
        rims.append(torus(size, 0.07, segments=20).turned("x", 90).moved(0, -radius * 1.0, z))
        panes.append(ellipsoid(size, 0.1, size, segments=20).moved(0, -radius * 0.98, z))
    pane = m.surface("pane", m.pick(m.GLASSES[3:4], random), random, (0.05, 0.2))
    return [
        Part(body, hull),
        Part(tip, trim),
        Part(fins, trim),
        Part(lathe(nozzle), m.metal(random)),
        Part(joined(*rims), m.metal(random)),
        Part(joined(*panes), pane),
        Part(
            hoop(radius + 0.1, height - 0.12, height + 0.08),
            m.unlike(trim, m.paint, random),
        ),
    ]


def car(random: np.random.Generator) -> list[Part]:
    """A body, a glass cabin with seats and a roof, four wheels, lights and bumpers."""
    width, length = random.uniform(1.1, 1.4), random.uniform(2.3, 3.0)
    low, tall = random.uniform(0.25, 0.38), random.uniform(0.45, 0.6)
    paint = m.paint(random)
    cabin, rise = length * random.uniform(0.42, 0.62), random.uniform(0.4, 0.6)
    back, lean = random.uniform(0.02, 0.16) * length, random.uniform(0.68, 0.85)
    deck = low + tall
    body = joined(
        box(width, length, tall, bevel=0.12).moved(z=low),
        box(width * 0.92, length * 0.94, tall * 0.3, bevel=0.06).moved(z=low + tall * 0.8),
    )
    house = box(width * 0.92, cabin, rise, bevel=0.1, top=lean).moved(y=back, z=deck + 0.05)
    roof = box(width * 0.94 * lean, cabin * lean + 0.04, 0.12, bevel=0.04)
    seats = [
        box(width * 0.3, 0.16, rise * 0.8, bevel=0.05).moved(
            i * width * 0.2, back + j * cabin * 0.22
        )
        for i in (-1, 1)
        for j in (-0.4, 1)
    ]
    wheel = random.uniform(0.3, 0.38)
    tyre = cylinder(wheel, 0.26, bevel=0.05, segments=28).turned("y", 90).moved(x=-0.13)
    hub = cylinder(wheel * 0.55, 0.3, bevel=0.03, segments=16).turned("y", 90).moved(x=-0.15)
    places = [(i * (width / 2 - 0.06), j * length * 0.31, wheel) for i in (-1, 1) for j in (-1, 1)]
    lights = [
        ellipsoid(0.13, 0.08, 0.11, segments=16).moved(i * width * 0.33, -length / 2, deck - 0.2)
        for i in (-1, 1)
    ]
    tails = [
        box(0.22, 0.1, 0.14, bevel=0.03).moved(i * width * 0.35, length / 2, deck - 0.28)
        for i in (-1, 1)
    ]
    bumpers = [
        box(width * 0.96, 0.14, 0.16, bevel=0.05).moved(0, j * length / 2, low + 0.02)
        for j in (-1, 1)
    ]
    red = m.surface("red", m.jittered((0.8, 0.1, 0.1), random), random, (0.2, 0.4))
    pillars = [
        box(0.1, 0.12, rise + 0.1, bevel=0.02).moved(i * width * 0.4, back + cabin * 0.02, deck)
        for i in (-1, 1)
    ]
    return [
        Part(body, paint),
        Part(house, m.glass(random)),
        Part(
            joined(roof.moved(y=back, z=deck + rise), *pillars),
            paint if random.random() < 0.6 else m.unlike(paint, m.paint, random),
        ),
        Part(joined(*seats).moved(z=deck), m.cloth(random)),
        Part(joined(*(tyre.moved(*place) for place in places)), m.rubber(random)),
        Part(joined(*(hub.moved(*place) for place in places)), m.metal(random)),
        Part(joined(*lights), m.pale(random)),
        Part(joined(*tails), red),
        Part(joined(*bumpers), m.metal(random) if random.random() < 0.6 else m.dark(random)),
    ]


def boat(random: np.random.Generator) -> list[Part]:
    """A hollow hull with a deck, under sails or with a cabin and a funnel."""
    width, length, height = (
        random.uniform(0.8, 1.1),
        random.uniform(2.2, 2.8),
        random.uniform(0.5, 0.7),
    )
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    # The stern is broad, the bow comes to a point at -Y.
    y = -np.cos(turn) * length / 2
    slim = np.clip(1 - (np.maximum(-y, 0) / (length / 2)) ** 2.2, 0, 1)
    x = -np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.55 * width / 2 * slim**0.8
    outline = np.stack([x, y], axis=1)[::-1]

    def ring(z: float, size: float) -> np.ndarray:
        sheer = 0.22 * (np.maximum(-outline[:, 1], 0) / (length / 2)) ** 2
        return np.column_stack([outline * (size, 0.5 + size / 2), z + sheer * (z > height * 0.4)])

    stripe = random.uniform(0.55, 0.7) * height
    bottom = loft(np.stack([ring(0, 0.5), ring(0.12, 0.75), ring(stripe, 0.95)]))
    side = loft(
        np.stack(
            [ring(stripe, 0.95), ring(height, 1.0), ring(height, 0.86), ring(height - 0.18, 0.84)]
        )
    )
    first = m.paint(random)
    parts = [Part(bottom, first), Part(side, m.unlike(first, m.wood, random))]
    parts.append(
        Part(loft(np.stack([ring(height - 0.19, 0.84), ring(height - 0.14, 0.84)])), m.wood(random))
    )
    if random.random() < 0.6:
        return parts + _sails(random, length, height)
    cabin, white = random.uniform(0.5, 0.7), m.pale(random)
    parts.append(
        Part(box(width * 0.6, length * 0.4, cabin, bevel=0.06).moved(y=0.2, z=height - 0.2), white)
    )
    pane = m.surface("pane", m.jittered((0.2, 0.32, 0.45), random), random, (0.05, 0.2))
    panes = box(width * 0.64, length * 0.28, cabin * 0.32, bevel=0.03).moved(
        y=0.2, z=height + cabin * 0.3
    )
    front = box(width * 0.4, length * 0.44, cabin * 0.32, bevel=0.03).moved(
        y=0.2, z=height + cabin * 0.3
    )
    parts.append(Part(joined(panes, front), pane))
    funnel = cylinder(0.17, 0.6, segments=20).moved(y=0.35, z=height + cabin - 0.25)
    parts.append(Part(funnel, m.unlike(first, m.paint, random)))
    parts.append(Part(torus(0.17, 0.06, segments=20).moved(y=0.35, z=height + cabin + 0.3), first))
    return parts


def _sails(random: np.random.Generator, length: float, height: float) -> list[Part]:
    tall, belly = random.uniform(1.7, 2.3), random.uniform(0.1, 0.3)
    mast = cylinder(0.07, tall + 0.2, top=0.05, segments=12).moved(z=height - 0.2)
    swing = random.uniform(12, 35)
    boom = cylinder(0.05, length * 0.45, segments=12).turned("x", -90).turned("z", swing)
    u, v = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 1, 15), indexing="ij")
    across = u * (1 - v)

    def sail(reach: float, low: float, high: float) -> Solid:
        bulge = belly * np.sin(np.pi * u) * np.sin(np.pi * v) + 0.1 * across
        return sheet(np.stack([bulge, reach * across, low + (high - low) * v], axis=-1))

    main = sail(length * 0.42, height + 0.3, height + tall - 0.1).moved(y=0.06)
    jib = sail(-length * 0.4, height + 0.2, height + tall * random.uniform(0.7, 0.95)).moved(
        y=-0.08
    )
    white = m.pale(random) if random.random() < 0.5 else m.cloth(random)
    flag = box(0.09, 0.34, 0.2, bevel=0.01).moved(y=0.18, z=height + tall - 0.05)
    return [
        Part(joined(mast, boom.moved(z=height + 0.25)), m.wood(random)),
        Part(main.turned("z", swing), white),
        Part(jib, m.unlike(white, m.cloth, random)),
        Part(flag, m.unlike(white, m.cloth, random)),
    ]


def aeroplane(random: np.random.Generator) -> list[Part]:
    """A hull with wings, a tail, a glass cockpit and a propeller at the nose."""
    radius, length = random.uniform(0.28, 0.38), random.uniform(2.2, 2.7)
    paint = m.paint(random)
    trim = m.unlike(paint, m.paint, random)
    hull = rounded_lathe(
        [(0, 0), (radius * 0.8, 0), (radius, length * 0.12), (radius, length * 0.45)]
        + [(radius * 0.4, length * 0.95), (radius * 0.2, length), (0, length)]
    ).turned("x", -90)
    span, chord = random.uniform(2.3, 2.9), random.uniform(0.5, 0.7)
    sweep = random.uniform(-0.05, 0.25)
    wings = [_wing(span, chord, sweep, length * 0.22, random.uniform(-0.15, 0.1))]
    if random.random() < 0.35:
        wings.append(_wing(span, chord, sweep, length * 0.2, radius + 0.3))
        struts = [
            box(0.07, 0.07, radius + 0.45).moved(
                i * span * f, length * 0.2 + sweep * span * f + chord * 0.4, -0.1
            )
            for i in (-1, 1)
            for f in (0.12, 0.35)
        ]
    else:
        struts = []
    tail = _wing(span * 0.38, chord * 0.6, sweep, length * 0.87, 0.05)
    fin = extrude([(0.0, 0.0), (0.45, 0.0), (0.5, 0.5), (0.25, 0.5)], 0.1, bevel=0.03)
    fin = fin.turned("x", 90).turned("z", 90).moved(-0.05, length * 0.82, 0.1)
    cone = ellipsoid(0.13, 0.16, 0.13, segments=16).moved(y=-0.05)
    count, spin = int(random.integers(2, 5)), random.uniform(0, 90)
    blades = joined(
        *(
            box(0.12, 0.07, 0.62, bevel=0.02).turned("y", spin + 360 * k / count)
            for k in range(count)
        )
    ).moved(y=-0.1)
    pane = ellipsoid(radius * 0.75, 0.42, radius * 0.8).moved(0, length * 0.36, radius * 0.75)
    wheels = joined(
        *(
            cylinder(0.16, 0.12, segments=18)
            .turned("y", 90)
            .moved(i * 0.32 - 0.06, length * 0.27, -radius - 0.22)
            for i in (-1, 1)
        )
    )
    props = [box(0.07, 0.07, 0.35).moved(i * 0.3, length * 0.27, -radius - 0.22) for i in (-1, 1)]
    return [
        Part(hull, paint),
        Part(joined(*wings, tail, fin), trim),
        Part(joined(*struts, *props), m.wood(random)),
        Part(cone, trim),
        Part(blades, m.dark(random)),
        Part(pane, m.glass(random)),
        Part(wheels, m.rubber(random)),
    ]


def _wing(span: float, chord: float, sweep: float, front: float, z: float) -> Solid:
    """Both halves as one board, front edge at ``front`` in the middle, swept back by a slope."""
    half = [
        (span / 2, front + sweep * span / 2),
        (span / 2, front + sweep * span / 2 + chord * 0.6),
    ]
    outline = [(0.0, front), *half, (0.0, front + chord), *((-x, y) for x, y in half[::-1])]
    return extrude(outline, 0.11, bevel=0.035).moved(z=z)
