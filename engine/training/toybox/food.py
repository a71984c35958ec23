"""Families of food."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.curves import arc, chaikin, in_plane
from engine.training.toybox.solids import (
    Solid,
    box,
    cylinder,
    ellipsoid,
    joined,
    lathe,
    leaf,
    rounded_lathe,
    torus,
    tube,
)


def apple(random: np.random.Generator) -> list[Part]:
    """A round fruit with a dent above and below, two colours, a stalk, perhaps a leaf."""
    tall, foot = random.uniform(0.82, 1.0), random.uniform(0.6, 0.8)
    rise = np.linspace(-np.pi / 2, np.pi / 2, 33)
    radius = np.cos(rise) * (1 - (1 - foot) * np.clip(-np.sin(rise), 0, 1) ** 1.5)
    height = tall * np.sin(rise)
    height -= 0.3 * np.exp(-((radius / 0.3) ** 2)) * np.sign(height)
    radius[[0, -1]] = 0
    fruit = lathe(np.stack([radius, height], axis=1), segments=48, capped=False)
    first = m.pick(((0.80, 0.12, 0.12), (0.55, 0.75, 0.20), (0.93, 0.76, 0.25)), random)
    blush = m.pick(((0.80, 0.16, 0.12), (0.93, 0.70, 0.25), (0.70, 0.10, 0.15)), random)
    turn = random.uniform(0, 360)
    toward = fruit.turned("z", turn).vertices @ np.array([0.8, 0, 0.4])
    share = np.clip(0.5 + 0.9 * toward, 0, 1)[:, None]
    colors = np.asarray(first) * (1 - share) + np.asarray(blush) * share
    skin = m.surface("skin", (1.0, 1.0, 1.0), random, (0.15, 0.4))
    bend = [(0, 0, tall * 0.55), (0, 0, tall * 0.9), (random.uniform(-0.2, 0.2), 0.05, tall * 1.35)]
    stalk = tube(chaikin(bend, 2), 0.07, segments=10)
    parts = [Part(fruit, skin, colors), Part(stalk, m.bark(random))]
    if random.random() < 0.8:
        blade = leaf(random.uniform(0.6, 0.8), 0.42, rise=0.5, droop=0.5)
        blade = blade.turned("z", random.uniform(-160, -20)).moved(z=tall * 0.95)
        parts.append(Part(blade, m.foliage(random)))
    return parts


def banana(random: np.random.Generator) -> list[Part]:
    """One to three bent fruits with dark tips, joined at the stalk."""
    reach, thick = random.uniform(1.0, 1.25), random.uniform(0.2, 0.28)
    open_ = random.uniform(95, 130)
    count = int(random.integers(1, 4))
    line = arc(reach, -90 - open_ / 2, -90 + open_ / 2, 24)
    path = in_plane(line, "xz")
    along = np.linspace(0, 1, 24)
    size = thick * np.clip(np.minimum(6 * along + 0.35, 5 * (1 - along) + 0.4), 0, 1)
    size[:3] = thick * np.array([0.3, 0.3, 0.42])
    fruits, ends = [], []
    for k in range(count):
        spread = (k - (count - 1) / 2) * 26
        body = tube(path, size, segments=10)
        tip = tube(path[-2:] + np.array([[0.0, 0, 0], [0.03, 0, 0.03]]), thick * 0.3, segments=10)
        move = -path[0]
        fruits.append(body.moved(*move).turned("z", spread))
        ends.append(tip.moved(*move).turned("z", spread))
    ripe = m.pick(((0.96, 0.80, 0.18), (0.93, 0.74, 0.22), (0.75, 0.78, 0.25)), random)
    yellow = m.surface("peel", ripe, random, (0.4, 0.6))
    brown = m.surface("tip", m.jittered((0.30, 0.22, 0.12), random, 0.04), random, (0.7, 0.9))
    stalk = ellipsoid(thick * 0.5, thick * (0.45 + 0.2 * count), thick * 0.55, segments=14)
    return [Part(joined(*fruits), yellow), Part(joined(stalk, *ends), brown)]


def burger(random: np.random.Generator) -> list[Part]:
    """Two halves of a bun around meat, cheese, lettuce and tomato, seeds on top."""
    radius, dome = random.uniform(0.95, 1.1), random.uniform(0.5, 0.7)
    crust = m.jittered((0.80, 0.52, 0.24), random)
    bun = m.surface("bun", crust, random, (0.4, 0.7))
    low = rounded_lathe([(0, 0), (radius, 0), (radius, 0.3), (radius * 0.96, 0.34), (0, 0.34)])
    layers: list[Part] = [Part(low, bun)]
    z = 0.32

    def add(solid: Solid, color: tuple[float, float, float], name: str, height: float) -> None:
        nonlocal z
        shade = m.surface(name, m.jittered(color, random, 0.04), random, (0.5, 0.85))
        layers.append(Part(solid.moved(z=z), shade))
        z += height

    meat = rounded_lathe([(0, 0), (radius * 1.04, 0), (radius * 1.04, 0.24), (0, 0.24)])
    cheese = box(radius * 1.75, radius * 1.75, 0.09, bevel=0.02)
    cheese = cheese.turned("z", random.uniform(20, 70))
    add(_wavy(radius * 1.14, 0.15, random), (0.42, 0.70, 0.22), "lettuce", 0.13)
    for _ in range(1 if random.random() < 0.65 else 2):
        add(meat, (0.36, 0.20, 0.12), "meat", 0.23)
        add(cheese, (0.96, 0.72, 0.16), "cheese", 0.08)
    if random.random() < 0.7:
        add(cylinder(radius * 1.02, 0.13, bevel=0.04), (0.82, 0.20, 0.14), "tomato", 0.11)
    curve = [(0, z - 0.02), (radius, z - 0.02), (radius * 1.03, z + 0.1)]
    curve += [(radius * 0.85, z + dome * 0.75), (radius * 0.4, z + dome), (0, z + dome)]
    layers.append(Part(rounded_lathe(curve), bun))
    seeds = []
    for k in range(22):
        turn, out = 2.4 * k, radius * 0.78 * np.sqrt((k + 0.5) / 22)
        up = z + dome * (1 - 0.62 * (out / radius) ** 2.4) - 0.02
        seed = ellipsoid(0.075, 0.05, 0.045, segments=8).turned("z", 77 * k)
        seeds.append(seed.moved(out * np.cos(turn), out * np.sin(turn), up))
    layers.append(Part(joined(*seeds), m.pale(random)))
    return layers


def _wavy(radius: float, height: float, random: np.random.Generator) -> Solid:
    """A disc whose rim goes up and down."""
    disc = cylinder(radius, height, bevel=height * 0.3, segments=60)
    x, y, z = disc.vertices.T
    out, turn = np.hypot(x, y) / radius, np.arctan2(y, x)
    wave = 0.09 * np.sin(turn * int(random.integers(8, 12))) * out**3
    return Solid(np.column_stack([x, y, z + wave]), disc.faces)


def cake(random: np.random.Generator) -> list[Part]:
    """Layers on a plate, icing that drips, and candles or cherries."""
    radius, height = random.uniform(0.85, 1.1), random.uniform(0.7, 1.05)
    dough = m.pick(((0.90, 0.78, 0.55), (0.42, 0.25, 0.16), (0.93, 0.62, 0.66)), random)
    sponge = m.surface("sponge", dough, random, (0.7, 0.95))
    cream = m.unlike(sponge, m.pale if random.random() < 0.5 else m.plastic, random, 0.5)
    count = int(random.integers(2, 4))
    rise = height / count
    layers = [cylinder(radius, rise * 0.8, segments=48).moved(z=k * rise) for k in range(count)]
    fills = [
        cylinder(radius * 1.01, rise * 0.24, segments=48).moved(z=(k + 0.78) * rise)
        for k in range(count)
    ]
    drips = [
        ellipsoid(0.11, 0.11, random.uniform(0.16, 0.34), segments=10).moved(
            radius * np.cos(t), radius * np.sin(t), height - 0.06
        )
        for t in np.linspace(0, 2 * np.pi, 17)[:-1].tolist()
    ]
    top = cylinder(radius * 1.04, 0.16, bevel=0.06, segments=48).moved(z=height - 0.04)
    plate = lathe(
        [(0, -0.12), (radius, -0.12), (radius * 1.35, -0.04), (radius * 1.35, 0.02), (0, 0.0)]
    )
    high = height + 0.1
    parts = [
        Part(plate, m.ceramic(random)),
        Part(joined(*layers), sponge),
        Part(joined(top, *fills, *drips), cream),
    ]
    turns = (np.arange(5 + int(random.integers(0, 3))) * 2 * np.pi / 6).tolist()
    places = [(radius * 0.66 * np.cos(t), radius * 0.66 * np.sin(t)) for t in turns[:6]]
    if random.random() < 0.6:
        wax = m.unlike(cream, m.plastic, random)
        candles = [cylinder(0.07, 0.42, segments=10).moved(x, y, high) for x, y in places]
        flame = m.surface("flame", m.jittered((0.98, 0.72, 0.15), random, 0.03), random, (0.3, 0.6))
        fires = [
            ellipsoid(0.065, 0.065, 0.13, segments=10).moved(x, y, high + 0.52) for x, y in places
        ]
        parts += [Part(joined(*candles), wax), Part(joined(*fires), flame)]
    else:
        red = m.surface("cherry", m.jittered((0.75, 0.08, 0.12), random), random, (0.1, 0.3))
        cherries = [
            ellipsoid(0.15, 0.15, 0.14, segments=14).moved(x, y, high + 0.08) for x, y in places
        ]
        parts.append(Part(joined(*cherries), red))
    return parts


def donut(random: np.random.Generator) -> list[Part]:
    """A ring with icing that runs down a little, and sprinkles; it leans so that it is seen."""
    radius, thick = 0.8, random.uniform(0.34, 0.44)
    ring = torus(radius, thick, segments=48)
    glaze = torus(radius, thick * 1.06, segments=60)
    x, y, z = glaze.vertices.T
    turn = np.arctan2(y, x)
    edge = 0.1 + 0.12 * np.sin(turn * int(random.integers(5, 9)) + random.uniform(0, 6))
    # Below its edge the icing hides in the dough.
    shrink = np.where(z / thick < edge - 0.25, 0.9, 1.0)
    middle = np.stack([np.cos(turn) * radius, np.sin(turn) * radius, np.zeros_like(z)], axis=1)
    glaze = Solid(middle + (glaze.vertices - middle) * shrink[:, None], glaze.faces)
    dough = m.surface("dough", m.jittered((0.82, 0.58, 0.32), random), random, (0.6, 0.85))
    icing = m.unlike(dough, m.plastic, random, 0.5)
    groups: list[list[Solid]] = [[], [], []]
    for k in range(36):
        at, side = random.uniform(0, 2 * np.pi), random.uniform(-0.8, 0.8)
        reach = radius + thick * np.sin(side)
        spot = (reach * np.cos(at), reach * np.sin(at), thick * 1.06 * np.cos(side))
        stick = ellipsoid(0.1, 0.04, 0.04, segments=8).turned("z", random.uniform(0, 180))
        groups[k % 3].append(stick.moved(*spot))
    colors = [m.unlike(icing, m.plastic, random) for _ in groups]
    lean = random.uniform(20, 60)
    parts = [Part(ring, dough), Part(glaze, icing)]
    parts += [Part(joined(*some), color) for some, color in zip(groups, colors, strict=True)]
    return [Part(part.solid.turned("x", lean), part.material) for part in parts]
