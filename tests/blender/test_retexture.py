"""A new look for objects of users: report 13. Only materials and UV maps may change."""

from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon, parts
from tests.blender.foreign import (
    CASES,
    JOB,
    all_bytes,
    eight_uv_maps,
    made_by_engine,
    mirror_subsurf,
    ngons,
    quads,
    retextured,
    shown,
    thing_of,
    turned_parent,
    two_users,
)

pytestmark = pytest.mark.usefixtures("blank")


@pytest.mark.parametrize("change", CASES)
@pytest.mark.parametrize("uvs", ["good", "none", "overlap"])
def test_only_materials_and_uv_maps_change(change: Any, uvs: str) -> None:
    thing = thing_of(quads(uvs))
    change(thing)
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="Before")
    before = all_bytes(thing)
    placed = retextured(thing, preview=False)
    assert placed.outcome == "placed", placed
    thing = bpy.data.objects["Thing"]
    after = all_bytes(thing)
    assert set(shown(thing)) == {"Thing Look"}
    if uvs == "good" and change is not mirror_subsurf:
        assert len(thing.data.uv_layers) == 1
    else:
        added = set(after) - set(before)
        assert added == {"Maquette"}, added
        del after["Maquette"]
        if before["active map"] is None:
            before["active map"] = "Maquette"
    if not before["slots of the mesh"]:
        assert after.pop("slots of the mesh") == [None]  # an empty one, so that it can have a look
        before.pop("slots of the mesh")
    assert after == before
    if change is two_users:
        assert shown(bpy.data.objects["Other"]) != ["Thing Look"]
    assert bpy.ops.ed.undo() == {"FINISHED"}
    thing = bpy.data.objects["Thing"]
    undone = all_bytes(thing)
    if not undone["slots of the mesh"]:
        undone.pop("slots of the mesh")
    if before["active map"] == "Maquette":
        before["active map"] = None
    assert undone == before
    assert "Thing Look" not in bpy.data.materials


def test_new_uvs_reach_the_loops_of_ngons() -> None:
    thing = thing_of(ngons())
    made, sent = made_by_engine(thing)
    assert sent.uv_map == "" and "New UVs" in sent.sentence
    retextured(thing, preview=False)
    layer = thing.data.uv_layers["Maquette"]
    sent_uv = addon.module("bl.build").arrays_of(made["finished"])["corner_uv"]
    for corner, loop in enumerate(sent.loop):
        assert tuple(layer.uv[loop].vector) == pytest.approx(tuple(sent_uv[corner]), abs=1e-6)


def test_uvs_that_cut_a_face_are_refused_in_a_sentence() -> None:
    thing = thing_of(ngons())
    made, sent = made_by_engine(thing)
    arrays = addon.module("bl.build").arrays_of(made["finished"])
    uv = arrays["corner_uv"].copy()
    uv[:3] += 0.01
    packed = addon.module("protocol.parts").pack_mesh(
        sent.position, sent.corner_vert.reshape(-1, 3), corner_uv=uv
    )
    made = {**made, "finished": parts.fetched("finished", packed)}
    placed = parts.deliver(
        purpose="retexture", object=thing.session_uid, parts=made, job=JOB, preview=False
    )
    assert placed.outcome == "lost" and "Smart UV Project" in placed.sentence
    assert "cut a face of Thing" in placed.sentence
    assert not thing.data.uv_layers and not thing.material_slots
    assert not bpy.data.materials and not bpy.data.images


def test_what_goes_out_stands_as_in_the_world() -> None:
    thing = thing_of(quads("good"))
    turned_parent(thing)
    thing.scale = (1, 2, -0.5)
    bpy.context.view_layer.update()
    sent = addon.module("bl.mesh_out").gather(thing)
    world = np.array(thing.matrix_world.to_3x3())
    expected = np.array([v.co for v in thing.data.vertices]) @ world.T
    assert np.abs(sent.position - expected).max() < 1e-6
    triangles = sent.position[sent.corner_vert.reshape(-1, 3)].astype(float)
    volume = (np.cross(triangles[:, 0], triangles[:, 1]) * triangles[:, 2]).sum() / 6
    assert volume == pytest.approx(8.0, rel=1e-5)  # its outside is outside though it is mirrored


def test_eight_uv_maps_are_said_before_anything_is_sent() -> None:
    thing = thing_of(quads("overlap"))
    eight_uv_maps(thing)
    thing.data.uv_layers.active_index = 0
    error = addon.module("protocol.errors").EngineError
    with pytest.raises(error, match="8 UV maps"):
        addon.module("bl.mesh_out").gather(thing)
    thing = thing_of(quads("good"), name="Fine")
    eight_uv_maps(thing)
    thing.data.uv_layers.active_index = 0
    assert addon.module("bl.mesh_out").gather(thing).uv_map == "Own"


