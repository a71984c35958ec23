"""Families of furry animals; they look to the front, -Y."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import chaikin
from engine.training.toybox.patterns import Color
from engine.training.toybox.solids import (
    Solid,
    cylinder,
    ellipsoid,
    joined,
    torus,
    tube,
)

FURS: tuple[Color, ...] = (
    *((0.86, 0.52, 0.22), (0.25, 0.23, 0.23), (0.60, 0.58, 0.56), (0.90, 0.84, 0.74)),
    *((0.50, 0.34, 0.22), (0.74, 0.60, 0.42)),
)


def _pair(solid: Solid) -> Solid:
    return joined(solid, solid.scaled(-1, 1, 1))


def _fur(random: np.random.Generator) -> m.Material:
    return m.surface("fur", m.pick(FURS, random), random, (0.8, 1.0))


def _striped(solid: Solid, fur: m.Material, random: np.random.Generator) -> np.ndarray:
    """(V, 3) white where the fur is as it is, darker in bands across the height."""
    count, phase = random.uniform(3.0, 5.0), random.uniform(0, 6.3)
    height = np.ptp(solid.vertices[:, 2])
    wave = solid.vertices[:, 2] / height * 2 * np.pi * count + phase
    wave += 1.5 * np.abs(solid.vertices[:, 0])
    dark = random.uniform(0.45, 0.65)
    return np.repeat(np.where(np.sin(wave) > 0.35, dark, 1.0)[:, None], 3, axis=1)


def cat(random: np.random.Generator) -> list[Part]:
    """Sitting upright: pointed ears, muzzle, whiskers, front legs and a curled tail."""
    wide, tall, head = (
        random.uniform(0.55, 0.68),
        random.uniform(0.9, 1.1),
        random.uniform(0.46, 0.54),
    )
    fur = _fur(random)
    pale = m.unlike(fur, m.pale, random, 0.2)
    trunk = ellipsoid(wide, wide * 0.95, tall * 0.75).moved(0, 0.15, tall * 0.72)
    haunch = _pair(
        ellipsoid(wide * 0.5, wide * 0.75, tall * 0.42).moved(wide * 0.62, 0.1, tall * 0.4)
    )
    top = tall * 1.4 + head * 0.55
    ahead = -0.18
    skull = ellipsoid(head * 1.08, head * 0.95, head * 0.92).moved(0, ahead, top)
    ear = cylinder(head * 0.4, head * 0.85, top=0.02, segments=12).scaled(1, 0.55, 1)
    ears = _pair(ear.turned("y", 16).moved(head * 0.55, ahead, top + head * 0.5))
    inner = cylinder(head * 0.24, head * 0.6, top=0.02, segments=10).scaled(1, 0.45, 1)
    inners = _pair(inner.turned("y", 16).moved(head * 0.55, ahead - head * 0.14, top + head * 0.54))
    face = ahead - head * 0.82
    muzzle = _pair(
        ellipsoid(head * 0.26, head * 0.24, head * 0.2, segments=18).moved(
            head * 0.17, face, top - head * 0.26
        )
    )
    nose = ellipsoid(head * 0.12, head * 0.1, head * 0.09, segments=12).moved(
        0, face - head * 0.2, top - head * 0.12
    )
    eye = ellipsoid(head * 0.19, head * 0.1, head * 0.21, segments=16)
    eyes = _pair(eye.moved(head * 0.42, ahead - head * 0.78, top + head * 0.14))
    slit = _pair(
        ellipsoid(head * 0.08, head * 0.08, head * 0.17, segments=12).moved(
            head * 0.42, ahead - head * 0.84, top + head * 0.14
        )
    )
    leg = tube(
        [(wide * 0.36, -0.32, tall * 0.95), (wide * 0.38, -0.45, 0.4), (wide * 0.38, -0.5, 0.1)],
        np.array([0.24, 0.19, 0.17]),
        segments=14,
    )
    paw = ellipsoid(0.2, 0.27, 0.13, segments=16).moved(wide * 0.38, -0.58, 0.12)
    side = 1 if random.random() < 0.5 else -1
    bend = chaikin(
        [
            (0, 0.6, 0.15),
            (side * 0.7, 0.75, 0.12),
            (side * 1.05, 0.2, 0.14),
            (side * random.uniform(0.8, 1.0), -0.4, random.uniform(0.15, 0.6)),
        ],
        3,
    )
    tail = tube(bend, np.linspace(0.16, 0.12, len(bend)), segments=12)
    eye_color = m.surface(
        "eye",
        m.pick(((0.55, 0.75, 0.25), (0.85, 0.68, 0.20), (0.35, 0.60, 0.80)), random),
        random,
        (0.1, 0.3),
    )
    pink = m.surface("nose", m.jittered((0.86, 0.52, 0.52), random, 0.04), random, (0.4, 0.7))
    body = joined(trunk, haunch, skull, ears, _pair(leg), tail)
    colors = _striped(body, fur, random) if random.random() < 0.55 else None
    chest = ellipsoid(wide * 0.55, wide * 0.5, tall * 0.5).moved(0, -wide * 0.42, tall * 0.85)
    return [
        Part(body, fur, colors),
        Part(joined(muzzle, _pair(paw), chest), pale),
        Part(joined(nose, inners), pink),
        Part(eyes, eye_color),
        Part(slit, m.dark(random)),
    ]


def bear(random: np.random.Generator) -> list[Part]:
    """A toy bear that sits: round ears, a snout, arms and legs with pale soles, perhaps a bow."""
    wide, head = random.uniform(0.62, 0.75), random.uniform(0.5, 0.6)
    fur = _fur(random)
    pale = m.unlike(fur, m.pale if random.random() < 0.6 else m.clay, random, 0.25)
    trunk = ellipsoid(wide, wide * 0.85, wide * 1.05).moved(z=wide)
    belly = ellipsoid(wide * 0.62, wide * 0.4, wide * 0.68).moved(0, -wide * 0.52, wide * 0.95)
    top = wide * 1.95 + head * 0.6
    skull = ellipsoid(head * 1.08, head, head * 0.98).moved(z=top)
    ears = _pair(
        ellipsoid(head * 0.38, head * 0.22, head * 0.38, segments=20).moved(
            head * 0.75, 0, top + head * 0.72
        )
    )
    inners = _pair(
        ellipsoid(head * 0.22, head * 0.14, head * 0.22, segments=14).moved(
            head * 0.75, -head * 0.13, top + head * 0.72
        )
    )
    snout = ellipsoid(head * 0.48, head * 0.42, head * 0.36, segments=20).moved(
        0, -head * 0.82, top - head * 0.22
    )
    nose = ellipsoid(head * 0.17, head * 0.12, head * 0.12, segments=14).moved(
        0, -head * 1.2, top - head * 0.08
    )
    eyes = _pair(
        ellipsoid(head * 0.13, head * 0.09, head * 0.14, segments=12).moved(
            head * 0.38, -head * 0.88, top + head * 0.2
        )
    )
    lift = random.uniform(-0.25, 0.55)
    arm = _pair(
        tube(
            [
                (wide * 0.7, -0.1, wide * 1.5),
                (wide * 1.2, -0.3, wide * (1.15 + lift * 0.5)),
                (wide * 1.35, -0.5, wide * (1.0 + lift)),
            ],
            np.array([0.22, 0.25, 0.26]),
            segments=16,
        )
    )
    hand = _pair(
        ellipsoid(0.27, 0.27, 0.27, segments=18).moved(wide * 1.35, -0.5, wide * (1.0 + lift))
    )
    reach = random.uniform(0.75, 0.95)
    leg = _pair(
        tube(
            [
                (wide * 0.5, -0.1, 0.32),
                (wide * 0.72, -reach * 0.8, 0.3),
                (wide * 0.78, -reach, 0.3),
            ],
            0.29,
            segments=16,
        )
    )
    foot = _pair(ellipsoid(0.32, 0.22, 0.38, segments=18).moved(wide * 0.8, -reach - 0.1, 0.36))
    sole = _pair(ellipsoid(0.21, 0.1, 0.26, segments=14).moved(wide * 0.8, -reach - 0.26, 0.36))
    parts = [
        Part(joined(trunk, skull, ears, arm, hand, leg, foot), fur),
        Part(joined(belly, snout, inners, sole), pale),
        Part(joined(nose, eyes), m.dark(random)),
    ]
    neck = wide * 1.9
    if random.random() < 0.4:
        loop = ellipsoid(0.26, 0.1, 0.17, segments=14).moved(0.24)
        bow = joined(_pair(loop), ellipsoid(0.1, 0.12, 0.1, segments=12)).moved(
            0, -head * 0.72, neck
        )
        parts.append(Part(bow, m.unlike(fur, m.plastic, random)))
    elif random.random() < 0.6:
        parts.append(Part(torus(head * 0.78, 0.13).moved(z=neck), m.unlike(fur, m.cloth, random)))
    return parts
