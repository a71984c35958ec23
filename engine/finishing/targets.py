"""How many faces each level of detail gets, and what the user is told about it."""

from engine.meshing.quads import ENOUGH, Quads
from engine.meshing.simplify import Simplified
from engine.report import Report
from protocol.finishes import Finish
from protocol.limits import FEWEST_FACES

LEAST_OF_LEVEL = 24
"""Faces; a box of twelve lost two thirds of its volume when it was halved."""
MISSED = 1.02
"""A result of so many times the faces that were asked for missed its target, which is said."""


def targets_of(settings: Finish, faces: int) -> list[int]:
    """The most faces of each level, for a surface that has ``faces``.

    Of a surface that has fewer than were asked for the further levels still are half of the one
    before, but never so few that nothing is left of a shape.
    """
    if settings.quads is not None:
        return [ENOUGH * quads for quads in quads_of(settings)]
    most = min(settings.faces, faces)
    least = max(FEWEST_FACES, min(most, LEAST_OF_LEVEL))
    return [max(least, int(most * share)) for share in settings.lod_shares]


def quads_of(settings: Finish) -> list[int]:
    """The quads of each level of detail."""
    return [max(1, int((settings.quads or 0) * share)) for share in settings.lod_shares]


def tell_quads(quads: Quads, target: int, level: int, report: Report) -> None:
    """Say where there are more of them than were asked for, or not quads alone."""
    where = f"Level of detail {level}: " if level else ""
    triangles = len(quads.faces) - 2 * quads.count
    if quads.count > MISSED * target:
        report.note(
            f"{where}{target:,} quads were asked for, and {quads.count:,} were made: "
            "edges and thin parts of the shape take so many."
        )
    if triangles:
        report.note(f"{where}{triangles:,} triangles are where quads would be folded.", detail=True)


def tell_target(simple: Simplified, target: int, level: int, closed: bool, report: Report) -> None:
    """Say what a target did to the shape, or why it was missed; nothing where neither is so."""
    where = f"Level of detail {level}: " if level else ""
    got, parts = len(simple.faces), simple.parts_left_out
    left_out = ""
    if parts:
        left_out = f"; {parts:,} small part{' was' if parts == 1 else 's were'} left out"
    if got > MISSED * target:
        remedy = (
            f"Ask for {got:,} or more." if closed else "--closed makes a surface that allows fewer."
        )
        report.note(
            f"{where}{target:,} faces were asked for, and {got:,} is as few as this surface "
            f"allows: fewer would fold it or make three faces meet at an edge{left_out}. {remedy}"
        )
    elif simple.loosened:
        remedy = "ask for more faces" if closed else "more faces, or --closed, keep more of it"
        report.note(
            f"{where}{target:,} faces are so few that borders, small holes and the finest parts "
            f"had to give{left_out}; {remedy}."
        )
