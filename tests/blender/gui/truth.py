"""What is told of a job in a real window: its object is deleted by a real key and comes back by a
real Ctrl-Z; its engine is killed, and the job is resumed; its object is deleted for good.

An engine that plays a slow job has to run in ``MAQUETTE_HOME`` (``serve --fake``, see
engine/service/fake.py), and somebody has to start it again some seconds after it was killed::

    while true; do maquette serve --fake slow.json; sleep 6; done

with a block-in after seconds, 40 seconds for the shape, and all that an object needs::

    {"jobs": [[{"part": "source"}, {"stage": "structure", "steps": 4, "seconds": 1},
               {"part": "structure"}, {"stage": "shape", "steps": 12, "seconds": 40},
               {"part": "mesh"}, {"part": "finished"}, {"part": "textures", "side": 64},
               {"part": "thumbnail"}, {"part": "recipe"}]]}
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import window

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SECONDS = 120


def snapshot() -> Any:
    """What the panels draw."""
    return window.module("bl.tick").snapshot()


def job() -> Any:
    """The only one."""
    return next(iter(snapshot().jobs), None)


def begin() -> window.Steps:
    """A generation whose block-in is in the scene."""
    picture = window.module("core.pictures").read_picture(EXAMPLES / "rocket.png", "")
    settings = window.module("core.settings").GenerateSettings(seed=0, finish=None)
    target = window.module("operators.targets").at_cursor(bpy.context)
    window.module("bl.tick").session().generate(settings, target, picture)
    yield from window.wait_for("a block-in", lambda: "rocket" in bpy.data.objects, SECONDS)
    yield 0.5


def delete() -> window.Steps:
    """The object, by the real key."""
    rocket = bpy.data.objects["rocket"]
    for thing in bpy.context.selected_objects:
        thing.select_set(False)
    rocket.select_set(True)
    bpy.context.view_layer.objects.active = rocket
    bpy.ops.ed.undo_push(message="Select")
    yield 0.3
    window.key("Delete", 400, 400)
    yield from window.wait_for("the end", lambda: "rocket" not in bpy.data.objects, 10)
    yield 0.5


def story() -> window.Steps:
    yield from window.open_tab()
    yield from window.wait_for("the engine", lambda: snapshot().engine.state == "ready", 60)
    yield from begin()
    window.shot("t1_running")
    yield from delete()
    assert job().gone and snapshot().banner.verb == "cancel"
    window.shot("t2_deleted")
    window.key("ctrl+z", 400, 400)
    yield from window.wait_for("the word to go", lambda: not job().gone, 10)
    window.shot("t3_undone")
    home = Path(os.environ["MAQUETTE_HOME"])
    running = window.module("core.running").read_running(home / "engine.json")
    os.kill(running.pid, signal.SIGKILL)
    yield from window.wait_for("the end", lambda: job().state == "interrupted", 10)
    yield 0.5
    assert "in the scene" not in snapshot().message
    window.shot("t4_killed")
    yield from window.wait_for("another engine", lambda: snapshot().engine.state == "ready", 60)
    yield 1.0
    window.shot("t5_back")
    bpy.ops.maquette.retry(job=job().id)
    yield from window.wait_for("the job", lambda: job().state == "running", 30)
    yield from delete()
    yield from window.wait_for("the end", lambda: job().state == "done", SECONDS)
    yield 0.5
    assert snapshot().news.verb == "insert" and "rocket" not in bpy.data.objects
    window.shot("t6_waits")
    bpy.ops.maquette.history_insert(job=job().id)
    yield from window.wait_for("the rocket", lambda: "rocket" in bpy.data.objects, 30)
    yield 0.5
    window.shot("t7_inserted")


window.run(story)
