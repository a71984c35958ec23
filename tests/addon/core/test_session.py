"""A session with a real service, from a picture to what the scene gets."""

from collections.abc import Callable
from typing import Any

from blender_addon.core.settings import GenerateSettings
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
WHOLE: list[dict[str, Any]] = [
    {"stage": "structure", "steps": 2, "seconds": 0.1},
    {"part": "structure"},
    {"stage": "shape", "steps": 4, "seconds": 0.2},
    {"note": "The picture is small."},
    {"part": "mesh", "faces": 2000},
    {"stage": "bake", "steps": 2, "seconds": 0.1},
    {"part": "textures"},
    {"part": "thumbnail"},
]


def test_from_picture_to_object(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [WHOLE]})
    blender = desk()
    assert blender.snapshot.engine.state == "absent"  # the default, before anything was looked at
    blender.ready()
    blender.session.chosen.choose(picture())
    (job,) = blender.session.generate(GenerateSettings(seed=0), HERE)
    assert blender.job(job).state == "sending"
    view = blender.reach(job, "running")
    assert view.title == "chair" and view.kind == "generate"
    blender.reach(job, "done")
    assert blender.stages(job) == ["structure", "mesh", "finished"]
    last = blender.delivered[-1]
    assert last.recipe["settings"]["seed"] == 0 and last.recipe["job"] == job
    assert blender.snapshot.message == "It is here."
