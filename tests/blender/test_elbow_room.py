"""New objects stand beside others, not in them."""

from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from tests.blender import addon, parts
from tests.blender.foreign import quads, retextured, thing_of

pytestmark = pytest.mark.usefixtures("blank")


def box(thing: Any) -> Any:
    bpy.context.view_layer.update()
    return addon.module("bl.elbow_room").box_of(thing)


def apart(one: Any, other: Any) -> bool:
    a, b = box(one), box(other)
    return bool((a[0] > b[1]).any() or (b[0] > a[1]).any())


def made(**more: Any) -> Any:
    placed = parts.deliver(matrix=addon.module("bl.place").at_cursor(bpy.context.scene), **more)
    assert placed.outcome == "placed", placed
    return next(o for o in bpy.data.objects if o.session_uid == placed.object)


def slab(name: str, low: tuple[float, ...], high: tuple[float, ...]) -> Any:
    mesh = bpy.data.meshes.new(name)
    corners = np.array([low, high])
    points = [(x, y, z) for x in corners[:, 0] for y in corners[:, 1] for z in corners[:, 2]]
    mesh.from_pydata(points, [], [(0, 1, 3, 2), (4, 5, 7, 6)])
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def test_several_objects_stand_in_a_row() -> None:
    row = [made(height=1.0, job=f"{n:032x}") for n in range(4)]
    assert tuple(row[0].location) == (0, 0, 0)
    assert [float(thing.location.x) for thing in row] == pytest.approx([0, 1.2, 2.4, 3.6], abs=1e-3)
    assert all(tuple(thing.location)[1:] == (0, 0) for thing in row)
    row[1].matrix_world = Matrix.Translation((0, 9, 0))
    bpy.context.view_layer.update()
    assert made(height=1.0).location.x == pytest.approx(1.2, abs=1e-3)  # in the gap


def test_each_stage_stays_where_the_first_stood() -> None:
    made(height=1.0, job="1" * 32)
    first = made(stage="structure", height=1.0, job="2" * 32)
    beside = first.location.x
    assert beside > 1.0
    for stage in ("mesh", "finished"):
        parts.deliver(stage, object=first.session_uid, height=1.0, job="2" * 32)
        assert first.location.x == beside


def test_what_the_user_has_made_is_not_in_the_way_nor_what_it_stands_on() -> None:
    slab("Ground", (-5, -5, -0.1), (5, 5, 0.4))
    table = made(height=1.0, job="1" * 32)
    assert tuple(table.location) == (0, 0, 0)
    bpy.context.scene.cursor.location = (0, 0, 1)
    assert tuple(made(height=0.3, job="2" * 32).location) == (0, 0, 1)  # on the table
    bpy.context.scene.cursor.location = (0, 0, 0)
    table.hide_viewport = True
    assert tuple(made(height=1.0, job="3" * 32).location) == (0, 0, 0)


def test_a_preview_stands_beside_its_object_and_in_no_other() -> None:
    thing = thing_of(quads("good"))
    slab("Room", (-20, -20, -20), (20, 20, 20))
    neighbour = slab("Neighbour", (2, -1, -1), (5, 1, 1))
    bpy.context.view_layer.update()
    assert retextured(thing, preview=True).outcome == "placed"
    preview = bpy.data.objects[f"{thing.name} Preview"]
    assert apart(preview, thing) and apart(preview, neighbour)
    assert preview.location.x < 8
    assert tuple(preview.location)[1:] == tuple(thing.location)[1:]
