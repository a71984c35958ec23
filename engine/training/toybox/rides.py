"""Families of things to ride, beside those of ``vehicles``."""

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
    tube,
)


def bicycle(random: np.random.Generator) -> list[Part]:
    """Seen from its side, riding to -X: wheels with spokes, frame, saddle, handlebar and pedals."""
    wheel, apart = random.uniform(0.62, 0.72), random.uniform(1.85, 2.1)
    front, back = (-apart / 2, wheel), (apart / 2, wheel)
    crank = (0.14, wheel * 0.95)
    seat = (0.42, wheel + random.uniform(0.75, 0.9))
    head = (-apart / 2 + 0.3, wheel + random.uniform(0.78, 0.92))
    low = (head[0] - 0.05, head[1] - 0.25)
    top = (seat[0] - 0.05, seat[1] - 0.18)

    def bar(
        a: tuple[float, float], b: tuple[float, float], size: float = 0.055, y: float = 0.0
    ) -> Solid:
        path = np.array(
            [(a[0], y, a[1]), ((a[0] + b[0]) / 2, y, (a[1] + b[1]) / 2), (b[0], y, b[1])]
        )
        return tube(path, size, segments=10)

    frame = [
        bar(crank, seat),
        bar(top, low),
        bar(crank, low),
        bar(head, (low[0] - 0.02, low[1]), 0.07),
    ]
    for y in (-0.09, 0.09):
        frame += [bar(crank, back, 0.045, y), bar(top, back, 0.045, y), bar(low, front, 0.05, y)]
    tyre = torus(wheel - 0.06, 0.075, segments=40).turned("x", 90)
    spokes = [
        cylinder(0.028, (wheel - 0.08) * 2, segments=6).moved(z=-(wheel - 0.08)).turned("y", 30 * k)
        for k in range(6)
    ]
    hub = cylinder(0.09, 0.26, segments=14).turned("x", 90).moved(y=0.13)
    spots = [(x, 0.0, z) for x, z in (front, back)]
    gear = cylinder(0.2, 0.06, segments=24).turned("x", 90).moved(crank[0], -0.05, crank[1])
    arm = joined(
        bar(crank, (crank[0] + 0.2, crank[1] - 0.26), 0.045, -0.13),
        bar(crank, (crank[0] - 0.2, crank[1] + 0.26), 0.045, 0.13),
        box(0.22, 0.2, 0.07, bevel=0.02).moved(crank[0] + 0.2, -0.22, crank[1] - 0.3),
        box(0.22, 0.2, 0.07, bevel=0.02).moved(crank[0] - 0.2, 0.22, crank[1] + 0.24),
    )
    saddle = ellipsoid(0.3, 0.15, 0.08, segments=18).moved(seat[0] + 0.04, 0, seat[1] + 0.05)
    grip = [
        (head[0] + 0.12, -0.42, head[1] + 0.1),
        (head[0] - 0.08, -0.2, head[1] + 0.14),
        (head[0] - 0.08, 0.2, head[1] + 0.14),
        (head[0] + 0.12, 0.42, head[1] + 0.1),
    ]
    steer = joined(tube(grip, 0.05, segments=10), bar((head[0] - 0.08, head[1] + 0.14), head, 0.05))
    paint = m.paint(random)
    parts = [
        Part(joined(*frame), paint),
        Part(joined(*(tyre.moved(*s) for s in spots)), m.rubber(random)),
        Part(joined(*(joined(hub, *spokes).moved(*s) for s in spots), gear, arm), m.metal(random)),
        Part(saddle, m.rubber(random) if random.random() < 0.5 else m.wood(random)),
        Part(steer, m.metal(random)),
    ]
    if random.random() < 0.4:
        basket = lathe(
            [(0, 0), (0.2, 0), (0.26, 0.3), (0.22, 0.3), (0.17, 0.05), (0, 0.05)], segments=20
        )
        parts.append(Part(basket.moved(head[0] - 0.4, 0, head[1] - 0.12), m.wood(random)))
    return parts


