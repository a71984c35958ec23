"""Looks that an object was given, and what replaces its mesh after that."""

from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon, parts
from tests.blender.foreign import (
    box_in_world,
    mirror_subsurf,
    quads,
    retextured,
    shown,
    thing_of,
    with_materials,
)
from tests.blender.layout import Layout, plain_texts
from tests.blender.recorder import show

pytestmark = pytest.mark.usefixtures("blank")


@pytest.mark.parametrize("preview_first", [True, False])
def test_the_old_look_can_be_chosen_again(preview_first: bool) -> None:
    retexture = addon.module("bl.retexture")
    thing = thing_of(quads("good"))
    with_materials(thing)
    for number in range(2):
        placed = retextured(thing, preview=preview_first, job=f"{number}" * 32)
        if preview_first:
            assert shown(thing) == (["Wood", "Iron"] if not number else ["Thing Look"] * 2)
            (preview,) = retexture.previews()
            assert preview.session_uid == placed.object
            assert retexture.preview_of(thing) == preview
            assert preview.location.x > thing.location.x + 2
            assert retexture.keep(preview) == thing
            assert retexture.previews() == []
    module = addon.module("bl.looks")
    looks = module.of(thing)
    assert [look.name for look in looks] == ["Thing Look", "Thing Look.001"]
    assert shown(thing) == ["Thing Look.001"] * 2
    module.choose(thing, looks[0])
    assert shown(thing) == ["Thing Look"] * 2
    module.choose(thing, None)
    assert shown(thing) == ["Wood", "Iron"]
    assert len(bpy.data.meshes) == 1 and len(bpy.data.objects) == 1


def test_a_look_survives_saving(tmp_path: Any) -> None:
    looks = addon.module("bl.looks")
    thing = thing_of(quads("good"))
    for number in range(2):
        retextured(thing, preview=False, job=f"{number}" * 32)
    file = str(tmp_path / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.open_mainfile(filepath=file)
    thing = bpy.data.objects["Thing"]
    assert [look.name for look in looks.of(thing)] == ["Thing Look", "Thing Look.001"]
    looks.choose(thing, None)
    assert shown(thing) == [""]


def test_slots_that_were_the_objects_own_come_back() -> None:
    looks = addon.module("bl.looks")
    thing = thing_of(quads("good"))
    with_materials(thing)
    thing.material_slots[1].link = "OBJECT"
    thing.material_slots[1].material = bpy.data.materials.new("Gold")
    for number in range(2):
        retextured(thing, preview=False, job=f"{number}" * 32)
    looks.choose(thing, None)
    assert shown(thing) == ["Wood", "Gold"]
    assert [slot.link for slot in thing.material_slots] == ["DATA", "OBJECT"]
    looks.choose(thing, looks.of(thing)[1])
    assert shown(thing) == ["Thing Look.001"] * 2
    looks.choose(thing, None)
    assert shown(thing) == ["Wood", "Gold"]


def test_a_look_that_was_deleted_leaves_the_others() -> None:
    looks = addon.module("bl.looks")
    thing = thing_of(quads("good"))
    for number in range(2):
        retextured(thing, preview=False, job=f"{number}" * 32)
    bpy.data.materials.remove(looks.of(thing)[0])
    retextured(thing, preview=False, job="a" * 32)
    assert len(looks.of(thing)) == 2
    assert looks.of(thing)[0].name == "Thing Look.001"


def test_a_new_mesh_shows_its_own_material_and_no_look_of_before() -> None:
    looks = addon.module("bl.looks")
    thing = thing_of(quads("good"))
    with_materials(thing)
    thing.material_slots[1].link = "OBJECT"
    thing.material_slots[1].material = bpy.data.materials.new("Gold")
    retextured(thing, preview=False)
    placed = parts.deliver(purpose="replace", object=thing.session_uid, job="ef" * 16)
    assert placed.outcome == "placed"
    assert looks.of(thing) == [] and "Thing Look" not in bpy.data.materials
    assert shown(thing)[:2] == ["Wood", "Gold"]
    index = thing.data.polygons[0].material_index
    assert addon.module("bl.materials").is_ours(thing.material_slots[index].material)


@pytest.mark.parametrize("first", ["upscale", "retexture"])
def test_what_is_made_from_a_foreign_mesh_stands_as_it_did(first: str) -> None:
    """Finished again from what was sent as it stood in the world, with its modifiers."""
    recipe, replace = addon.module("bl.recipe"), addon.module("bl.replace")
    thing = thing_of(quads("good"))
    mirror_subsurf(thing)
    thing.rotation_euler, thing.scale = (1.2, 0.4, 0.5), (1, 2, -0.5)
    bpy.context.view_layer.update()
    before = box_in_world(thing)
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
        assert np.abs(box_in_world(thing) - before).max() < 1e-3
        assert [m.show_viewport or m.show_render for m in thing.modifiers] == [False, False]
        assert replace.modifiers_in(thing) == ()
    else:
        recipe.write(thing, {"job": "ab" * 16, "sent": {k: list(v) for k, v in target.items()}})
    for _ in range(2):
        again = recipe.sent_of(thing)
        placed = parts.deliver(purpose="replace", object=uid, parts=made, **again)
        assert placed.outcome == "placed"
        assert np.abs(box_in_world(thing) - before).max() < 1e-3
    assert [m.show_viewport for m in thing.modifiers] == [False, False]


def test_what_a_retexture_sent_stands_in_the_recipe() -> None:
    recipe = addon.module("bl.recipe")
    thing = thing_of(quads("good"))
    mirror_subsurf(thing)
    sent = addon.module("bl.mesh_out").gather(thing)
    target = {"matrix": sent.matrix, "bounds": sent.bounds, "modifiers": sent.modifiers}
    retextured(thing, preview=False, **target)
    assert recipe.sent_of(thing) == target
    recipe.write(thing, {"job": "ab" * 16, "sent": {"matrix": [1, "x"], "bounds": 3}})
    assert recipe.sent_of(thing) == {}


def test_a_build_that_fails_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*values: Any, **named: Any) -> None:
        raise RuntimeError("no room")

    thing = thing_of(quads("good"))
    monkeypatch.setattr(addon.module("bl.replace"), "add_levels", fail)
    before = {
        kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "materials", "images")
    }
    delivery = parts.delivery()
    placed = addon.module("bl.tick").deliver(delivery)
    assert placed.outcome == "lost" and "no room" in placed.sentence
    after = {kind: len(getattr(bpy.data, kind)) for kind in before}
    assert after == before and thing.name in bpy.data.objects


