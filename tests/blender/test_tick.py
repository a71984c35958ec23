"""The timer: from a verb to the scene against a played engine; files, reloads, deleted targets."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest

from tests.blender import addon, parts
from tests.blender.pump import Pump

pytestmark = pytest.mark.usefixtures("blank")
QUICK = [
    {"stage": "structure", "steps": 2, "seconds": 0.05},
    {"part": "structure"},
    {"stage": "shape", "steps": 2, "seconds": 0.05},
    {"part": "mesh", "faces": 2000},
    {"part": "thumbnail"},
]
SLOW = [*QUICK[:2], {"stage": "shape", "steps": 10, "seconds": 1.0}, *QUICK[3:]]


@pytest.fixture
def begin(
    fake_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Starts an engine that plays one job, and makes the extension find it."""

    def start(*jobs: Any) -> Any:
        engine = fake_engine({"jobs": list(jobs)})
        tick = addon.module("bl.tick")
        tick.unregister()
        monkeypatch.setattr(addon.module("engine_process"), "home", lambda: engine.home)
        tick.register()
        return engine

    yield start
    addon.module("bl.tick").unregister()
    addon.module("bl.tick").register()


def _generate(**more: Any) -> str:
    tick, open_file = addon.module("bl.tick"), addon.module("bl.open_file")
    more.setdefault("file", open_file.key())
    more.setdefault("scene", bpy.context.scene.session_uid)
    target = addon.module("core.deliveries").Target(**more)
    settings = addon.module("core.settings").GenerateSettings(seed=0, finish=None)
    picture = addon.module("core.pictures").PictureIn(title="Toy", data=parts.png(32))
    return tick.session().generate(settings, target, picture)[0]


def _job(job: str) -> Any:
    jobs = addon.module("bl.tick").snapshot().jobs
    return next((view for view in jobs if view.id == job), None)


def _ended(job: str) -> bool:
    view = _job(job)
    return view is not None and view.state in ("done", "failed", "cancelled")


def _stage() -> str:
    toys = [o for o in bpy.data.objects if o.name == "Toy"]
    return addon.module("bl.recipe").read(toys[0]).get("stage", "") if toys else ""


def test_a_generation_arrives_stage_by_stage(pump: Pump, begin: Callable[..., Any]) -> None:
    begin(SLOW)
    changes: list[int] = []
    addon.module("bl.tick").on_change.append(lambda: changes.append(1))
    job = _generate()
    pump.until(lambda: _stage() == "structure", 60)
    uid = bpy.data.objects["Toy"].session_uid
    pump.until(lambda: _ended(job), 60)
    assert _job(job).state == "done" and _stage() == "finished"
    assert bpy.data.objects["Toy"].session_uid == uid and changes
    assert "in the scene" in addon.module("bl.tick").snapshot().message
    banner = addon.module("bl.tick").snapshot().banner
    assert (banner.state, banner.sentence) == ("done", "Toy is in the scene.")
    assert (banner.verb, banner.object) == ("show", uid)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    pump.until(lambda: addon.module("bl.tick").snapshot().banner is None, 10)


def test_another_file_is_opened_meanwhile(
    pump: Pump, begin: Callable[..., Any], tmp_path: Path
) -> None:
    """Reports 1 and 18: the timer lives on, the result is offered and can be inserted."""
    begin(SLOW)
    file = str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    key = addon.module("bl.open_file").key()
    job = _generate()
    pump.until(lambda: _stage() == "structure", 60)
    bpy.ops.wm.open_mainfile(filepath=file)
    tick = addon.module("bl.tick")
    assert addon.module("bl.open_file").key() != key
    assert any("tick" in name for name in pump.registered)
    pump.until(lambda: _ended(job) or _job(job) is None, 60)
    assert not bpy.data.objects
    row = lambda: next((r for r in tick.snapshot().history if r.id == job), None)  # noqa: E731
    tick.session().history()
    pump.until(lambda: row() is not None and row().offered, 30)
    target = addon.module("core.deliveries").Target(
        file=addon.module("bl.open_file").key(), scene=bpy.context.scene.session_uid
    )
    tick.session().insert(job, target)
    pump.until(lambda: len(bpy.data.objects) == 1, 30)


