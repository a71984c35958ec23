"""What is told of a job is true: of objects that were deleted, of engines that are gone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from blender_addon.core.deliveries import Delivery, Placed
from blender_addon.core.settings import GenerateSettings
from blender_addon.core.snapshot import EngineView
from blender_addon.core.unplaced import MOST, Unplaced
from protocol.stages import STAGES
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
        desk.there = lambda uid: bool(self.object) and uid == self.object

    def take(self, delivery: Delivery) -> Placed:
        if delivery.target.object and not self.object:
            return Placed(outcome="lost", sentence="chair was deleted: it waits in the history.")
        self.object = 7
        return Placed(
            outcome="placed", object=7, object_name="chair", sentence="chair is in the scene."
        )


def with_block_in(
    spawn: Spawn, desk: MakeDesk, steps: list[dict[str, Any]]
) -> tuple[Desk, Scene, str]:
    """A job whose object is in the scene for the first time."""
    spawn({"jobs": [steps]})
    blender = desk()
    scene = Scene(blender)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.until(lambda: scene.object)
    return blender, scene, job


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
    blender, scene, job = with_block_in(spawn, desk, WHOLE)
    scene.object = 0
    seen: set[str] = set()
    blender.until(lambda: seen.add(blender.snapshot.message) or blender.job(job).state == "done")
    assert not any("in the scene" in message for message in seen | {blender.snapshot.message})
    assert blender.snapshot.message == "chair was deleted: it waits in the history."
    assert blender.snapshot.news is not None and blender.snapshot.news.verb == "insert"
    assert blender.stages(job) == ["structure", "finished"]  # nothing is put back meanwhile
    blender.until(lambda: any(row.id == job and row.offered for row in blender.snapshot.history))


def test_a_deletion_is_told_at_once_and_taken_back_with_an_undo(
    spawn: Spawn, desk: MakeDesk
) -> None:
    blender, scene, job = with_block_in(spawn, desk, WHOLE)
    scene.object = 0
    blender.tick()
    told = "chair was deleted: its result will wait in the history."
    assert blender.job(job).gone == told
    banner = blender.snapshot.banner
    assert banner is not None and (banner.sentence, banner.verb) == (told, "cancel")
    scene.object = 7
    blender.tick()
    assert blender.job(job).gone == "" and blender.snapshot.banner is None
    blender.reach(job, "done")
    assert blender.snapshot.message == "chair is in the scene."


def test_deleted_and_killed(spawn: Spawn, desk: MakeDesk) -> None:
    blender, scene, job = with_block_in(spawn, desk, DIES)
    scene.object = 0
    blender.reach(job, "failed")
    assert "in the scene" not in blender.snapshot.message


def test_after_a_cancel_no_old_good_news_stays(spawn: Spawn, desk: MakeDesk) -> None:
    blender, _, job = with_block_in(spawn, desk, SLOW)
    blender.session.cancel(job)
    blender.reach(job, "cancelled")
    assert "in the scene" not in blender.snapshot.message
    assert blender.snapshot.message == "chair was cancelled: what was made so far stays."


DEAD = EngineView(state="gone", sentence="The engine was killed.", verb="restart")
ALIVE = EngineView(state="ready", sentence="The engine runs.", verb="")


def killed(server: Server, blender: Desk, job: str) -> None:
    """The engine is killed while the job runs, and whoever watches its process has seen it."""
    blender.session.engine_facts(ALIVE)
    blender.ready()
    blender.until(lambda: blender.job(job).stage == STAGES["shape"].label)
    server.kill()
    blender.session.engine_facts(DEAD)
    blender.reach(job, "interrupted")


def test_a_job_of_a_dead_engine_has_no_bar_and_is_resumed(spawn: Spawn, desk: MakeDesk) -> None:
    server = spawn({"jobs": [WHOLE]})
    blender = desk()
    Scene(blender)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    killed(server, blender, job)
    view = blender.job(job)
    assert view.problem == "The engine ended while this job ran." and "Resume" in view.hint
    banner = blender.snapshot.banner
    assert banner is not None and banner.verb == "resume"
    assert banner.sentence == f"chair: {view.problem}"
    assert blender.session.retry(job) == job
    server.start()
    blender.session.engine_facts(ALIVE)
    blender.reach(job, "done")
    assert blender.snapshot.message == "chair is in the scene."


def test_what_was_done_before_it_could_be_told_is_fetched_by_resume(
    spawn: Spawn, desk: MakeDesk
) -> None:
    spawn({"jobs": [WHOLE]})
    first = desk()
    first.ready()
    (job,) = first.session.generate(SEED, HERE, picture())
    first.reach(job, "done")
    first.session.close()
    (Path(first.home).parent / "user" / "unplaced" / job).write_text('{"state": "interrupted"}')
    second = desk()
    second.session.retry(job)
    view = second.reach(job, "done", "failed")
    assert (view.state, view.problem) == ("done", "")
    second.until(lambda: any(row.offered for row in second.snapshot.history))


def test_what_ended_badly_is_shown_by_the_next_blender_before_an_engine_runs(
    spawn: Spawn, desk: MakeDesk
) -> None:
    failure = {"code": "memory", "message": "The memory is full.", "hint": "Choose draft."}
    server = spawn({"jobs": [WHOLE, [{"fail": failure}]]})
    first = desk()
    Scene(first)
    first.ready()
    (failed,) = first.session.generate(GenerateSettings(seed=1), HERE, picture("stool"))
    first.reach(failed, "failed")
    (job,) = first.session.generate(SEED, HERE, picture())
    killed(server, first, job)
    first.session.close()
    second = desk()
    second.session.engine_facts(replace(ALIVE, state="stopped"))
    second.tick()
    seen = {view.id: view for view in second.snapshot.jobs}
    assert set(seen) == {failed, job}
    assert (seen[failed].state, seen[failed].title) == ("failed", "stool")
    assert (seen[failed].problem, seen[failed].hint) == ("The memory is full.", "Choose draft.")
    assert (seen[job].state, seen[job].title) == ("interrupted", "chair")
    server.start()
    second.session.engine_facts(ALIVE)
    second.ready()
    assert second.session.retry(job) == job
    second.reach(job, "done")
    news = second.snapshot.news  # its place is known to no one any more
    assert news is not None and (news.sentence, news.verb) == (
        "chair waits in the history.",
        "insert",
    )
    again = second.session.retry(failed)
    second.reach(again, "failed")
    second.session.dismiss(again)
    third = desk()
    third.tick()
    assert third.snapshot.jobs == ()


def test_what_the_engine_has_forgotten_is_forgotten(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [WHOLE]})
    blender = desk()
    folder = Path(blender.home).parent / "user" / "unplaced"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("a" * 32)).write_text('{"state": "failed", "title": "old", "problem": "Full."}')
    (folder / ("b" * 32)).write_text('["no", "object"]')
    later = desk()
    later.tick()
    assert [view.title for view in later.snapshot.jobs] == ["old"]
    later.ready()
    later.until(lambda: not later.snapshot.jobs)
    later.until(lambda: not list(folder.iterdir()))


def test_failures_on_a_farm_leave_no_heap(tmp_path: Path) -> None:
    for number in range(MOST + 5):
        (tmp_path / f"{number:032x}").write_text('{"state": "failed"}')
    assert len(list(Unplaced(tmp_path))) == MOST == len(list(tmp_path.iterdir()))
