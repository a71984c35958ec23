"""Families of vessels: turned on a lathe, with handles, contents and bands."""

from itertools import pairwise

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc, chaikin, in_plane
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    hoop,
    joined,
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
    bend = np.concatenate([[(-0.03, -half)], bend, [(-0.03, half)]])
    path = in_plane(bend, "xz") + (radius - 0.06, 0, height * 0.52)
    handle = tube(path, random.uniform(0.13, 0.18), flat=random.uniform(0.7, 1.0))
    turned = random.uniform(-75, -5)
    drink = m.surface("drink", m.pick(m.WOODS, random), random, (0.05, 0.15))
    parts = [
        Part(shell, body),
        Part(handle.turned("z", turned), m.unlike(body, m.ceramic, random)),
        Part(cylinder(radius - wall + 0.02, 0.1).moved(z=height * 0.78), drink),
    ]
    if random.random() < 0.6:
        low = height * random.uniform(0.2, 0.55)
        band = hoop(radius + 0.07, low, low + 0.33)
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
        Part(hoop(radius + 0.08, low, high), m.pale(random)),
        Part(ring, m.metal(random)),
        Part(cylinder(neck * 0.95, 0.35, top=neck * 1.05).moved(z=top - 0.1), m.paint(random)),
    ]


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


def teapot(random: np.random.Generator) -> list[Part]:
    """A round body with a spout, a handle on the other side, and a lid."""
    radius, height = random.uniform(0.85, 1.05), random.uniform(1.1, 1.6)
    neck = radius * random.uniform(0.5, 0.65)
    body = m.ceramic(random) if random.random() < 0.75 else m.metal(random)
    trim = m.unlike(body, m.ceramic, random)
    shell = rounded_lathe(
        [(0, 0), (radius * 0.6, 0), (radius * 0.6, 0.06), (radius * 1.15, height * 0.3)]
        + [(radius * 1.1, height * 0.75), (neck, height), (neck, height), (0, height)]
    )
    lid = rounded_lathe(
        [(0, height - 0.02), (neck * 1.08, height - 0.02), (neck * 1.08, height + 0.08)]
        + [(neck * 0.8, height + 0.22), (0, height + 0.28)]
    )
    knob = ellipsoid(0.15, 0.15, 0.15, segments=16).moved(z=height + 0.38)
    out, rise = random.uniform(0.75, 1.0), height * random.uniform(0.9, 1.1)
    spout_path = [(radius * 0.7, 0.3 * height), (radius + out * 0.6, 0.35 * height)]
    spout_path += [(radius + out * 0.5, rise * 0.8), (radius + out, rise)]
    path = in_plane(chaikin(np.array(spout_path), 3), "xz")
    spout = tube(path, np.linspace(0.32, 0.13, len(path)) * radius)
    bend = arc(1.0, 90, 270, 18) * (random.uniform(0.5, 0.7), height * 0.32)
    handle = tube(in_plane(bend, "xz") + (-radius * 0.92, 0, height * 0.52), 0.11)
    return [
        Part(shell, body),
        Part(lid, trim if random.random() < 0.6 else body),
        Part(knob, m.metal(random)),
        Part(spout, body),
        Part(handle, trim),
    ]


def barrel(random: np.random.Generator) -> list[Part]:
    """Staves, light and dark, held by hoops."""
    radius, height = random.uniform(0.65, 0.8), random.uniform(1.7, 2.4)
    belly = radius * random.uniform(1.15, 1.35)
    rise = np.linspace(0, 1, 13)
    bulge = radius + (belly - radius) * (1 - (2 * rise - 1) ** 2)
    side = np.stack([bulge, rise * height], axis=1)
    inner = radius - 0.12
    profile = [(0, 0.12), (inner, 0.12), (inner, 0), *side, (inner, height), (inner, height - 0.12)]
    body = lathe([*profile, (0, height - 0.12)], segments=64, capped=False)
    staves = int(random.integers(10, 17))
    turn = np.arctan2(body.vertices[:, 1], body.vertices[:, 0])
    turn = turn + random.uniform(0, 6.3)
    light = np.where(np.sin(turn * staves / 2) > 0, 1.0, random.uniform(0.72, 0.85))
    hoops = []
    for share in (0.08, random.uniform(0.26, 0.34)):
        for at in (share, 1 - share):
            out = float(np.interp(at, rise, bulge))
            slope = float(np.interp(at + 0.05, rise, bulge)) - out
            low, high = at * height - 0.08, at * height + 0.08
            hoops.append(hoop(out - slope + 0.08, low, high, top=out + slope + 0.08))
    iron = m.metal(random) if random.random() < 0.6 else m.paint(random)
    colors = np.repeat(light[:, None], 3, axis=1)
    parts = [Part(body, m.wood(random), colors), Part(joined(*hoops), iron)]
    if random.random() < 0.5:
        tap = joined(
            cylinder(0.09, 0.35, segments=16).turned("x", 90),
            cylinder(0.16, 0.1, segments=16).turned("x", 90).moved(y=-0.25),
        )
        parts.append(Part(tap.moved(y=-belly + 0.08, z=height * 0.3), m.metal(random)))
    return parts


