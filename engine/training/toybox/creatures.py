"""Families of creatures; they look to the front, -Y."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    extrude,
    joined,
    lathe,
    rounded_lathe,
    torus,
    tube,
)


def _pair(solid: Solid) -> Solid:
    """A piece and its mirror image at the other side."""
    return joined(solid, solid.scaled(-1, 1, 1))


def robot(random: np.random.Generator) -> list[Part]:
    """A boxy body and head, eyes, an aerial, arms with grippers and legs."""
    width, height, depth = (
        random.uniform(0.9, 1.3),
        random.uniform(0.9, 1.3),
        random.uniform(0.6, 0.8),
    )
    leg, head = random.uniform(0.4, 0.75), random.uniform(0.5, 0.75)
    hull = m.paint(random) if random.random() < 0.6 else m.metal(random)
    trim, joint = m.unlike(hull, m.paint, random), m.unlike(hull, m.metal, random, 0.3)
    chest = leg + 0.12
    neck = chest + height
    body = box(width, depth, height, bevel=0.1, top=random.uniform(0.8, 1.15)).moved(z=chest)
    wide = width * random.uniform(0.6, 0.8)
    if random.random() < 0.6:
        skull = box(wide, depth * 0.85, head, bevel=0.1)
    else:
        skull = rounded_lathe([(0, 0), (wide / 2, 0), (wide / 2, 0), (wide / 2, head), (0, head)])
    front = -depth * 0.85 / 2
    eyes = _pair(ellipsoid(0.12, 0.1, 0.12, segments=16).moved(wide * 0.24, front, head * 0.6))
    mouth = box(wide * 0.5, 0.1, 0.1, bevel=0.03).moved(0, front, head * 0.18)
    aerial = joined(
        cylinder(0.05, 0.35, segments=10).moved(z=head),
        ellipsoid(0.11, 0.11, 0.11, segments=12).moved(z=head + 0.4),
    )
    screen = box(width * 0.6, 0.1, height * 0.35, bevel=0.03).moved(
        0, -depth / 2, chest + height * 0.5
    )
    knobs = [
        ellipsoid(0.08, 0.08, 0.08, segments=10).moved(
            (k - 1) * 0.22, -depth / 2, chest + height * 0.22
        )
        for k in range(3)
    ]
    lift, out = random.uniform(-25, 60), width / 2 + 0.12
    reach = height * random.uniform(0.65, 0.9)
    arm = joined(
        cylinder(0.12, reach, segments=14).moved(z=-reach),
        cylinder(0.18, 0.12, segments=14).moved(z=-reach - 0.06),
    )
    claw = joined(
        *(box(0.08, 0.14, 0.26, bevel=0.02).moved(i * 0.12, 0, -reach - 0.28) for i in (-1, 1))
    )
    place = (out, 0.0, neck - 0.22)
    shoulder = ellipsoid(0.2, 0.2, 0.2, segments=14).moved(*place)
    arms = _pair(arm.turned("x", -lift).moved(*place))
    claws = _pair(claw.turned("x", -lift).moved(*place))
    legs = _pair(cylinder(0.15, leg + 0.2, segments=14).moved(width * 0.26))
    feet = _pair(box(width * 0.38, depth * 0.95, 0.2, bevel=0.05).moved(width * 0.26, -0.08))
    return [
        Part(body, hull),
        Part(skull.moved(z=neck + 0.08), trim if random.random() < 0.4 else hull),
        Part(joined(eyes, mouth).moved(z=neck + 0.08), m.dark(random)),
        Part(aerial.moved(z=neck + 0.08), m.unlike(hull, m.plastic, random)),
        Part(screen, m.dark(random)),
        Part(joined(*knobs), trim),
        Part(joined(arms, legs, cylinder(0.2, 0.14, segments=16).moved(z=neck - 0.02)), joint),
        Part(joined(claws, feet, _pair(shoulder)), trim),
    ]


def duck(random: np.random.Generator) -> list[Part]:
    """A bath duck: body with a tail, head, beak, wings and eyes."""
    wide, long, tall = (
        random.uniform(0.65, 0.85),
        random.uniform(0.9, 1.15),
        random.uniform(0.5, 0.65),
    )
    head = random.uniform(0.42, 0.58)
    skin = m.plastic(random)
    body = ellipsoid(wide, long, tall).moved(z=tall)
    path = np.array(
        [(0, long * 0.5, tall), (0, long * 0.95, tall * 1.3), (0, long * 1.25, tall * 1.9)]
    )
    tail = tube(path, np.array([0.4, 0.26, 0.0]), segments=16)
    place = (0.0, -long * 0.55, tall * 1.75 + head * 0.5)
    skull = ellipsoid(head, head, head * 0.95).moved(*place)
    neck = cylinder(head * 0.8, tall * 0.8, segments=24).moved(0, place[1], tall)
    beak = ellipsoid(head * 0.5, head * 0.55, head * 0.18, segments=20)
    beak = beak.moved(0, place[1] - head * 1.05, place[2] - head * 0.15)
    eyes = _pair(
        ellipsoid(0.1, 0.1, 0.12, segments=12).moved(
            head * 0.5, place[1] - head * 0.75, place[2] + head * 0.28
        )
    )
    wing = ellipsoid(0.14, long * 0.5, tall * 0.42).turned("x", 12)
    wings = _pair(wing.moved(wide * 0.92, long * 0.15, tall * 1.15))
    orange = m.surface("beak", m.jittered((0.93, 0.48, 0.10), random), random, (0.25, 0.5))
    parts = [
        Part(joined(body, tail, neck, skull), skin),
        Part(beak, m.unlike(skin, m.plastic, random) if random.random() < 0.3 else orange),
        Part(eyes, m.dark(random)),
        Part(wings, skin if random.random() < 0.5 else m.unlike(skin, m.plastic, random)),
    ]
    if random.random() < 0.4:
        scarf = torus(head * 0.82, 0.13).moved(0, place[1], tall * 1.55)
        parts.append(Part(scarf, m.unlike(skin, m.cloth, random)))
    return parts


def fish(random: np.random.Generator) -> list[Part]:
    """A striped body seen from its side, with fins and big eyes."""
    long, tall, thick = (
        random.uniform(1.1, 1.4),
        random.uniform(0.55, 0.9),
        random.uniform(0.3, 0.42),
    )
    body = ellipsoid(tall, thick, long, segments=48).turned("y", 90)
    # Slimmer towards the tail, at +X.
    slim = 1 - 0.35 * np.clip(body.vertices[:, :1] / long, -0.3, 1)
    body = Solid(
        body.vertices * np.concatenate([np.ones_like(slim), slim, slim], axis=1), body.faces
    )
    skin = m.plastic(random)
    stripe = m.unlike(skin, m.plastic, random)
    count, phase = random.uniform(2.0, 4.0), random.uniform(0, 6.3)
    odd = np.sin(body.vertices[:, :1] / long * np.pi * count + phase) > 0.3
    colors = np.where(odd, stripe.base_color_factor, skin.base_color_factor)
    shine = m.surface("scales", (1.0, 1.0, 1.0), random, (0.15, 0.4))

    def fin(outline: list[tuple[float, float]]) -> Solid:
        return extrude(outline, 0.12, bevel=0.03).turned("x", 90).moved(y=0.06)

    span = tall * random.uniform(0.7, 1.1)
    tail = fin([(0, -0.12), (0.7, -span), (0.55, 0.0), (0.7, span), (0, 0.12)]).moved(x=long * 0.88)
    high = random.uniform(0.3, 0.55)
    back = fin([(-0.5, 0), (0.55, 0), (0.6, high * 0.8), (0.2, high), (-0.2, high * 0.8)]).moved(
        z=tall * 0.82
    )
    belly = fin([(-0.1, 0), (0.15, -0.4), (0.45, -0.35), (0.4, 0)]).moved(z=-tall * 0.75)
    side = ellipsoid(0.26, 0.07, 0.14, segments=16).turned("y", 30).turned("z", -25)
    sides = joined(side.moved(0.05, -thick, -0.12), side.scaled(1, -1, 1).moved(0.05, thick, -0.12))
    eye = ellipsoid(0.17, 0.1, 0.17, segments=16).moved(-long * 0.6, -thick * 0.78, tall * 0.2)
    pupil = ellipsoid(0.09, 0.1, 0.09, segments=12).moved(
        -long * 0.61, -thick * 0.78 - 0.06, tall * 0.2
    )
    lips = torus(0.12, 0.07, segments=16).turned("y", 90).moved(-long * 0.99)
    fins = m.unlike(stripe, m.plastic, random)
    return [
        Part(body, shine, colors),
        Part(joined(tail, back, belly, sides), fins),
        Part(joined(eye, eye.scaled(1, -1, 1)), m.pale(random)),
        Part(joined(pupil, pupil.scaled(1, -1, 1)), m.dark(random)),
        Part(lips, fins),
    ]


def snowman(random: np.random.Generator) -> list[Part]:
    """Two or three balls, a carrot, coals, a scarf, twigs and a hat."""
    snow = m.surface("snow", m.jittered((0.92, 0.94, 0.96), random, 0.03), random, (0.6, 0.9))
    sizes = [random.uniform(0.75, 0.95), random.uniform(0.55, 0.68), random.uniform(0.4, 0.5)]
    if random.random() < 0.35:
        sizes.pop(1)
    balls, z = [], 0.0
    for size in sizes:
        balls.append(ellipsoid(size, size, size * 0.94).moved(z=z + size * 0.88))
        z += size * 1.52
    head = sizes[-1]
    middle = z - head * 1.52 + head * 0.88
    carrot = cylinder(0.13, 0.6, top=0.0, segments=14).turned("x", 90).moved(0, -head * 0.9, middle)
    coal = ellipsoid(0.08, 0.08, 0.08, segments=10)
    eyes = _pair(coal.moved(head * 0.36, -head * 0.86, middle + head * 0.3))
    chest = sizes[-2]
    heart = middle - head * 0.7 - chest * 0.6
    coals = [coal.moved(0, -chest * 0.98, heart + 0.26 * (k - 0.5)) for k in range(2)]
    scarf = torus(head * 0.78, 0.15).moved(z=middle - head * 0.72)
    end = (
        box(0.26, 0.12, 0.6, bevel=0.04)
        .turned("y", 8)
        .moved(head * 0.5, -chest * 0.85, middle - head * 0.75 - 0.6)
    )
    rise = random.uniform(0.1, 0.7)
    twig = np.array(
        [
            (chest * 0.7, 0, heart),
            (chest + 0.45, 0, heart + rise * 0.7),
            (chest + 0.7, -0.1, heart + rise),
        ]
    )
    twigs = _pair(
        joined(
            tube(twig, 0.06, segments=8),
            tube([twig[1], twig[1] + (0.12, 0, 0.3)], 0.045, segments=8),
        )
    )
    top = middle + head * 0.72
    hat = _headgear(random, head)
    cover = m.cloth(random)
    orange = m.surface("carrot", m.jittered((0.93, 0.48, 0.10), random), random, (0.5, 0.8))
    return [
        Part(joined(*balls), snow),
        Part(carrot, orange),
        Part(joined(eyes, *coals), m.dark(random)),
        Part(joined(scarf, end), cover),
        Part(twigs, m.bark(random)),
        Part(hat.moved(z=top), m.unlike(cover, m.cloth, random)),
    ]


def _headgear(random: np.random.Generator, head: float) -> Solid:
    """A top hat or a bobble hat on the origin, for a head of this radius."""
    if random.random() < 0.6:
        tall, wide, slim = random.uniform(0.4, 0.7), head * 1.15, head * 0.75
        return lathe([(0, 0), (wide, 0), (wide, 0.1), (slim, 0.1), (slim, tall), (0, tall)])
    return joined(
        ellipsoid(head * 0.95, head * 0.95, head * 0.75),
        ellipsoid(0.16, 0.16, 0.16, segments=12).moved(z=head * 0.8),
    )
