"""Where something new stands so that it does not stand in something else: moved along X."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .replace import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP = 0.2
"""Between neighbours, as a share of the new one's width."""
TOUCH = 1e-3
"""Share of its size by which it may reach into another: what stands on a table stands there."""


def shift(new: "NDArray[Any]", others: "Iterable[NDArray[Any]]") -> float:
    """How far along X something has to be moved to stand free.

    Args:
        new: (2, 3) lowest and highest corner of its box in the world.
        others: such boxes.
    """
    low, high = new
    size = high - low
    touch, gap = TOUCH * float(size.max()), GAP * float(size[0])
    # Only those beside whose way it moves can be in it.
    near = [
        box
        for box in others
        if (box[0][1:] < high[1:] - touch).all() and (box[1][1:] > low[1:] + touch).all()
    ]
    moved = 0.0
    for other_low, other_high in sorted(near, key=lambda box: float(box[0][0])):
        # By their low end: it moves on only, and never back into one that was passed.
        if other_low[0] < high[0] + moved - touch and other_high[0] > low[0] + moved + touch:
            moved = float(other_high[0] - low[0]) + gap
    return moved


def box_of(thing: Any) -> "NDArray[np.float64]":
    """(2, 3) lowest and highest corner of an object in the world."""
    corners = np.array([corner[:] for corner in thing.bound_box])
    matrix = np.array(thing.matrix_world)
    placed = corners @ matrix[:3, :3].T + matrix[:3, 3]
    return np.stack([placed.min(axis=0), placed.max(axis=0)])


def seen_meshes(scene: Any, but: Any) -> list[Any]:
    """Mesh objects of a scene that are not switched off, without one of them."""
    return [
        thing
        for thing in scene.objects
        if thing.type == "MESH" and thing != but and LEVEL not in thing and not thing.hide_viewport
    ]


def step_aside(thing: Any, others: "Iterable[Any]") -> None:
    """Move a new object along X until it stands free of others."""
    moved = shift(box_of(thing), [box_of(other) for other in others])
    if moved:
        matrix = thing.matrix_world.copy()
        matrix.translation.x += moved
        thing.matrix_world = matrix
