"""A new look for objects of users: report 13. Only materials and UV maps may change."""

import hashlib
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from tests.blender import addon, parts

pytestmark = pytest.mark.usefixtures("blank")
JOB = "cd" * 16


def _quads(uvs: str = "none") -> Any:
    """A mesh of 6 quads, with one UV map: "good" (a strip for each) or "overlap" (all at one)."""
    points = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new("Box")
    mesh.from_pydata(points, [], faces)
    if uvs != "none":
        layer = mesh.uv_layers.new(name="Own")
        for face in mesh.polygons:
            left = face.index / 6 if uvs == "good" else 0.0
            square = [(left, 0), (left + 0.15, 0), (left + 0.15, 0.9), (left, 0.9)]
            for loop, uv in zip(face.loop_indices, square, strict=True):
                layer.uv[loop].vector = uv
    return mesh


def _ngons() -> Any:
    """A prism with two faces of seven corners."""
    turn = np.arange(7) * 2 * np.pi / 7
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    points = [(*p, z) for z in (-1.0, 1.0) for p in ring]
    sides = [(i, (i + 1) % 7, 7 + (i + 1) % 7, 7 + i) for i in range(7)]
    mesh = bpy.data.meshes.new("Prism")
    mesh.from_pydata(points, [], [tuple(range(6, -1, -1)), tuple(range(7, 14)), *sides])
    return mesh


def _thing(mesh: Any, **more: Any) -> Any:
    thing = bpy.data.objects.new(more.pop("name", "Thing"), mesh)
    bpy.context.scene.collection.objects.link(thing)
    for name, value in more.items():
        setattr(thing, name, value)
    bpy.context.view_layer.update()
    return thing


def _plain(thing: Any) -> None:
    del thing


def _mirror_subsurf(thing: Any) -> None:
    thing.modifiers.new("Mirror", "MIRROR").use_axis = (True, False, False)
    thing.modifiers.new("Subdivision", "SUBSURF").levels = 2
    thing.data.transform(Matrix.Translation((2, 0, 0)))


def _shape_keys(thing: Any) -> None:
    thing.shape_key_add(name="Basis")
    key = thing.shape_key_add(name="Long")
    key.data[0].co.x -= 1
    key.value = 0.5


def _two_users(thing: Any) -> None:
    _thing(thing.data, name="Other")


def _scaled(thing: Any) -> None:
    thing.scale = (1, 2, -0.5)


def _custom_normals(thing: Any) -> None:
    thing.data.normals_split_custom_set([(0, 0, 1)] * len(thing.data.loops))


def _eight_uv_maps(thing: Any) -> None:
    for number in range(8 - len(thing.data.uv_layers)):
        thing.data.uv_layers.new(name=f"More {number}")


def _turned_parent(thing: Any) -> None:
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.rotation_euler = (0.4, 0.5, 0.6)
    thing.parent = parent
    thing.rotation_euler = (1, 0, 0)


def _with_materials(thing: Any) -> None:
    for name in ("Wood", "Iron"):
        thing.data.materials.append(bpy.data.materials.new(name))
    thing.data.polygons[2].material_index = 1


CASES = [
    _plain, _mirror_subsurf, _shape_keys, _two_users, _scaled, _custom_normals, _turned_parent,
    _with_materials,
]  # fmt: skip


def _bytes(thing: Any) -> dict[str, Any]:
    """Everything of an object that must stay, as hashes and plain values."""
    mesh = thing.data
    found: dict[str, Any] = {}
    for attribute in mesh.attributes:
        name = {"FLOAT_VECTOR": "vector", "FLOAT2": "vector"}.get(attribute.data_type, "value")
        if attribute.data_type in ("FLOAT_COLOR", "BYTE_COLOR"):
            name = "color"
        values = [getattr(item, name) for item in attribute.data]
        flat = [tuple(v) if hasattr(v, "__len__") else v for v in values]
        found[attribute.name] = hashlib.sha256(repr(flat).encode()).hexdigest()
    found["normals"] = [tuple(c.vector) for c in mesh.corner_normals]
    if mesh.shape_keys:
        found["keys"] = [[tuple(p.co) for p in k.data] for k in mesh.shape_keys.key_blocks]
    found["modifiers"] = [(m.name, m.type, m.show_viewport) for m in thing.modifiers]
    found["users"] = mesh.users
    found["world"] = [tuple(row) for row in thing.matrix_world]
    found["parent"] = thing.parent and thing.parent.name
    found["slots of the mesh"] = [m.name if m else None for m in mesh.materials]
    found["active map"] = mesh.uv_layers.active.name if mesh.uv_layers else None
    return found