def test_which_looks_go_with_the_old_mesh_is_said_before() -> None:
    replace = addon.module("bl.replace")
    thing = thing_of(quads("good"))
    assert replace.looks_lost(thing) == ""
    for number in range(2):
        retextured(thing, preview=False, job=f"{number}" * 32)
    told = replace.looks_lost(thing)
    assert "Original, Thing Look, Thing Look.001 go with the old mesh" in told


@pytest.mark.parametrize("state", ["06_ready", "16_done"])
@pytest.mark.parametrize("preview", [True, False])
def test_show_materials_is_there_once(
    state: str, preview: bool, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, objects = addon.module("ui.jobs"), addon.module("ui.objects")
    plain_texts(monkeypatch)
    show(monkeypatch, known[state])
    things = []
    for _ in range(2):  # the preview's own object has no textures, the other one has
        things.append(thing_of(quads("good")))
        retextured(things[-1], preview=preview and len(things) == 1)
    space = SimpleNamespace(shading=SimpleNamespace(type="SOLID"))
    context = SimpleNamespace(
        space_data=space,
        selected_objects=things,
        view_layer=SimpleNamespace(objects=SimpleNamespace(active=things[0])),
        preferences=bpy.context.preferences,
    )
    drawn = Layout()
    jobs.draw_active(drawn, context, known[state])
    objects.MAQUETTE_PT_object.draw(SimpleNamespace(layout=drawn), context)
    assert [name for name, *_ in drawn.operators].count("show_materials") == 1
    space.shading.type = "MATERIAL"
    drawn = Layout()
    objects.MAQUETTE_PT_object.draw(SimpleNamespace(layout=drawn), context)
    assert "show_materials" not in [name for name, *_ in drawn.operators]