def test_a_preview_is_discarded_without_a_trace() -> None:
    retexture = addon.module("bl.retexture")
    thing = thing_of(quads("none"))
    before = all_bytes(thing)
    retextured(thing)
    retexture.discard(retexture.previews()[0])
    assert all_bytes(thing) == before and len(bpy.data.objects) == 1
    assert not bpy.data.materials and not bpy.data.images and len(bpy.data.meshes) == 1


def test_a_preview_is_as_flat_as_its_object() -> None:
    thing = thing_of(quads("good"))
    thing.data.shade_flat()
    thing.data.polygons[0].use_smooth = True
    retextured(thing, preview=True)
    (preview,) = addon.module("bl.retexture").previews()
    smooth = [polygon.use_smooth for polygon in preview.data.polygons]
    assert 0 < sum(smooth) < 4 and not all(smooth)


def test_a_preview_of_what_was_deleted_or_changed_stays_with_a_sentence() -> None:
    retexture = addon.module("bl.retexture")
    error = addon.module("protocol.errors").EngineError
    thing = thing_of(quads("good"))
    retextured(thing)
    thing.data.vertices[0].co.x += 1
    thing.data.update()
    (preview,) = retexture.previews()
    with pytest.raises(error, match="another shape"):
        retexture.keep(preview)
    for collection in thing.users_collection:
        collection.objects.unlink(thing)
    with pytest.raises(error, match="was deleted"):
        retexture.keep(preview)
    assert retexture.previews() == [preview]


def test_an_object_that_changed_meanwhile_is_not_touched() -> None:
    thing = thing_of(quads("good"))
    made, _ = made_by_engine(thing)
    thing.data.vertices[0].co.x += 1
    thing.data.update()
    bpy.context.view_layer.update()
    placed = parts.deliver(
        purpose="retexture", object=thing.session_uid, parts=made, job=JOB, preview=False
    )
    assert placed.outcome == "lost" and "another shape" in placed.sentence
    assert not thing.material_slots


def test_all_objects_with_the_mesh_if_asked() -> None:
    thing = thing_of(quads("none"))
    other = thing_of(thing.data, name="Other")
    retextured(thing, preview=False, all_users=True)
    assert shown(thing) == shown(other) == ["Thing Look"]
    assert thing.data == other.data and thing.data.users == 2


def test_several_objects_have_a_preview_each() -> None:
    retexture = addon.module("bl.retexture")
    things = [thing_of(quads("good"), name=name) for name in ("A", "B")]
    for number, thing in enumerate(things):
        retextured(thing, job=f"{number}" * 32)
    assert len(retexture.previews()) == 2
    for thing in things:
        retexture.keep(retexture.preview_of(thing))
    assert [shown(thing) for thing in things] == [["A Look"], ["B Look"]]


@pytest.mark.parametrize("kind", ["linked", "override"])
def test_what_comes_from_another_file_is_made_local_first(tmp_path: Any, kind: str) -> None:
    thing_of(quads("good"))
    file = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(file, link=True) as (_, wanted):
        wanted.objects = ["Thing"]
    thing = wanted.objects[0]
    bpy.context.scene.collection.objects.link(thing)
    if kind == "override":
        thing = thing.override_create(remap_local_usages=True)
        if thing is None:  # 5.3 makes overrides of whole hierarchies only
            linked = bpy.context.scene.collection.objects[0]
            thing = linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
        assert thing.override_library is not None
    mesh_out = addon.module("bl.mesh_out")
    assert "make it local first" in mesh_out.why_not(thing)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    assert bpy.ops.maquette.make_local() == {"FINISHED"}
    (thing,) = (o for o in bpy.context.scene.collection.objects if o.select_get())
    assert mesh_out.why_not(thing) == ""
    assert not bpy.ops.maquette.make_local.poll()
    retextured(thing, preview=False)
    assert shown(thing) == ["Thing Look"]


@pytest.mark.parametrize("kind", ["CURVE", "EMPTY", "no faces", None])
def test_what_has_no_mesh_is_said(kind: str | None) -> None:
    why_not = addon.module("bl.mesh_out").why_not
    thing = None
    if kind == "CURVE":
        thing = thing_of(bpy.data.curves.new("Curve", "CURVE"))
    elif kind == "EMPTY":
        thing = thing_of(None)
    elif kind == "no faces":
        thing = thing_of(bpy.data.meshes.new("Nothing"))
    assert len(why_not(thing)) > 15
