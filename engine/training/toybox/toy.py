"""A toy for every seed."""

import hashlib
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.mesh import Mesh
from engine.training.toybox.assemble import assemble
from engine.training.toybox.families import FAMILIES
from protocol.errors import EngineError

Split = Literal["train", "held_out"]


@dataclass(frozen=True)
class Toy:
    """A procedural asset.

    Args:
        mesh: in object space, Z up, front towards -Y; its box is centred at the origin and its
            longest side is 63/64. Materials have factors; some toys have vertex colours.
        family: what it shows, a key of ``FAMILIES``.
        seed: what it was made from.
        parts: of how many pieces it was put together.
    """

    mesh: Mesh
    family: str
    seed: int
    parts: int


def make_toy(seed: int, family: str | None = None) -> Toy:
    """The toy of a seed: always the same, byte for byte.

    Args:
        seed: 0 or more; seeds in a row walk through all families.
        family: the seed's own when None.

    Raises:
        EngineError: ``toy_family`` for a family that does not exist.
    """
    names = tuple(FAMILIES)
    family = names[seed % len(names)] if family is None else family
    if family not in FAMILIES:
        raise EngineError(
            "toy_family",
            f"There is no toy family {family!r}.",
            f"Choose one of {', '.join(names)}.",
        )
    random = np.random.default_rng([seed, zlib.crc32(family.encode())])
    parts = FAMILIES[family](random)
    return Toy(assemble(parts), family, seed, len(parts))


def split_of(seed: int) -> Split:
    """The split that a seed belongs to: by a hash, one in sixteen is held out."""
    digest = hashlib.blake2b(f"maquette toy {seed}".encode()).digest()
    return "held_out" if digest[0] < 16 else "train"
