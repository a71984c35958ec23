"""Families of vehicles; their noses point to the front, -Y, where they have one."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import (
    cylinder,
    ellipsoid,
    extrude,
    joined,
    lathe,
    rounded_lathe,
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
    nozzle = lathe(
        [(foot * 0.4, 0.05), (foot * 0.75, -0.35), (foot * 0.6, -0.35), (foot * 0.3, 0.05)]
    )
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
        Part(nozzle, m.metal(random)),
        Part(joined(*rims), m.metal(random)),
        Part(joined(*panes), pane),
        Part(
            cylinder(radius * 1.05, 0.14, bevel=0.03).moved(z=height - 0.1),
            m.unlike(trim, m.paint, random),
        ),
    ]
