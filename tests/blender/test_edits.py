"""What was edited by hand since it came is noticed, said before anything is spent, and used."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon, parts
from tests.blender.foreign import quads, retextured, thing_of
from tests.blender.layout import Layout, plain_texts
from tests.blender.recorder import Recorder, show

pytestmark = pytest.mark.usefixtures("blank")


def delivered(faces: int = 2000) -> Any:
    """An object that was generated, selected."""
    both = {"finished": parts.mesh_part(faces=faces), "textures": parts.textures_part()}
    placed = parts.deliver(parts=both)
    thing = next(ob for ob in bpy.data.objects if ob.session_uid == placed.object)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    return thing


def is_edited(thing: Any) -> bool:
    return addon.module("bl.edits").edited(thing)


def move_one(thing: Any, far: float = 0.01) -> None:
    thing.data.vertices[77].co.x += far
    thing.data.update()


def flip(thing: Any) -> None:
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.flip_normals()
    bpy.ops.object.mode_set(mode="OBJECT")


def dissolve(thing: Any) -> None:
    thing.modifiers.new("Decimate", "DECIMATE").ratio = 0.5
    bpy.ops.object.modifier_apply(modifier="Decimate")


def turn(thing: Any) -> None:
    thing.rotation_euler.x = 1.0
    bpy.ops.object.transform_apply(location=False, rotation=True, scale=False)


def squeeze(thing: Any) -> None:
    thing.scale = (1.0, 1.0, 1.1)
    bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)


@pytest.mark.parametrize("edit", [move_one, flip, dissolve, turn, squeeze])
@pytest.mark.parametrize("faces", [2000, 400_000])
def test_edits_are_noticed(edit: Callable[[Any], None], faces: int) -> None:
    thing = delivered(faces)
    assert not is_edited(thing)
    edit(thing)
    assert is_edited(thing)


@pytest.mark.parametrize("faces", [2000, 400_000])
def test_what_leaves_the_shape_is_no_edit(faces: int, tmp_path: Any) -> None:
    thing = delivered(faces)
    thing.location, thing.scale = (3.0, -2.0, 7.0), (2.5, 2.5, 2.5)
    bpy.ops.object.transform_apply(location=True, rotation=False, scale=True)
    assert not is_edited(thing)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.object.mode_set(mode="OBJECT")
    thing.data.uv_layers.new(name="Another")
    thing.modifiers.new("Bevel", "BEVEL")
    assert not is_edited(thing)
    bpy.ops.object.duplicate()
    copy = bpy.context.object
    assert copy.data != thing.data and not is_edited(copy)
    file = str(tmp_path / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.open_mainfile(filepath=file)
    assert not is_edited(bpy.data.objects["Chair"])
    move_one(bpy.data.objects["Chair"], 0.05)
    assert is_edited(bpy.data.objects["Chair"])


def test_an_edit_in_edit_mode_counts_and_what_is_not_ours_has_none() -> None:
    thing = delivered()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    assert is_edited(thing)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.mesh.primitive_cube_add()
    assert not is_edited(bpy.context.object)


def test_a_foreign_mesh_counts_from_its_last_look() -> None:
    thing = thing_of(quads("good"))
    assert not is_edited(thing)
    retextured(thing, preview=False)
    assert not is_edited(thing)
    thing.data.vertices[1].co.z += 0.3
    assert is_edited(thing)
    retextured(thing, preview=False, job="1" * 32)
    assert not is_edited(thing)


def test_another_look_does_not_make_edits_of_the_shape_undone() -> None:
    thing = delivered()
    move_one(thing)
    retextured(thing, preview=False, job="1" * 32)
    assert is_edited(thing)


def test_an_upscale_uses_the_mesh_as_it_is_now_or_drops_the_edits(session: Recorder) -> None:
    thing = delivered()
    job = addon.module("bl.recipe").job_of(thing)
    bpy.ops.maquette.upscale()
    _, given, named = session.only()
    assert len(given) == 2 and named == {"source": job}
    move_one(thing)
    bpy.ops.maquette.upscale()
    _, (_, target, arrays), named = session.only()
    assert named == {"source": job} and target.purpose == "replace"
    position = np.frombuffer(arrays["position"].data, np.float32).reshape(-1, 3)
    assert position[77, 0] == pytest.approx(thing.data.vertices[77].co.x)
    bpy.context.scene.maquette.drop_edits = True
    bpy.ops.maquette.upscale()
    _, given, named = session.only()
    assert len(given) == 2 and named == {"source": job}
    assert not bpy.context.scene.maquette.drop_edits  # edits to come are others


def test_panels_say_what_becomes_of_edits_and_read_no_mesh(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, objects = addon.module("bl.edits"), addon.module("ui.objects")
    plain_texts(monkeypatch)
    thing = delivered()

    def drawn(panel: str) -> list[str]:
        with monkeypatch.context() as patch:
            patch.setattr(edits, "_likeness", lambda mesh: pytest.fail("a panel read the mesh"))
            layout = Layout()
            getattr(objects, panel).draw(SimpleNamespace(layout=layout), bpy.context)
            return [told for told in layout.texts if "by hand" in told]

    used = "Edited by hand: Chair. The mesh as it is now is used."
    lost = "Edited by hand: Chair. The edits will be lost."

    def looked() -> bool:
        monkeypatch.setattr(edits, "_not_before", 0.0)
        return edits.look()

    both = ("MAQUETTE_PT_upscale", "MAQUETTE_PT_finish")
    assert [drawn(panel) for panel in both] == [[], []]
    assert not looked()
    move_one(thing)
    bpy.context.view_layer.update()
    assert [drawn(panel) for panel in both] == [[], []]  # nobody has looked yet
    assert looked() and not looked()
    assert [drawn(panel) for panel in both] == [[used], [lost]]
    bpy.context.scene.maquette.drop_edits = True
    assert drawn(both[0]) == [lost]
    move_one(thing, -0.01)
    bpy.context.view_layer.update()
    drawn(both[0])
    looked()
    assert [drawn(panel) for panel in both] == [[], []]
    # What has other faces is seen at once, also where it is not the active one of several.
    dissolve(thing)
    assert drawn(both[1]) == [lost]
    bpy.ops.mesh.primitive_cube_add()
    thing.select_set(True)
    assert drawn(both[1]) == [lost]


def test_a_large_mesh_is_not_looked_at_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    edits = addon.module("bl.edits")
    now = [100.0]
    monkeypatch.setattr(edits.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(edits, "_not_before", 0.0)
    looks: list[Any] = []

    def edited(thing: Any) -> bool:
        now[0] += 0.1
        looks.append(thing)
        return False

    monkeypatch.setattr(edits, "edited", edited)
    thing = delivered()
    for _ in range(60):  # three seconds of edits, twenty panels drawn a second
        edits.forget()
        edits.seen(thing)
        edits.look()
        now[0] += 0.05
    assert 1 <= len(looks) <= 2


def test_only_a_look_of_a_foreign_mesh_is_not_finished(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(monkeypatch, known["08_picture"])
    thing = thing_of(quads("good"))
    retextured(thing, preview=False)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    for verb in (bpy.ops.maquette.finish, bpy.ops.maquette.game_ready):
        with pytest.raises(RuntimeError, match="only its look"):
            verb()
    # One that was made here is finished from what made its shape, not from its look.
    made = delivered()
    thing.select_set(False)
    job = addon.module("bl.recipe").job_of(made)
    retextured(made, preview=False, job="1" * 32)
    bpy.ops.maquette.finish()
    assert session.only()[2] == {"source": job}