@pytest.mark.parametrize("what", ["object", "scene", "undo"])
def test_what_a_job_belongs_to_is_gone(pump: Pump, begin: Callable[..., Any], what: str) -> None:
    """Report 2: no ReferenceError, and a sentence that says where the result is."""
    begin(SLOW)
    scene = bpy.data.scenes.new("Short-lived") if what == "scene" else bpy.context.scene
    bpy.ops.ed.undo_push(message="Before")
    job = _generate(scene=scene.session_uid)
    pump.until(lambda: any(o.name == "Toy" for o in bpy.data.objects), 60)
    if what == "object":
        bpy.data.objects.remove(bpy.data.objects["Toy"])
    elif what == "scene":
        bpy.data.scenes.remove(scene)
    else:
        bpy.ops.ed.undo()
    pump.until(lambda: _ended(job), 60)
    snapshot = addon.module("bl.tick").snapshot()
    assert "waits in the history" in snapshot.message and "deleted" in snapshot.message
    assert snapshot.news.verb == snapshot.banner.verb == "insert"
    assert what == "scene" or not bpy.data.objects


DIES = [*QUICK[:2], {"stage": "shape", "steps": 10, "seconds": 1.0}, {"crash": 9}]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_block_in_of_a_job_that_died_is_not_said_to_be_in_the_scene(
    pump: Pump, begin: Callable[..., Any], deleted: bool
) -> None:
    begin(DIES)
    job = _generate()
    pump.until(lambda: _stage() == "structure", 60)
    if deleted:
        bpy.data.objects.remove(bpy.data.objects["Toy"])
    pump.until(lambda: _ended(job), 60)
    snapshot = addon.module("bl.tick").snapshot()
    assert _job(job).state == "failed"
    assert "in the scene" not in snapshot.message + snapshot.banner.sentence
    assert snapshot.banner.verb == "retry"


def test_a_deletion_is_told_at_the_next_tick_and_undone(
    pump: Pump, begin: Callable[..., Any]
) -> None:
    """With the user's own verbs: X, Ctrl-Z."""
    begin([*QUICK[:2], {"stage": "shape", "steps": 30, "seconds": 3.0}, *QUICK[3:]])
    tick = addon.module("bl.tick")
    job = _generate()
    pump.until(lambda: _stage() == "structure", 60)
    toy = bpy.data.objects["Toy"]
    toy.select_set(True)
    uid = toy.session_uid
    del toy
    bpy.ops.object.delete()
    bpy.ops.ed.undo_push(message="Delete")
    assert "Toy" not in bpy.data.objects
    pump.run(0.3)
    assert _job(job).gone == "Toy was deleted: its result will wait in the history."
    assert tick.snapshot().banner.verb == "cancel"
    bpy.ops.ed.undo()
    pump.until(lambda: not _job(job).gone and tick.snapshot().banner is None, 10)
    pump.until(lambda: _ended(job), 60)
    assert bpy.data.objects["Toy"].session_uid == uid and _stage() == "finished"
    assert tick.snapshot().message == "Toy is in the scene."
    bpy.data.objects.remove(bpy.data.objects["Toy"])
    pump.until(lambda: not tick.snapshot().message and tick.snapshot().banner is None, 10)


def test_after_an_undo_it_is_looked_at_whose_result_an_object_has() -> None:
    bpy.ops.mesh.primitive_cube_add()
    uid, tick = bpy.context.object.session_uid, addon.module("bl.tick")
    holds = addon.module("bl.retexture").holds
    assert tick._undone in bpy.app.handlers.undo_post and tick._holds_after_undo() is None
    bpy.ops.ed.undo_push(message="Before")
    assert not holds(uid, "a" * 32)
    placed = parts.deliver(purpose="replace", object=uid, object_name="Cube")
    job = addon.module("bl.recipe").job_of(bpy.data.objects["Cube"])
    assert placed.outcome == "placed" and holds(uid, job) and not holds(uid, "b" * 32)
    bpy.ops.ed.undo()
    assert tick._holds_after_undo() is holds and tick._holds_after_undo() is None
    assert addon.module("bl.open_file").there(uid) and not holds(uid, job)


def test_an_object_that_only_a_fake_user_keeps_is_deleted_for_its_user() -> None:
    """Unlink of the outliner takes it out of the scene and leaves it in the file."""
    open_file = addon.module("bl.open_file")
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    cube.asset_mark()
    assert open_file.there(cube.session_uid)
    cube.name = "Renamed"
    assert open_file.there(cube.session_uid)
    target = {"purpose": "replace", "object": cube.session_uid, "object_name": "Renamed"}
    bpy.context.scene.collection.objects.unlink(cube)
    assert "Renamed" in bpy.data.objects and not open_file.there(cube.session_uid)
    placed = parts.deliver(**target)
    assert placed.outcome == "lost" and placed.sentence.startswith("Renamed was deleted while")


