"""Families of objects of many kinds."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc, in_plane, rounded_rectangle
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    extrude,
    hoop,
    joined,
    lathe,
    leaf,
    loft,
    rounded_lathe,
    sheet,
    torus,
    tube,
)


def cloth(random: np.random.Generator) -> list[Part]:
    """An open chequered sheet that hangs over a ball, in folds."""
    size, count = random.uniform(1.3, 1.7), 49
    side = np.linspace(-size, size, count)
    x, y = np.meshgrid(side, side, indexing="ij")
    radius = random.uniform(0.6, 0.85)
    r, turn = np.hypot(x, y), np.arctan2(y, x)
    folds, deep = int(random.integers(5, 10)), random.uniform(0.05, 0.12)
    phase = random.uniform(0, 6.3)
    # On the ball as far as its equator, then down along its side.
    bend = np.minimum(r / radius, np.pi / 2)
    flat = radius * np.sin(bend)
    down = np.maximum(r - radius * np.pi / 2, 0)
    flare = random.uniform(0.15, 0.6)
    out = flat + down * flare + deep * (2 * down + 0.5 * bend) * (1 + np.cos(folds * turn + phase))
    z = radius * np.cos(bend) - down * (1 - 0.5 * flare)
    points = np.stack([out * np.cos(turn), out * np.sin(turn), z], axis=-1)
    first = m.cloth(random)
    second = m.unlike(first, m.cloth, random)
    checks = int(random.integers(4, 9))
    u, v = np.floor((x / size + 1) * checks / 2), np.floor((y / size + 1) * checks / 2)
    striped = random.random() < 0.4
    odd = (u % 2 if striped else (u + v) % 2).astype(bool).reshape(-1, 1)
    colors = np.where(odd, first.base_color_factor, second.base_color_factor)
    cover = m.surface("cloth", (1.0, 1.0, 1.0), random, (0.8, 1.0))
    ball = ellipsoid(radius * 0.95, radius * 0.95, radius * 0.95)
    return [Part(sheet(points), cover, colors), Part(ball, m.wood(random))]


def sword(random: np.random.Generator) -> list[Part]:
    """A blade with a ridge, upright, with guard, grip and pommel."""
    length, half = random.uniform(2.0, 2.8), random.uniform(0.14, 0.24)
    point, thick = random.uniform(0.25, 0.5), random.uniform(0.06, 0.09)
    taper = random.uniform(0.65, 1.0)
    steps = np.array([0.0, 0.4, 1.0])
    rings = [_diamond(half * (1 + (taper - 1) * s), thick, s * (length - point)) for s in steps]
    rings.append(_diamond(0.0, 0.0, length))
    blade = loft(np.stack(rings))
    bend, reach = random.uniform(-0.25, 0.3), random.uniform(0.45, 0.75)
    across = np.linspace(-1, 1, 13)
    path = np.stack([across * reach, 0 * across, bend * across**2], axis=1)
    guard = tube(path, 0.08 + 0.05 * np.abs(across), flat=1.2)
    grip = random.uniform(0.5, 0.8)
    handle = cylinder(0.1, grip, top=0.11, segments=16).moved(z=-grip)
    rings_ = [torus(0.11, 0.045, segments=16).moved(z=-grip * s) for s in (0.2, 0.4, 0.6, 0.8)]
    fitting = m.metal(random)
    stone = ellipsoid(0.16, 0.14, 0.16, segments=14).moved(z=-grip - 0.1)
    return [
        Part(
            blade,
            m.surface("steel", m.pick(m.METALS[:1], random), random, (0.15, 0.35), metallic=1),
        ),
        Part(guard, m.unlike(fitting, m.metal, random, 0.2)),
        Part(handle, m.wood(random)),
        Part(joined(*rings_), m.cloth(random)),
        Part(stone, m.plastic(random)),
    ]


def _diamond(half: float, thick: float, z: float) -> np.ndarray:
    return np.array([(half, 0, z), (0, thick, z), (-half, 0, z), (0, -thick, z)])


def crate(random: np.random.Generator) -> list[Part]:
    """Planks, light and dark, in a frame with braces."""
    x, y, z = random.uniform(1.2, 1.9), random.uniform(1.2, 1.6), random.uniform(1.0, 1.6)
    wood, beam = m.wood(random), random.uniform(0.16, 0.22)
    count = int(random.integers(3, 6))
    planks, shades = _planks(x, y, z, random.uniform(0.7, 1.0, count))
    frame = m.unlike(wood, m.wood, random, 0.25)
    posts = [
        box(beam, beam, z + 0.06, bevel=0.03).moved(i * x / 2, j * y / 2, -0.03)
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    for at in (-0.03, z - beam + 0.03):
        posts += [box(x, beam, beam, bevel=0.03).moved(0, j * y / 2, at) for j in (-1, 1)]
        posts += [box(beam, y, beam, bevel=0.03).moved(i * x / 2, 0, at) for i in (-1, 1)]
    parts = [
        Part(planks, wood, shades),
        Part(joined(*posts), frame),
    ]
    if random.random() < 0.7:
        lean = float(np.degrees(np.arctan2(x, z)))
        brace = box(beam * 0.9, beam * 0.8, np.hypot(x, z) * 0.94, bevel=0.03)
        brace = brace.moved(z=-np.hypot(x, z) * 0.47).turned("y", lean)
        parts.append(Part(joined(*(brace.moved(0, j * y / 2, z / 2) for j in (-1, 1))), frame))
    if random.random() < 0.5:
        heads = [
            ellipsoid(0.09, 0.09, 0.09, segments=8).moved(i * x / 2, j * (y / 2 + 0.1), k)
            for i in (-1, 1)
            for j in (-1, 1)
            for k in (beam / 2, z - beam / 2)
        ]
        parts.append(Part(joined(*heads), m.metal(random)))
    return parts


def _planks(x: float, y: float, z: float, light: np.ndarray) -> tuple[Solid, np.ndarray]:
    """A block of planks above each other, one for each brightness, and the colours (V, 3)."""
    groove, rise = 0.06, z / len(light)
    outline = rounded_rectangle(x, y, 0.06, 3)
    small = outline * (1 - 2 * groove / np.array([x, y]))
    rings, shades = [], []
    for k, shade in enumerate(light.tolist()):
        low, high = k * rise, (k + 1) * rise
        for ring, at in ((small, low), (outline, low + groove / 2), (outline, high - groove / 2)):
            rings.append(np.column_stack([ring, np.full(len(ring), at)]))
            shades.append(shade)
    rings.append(np.column_stack([small, np.full(len(small), z)]))
    shades.append(shades[-1])
    ends = [shades[0], shades[-1]]  # the caps' middles
    colors = np.concatenate([np.repeat(shades, len(outline)), ends])
    return loft(np.stack(rings)), np.repeat(colors[:, None], 3, axis=1)


def gem(random: np.random.Generator) -> list[Part]:
    """A cut stone, see-through around a core, or solid, held by claws."""
    sides = int(random.integers(5, 9))
    girdle, crown = random.uniform(0.9, 1.15), random.uniform(0.45, 0.7)
    deep, flat = random.uniform(1.0, 1.5), girdle * random.uniform(0.4, 0.6)
    profile = np.array([(0, -deep), (girdle, -0.05), (girdle, 0.05), (flat, crown), (0, crown)])
    stone = lathe(profile, segments=sides, capped=False).turned("z", random.uniform(0, 90))
    shine = m.surface("gem", m.pick(m.PAINTS, random), random, (0.03, 0.15))
    parts = []
    if random.random() < 0.6:
        clear = m.see_through(shine, random)
        parts += [Part(stone, clear), Part(stone.scaled(0.5, 0.5, 0.5).moved(z=-0.1), shine)]
    else:
        parts.append(Part(stone, shine))
    foot, claw = girdle * random.uniform(0.45, 0.65), random.uniform(0.45, 0.6)
    base = cylinder(foot, 0.2, bevel=0.05, top=foot * 0.85).moved(z=-deep - 0.16)
    grip = np.array([(0.0, -deep), (girdle * claw, -deep * (1 - claw))]) + (0.06, -0.06)
    path = in_plane(grip, "xz")
    count = int(random.integers(3, 6))
    claws = [tube(path, 0.08, segments=10).turned("z", 360 * k / count) for k in range(count)]
    gold = m.metal(random)
    return [*parts, Part(joined(base, *claws), gold)]


def hat(random: np.random.Generator) -> list[Part]:
    """A hollow crown on a brim, a ribbon, perhaps an open feather."""
    radius, height = random.uniform(0.55, 0.75), random.uniform(0.6, 1.3)
    brim, lift = radius + random.uniform(0.35, 0.7), random.uniform(-0.08, 0.3)
    top = radius * random.uniform(0.75, 1.1)
    pointed = random.random() < 0.3
    if pointed:
        height, top = random.uniform(1.4, 1.9), 0.06
    wall = 0.1
    felt = m.cloth(random)
    shell = rounded_lathe(
        [(radius - wall, 0), (brim, lift), (brim, lift), (brim, lift + wall), (brim, lift + wall)]
        + [(radius, wall), (radius, wall), (top, height), (top, height), (0, height)],
        times=3,
    )
    inside = lathe(
        [(radius - wall, 0), (max(top - wall, 0.02), height - wall), (0, height - wall)],
        capped=False,
    )
    share = random.uniform(0.18, 0.3)
    up = radius + (top - radius) * share
    ribbon = hoop(radius + 0.09, wall, height * share + wall, top=up + 0.09)
    parts = [Part(joined(shell, inside), felt), Part(ribbon, m.unlike(felt, m.cloth, random))]
    if random.random() < 0.6 and not pointed:
        feather = leaf(random.uniform(0.8, 1.1), 0.36, rise=0.1, droop=0.3)
        feather = feather.turned("x", 70).turned("y", -random.uniform(55, 75))
        parts.append(
            Part(feather.moved(radius * 0.6, -radius * 0.85, wall + 0.05), m.paint(random))
        )
    elif random.random() < 0.6:
        buckle = box(0.34, 0.1, height * share + 0.08, bevel=0.03)
        parts.append(Part(buckle.moved(0, -radius - 0.02, wall - 0.02), m.metal(random)))
    return parts


def umbrella(random: np.random.Generator) -> list[Part]:
    """An open canopy of coloured gores over a stick with a hook."""
    gores, radius = int(random.integers(6, 11)), random.uniform(1.1, 1.4)
    rise, stick = random.uniform(0.5, 0.8), random.uniform(1.5, 2.0)
    turn, out = np.meshgrid(
        np.linspace(0, 2 * np.pi, gores * 6 + 1), np.linspace(0, 1, 13), indexing="ij"
    )
    wave = np.abs(np.sin(gores * turn / 2))
    far = radius * (1 - 0.1 * wave) * np.sin(out * np.pi / 2.3) / np.sin(np.pi / 2.3)
    z = rise * np.cos(out * np.pi / 2) + 0.12 * wave * out**2
    canopy = sheet(np.stack([far * np.cos(turn), far * np.sin(turn), z], axis=-1))
    first = m.cloth(random)
    second = m.unlike(first, m.cloth, random)
    odd = (np.floor(turn / (2 * np.pi) * gores - 1e-9) % 2).astype(bool).reshape(-1, 1)
    colors = np.where(odd, first.base_color_factor, second.base_color_factor)
    fabric = m.surface("cloth", (1.0, 1.0, 1.0), random, (0.5, 0.9))
    pole = cylinder(0.06, stick + 0.2, segments=12).moved(z=rise - stick)
    hook = arc(0.22, 180, 360, 14) + (0.22, 0)
    path = in_plane(np.concatenate([[(0.0, 0.3)], hook, [(0.44, 0.12)]]), "xz")
    grip = tube(path, 0.1).moved(z=rise - stick)
    tip = cylinder(0.08, 0.3, top=0.02, segments=12).moved(z=rise)
    return [
        Part(canopy, fabric, colors),
        Part(pole, m.metal(random)),
        Part(grip, m.wood(random)),
        Part(tip, m.metal(random)),
    ]


def chest(random: np.random.Generator) -> list[Part]:
    """A box with a round lid, metal bands and a lock."""
    x, y, z = random.uniform(1.5, 2.1), random.uniform(1.0, 1.3), random.uniform(0.6, 0.9)
    rise = random.uniform(0.25, 0.5)
    wood = m.wood(random) if random.random() < 0.7 else m.paint(random)
    bend = arc(1.0, 0, 180, 17) * (y / 2, rise)

    def lid(length: float, more: float) -> Solid:
        outline = bend * (1 + more / y * 2, 1 + more / rise)
        solid = extrude(outline, length).turned("x", 90).turned("z", 90)
        return solid.moved(x=-length / 2, z=z)

    bands = []
    for at in (-0.42, 0.42) if random.random() < 0.5 else (-0.44, 0.0, 0.44):
        bands.append(box(0.2, y + 0.12, z + 0.02, bevel=0.03).moved(at * x))
        bands.append(lid(0.2, 0.06).moved(at * x))
    rim = box(x + 0.08, y + 0.08, 0.12, bevel=0.03).moved(z=z - 0.06)
    lock = box(0.3, 0.2, 0.36, bevel=0.05).moved(0, -y / 2 - 0.04, z - 0.22)
    iron = m.metal(random)
    return [
        Part(box(x, y, z, bevel=0.03), wood),
        Part(lid(x, 0.0), m.unlike(wood, m.wood, random, 0.12)),
        Part(joined(*bands, rim), iron),
        Part(lock, m.unlike(iron, m.metal, random, 0.3)),
    ]


def ice_cream(random: np.random.Generator) -> list[Part]:
    """Scoops in a cone, with a cherry or a wafer."""
    radius, deep = random.uniform(0.5, 0.62), random.uniform(1.2, 1.7)
    cone = lathe(
        [(0, 0), (0.07, 0), (radius, deep), (radius + 0.05, deep), (radius + 0.05, deep + 0.14)]
        + [(radius - 0.1, deep + 0.14), (radius - 0.12, deep), (0, deep - 0.1)]
    )
    wafer = m.surface("wafer", m.jittered((0.80, 0.58, 0.32), random), random, (0.7, 0.9))
    parts = [Part(cone, wafer)]
    z, size, flavour = deep + 0.1, radius * 1.08, None
    for _ in range(int(random.integers(1, 4))):
        flavour = m.clay(random) if flavour is None else m.unlike(flavour, m.cloth, random)
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False) + random.uniform(0, 1)
        drops = [
            ellipsoid(size * 0.3, size * 0.3, size * 0.26, segments=10).moved(
                size * 0.82 * np.cos(t), size * 0.82 * np.sin(t), z + size * 0.08
            )
            for t in turn.tolist()
        ]
        scoop = ellipsoid(size, size, size * 0.95, segments=24).moved(z=z + size * 0.35)
        parts.append(Part(joined(scoop, *drops), flavour))
        z += size * 1.05
        size *= random.uniform(0.82, 0.95)
    top = z + size * 0.25
    if random.random() < 0.6:
        red = m.surface("cherry", m.jittered((0.75, 0.08, 0.12), random), random, (0.1, 0.3))
        parts.append(Part(ellipsoid(0.18, 0.18, 0.17, segments=16).moved(z=top + 0.08), red))
    else:
        stick = cylinder(0.1, 0.9, segments=14).turned("y", 25).moved(0.05, 0, top - 0.45)
        parts.append(Part(stick, wafer))
    return parts
