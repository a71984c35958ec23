"""Families of things."""

import numpy as np

from engine.training.toybox import materials as m
from engine.training.toybox.assemble import Part
from engine.training.toybox.solids import ellipsoid, sheet


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
