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


def cube(
    name: str = "Cube", at: tuple[float, ...] = (0, 0, 0), size: tuple[float, ...] = (2, 2, 2)
) -> Any:
    """A solid box of the user, its faces outwards; without arguments Blender's default cube."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=at, scale=size)
    thing = bpy.context.view_layer.objects.active
    thing.name = name
    bpy.context.view_layer.update()
    return thing


def without(thing: Any, *normals: tuple[int, ...]) -> None:
    """Take away the faces that look so."""
    import bmesh  # only there once bpy is

    mesh = bmesh.new()
    mesh.from_mesh(thing.data)
    gone = [f for f in mesh.faces if tuple(round(x) for x in f.normal) in normals]
    assert len(gone) == len(normals)
    bmesh.ops.delete(mesh, geom=gone, context="FACES")
    mesh.to_mesh(thing.data)
    mesh.free()


@pytest.mark.parametrize("height", [0.45, 1.0, 3.0])
def test_it_does_not_hide_in_the_default_cube(height: float) -> None:
    other = cube()
    assert apart(made(height=height), other) == (height < 3)  # a tall one towers above it


def test_it_stands_beside_what_it_reaches_into_after_it_has_moved() -> None:
    first, second = cube(), cube("Second", (2.3, 0, 0))
    room = cube("Room", (0, 0, 4), (20, 20, 20))
    thing = made(height=1.0)
    assert apart(thing, first) and apart(thing, second) and not apart(thing, room)
    assert thing.location.x == pytest.approx(3.3 + 0.5 + 0.2, abs=1e-3)
    assert tuple(thing.location)[1:] == (0, 0)


@pytest.mark.parametrize("where", ["on", "sunk", "beside", "far", "touching"])
def test_what_is_not_in_the_way(where: str) -> None:
    if where == "on":
        bpy.ops.mesh.primitive_plane_add(size=10)
    elif where == "sunk":
        cube("Ground", (0, 0, 0), (4, 4, 0.8))  # less than half of the object is in it
    elif where == "beside":
        cube(at=(1.2, 0, 0))
    elif where == "far":
        cube(at=(9, 0, 0))
    else:
        cube(at=(0, 0, -1))
    assert tuple(made(height=1.0).location) == (0, 0, 0)


@pytest.mark.parametrize("room", ["large", "open", "inwards", "shelf", "ceiling"])
def test_a_room_is_not_in_the_way(room: str) -> None:
    thing = cube("Room", (0, 0, 1), (8, 8, 6) if room == "large" else (4, 4, 3))
    if room == "open":
        without(thing, (0, -1, 0))
    elif room == "ceiling":
        without(thing, (0, 0, 1), (1, 0, 0))
    elif room == "inwards":
        thing.data.flip_normals()
    elif room == "shelf":
        thing.modifiers.new("Boards", "SOLIDIFY").thickness = 0.1
        without(thing, (0, -1, 0))
    assert tuple(made(height=1.0).location) == (0, 0, 0)


@pytest.mark.parametrize("how", ["eye", "screen", "wire", "collection", "scene"])
def test_what_is_hidden_is_not_in_the_way(how: str) -> None:
    thing = cube()
    if how == "eye":
        thing.hide_set(True)
    elif how == "screen":
        thing.hide_viewport = True
    elif how == "wire":
        thing.display_type = "WIRE"
    elif how == "collection":
        own = bpy.data.collections.new("Own")
        bpy.context.scene.collection.children.link(own)
        own.objects.link(thing)
        bpy.context.scene.collection.objects.unlink(thing)
        bpy.context.view_layer.layer_collection.children["Own"].exclude = True
    else:
        other = bpy.data.scenes.new("Other")
        assert tuple(made(height=1.0, scene=other.session_uid).location) == (0, 0, 0)
        return
    assert tuple(made(height=1.0).location) == (0, 0, 0)


def test_an_exact_place_is_kept() -> None:
    cube()
    here = made(height=1.0, job="1" * 32, exact=True)
    also = made(height=1.0, job="2" * 32, exact=True)
    assert tuple(here.location) == tuple(also.location) == (0, 0, 0)


def test_our_own_are_avoided_but_not_what_it_stands_on_nor_what_is_hidden() -> None:
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
