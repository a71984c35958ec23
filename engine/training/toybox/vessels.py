"""Families of vessels: turned on a lathe, with handles, contents and bands."""

from itertools import pairwise

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc, chaikin, in_plane
from engine.training.toybox.solids import (
    cylinder,
    lathe,
    rounded_lathe,
    torus,
    tube,
)


def mug(random: np.random.Generator) -> list[Part]:
    """A cup with a handle and a drink in it."""
    radius, height = random.uniform(0.75, 1.05), random.uniform(1.7, 2.4)
    foot, wall = radius * random.uniform(0.78, 1.0), 0.13
    body = m.ceramic(random)
    shell = rounded_lathe(
        [(0, 0), (foot - 0.1, 0), (foot, 0), (foot, 0.08), (radius, height * 0.5)]
        + [(radius, height - 0.03), (radius, height), (radius - wall, height)]
        + [(radius - wall, height - 0.05), (radius - wall, height * 0.5)]
        + [(foot - wall, 0.25), (foot - wall, 0.16), (0, 0.16)]
    )
    reach, half = radius * random.uniform(0.55, 0.75), height * random.uniform(0.26, 0.34)
    bend = arc(1.0, -90, 90, 18) * (reach, half)
    bend = np.concatenate([[(-0.2, -half)], bend, [(-0.2, half)]])
    path = in_plane(bend, "xz") + (radius - 0.06, 0, height * 0.52)
    handle = tube(path, random.uniform(0.13, 0.18), flat=random.uniform(0.7, 1.0))
    turned = random.uniform(-40, 40)
    drink = m.surface("drink", m.pick(m.WOODS, random), random, (0.05, 0.15))
    parts = [
        Part(shell, body),
        Part(handle.turned("z", turned), m.unlike(body, m.ceramic, random)),
        Part(cylinder(radius - wall + 0.02, 0.1).moved(z=height * 0.78), drink),
    ]
    if random.random() < 0.6:
        low = height * random.uniform(0.2, 0.55)
        band = lathe(
            [(radius, low), (radius + 0.05, low + 0.03)]
            + [(radius + 0.05, low + 0.3), (radius, low + 0.33)]
        )
        parts.append(Part(band, m.unlike(body, m.ceramic, random)))
    return parts


def bottle(random: np.random.Generator) -> list[Part]:
    """Glass, with something to drink inside, a label and a stopper."""
    radius, height = random.uniform(0.5, 0.75), random.uniform(1.5, 2.2)
    neck, neck_height = radius * random.uniform(0.33, 0.45), random.uniform(0.6, 1.0)
    shoulder = random.uniform(0.25, 0.6)
    top = height + shoulder + neck_height
    outline = [(0, 0), (radius, 0), (radius, 0), (radius, 0.1), (radius, height)]
    outline += [(radius, height + shoulder * 0.5), (neck, height + shoulder * 0.6)]
    shell = rounded_lathe([*outline, (neck, height + shoulder), (neck, top), (0, top)])
    level = height * random.uniform(0.6, 0.98)
    drink = m.surface("drink", m.pick(m.PAINTS, random), random, (0.1, 0.3))
    low, high = height * random.uniform(0.2, 0.3), height * random.uniform(0.6, 0.75)
    ring = torus(neck, 0.07).moved(z=top - 0.12)
    return [
        Part(shell, m.glass(random)),
        Part(cylinder(radius - 0.12, level, bevel=0.08).moved(z=0.1), drink),
        Part(lathe([(radius - 0.02, low), *_label_profile(radius, low, high)]), m.pale(random)),
        Part(ring, m.metal(random)),
        Part(cylinder(neck * 0.95, 0.35, top=neck * 1.05).moved(z=top - 0.1), m.paint(random)),
    ]


def _label_profile(radius: float, low: float, high: float) -> list[tuple[float, float]]:
    return [(radius + 0.04, low), (radius + 0.04, high), (radius - 0.02, high)]


def vase(random: np.random.Generator) -> list[Part]:
    """A curved pot in bands of two or three colours."""
    radii = np.array(
        [random.uniform(0.35, 0.6), random.uniform(0.7, 1.1), random.uniform(0.5, 1.0)]
    )
    neck, lip = random.uniform(0.25, 0.45), random.uniform(0.5, 0.75)
    height = random.uniform(2.4, 3.2)
    corners = [(radii[0], 0.0), (radii[0], 0.1), (radii[1], 0.35), (radii[2], 0.6)]
    corners += [(neck, 0.78), (neck, 0.86), (lip, 1.0)]
    curve = chaikin(np.array(corners) * (1, height), 3)
    count = int(random.integers(3, 8))
    first = m.ceramic(random)
    shades = [first, m.unlike(first, m.ceramic, random)]
    if random.random() < 0.4:
        shades.append(m.metal(random))
    cuts = np.linspace(0, len(curve) - 1, count + 1).astype(int)
    cuts[1:-1] += random.integers(-1, 2, count - 1)
    bands = [curve[a : b + 1] for a, b in pairwise(cuts)]
    bands[0] = np.concatenate([[(0, 0)], bands[0]])
    parts = [
        Part(lathe(band, capped=False), shades[k % len(shades)]) for k, band in enumerate(bands)
    ]
    wall = 0.12
    inside = np.maximum(curve[::-1] - (wall, 0), (0.05, 0.15))
    inside = np.concatenate([[curve[-1]], inside[inside[:, 1] > 0.16], [(0, 0.16)]])
    return [*parts, Part(lathe(inside, capped=False), shades[(count - 1) % len(shades)])]