def jar(random: np.random.Generator) -> list[Part]:
    """Glass with a lid, filled with balls."""
    radius, height = random.uniform(0.7, 0.9), random.uniform(1.3, 1.9)
    neck = radius * random.uniform(0.72, 0.85)
    shell = rounded_lathe(
        [
            (0, 0),
            (radius, 0),
            (radius, 0),
            (radius, height),
            (radius, height),
            (neck, height + 0.15),
        ]
        + [(neck, height + 0.3), (0, height + 0.3)]
    )
    size = random.uniform(0.24, 0.32)
    first = m.plastic(random)
    shades = [first, m.unlike(first, m.plastic, random), m.unlike(first, m.plastic, random)]
    balls: list[list[Solid]] = [[], [], []]
    reach, level = radius - size - 0.1, random.uniform(0.5, 0.95) * height - size
    number = 0
    for layer, z in enumerate(np.arange(size + 0.08, level, 1.6 * size)):
        count = max(3, int(2 * np.pi * reach / (2.1 * size)))
        for k in range(count + 1):
            out = 0.0 if k == count else reach
            turn = 2 * np.pi * (k + 0.5 * (layer % 2)) / count
            ball = ellipsoid(size, size, size, segments=12)
            place = (out * np.cos(turn), out * np.sin(turn), float(z))
            balls[number % 3].append(ball.moved(*place))
            number += 1
    lid = cylinder(neck + 0.08, 0.32, bevel=0.06).moved(z=height + 0.18)
    parts = [Part(shell, m.glass(random)), Part(lid, m.metal(random))]
    parts += [Part(joined(*some), shade) for some, shade in zip(balls, shades, strict=True) if some]
    return parts


def trophy(random: np.random.Generator) -> list[Part]:
    """A metal cup with two handles on a block."""
    radius, height = random.uniform(0.6, 0.85), random.uniform(0.9, 1.4)
    stem, base = random.uniform(0.35, 0.7), random.uniform(0.25, 0.5)
    shine = m.metal(random)
    low = base + stem
    cup = rounded_lathe(
        [(0, base), (0.42, base), (0.42, base + 0.06), (0.12, base + 0.12), (0.1, low)]
        + [(radius * 0.7, low + 0.05), (radius, low + height * 0.5), (radius, low + height)]
        + [
            (radius + 0.07, low + height),
            (radius - 0.1, low + height),
            (radius - 0.1, low + height),
        ]
        + [(radius * 0.6, low + 0.25), (0, low + 0.2)]
    )
    bend = arc(1.0, -80, 90, 16) * (random.uniform(0.4, 0.6), height * 0.3)
    ear = tube(in_plane(bend, "xz") + (radius * 0.92, 0, low + height * 0.55), 0.09)
    block = box(1.1, 1.1, base, bevel=0.04, top=random.uniform(0.8, 1.0))
    ball = ellipsoid(0.17, 0.17, 0.14, segments=16).moved(z=base + stem * 0.55)
    plate = box(0.5, 0.1, base * 0.5, bevel=0.02).moved(0, -0.5, base * 0.25)
    return [
        Part(cup, shine),
        Part(joined(ear, ear.scaled(-1, 1, 1)), m.unlike(shine, m.metal, random, 0.2)),
        Part(block, m.dark(random) if random.random() < 0.4 else m.wood(random)),
        Part(joined(ball, plate), shine),
    ]