def locomotive(random: np.random.Generator) -> list[Part]:
    """A boiler with a funnel and a dome, a cab under a roof, wheels, a lamp and a fender."""
    radius, length = random.uniform(0.42, 0.52), random.uniform(1.3, 1.7)
    deck = 0.62
    paint = m.paint(random)
    trim = m.unlike(paint, m.paint, random, 0.6)
    up = deck + radius
    boiler = rounded_lathe(
        [(0, 0), (radius, 0), (radius, 0), (radius, length), (radius, length), (0, length)]
    ).turned("x", 90)
    rings = [
        hoop(radius + 0.05, z, z + 0.1).turned("x", 90) for z in (0.12, length * 0.5, length - 0.22)
    ]
    face = cylinder(radius * 0.82, 0.1, bevel=0.03).turned("x", 90).moved(y=-length + 0.02)
    funnel_top = random.uniform(0.55, 0.8)
    funnel = lathe(
        [
            (0, 0),
            (0.15, 0),
            (0.13, funnel_top * 0.6),
            (0.26, funnel_top),
            (0.2, funnel_top),
            (0, funnel_top - 0.06),
        ]
    )
    dome = ellipsoid(0.2, 0.2, 0.26, segments=20)
    wide = radius * 2 + 0.3
    cab_long, cab_high = random.uniform(0.7, 0.9), random.uniform(1.25, 1.5)
    cab = box(wide, cab_long, cab_high, bevel=0.05).moved(0, cab_long / 2 - 0.05, deck - 0.05)
    roof = box(wide + 0.24, cab_long + 0.3, 0.14, bevel=0.05).moved(
        0, cab_long / 2 - 0.05, deck + cab_high - 0.07
    )
    pane = m.surface("pane", m.jittered((0.2, 0.32, 0.45), random), random, (0.05, 0.2))
    panes = joined(
        box(wide + 0.06, cab_long * 0.5, 0.4, bevel=0.03).moved(
            0, cab_long / 2 - 0.05, deck + cab_high * 0.52
        ),
        *(
            box(0.24, 0.1, 0.34, bevel=0.03).moved(i * wide * 0.3, -0.05, deck + cab_high * 0.55)
            for i in (-1, 1)
        ),
    )
    bed = box(wide, length + cab_long + 0.15, 0.2, bevel=0.04).moved(
        0, (cab_long - length) / 2, deck - 0.18
    )
    big, small = 0.4, 0.28
    wheels = []
    for side in (-1, 1):
        for y, size in ((cab_long * 0.35, big), (-length * 0.3, big), (-length * 0.78, small)):
            wheel = cylinder(size, 0.14, bevel=0.03, segments=28).turned("y", 90)
            wheels.append(wheel.moved(side * (wide / 2) - 0.07, y, size))
    rods = [
        box(0.09, length * 0.3 + cab_long * 0.35 + 0.15, 0.11, bevel=0.02).moved(
            i * (wide / 2 + 0.1), (cab_long * 0.35 - length * 0.3) / 2, big * 0.9
        )
        for i in (-1, 1)
    ]
    nose = [(-wide / 2, 0.0), (0.0, -0.55), (wide / 2, 0.0)]
    fender = extrude(nose, 0.32, bevel=0.05).moved(0, -length - 0.05, 0.08)
    lamp = (
        cylinder(0.16, 0.2, bevel=0.03, segments=20)
        .turned("x", 90)
        .moved(0, -length + 0.05, up + radius * 0.95)
    )
    light = m.surface("light", m.jittered((0.97, 0.85, 0.4), random), random, (0.2, 0.5))
    bulb = ellipsoid(0.12, 0.06, 0.12, segments=14).moved(0, -length - 0.15, up + radius * 0.95)
    brass = m.metal(random)
    return [
        Part(boiler.moved(z=up), paint),
        Part(joined(*rings, face).moved(z=up), brass),
        Part(joined(funnel.moved(0, -length * 0.78, up + radius - 0.06), lamp), m.dark(random)),
        Part(dome.moved(0, -length * 0.36, up + radius), brass),
        Part(cab, paint if random.random() < 0.4 else trim),
        Part(joined(roof, bed), m.unlike(trim, m.paint, random)),
        Part(panes, pane),
        Part(joined(*wheels, fender), trim if random.random() < 0.6 else m.dark(random)),
        Part(joined(*rods), m.metal(random)),
        Part(bulb, light),
    ]
