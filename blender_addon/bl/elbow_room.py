"""Where something new stands so that it does not stand in something else: moved along X.

It leaves the place it was given for two reasons only:

- Its box and that of another object that Maquette made have a part in common.
- Half of it or more is inside the solid of a visible mesh of the user, such as the default cube: a
  point is inside where a look in each of the six directions of the axes ends at the back of a face.
  So a table, a shelf, an open box, and a room whose walls have a thickness or look inwards are not
  in the way, nor is a ground into which it sinks a little. What is over ``SURROUNDS`` times as wide
  as the new object is large, both along X and Y, is the place where it stands, not a thing in it.

Once it moves it stands clear of all boxes that were not around it before.
"""

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np
from mathutils import Vector  # pyright: ignore[reportMissingImports]

from .replace import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP = 0.2
"""Between neighbours, as a share of the new one's width."""
TOUCH = 1e-3
"""Share of its size by which it may reach into another: what stands on a table stands there."""
SURROUNDS = 5.0
SAMPLES = (1 / 6, 1 / 2, 5 / 6)
"""Along each side of its box: 27 points."""


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
    """Mesh objects of a scene that are shown with their faces, without one of them."""
    windows = [w for w in bpy.context.window_manager.windows if w.scene == scene]
    layer = windows[0].view_layer if windows else scene.view_layers[0]
    return [
        thing
        for thing in scene.objects
        if thing.type == "MESH"
        and thing != but
        and LEVEL not in thing
        and thing.display_type not in ("BOUNDS", "WIRE")
        and not thing.hide_viewport
        and thing.visible_get(view_layer=layer)
    ]


def stand_free(thing: Any, ours: "Iterable[Any]", others: "Iterable[Any]") -> None:
    """Move a new object along X to where it stands free, as the top of this file says.

    Args:
        ours: other objects that Maquette made.
        others: the user's.
    """
    box = box_of(thing)
    size = float(np.ptp(box, axis=0).max())
    around, beside = list(ours), []
    for other in others:
        low, high = box_of(other)
        if (high - low)[:2].min() > SURROUNDS * size:
            continue
        if not shift(box, [np.stack([low, high])]):
            beside.append(other)
        elif hides(other, box):
            around.append(other)
    if shift(box, [box_of(other) for other in around]):
        step_aside(thing, [*around, *beside])


def hides(other: Any, box: "NDArray[Any]") -> bool:
    """Whether half or more of a box in the world is inside the solid of a mesh object."""
    low, high = box
    points = [low + np.array(share) * (high - low) for share in product(SAMPLES, repeat=3)]
    try:
        inside = sum(_is_inside(other, point) for point in points)
    except RuntimeError:
        return False  # Blender has no evaluated mesh of it, so that nobody sees it
    return 2 * inside >= len(points)


def _is_inside(other: Any, point: "NDArray[Any]") -> bool:
    begin = other.matrix_world.inverted_safe() @ Vector(point)
    for axis, sign in product(range(3), (-1.0, 1.0)):
        way = Vector((0.0, 0.0, 0.0))
        way[axis] = sign
        hit, _, normal, _ = other.ray_cast(begin, way)
        if not hit or normal.dot(way) <= 0:
            return False
    return True


def step_aside(thing: Any, others: "Iterable[Any]") -> None:
    """Move a new object along X until it stands free of others."""
    moved = shift(box_of(thing), [box_of(other) for other in others])
    if moved:
        matrix = thing.matrix_world.copy()
        matrix.translation.x += moved
        thing.matrix_world = matrix
