"""Families of things that people own; their fronts look to -Y."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc, chaikin, in_plane
from engine.training.toybox.patterns import LETTERS, label_uvs
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    extrude,
    joined,
    loft,
    torus,
    tube,
)


def _disc(radius: float, thick: float, *, bevel: float = 0.0, segments: int = 32) -> Solid:
    """A cylinder along Y whose front is at y = 0."""
    return cylinder(radius, thick, bevel=bevel, segments=segments).turned("x", 90).moved(y=thick)


def _text(random: np.random.Generator, count: int) -> str:
    return "".join(LETTERS[k] for k in random.integers(len(LETTERS), size=count).tolist())


def guitar(random: np.random.Generator) -> list[Part]:
    """Upright: a waisted body with a sound hole and a bridge, a neck with frets, and pegs."""
    waist, wide = random.uniform(0.42, 0.5), random.uniform(0.72, 0.85)
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    z = np.cos(turn)
    half = np.where(z > 0, wide * 0.78, wide)
    side = (
        half
        * np.abs(np.sin(turn)) ** 0.75
        * (1 - (1 - waist / wide) * np.exp(-((z - 0.12) ** 2) / 0.07))
    )
    outline = np.stack([np.sign(np.sin(turn)) * side, z], axis=1)[::-1]
    deep = random.uniform(0.24, 0.34)
    body = extrude(outline, deep, bevel=0.05).turned("x", 90).moved(y=deep)
    wood = m.wood(random) if random.random() < 0.65 else m.paint(random)
    long = random.uniform(1.35, 1.6)
    neck = box(0.17, 0.16, long, bevel=0.03).moved(0, 0.04, 0.62)
    frets = [
        box(0.19, 0.06, 0.035, bevel=0.01).moved(0, -0.06, 0.95 + k * 0.15)
        for k in range(int((long - 0.4) / 0.15))
    ]
    top = 0.62 + long
    head = box(0.3, 0.12, 0.42, bevel=0.04, top=1.2).moved(0, 0.07, top - 0.03)
    pegs = [
        ellipsoid(0.09, 0.05, 0.05, segments=10).moved(i * 0.24, 0.07, top + 0.06 + 0.12 * k)
        for i in (-1, 1)
        for k in range(3)
    ]
    hole = _disc(0.23, 0.06).moved(0, -0.03, 0.1)
    rose = torus(0.25, 0.035, segments=28).turned("x", 90).moved(0, -0.005, 0.1)
    bridge = box(0.5, 0.1, 0.1, bevel=0.03).moved(0, -0.05, -0.52)
    strings = [
        box(0.028, 0.03, top + 0.45, bevel=0.005).moved(x, -0.075, -0.45)
        for x in (-0.05, 0.0, 0.05)
    ]
    dark = m.surface("fretboard", m.jittered((0.24, 0.15, 0.10), random, 0.04), random, (0.4, 0.7))
    return [
        Part(body, wood),
        Part(neck, dark),
        Part(head, m.unlike(wood, m.wood, random, 0.15)),
        Part(joined(*frets, *strings, *pegs), m.metal(random)),
        Part(hole, m.dark(random)),
        Part(joined(rose, bridge), dark if random.random() < 0.5 else m.wood(random)),
    ]


def camera(random: np.random.Generator) -> list[Part]:
    """A body with a covered middle, a lens, a finder, a flash and a release."""
    x, y, z = random.uniform(1.7, 2.1), random.uniform(0.55, 0.75), random.uniform(1.0, 1.2)
    shell = m.metal(random) if random.random() < 0.4 else m.paint(random)
    cover = m.rubber(random) if random.random() < 0.6 else m.unlike(shell, m.plastic, random)
    body = box(x, y, z, bevel=0.12)
    middle = box(x * 1.02, y * 1.03, z * 0.52, bevel=0.06).moved(z=z * 0.17)
    at, up = random.uniform(-0.12, 0.12) * x, z * 0.44
    front = -y / 2
    size = random.uniform(0.38, 0.46)
    barrel = _disc(size, 0.3, bevel=0.04).moved(at, front - 0.28, up)
    rim = _disc(size * 0.85, 0.5, bevel=0.03).moved(at, front - 0.48, up)
    ring = torus(size * 0.78, 0.07).turned("x", 90).moved(at, front - 0.48, up)
    pane = m.surface("lens", m.jittered((0.16, 0.20, 0.36), random, 0.05), random, (0.03, 0.12))
    glass = ellipsoid(size * 0.66, 0.12, size * 0.66).moved(at, front - 0.46, up)
    hump = box(0.62, y * 0.8, 0.3, bevel=0.08, top=0.75).moved(at, 0, z - 0.06)
    window = box(0.34, 0.1, 0.17, bevel=0.03).moved(at, -y * 0.4, z + 0.02)
    flash = box(0.34, 0.1, 0.2, bevel=0.03).moved(-x * 0.34, front, z * 0.74)
    release = cylinder(0.13, 0.14, bevel=0.03, segments=18).moved(-x * 0.33, 0, z - 0.03)
    wheel = cylinder(0.18, 0.12, bevel=0.03, segments=20).moved(x * 0.34, 0, z - 0.03)
    red = m.surface("release", m.jittered((0.80, 0.14, 0.12), random), random, (0.2, 0.5))
    return [
        Part(joined(body, hump), shell),
        Part(middle, cover),
        Part(joined(barrel, rim), m.dark(random) if random.random() < 0.6 else m.metal(random)),
        Part(ring, m.metal(random)),
        Part(joined(glass, window), pane),
        Part(flash, m.pale(random)),
        Part(release, red),
        Part(wheel, m.metal(random)),
    ]


def sneaker(random: np.random.Generator) -> list[Part]:
    """A shoe seen from its side, its toe to the left: sole, upper, laces, stripes, an opening."""
    tall, wide = random.uniform(0.95, 1.35), random.uniform(0.78, 0.92)
    x = np.array([-1.42, -1.38, -1.2, -0.9, -0.5, 0.0, 0.5, 0.9, 1.15, 1.22])
    half = np.array([0.12, 0.3, 0.42, 0.5, 0.5, 0.42, 0.4, 0.42, 0.36, 0.2]) * wide
    high = np.array([0.1, 0.24, 0.4, 0.48, 0.66, 0.95, 1.0, 1.0, 1.02, 0.95])
    high = np.where(x > -0.3, high * tall, high)
    turn = np.linspace(0, np.pi, 15)
    rings = []
    for at, w, h in zip(x.tolist(), half.tolist(), high.tolist(), strict=True):
        ring = np.stack(
            [np.full(15, at), w * np.cos(turn), 0.2 + (h - 0.0) * np.sin(turn) ** 0.7], axis=1
        )
        rings.append(ring)
    upper = loft(np.stack(rings))
    outline = np.concatenate(
        [np.stack([x, half * 1.1 + 0.03], axis=1)[::-1], np.stack([x, -half * 1.1 - 0.03], axis=1)]
    )[::-1]
    sole = extrude(chaikin(np.concatenate([outline, outline[:1]]), 2)[:-1][::-1], 0.27, bevel=0.05)
    skin = m.cloth(random) if random.random() < 0.5 else m.paint(random)
    trim = m.unlike(skin, m.pale if random.random() < 0.5 else m.plastic, random)
    top = 0.2 + tall
    opening = ellipsoid(0.42, 0.25 * wide, 0.16).moved(0.62, 0, top - 0.06)
    collar = torus(1.0, 0.16, segments=28).scaled(0.46, 0.3 * wide, 0.5).moved(0.62, 0, top - 0.03)
    laces = []
    for k in range(4):
        at = -0.72 + 0.2 * k
        lift = 0.2 + float(np.interp(at, x, high)) + 0.01
        laces.append(
            tube(
                [
                    (at, -0.24 * wide, lift - 0.07),
                    (at + 0.05, 0, lift + 0.03),
                    (at, 0.24 * wide, lift - 0.07),
                ],
                0.055,
                segments=8,
            )
        )
    toe = ellipsoid(0.34, 0.4 * wide, 0.25).moved(-1.14, 0, 0.3)
    count = int(random.integers(2, 4))
    bands = []
    for side in (-1, 1):
        for k in range(count):
            at = -0.1 + 0.25 * k
            out = float(np.interp(at + 0.1, x, half)) * 1.0
            bands.append(
                box(0.12, 0.1, 0.62, bevel=0.03)
                .turned("y", -28)
                .moved(at, side * (out - 0.01), 0.28)
            )
    return [
        Part(upper, skin),
        Part(joined(sole, toe), m.pale(random) if random.random() < 0.7 else m.plastic(random)),
        Part(joined(*laces), m.pale(random) if random.random() < 0.7 else trim),
        Part(joined(*bands, collar), trim),
        Part(opening, m.dark(random)),
    ]


def letter_block(random: np.random.Generator) -> list[Part]:
    """Toy blocks with a letter on each side, one or three of them."""
    parts: list[Part] = []
    places = [(0.0, 0.0, 0.0)]
    if random.random() < 0.5:
        places = [
            (-0.56, 0.0, 0.0),
            (0.56, random.uniform(-0.15, 0.15), 0.0),
            (random.uniform(-0.2, 0.2), 0.0, 1.0),
        ]
    for place in places:
        wood = m.wood(random) if random.random() < 0.5 else m.plastic(random)
        cube = box(1.0, 1.0, 1.0, bevel=0.06)
        spin = random.uniform(-25, 25)
        parts.append(Part(cube.turned("z", spin).moved(*place), wood))
        panel = box(0.8, 0.06, 0.8, bevel=0.02).moved(0, -0.5, 0.1)
        lid = box(0.8, 0.8, 0.06, bevel=0.02).moved(z=0.97)
        shown = _text(random, 5)
        for k, letter in enumerate(shown):
            side = panel.turned("z", 90 * k) if k < 4 else lid
            label = label_uvs(panel) if k < 4 else label_uvs(lid, axes=(0, 1))
            face = m.lettered(letter, random)
            parts.append(Part(side.turned("z", spin).moved(*place), face, uvs=label))
    return parts


def book(random: np.random.Generator) -> list[Part]:
    """A closed book that stands, a title on its cover, or a pile of three that lie."""

    def one(x: float, z: float, thick: float) -> list[Part]:
        cover = m.paint(random) if random.random() < 0.6 else m.cloth(random)
        ink = m.unlike(cover, m.pale if random.random() < 0.6 else m.plastic, random, 0.6)
        boards = [box(x, 0.07, z, bevel=0.02).moved(0, y) for y in (-thick / 2, thick / 2)]
        spine = box(0.09, thick + 0.07, z, bevel=0.03).moved(-x / 2 + 0.02)
        pages = box(x - 0.1, thick - 0.05, z - 0.14, bevel=0.01).moved(0.0, 0, 0.07)
        label = box(x * 0.72, 0.06, z * 0.3, bevel=0.01).moved(0.03, -thick / 2 - 0.03, z * 0.55)
        title = m.lettered(_text(random, int(random.integers(3, 5))), random)
        band = [
            box(x * 0.98, thick + 0.1, 0.07, bevel=0.01).moved(0.0, 0, z * at) for at in (0.1, 0.92)
        ]
        paper = m.surface("paper", m.jittered((0.92, 0.89, 0.80), random, 0.03), random, (0.8, 1.0))
        parts = [
            Part(joined(*boards, spine), cover),
            Part(pages, paper),
            Part(label, title, uvs=label_uvs(label)),
        ]
        return [*parts, Part(joined(*band), ink)] if random.random() < 0.4 else parts

    if random.random() < 0.55:
        turn = random.uniform(-15, 45)
        return [
            Part(p.solid.turned("z", turn), p.material, p.colors, p.uvs)
            for p in one(
                random.uniform(1.3, 1.6), random.uniform(1.8, 2.1), random.uniform(0.3, 0.5)
            )
        ]
    parts: list[Part] = []
    low = 0.0
    for _ in range(3):
        thick, turn = random.uniform(0.28, 0.42), random.uniform(-25, 25)
        for part in one(random.uniform(1.3, 1.6), random.uniform(1.7, 2.0), thick):
            solid = part.solid.turned("x", -90).turned("z", turn)
            parts.append(
                Part(solid.moved(0, 0.9, low + thick / 2), part.material, part.colors, part.uvs)
            )
        low += thick + 0.07
    return parts


def gift(random: np.random.Generator) -> list[Part]:
    """A wrapped box with a lid, ribbons and a bow."""
    x, y, z = random.uniform(1.2, 1.7), random.uniform(1.2, 1.6), random.uniform(0.9, 1.5)
    plain = m.surface("paper", m.pick(m.PAINTS, random), random, (0.3, 0.7))
    paper = m.patterned(plain, random) if random.random() < 0.7 else plain
    ribbon = m.unlike(paper, m.plastic, random, 0.6)
    wide = random.uniform(0.2, 0.3)
    lid = box(x + 0.12, y + 0.12, 0.28, bevel=0.03).moved(z=z - 0.05)
    top = z + 0.23
    bands = joined(
        box(wide, y + 0.07, z, bevel=0.02),
        box(x + 0.07, wide, z, bevel=0.02),
        box(wide, y + 0.2, 0.33, bevel=0.02).moved(z=z - 0.06),
        box(x + 0.2, wide, 0.33, bevel=0.02).moved(z=z - 0.06),
    )
    size = random.uniform(0.28, 0.38)
    loops = []
    for k in range(4):
        loop = torus(1.0, 0.32, segments=24).scaled(size, size * 0.55, size * 0.55).turned("x", 90)
        loops.append(
            loop.moved(size * 0.95, 0, size * 0.45).turned("y", -18).turned("z", 45 + 90 * k)
        )
    knot = ellipsoid(0.16, 0.16, 0.14, segments=16).moved(z=0.12)
    bow = joined(*loops, knot).moved(z=top)
    return [
        Part(box(x, y, z, bevel=0.03), paper),
        Part(lid, paper if random.random() < 0.5 else m.unlike(ribbon, m.paint, random)),
        Part(joined(bands, bow), ribbon),
    ]


def clock(random: np.random.Generator) -> list[Part]:
    """An alarm clock: a round case with a dial, hands and marks, two bells, a handle and feet."""
    radius, deep = 1.0, random.uniform(0.45, 0.65)
    case = m.paint(random) if random.random() < 0.7 else m.metal(random)
    dial_color = m.pale(random)
    ring = _disc(radius, deep, bevel=0.08, segments=48)
    rim = torus(radius * 0.92, 0.09, segments=48).turned("x", 90).moved(y=-0.01)
    dial = _disc(radius * 0.86, 0.1, segments=48).moved(y=-0.05)
    marks = []
    for k in range(12):
        mark = box(0.09, 0.06, 0.2 if k % 3 == 0 else 0.12, bevel=0.01).moved(
            0, -0.08, radius * 0.58
        )
        marks.append(mark.turned("y", 30 * k))
    hour, minute = random.uniform(0, 360), random.uniform(0, 360)
    hands = joined(
        box(0.12, 0.05, 0.45, bevel=0.02).moved(0, -0.12, -0.05).turned("y", hour),
        box(0.08, 0.05, 0.66, bevel=0.02).moved(0, -0.14, -0.05).turned("y", minute),
        _disc(0.1, 0.12, segments=16).moved(y=-0.19),
    )
    parts = [
        Part(ring, case),
        Part(dial, dial_color),
        Part(joined(*marks), m.dark(random)),
        Part(hands, m.unlike(dial_color, m.paint, random, 0.6)),
    ]
    shine = m.unlike(case, m.metal, random, 0.3)
    middle = deep / 2
    metal_bits = [rim]
    if random.random() < 0.8:
        bell = (
            ellipsoid(0.36, 0.36, 0.3, segments=24)
            .turned("y", 32)
            .moved(radius * 0.62, middle, radius * 0.98)
        )
        post = (
            cylinder(0.07, 0.5, segments=10)
            .turned("y", 32)
            .moved(radius * 0.45, middle, radius * 0.7)
        )
        grip = in_plane(arc(1.0, 20, 160, 14) * (0.62, 0.45), "xz") + np.array(
            [0, middle, radius * 1.02]
        )
        metal_bits += [
            bell,
            bell.scaled(-1, 1, 1),
            post,
            post.scaled(-1, 1, 1),
            tube(grip, 0.06, segments=10),
        ]
    foot = (
        cylinder(0.1, 0.42, top=0.14, segments=12)
        .turned("y", 152)
        .moved(radius * 0.52, middle, -radius * 0.78)
    )
    return [*parts, Part(joined(*metal_bits, foot, foot.scaled(-1, 1, 1)), shine)]
