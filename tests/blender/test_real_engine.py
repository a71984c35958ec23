"""The real engine with the small model: every kind of job, from the verb to the scene."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest

from tests.blender import addon
from tests.blender.pump import Pump

pytestmark = pytest.mark.usefixtures("blank")
PICTURE = Path(__file__).resolve().parents[2] / "examples" / "mushroom.png"
MINUTES = 300.0


@pytest.fixture
def engine(real_engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extension finds the real engine, and nothing else."""
    tick = addon.module("bl.tick")
    tick.unregister()
    monkeypatch.setattr(addon.module("engine_process"), "home", lambda: real_engine.home)
    tick.register()
    yield
    tick.unregister()
    tick.register()


def _session() -> Any:
    return addon.module("bl.tick").session()


def _settings(name: str, **values: Any) -> Any:
    return getattr(addon.module("core.settings"), name)(**values)


def _finish() -> Any:
    return _settings("FinishSettings", faces=4000, texture_size=256)


def _target(**more: Any) -> Any:
    return addon.module("core.deliveries").Target(
        file=addon.module("bl.open_file").key(), scene=bpy.context.scene.session_uid, **more
    )


def _of(thing: Any, purpose: str, **more: Any) -> Any:
    return _target(purpose=purpose, object=thing.session_uid, object_name=thing.name, **more)


def _choose(pump: Pump) -> None:
    pictures = addon.module("core.pictures")
    _session().chosen.choose(pictures.PictureIn(title="Mushroom", data=PICTURE.read_bytes()))
    pump.until(lambda: _session().chosen.cut_out is not None, 60)


def _wait(pump: Pump, job: str) -> None:
    tick = addon.module("bl.tick")

    def view() -> Any:
        return next((view for view in tick.snapshot().jobs if view.id == job), None)

    ended = ("done", "failed", "cancelled")
    pump.until(lambda: view() is not None and view().state in ended, MINUTES)
    assert view().state == "done", (view().problem, view().hint)
    assert not view().waiting_for


def _mushroom(pump: Pump) -> Any:
    _choose(pump)
    settings = _settings("GenerateSettings", quality="draft", fast=True, finish=_finish())
    place = addon.module("bl.place").at_cursor(bpy.context.scene)
    (job,) = _session().generate(settings, _target(matrix=place))
    _wait(pump, job)
    return bpy.data.objects["Mushroom"]


def _materials(thing: Any) -> dict[str, Any]:
    """The images of its material by the input of the shader that they lead to."""
    nodes = thing.material_slots[0].material.node_tree.nodes
    return {node.image.name: node.image for node in nodes if node.type == "TEX_IMAGE"}


@pytest.mark.timeout(900)
def test_generated_then_made_ready_for_games_then_finer(pump: Pump, engine: None) -> None:
    thing = _mushroom(pump)
    recipe = addon.module("bl.recipe")
    job, uid = recipe.job_of(thing), thing.session_uid
    told = recipe.read(thing)
    assert told["made"]["samplers"]["structure"]["reuse_after"] == 6
    assert addon.module("core.recipes").settings_of(told).fast
    assert job and 100 < len(thing.data.polygons) < 4400 and _materials(thing)
    assert min(corner[2] for corner in thing.bound_box) == pytest.approx(0, abs=1e-4)
    assert all(image.packed_file for image in _materials(thing).values())

    before = len(thing.data.polygons)
    thing.location = (1, 2, 3)
    game = _settings("FinishSettings", finish="game", faces=1000, texture_size=256)
    _wait(pump, _session().finish(game, _of(thing, "replace"), source=job))
    thing = bpy.data.objects["Mushroom"]
    assert thing.session_uid == uid and tuple(thing.location) == (1, 2, 3)
    assert len(thing.data.polygons) < before / 2 and len(thing.children) >= 3
    assert len(_materials(thing)) == 3, "base colour, metallic and roughness, normal"

    before = len(thing.data.polygons)
    finer = _settings("UpscaleSettings", finish=_finish())
    _wait(pump, _session().upscale(finer, _of(thing, "replace"), source=job))
    thing = bpy.data.objects["Mushroom"]
    assert thing.session_uid == uid and tuple(thing.location) == (1, 2, 3)
    assert len(thing.data.polygons) > before


@pytest.mark.timeout(900)
@pytest.mark.parametrize("uvs", ["own", "none"])
def test_a_mesh_with_quads_gets_a_new_look(pump: Pump, engine: None, uvs: str) -> None:
    bpy.ops.mesh.primitive_torus_add(major_segments=24, minor_segments=12)
    thing = bpy.context.object
    if uvs == "none":
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
        thing.data.update_tag()
    points = [tuple(vertex.co) for vertex in thing.data.vertices]
    _choose(pump)
    sent = addon.module("bl.mesh_out").gather(thing, keep_uvs=True)
    settings = _settings("TextureSettings", texture_size=256)
    target = _of(thing, "retexture", preview=False)
    _wait(pump, _session().texture(settings, sent.attached(), target))
    thing = bpy.data.objects["Torus"]
    assert [tuple(vertex.co) for vertex in thing.data.vertices] == points
    assert len(thing.data.uv_layers) == 1
    assert len(thing.data.polygons) == 24 * 12
    assert thing.material_slots[0].link == "OBJECT" and _materials(thing)