def test_it_waits_while_the_target_is_edited(pump: Pump, begin: Callable[..., Any]) -> None:
    begin(SLOW)
    job = _generate()
    pump.until(lambda: _stage() == "structure", 60)
    bpy.context.view_layer.objects.active = bpy.data.objects["Toy"]
    bpy.ops.object.mode_set(mode="EDIT")
    pump.until(lambda: _job(job) is not None and _job(job).state == "waiting", 60)
    assert _job(job).waiting_for == "Waits until Toy leaves Edit Mode."
    assert _stage() == "structure"
    bpy.ops.object.mode_set(mode="OBJECT")
    pump.until(lambda: _stage() == "finished", 60)


def test_only_the_builds_take_long(pump: Pump, begin: Callable[..., Any]) -> None:
    begin([*QUICK[:3], {"part": "mesh", "faces": 1_000_000}, {"part": "thumbnail"}])
    times: list[float] = []
    place, tick = addon.module("bl.place"), addon.module("bl.tick")
    real = place.deliver

    def timed(*given: Any, **more: Any) -> Any:
        start = time.thread_time()
        try:
            return real(*given, **more)
        finally:
            times.append(time.thread_time() - start)

    place.deliver = timed
    try:
        job = _generate()
        tick.session()
        pump.longest, longest = 0.0, []
        while not _ended(job):
            builds = len(times)
            pump.longest = 0.0
            pump.run(0.05)
            if len(times) == builds:
                longest.append(pump.longest)
    finally:
        place.deliver = real
    assert len(bpy.data.objects["Toy"].data.polygons) > 990_000
    # Processor time, and far from what it is (14 ms): only work that grows with the mesh fails.
    assert max(longest) < 0.15 and len(times) == 2


def test_file_new_and_ten_reloads_leave_one_timer(pump: Pump, begin: Callable[..., Any]) -> None:
    begin(QUICK)
    tick = addon.module("bl.tick")
    for _ in range(10):
        tick.unregister()
        assert not any("bl.tick" in name for name in pump.registered)
        assert not [h for h in bpy.app.handlers.load_post if "bl.tick" in h.__module__]
        tick.register()
        tick.register()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert sum("bl.tick" in name for name in pump.registered) == 1
    assert sum("bl.tick" in h.__module__ for h in bpy.app.handlers.load_post) == 1
    job = _generate()
    pump.until(lambda: _ended(job), 60)
    assert _stage() == "finished"


def test_a_delivery_that_blender_cannot_build_ends_in_the_history(pump: Pump) -> None:
    del pump
    tick, place = addon.module("bl.tick"), addon.module("bl.place")
    real, place.deliver = place.deliver, lambda *_, **__: 1 / 0
    try:
        logging.disable(logging.CRITICAL)
        placed = tick.deliver(parts.delivery())
    finally:
        place.deliver = real
        logging.disable(logging.NOTSET)
    assert placed.outcome == "lost" and "waits in the history" in placed.sentence


def test_headless_in_two_lines(begin: Callable[..., Any], tmp_path: Path) -> None:
    """Report 11: it polls by itself; no pump runs here."""
    begin(QUICK)
    api = addon.module("api")
    (tmp_path / "chair.png").write_bytes(parts.png(32))
    told: list[str] = []
    settings = addon.module("core.settings").GenerateSettings(seed=0, finish=None)
    thing = api.generate(
        tmp_path / "chair.png", settings=settings, height=0.9, location=(1, 2, 0),
        told=lambda view: told.append(view.state),
    )  # fmt: skip
    assert thing.name == "chair" and tuple(thing.location) == (1, 2, 0)
    assert told[-1] == "done"
    error = addon.module("protocol.errors").EngineError
    with pytest.raises(error, match="cannot be read"):
        api.generate(tmp_path / "none.png")


def test_headless_says_why_it_failed(begin: Callable[..., Any], tmp_path: Path) -> None:
    begin([{"fail": {"code": "x", "message": "The picture is blank.", "hint": "Take another."}}])
    (tmp_path / "chair.png").write_bytes(parts.png(32))
    settings = addon.module("core.settings").GenerateSettings(seed=0, finish=None)
    with pytest.raises(addon.module("protocol.errors").EngineError, match="picture is blank"):
        addon.module("api").generate(tmp_path / "chair.png", settings=settings)
