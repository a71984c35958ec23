"""What is told of a job is true: of objects that were deleted, of engines that are gone."""

from collections.abc import Callable
from typing import Any

from blender_addon.core.deliveries import Delivery, Placed
from blender_addon.core.settings import GenerateSettings
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
SEED = GenerateSettings(seed=0)
BLOCK_IN: list[dict[str, Any]] = [
    {"stage": "structure", "steps": 2, "seconds": 0.1},
    {"part": "structure"},
]
SLOW: list[dict[str, Any]] = [*BLOCK_IN, {"stage": "shape", "steps": 100, "seconds": 60}]
WHOLE: list[dict[str, Any]] = [
    *BLOCK_IN,
    {"stage": "shape", "steps": 10, "seconds": 1.0},
    {"part": "mesh", "faces": 200},
    {"part": "thumbnail"},
]
DIES: list[dict[str, Any]] = [
    *BLOCK_IN,
    {"stage": "shape", "steps": 5, "seconds": 0.5},
    {"crash": 9},
]


class Scene:
    """Takes deliveries as a scene does, and knows whether the object is there."""

    def __init__(self, desk: Desk) -> None:
        self.object = 0
        desk.answer = self.take

    def take(self, delivery: Delivery) -> Placed:
        if delivery.target.object and not self.object:
            return Placed(outcome="lost", sentence="chair was deleted.")
        self.object = 7
        return Placed(
            outcome="placed", object=7, object_name="chair", sentence="chair is in the scene."
        )


def test_a_block_in_of_a_job_that_died_is_no_result_in_the_scene(
    spawn: Spawn, desk: MakeDesk
) -> None:
    """The worker is killed for good; nothing is deleted."""
    spawn({"jobs": [DIES]})
    blender = desk()
    Scene(blender)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.reach(job, "failed")
    assert blender.stages(job) == ["structure"]
    assert "in the scene" not in blender.snapshot.message


def test_an_object_that_was_deleted_is_not_in_the_scene(spawn: Spawn, desk: MakeDesk) -> None:
    """It is deleted; nothing is killed."""
    spawn({"jobs": [WHOLE]})
    blender = desk()
    scene = Scene(blender)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.until(lambda: scene.object)
    scene.object = 0
    seen: set[str] = set()
    blender.until(
        lambda: seen.add(blender.snapshot.message) or blender.job(job).state == "done"
    )
    assert not any("in the scene" in message for message in seen | {blender.snapshot.message})


def test_deleted_and_killed(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [DIES]})
    blender = desk()
    scene = Scene(blender)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.until(lambda: scene.object)
    scene.object = 0
    blender.reach(job, "failed")
    assert "in the scene" not in blender.snapshot.message


def test_after_a_cancel_no_old_good_news_stays(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [SLOW]})
    blender = desk()
    scene = Scene(blender)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.until(lambda: scene.object)
    blender.session.cancel(job)
    blender.reach(job, "cancelled")
    assert "in the scene" not in blender.snapshot.message
