"""Readers that misbehave, for test_apart.py."""

import os
import time

import numpy as np

from engine.mesh import Material
from engine.meshing.parts import Part
from engine.readers.source import Broken, Source
from protocol.errors import EngineError


def sound(source: Source) -> tuple[list[Part], list[Material]]:
    os.write(1, b"a library that writes to the terminal")
    source.note("a note")
    source.leave_out("light", 2)
    source.unit = "metres"
    vertices = np.eye(3)
    faces = np.array([[0, 1, 2]])
    return [Part(vertices, faces), Part(vertices, faces)], [Material("one")]


def crash(source: Source) -> None:
    os.abort()


def hang(source: Source) -> None:
    time.sleep(600)


def busy(source: Source) -> None:
    while True:
        pass


def greedy(source: Source) -> None:
    """Memory that the file of a few bytes does not account for, if less than the machine has."""
    np.ones(1 << 28)


def hungry(source: Source) -> None:
    np.ones(1 << 40)


def broken(source: Source) -> None:
    raise Broken("it has no end")


def refused(source: Source) -> None:
    raise EngineError("mesh_unsupported", "It is folded.", "Unfold it.")


def wrong(source: Source) -> None:
    raise KeyError("words of a library")