def _engine(thing: Any, *, keep_uvs: bool = True) -> Any:
    """What the engine makes of a mesh that is sent: the same mesh, with UVs that do not cut it."""
    sent = addon.module("bl.mesh_out").gather(thing, keep_uvs=keep_uvs)
    attached = sent.attached()
    assert {"position", "corner_vert", "face_polygon"} <= set(attached)
    faces = sent.corner_vert.reshape(-1, 3)
    uv = sent.corner_uv
    if uv is None:
        # Every polygon flat on a cell of its own, so that shared corners agree.
        count = int(sent.face_polygon.max()) + 1
        side = int(np.ceil(count**0.5))
        uv = np.empty((len(sent.corner_vert), 2), np.float32)
        for polygon in range(count):
            rows = np.repeat(sent.face_polygon == polygon, 3)
            points = sent.position[sent.corner_vert[rows]].astype(float)
            points = points - points.mean(axis=0)
            axes = np.linalg.svd(points, full_matrices=False)[2][:2]
            flat = points @ axes.T
            flat = (flat - flat.min(0)) / max(np.ptp(flat, axis=0).max(), 1e-9) * 0.9
            uv[rows] = (flat + np.array([polygon % side, polygon // side])) / side
    pack_mesh = addon.module("protocol.parts").pack_mesh
    made = pack_mesh(sent.position, faces, corner_uv=uv)
    return {"finished": parts.fetched("finished", made), "textures": parts.textures_part()}, sent


def _retexture(thing: Any, *, keep_uvs: bool = True, **more: Any) -> Any:
    made, _ = _engine(thing, keep_uvs=keep_uvs)
    more.setdefault("job", JOB)
    return parts.deliver(
        purpose="retexture", object=thing.session_uid, object_name=thing.name, parts=made,
        keep_uvs=keep_uvs, **more,
    )  # fmt: skip


def _shown(thing: Any) -> list[str]:
    return [slot.material.name if slot.material else "" for slot in thing.material_slots]


@pytest.mark.parametrize("change", CASES)
@pytest.mark.parametrize("uvs", ["good", "none", "overlap"])
def test_only_materials_and_uv_maps_change(change: Any, uvs: str) -> None:
    thing = _thing(_quads(uvs))
    change(thing)
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="Before")
    before = _bytes(thing)
    placed = _retexture(thing, preview=False)
    assert placed.outcome == "placed", placed
    thing = bpy.data.objects["Thing"]
    after = _bytes(thing)
    assert set(_shown(thing)) == {"Thing Look"}
    if uvs == "good" and change is not _mirror_subsurf:
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
    if change is _two_users:
        assert _shown(bpy.data.objects["Other"]) != ["Thing Look"]
    assert bpy.ops.ed.undo() == {"FINISHED"}
    thing = bpy.data.objects["Thing"]
    undone = _bytes(thing)
    if not undone["slots of the mesh"]:
        undone.pop("slots of the mesh")
    if before["active map"] == "Maquette":
        before["active map"] = None
    assert undone == before
    assert "Thing Look" not in bpy.data.materials


def test_new_uvs_reach_the_loops_of_ngons() -> None:
    thing = _thing(_ngons())
    made, sent = _engine(thing)
    assert sent.uv_map == "" and "New UVs" in sent.sentence
    _retexture(thing, preview=False)
    layer = thing.data.uv_layers["Maquette"]
    sent_uv = addon.module("bl.build").arrays_of(made["finished"])["corner_uv"]
    for corner, loop in enumerate(sent.loop):
        assert tuple(layer.uv[loop].vector) == pytest.approx(tuple(sent_uv[corner]), abs=1e-6)


def test_uvs_that_cut_a_face_are_refused_in_a_sentence() -> None:
    thing = _thing(_ngons())
    made, sent = _engine(thing)
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
    thing = _thing(_quads("good"))
    _turned_parent(thing)
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
    thing = _thing(_quads("overlap"))
    _eight_uv_maps(thing)
    thing.data.uv_layers.active_index = 0
    error = addon.module("protocol.errors").EngineError
    with pytest.raises(error, match="8 UV maps"):
        addon.module("bl.mesh_out").gather(thing)
    thing = _thing(_quads("good"), name="Fine")
    _eight_uv_maps(thing)
    thing.data.uv_layers.active_index = 0
    assert addon.module("bl.mesh_out").gather(thing).uv_map == "Own"


@pytest.mark.parametrize("preview_first", [True, False])
def test_the_old_look_can_be_chosen_again(preview_first: bool) -> None:
    retexture = addon.module("bl.retexture")
    thing = _thing(_quads("good"))
    _with_materials(thing)
    for number in range(2):
        placed = _retexture(thing, preview=preview_first, job=f"{number}" * 32)
        if preview_first:
            assert _shown(thing) == (["Wood", "Iron"] if not number else ["Thing Look"] * 2)
            (preview,) = retexture.previews()
            assert preview.session_uid == placed.object
            assert retexture.preview_of(thing) == preview
            assert preview.location.x > thing.location.x + 2
            assert retexture.keep(preview) == thing
            assert retexture.previews() == []
    module = addon.module("bl.looks")
    looks = module.of(thing)
    assert [look.name for look in looks] == ["Thing Look", "Thing Look.001"]
    assert _shown(thing) == ["Thing Look.001"] * 2
    module.choose(thing, looks[0])
    assert _shown(thing) == ["Thing Look"] * 2
    module.choose(thing, None)
    assert _shown(thing) == ["Wood", "Iron"]
    assert len(bpy.data.meshes) == 1 and len(bpy.data.objects) == 1


def test_a_preview_is_discarded_without_a_trace() -> None:
    retexture = addon.module("bl.retexture")
    thing = _thing(_quads("none"))
    before = _bytes(thing)
    _retexture(thing)
    retexture.discard(retexture.previews()[0])
    assert _bytes(thing) == before and len(bpy.data.objects) == 1
    assert not bpy.data.materials and not bpy.data.images and len(bpy.data.meshes) == 1


def test_a_preview_of_what_was_deleted_or_changed_stays_with_a_sentence() -> None:
    retexture = addon.module("bl.retexture")
    error = addon.module("protocol.errors").EngineError
    thing = _thing(_quads("good"))
    _retexture(thing)
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
    thing = _thing(_quads("good"))
    made, _ = _engine(thing)
    thing.data.vertices[0].co.x += 1
    thing.data.update()
    bpy.context.view_layer.update()
    placed = parts.deliver(
        purpose="retexture", object=thing.session_uid, parts=made, job=JOB, preview=False
    )
    assert placed.outcome == "lost" and "another shape" in placed.sentence
    assert not thing.material_slots


def test_all_objects_with_the_mesh_if_asked() -> None:
    thing = _thing(_quads("none"))
    other = _thing(thing.data, name="Other")
    _retexture(thing, preview=False, all_users=True)
    assert _shown(thing) == _shown(other) == ["Thing Look"]
    assert thing.data == other.data and thing.data.users == 2


def test_several_objects_have_a_preview_each() -> None:
    retexture = addon.module("bl.retexture")
    things = [_thing(_quads("good"), name=name) for name in ("A", "B")]
    for number, thing in enumerate(things):
        _retexture(thing, job=f"{number}" * 32)
    assert len(retexture.previews()) == 2
    for thing in things:
        retexture.keep(retexture.preview_of(thing))
    assert [_shown(thing) for thing in things] == [["A Look"], ["B Look"]]


def test_a_look_survives_saving(tmp_path: Any) -> None:
    looks = addon.module("bl.looks")
    thing = _thing(_quads("good"))
    for number in range(2):
        _retexture(thing, preview=False, job=f"{number}" * 32)
    file = str(tmp_path / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.open_mainfile(filepath=file)
    thing = bpy.data.objects["Thing"]
    assert [look.name for look in looks.of(thing)] == ["Thing Look", "Thing Look.001"]
    looks.choose(thing, None)
    assert _shown(thing) == [""]


@pytest.mark.parametrize("kind", ["linked", "override"])
def test_what_comes_from_another_file_is_made_local_first(tmp_path: Any, kind: str) -> None:
    _thing(_quads("good"))
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
    _retexture(thing, preview=False)
    assert _shown(thing) == ["Thing Look"]


@pytest.mark.parametrize("kind", ["CURVE", "EMPTY", "no faces", None])
def test_what_has_no_mesh_is_said(kind: str | None) -> None:
    why_not = addon.module("bl.mesh_out").why_not
    thing = None
    if kind == "CURVE":
        thing = _thing(bpy.data.curves.new("Curve", "CURVE"))
    elif kind == "EMPTY":
        thing = _thing(None)
    elif kind == "no faces":
        thing = _thing(bpy.data.meshes.new("Nothing"))
    assert len(why_not(thing)) > 15


def test_slots_that_were_the_objects_own_come_back() -> None:
    looks = addon.module("bl.looks")
    thing = _thing(_quads("good"))
    _with_materials(thing)
    thing.material_slots[1].link = "OBJECT"
    thing.material_slots[1].material = bpy.data.materials.new("Gold")
    for number in range(2):
        _retexture(thing, preview=False, job=f"{number}" * 32)
    looks.choose(thing, None)
    assert _shown(thing) == ["Wood", "Gold"]
    assert [slot.link for slot in thing.material_slots] == ["DATA", "OBJECT"]
    looks.choose(thing, looks.of(thing)[1])
    assert _shown(thing) == ["Thing Look.001"] * 2
    looks.choose(thing, None)
    assert _shown(thing) == ["Wood", "Gold"]


def test_a_look_that_was_deleted_leaves_the_others() -> None:
    looks = addon.module("bl.looks")
    thing = _thing(_quads("good"))
    for number in range(2):
        _retexture(thing, preview=False, job=f"{number}" * 32)
    bpy.data.materials.remove(looks.of(thing)[0])
    _retexture(thing, preview=False, job="a" * 32)
    assert len(looks.of(thing)) == 2
    assert looks.of(thing)[0].name == "Thing Look.001"


def test_a_new_mesh_shows_its_own_material_and_no_look_of_before() -> None:
    looks = addon.module("bl.looks")
    thing = _thing(_quads("good"))
    _with_materials(thing)
    thing.material_slots[1].link = "OBJECT"
    thing.material_slots[1].material = bpy.data.materials.new("Gold")
    _retexture(thing, preview=False)
    placed = parts.deliver(purpose="replace", object=thing.session_uid, job="ef" * 16)
    assert placed.outcome == "placed"
    assert looks.of(thing) == [] and "Thing Look" not in bpy.data.materials
    assert _shown(thing)[:2] == ["Wood", "Gold"]
    index = thing.data.polygons[0].material_index
    assert addon.module("bl.materials").is_ours(thing.material_slots[index].material)


@pytest.mark.parametrize("first", ["upscale", "retexture"])
def test_what_is_made_from_a_foreign_mesh_stands_as_it_did(first: str) -> None:
    """Finished again from what was sent as it stood in the world, with its modifiers."""
    recipe, replace = addon.module("bl.recipe"), addon.module("bl.replace")
    thing = _thing(_quads("good"))
    _mirror_subsurf(thing)
    thing.rotation_euler, thing.scale = (1.2, 0.4, 0.5), (1, 2, -0.5)
    bpy.context.view_layer.update()
    before = _evaluated(thing)
    sent = addon.module("bl.mesh_out").shape_of(thing)
    assert sent.modifiers == ("Mirror", "Subdivision") == replace.modifiers_in(thing)
    pack = addon.module("protocol.parts").pack_mesh
    uv = np.zeros((len(sent.corner_vert), 2), np.float32)
    points = sent.position * 0.25 + 7.0
    stored = parts.fetched("finished", pack(points, sent.corner_vert.reshape(-1, 3), corner_uv=uv))
    made = {"finished": stored, "textures": parts.textures_part()}
    target = {"matrix": sent.matrix, "bounds": sent.bounds, "modifiers": sent.modifiers}
    uid = thing.session_uid
    if first == "upscale":
        placed = parts.deliver(purpose="replace", object=uid, parts=made, **target)
        assert np.abs(_evaluated(thing) - before).max() < 1e-3
        assert [m.show_viewport or m.show_render for m in thing.modifiers] == [False, False]
        assert replace.modifiers_in(thing) == ()
    else:
        recipe.write(thing, {"job": "ab" * 16, "sent": {k: list(v) for k, v in target.items()}})
    for _ in range(2):
        again = recipe.sent_of(thing)
        placed = parts.deliver(purpose="replace", object=uid, parts=made, **again)
        assert placed.outcome == "placed"
        assert np.abs(_evaluated(thing) - before).max() < 1e-3
    assert [m.show_viewport for m in thing.modifiers] == [False, False]


def test_what_a_retexture_sent_stands_in_the_recipe() -> None:
    recipe = addon.module("bl.recipe")
    thing = _thing(_quads("good"))
    _mirror_subsurf(thing)
    sent = addon.module("bl.mesh_out").gather(thing)
    target = {"matrix": sent.matrix, "bounds": sent.bounds, "modifiers": sent.modifiers}
    _retexture(thing, preview=False, **target)
    assert recipe.sent_of(thing) == target
    recipe.write(thing, {"job": "ab" * 16, "sent": {"matrix": [1, "x"], "bounds": 3}})
    assert recipe.sent_of(thing) == {}


def test_a_build_that_fails_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*values: Any, **named: Any) -> None:
        raise RuntimeError("no room")

    thing = _thing(_quads("good"))
    monkeypatch.setattr(addon.module("bl.replace"), "add_levels", fail)
    before = {
        kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "materials", "images")
    }
    delivery = parts.delivery()
    placed = addon.module("bl.tick").deliver(delivery)
    assert placed.outcome == "lost" and "no room" in placed.sentence
    after = {kind: len(getattr(bpy.data, kind)) for kind in before}
    assert after == before and thing.name in bpy.data.objects


def _evaluated(thing: Any) -> Any:
    """Lowest and highest corner in the world, with modifiers."""
    bpy.context.view_layer.update()
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    points = np.array([thing.matrix_world @ v.co for v in mesh.vertices])
    shown.to_mesh_clear()
    return np.stack([points.min(0), points.max(0)])
