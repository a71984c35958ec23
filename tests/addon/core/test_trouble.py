"""What goes wrong: the engine dies, the file is closed, Blender crashes, the user thinks again."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core.asking import Asking
from blender_addon.core.deliveries import Placed
from blender_addon.core.pictures import PictureIn
from blender_addon.core.settings import FinishSettings, GenerateSettings, StageSettings
from blender_addon.protocol.errors import EngineError
from blender_addon.protocol.requests import DescribeCheckpoint
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
QUICK: list[dict[str, Any]] = [
    {"stage": "shape", "steps": 4, "seconds": 0.05},
    {"part": "mesh", "faces": 200},
    {"part": "thumbnail"},
]
LONG: list[dict[str, Any]] = [
    {"stage": "structure", "steps": 2, "seconds": 0.1},
    {"stage": "shape", "steps": 1000, "seconds": 60},
]
SEED = GenerateSettings(seed=0)


def test_an_engine_that_dies_leaves_a_job_that_can_be_resumed(spawn: Spawn, desk: MakeDesk) -> None:
    once = [QUICK[0], {"stage": "texture", "steps": 100, "seconds": 3}, *QUICK[1:]]
    server = spawn({"jobs": [once]})
    blender = desk()
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.until(lambda: blender.job(job).stage == "Making the materials")
    server.kill()
    blender.until(lambda: blender.snapshot.engine.state == "gone")
    assert blender.snapshot.engine.verb == "restart"
    assert blender.snapshot.engine.sentence and blender.snapshot.engine.hint
    # Nobody has seen its process end: it may be that it is only silent.
    assert blender.job(job).state == "running"
    assert blender.job(job).stage == "No word from the engine" and blender.job(job).eta is None
    server.start()
    view = blender.reach(job, "interrupted")
    assert "Resume" in view.hint and blender.snapshot.engine.state == "ready"
    assert blender.session.retry(job) == job
    blender.reach(job, "done")
    assert blender.stages(job)[-1] == "finished"


def test_a_result_of_another_file_is_offered_and_not_placed(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.session.file_opened(HERE.file)
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.session.file_opened("file 2")
    blender.until(lambda: any(row.offered for row in blender.snapshot.history))
    assert not blender.delivered
    said = "chair waits in the history, since its file was closed."
    assert blender.snapshot.message == said
    assert blender.snapshot.news is not None and blender.snapshot.news.verb == "insert"
    row = blender.snapshot.history[0]
    assert row.id == job and row.title == "chair"
    blender.session.insert(job, replace(HERE, file="file 2"))
    blender.reach(job, "done")
    assert blender.stages(job) == ["finished"]
    assert blender.delivered[0].recipe["picture_sha256"] == picture().sha256
    blender.until(lambda: not blender.snapshot.history[0].offered)


def test_a_job_outlives_the_blender_that_began_it(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [[{"stage": "shape", "steps": 50, "seconds": 1.5}, *QUICK[1:]], QUICK]})
    first = desk()
    first.ready()
    jobs = [
        *first.session.generate(SEED, HERE, picture("slow")),
        *first.session.generate(GenerateSettings(seed=1), HERE, picture("quick")),
    ]
    first.reach(jobs[0], "running")
    first.session.close()  # as good as a crash: nothing is said
    second = desk()
    second.ready()
    second.until(lambda: {job.id for job in second.snapshot.jobs} == set(jobs))
    second.until(lambda: sum(row.offered for row in second.snapshot.history) == 2)
    assert not second.delivered
    assert {row.title for row in second.snapshot.history} == {"slow", "quick"}
    third = desk()
    third.until(lambda: sum(row.offered for row in third.snapshot.history) == 2)
    third.session.dismiss(jobs[0])
    assert [row.id for row in third.snapshot.history if row.offered] == [jobs[1]]
    assert len(third.snapshot.history) == 2  # the result itself stays
    third.session.close()
    fourth = desk()
    fourth.until(lambda: len(fourth.snapshot.history) == 2)
    assert [row.id for row in fourth.snapshot.history if row.offered] == [jobs[1]]


def test_a_scene_that_cannot_take_it_is_asked_again(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    busy = Placed(outcome="later", sentence="Leave Edit mode.")
    place, blender.answer = blender.answer, lambda delivery: busy
    (job,) = blender.session.generate(SEED, HERE, picture())
    assert blender.reach(job, "waiting").waiting_for == "Leave Edit mode."
    blender.answer = place
    assert blender.reach(job, "done").waiting_for == ""
    assert blender.stages(job)[-1] == "finished"


def test_a_lost_target_leaves_the_result_in_the_history(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    blender.answer = lambda delivery: Placed(
        outcome="lost", sentence="Its object is gone; the result is in the history."
    )
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.until(lambda: any(row.offered for row in blender.snapshot.history))
    assert blender.snapshot.message == "Its object is gone; the result is in the history."
    # Whether the raw surface came first depends on the clock.
    assert blender.stages(job)[-1] == "finished"
    assert blender.job(job).state == "done"


def test_the_place_of_the_block_in_is_where_the_rest_goes(spawn: Spawn, desk: MakeDesk) -> None:
    bake = {"stage": "bake", "steps": 5, "seconds": 0.5}
    spawn({"jobs": [[*QUICK, bake, {"part": "finished"}, {"part": "textures"}]]})
    blender = desk()
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.reach(job, "done")
    mesh, finished = blender.delivered
    assert (mesh.stage, finished.stage) == ("mesh", "finished")
    assert mesh.target.object == 0
    assert (finished.target.object, finished.target.object_name) == (7, "chair")
    assert set(finished.parts) == {"finished", "textures"}


def test_variants_are_jobs_with_seeds_that_follow(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    jobs = blender.session.generate(GenerateSettings(seed=5, variants=3), HERE, picture())
    assert [blender.job(job).title for job in jobs] == ["chair", "chair 2", "chair 3"]
    blender.until(lambda: len([d for d in blender.delivered if d.stage == "finished"]) == 3)
    seeds = [d.recipe["settings"]["seed"] for d in blender.delivered if d.stage == "finished"]
    assert sorted(seeds) == [5, 6, 7]


def test_a_queue_can_be_reordered_and_cancelled(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [LONG]})
    blender = desk()
    blender.ready()
    first, second, third = (
        blender.session.generate(SEED, HERE, picture(name))[0] for name in "abc"
    )
    blender.reach(first, "running")
    blender.until(lambda: [job.position for job in blender.snapshot.jobs] == [0, 1, 2])
    blender.session.reorder(third, second)
    blender.until(lambda: [job.id for job in blender.snapshot.jobs] == [first, third, second])
    blender.session.cancel(second)
    blender.reach(second, "cancelled")
    blender.session.cancel(first)
    blender.reach(first, "cancelled")
    blender.reach(third, "running")
    blender.session.dismiss(first)
    assert first not in {job.id for job in blender.snapshot.jobs}
    blender.session.dismiss(third)  # runs: it stays
    assert blender.job(third).state == "running"


def test_a_failed_job_is_tried_again_with_other_settings(spawn: Spawn, desk: MakeDesk) -> None:
    failure = {"code": "memory", "message": "The memory is full.", "hint": "Choose draft."}
    spawn({"jobs": [[QUICK[0], {"fail": failure}], QUICK]})
    blender = desk()
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    view = blender.reach(job, "failed")
    assert (view.problem, view.hint) == ("The memory is full.", "Choose draft.")
    other = GenerateSettings(seed=1, quality="draft", stages={"shape": StageSettings(steps=3)})
    again = blender.session.retry(job, other)
    assert again != job and blender.job(again).title == "chair"
    blender.reach(again, "done")
    assert [view.id for view in blender.snapshot.jobs] == [again]
    recipe = blender.delivered[-1].recipe
    assert recipe["settings"]["quality"] == "draft"
    assert recipe["settings"]["samplers"]["shape"]["steps"] == 3
    with pytest.raises(EngineError, match="not in the list"):
        blender.session.retry(job)


def test_what_cannot_be_asked_for_one_event_does_not_cost_the_others(
    spawn: Spawn, desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    blender.until(lambda: blender.snapshot.checkpoint)
    full = EngineError("too_many_requests", "1000 requests wait.", "Wait for its answers.")
    ask = Asking.ask

    def refuse(self: Asking, message: Any, *others: Any) -> int:
        if isinstance(message, DescribeCheckpoint):
            raise full
        return ask(self, message, *others)

    monkeypatch.setattr(Asking, "ask", refuse)
    jobs = [blender.session.generate(SEED, HERE, picture())[0] for _ in range(2)]
    for job in jobs:
        blender.until(lambda job=job: "finished" in blender.stages(job))


def test_a_worker_that_crashes_for_good_is_a_failure_in_words(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [[QUICK[0], {"crash": 9}]]})
    blender = desk()
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    view = blender.reach(job, "failed")
    assert view.problem and view.hint


def test_what_was_asked_before_the_engine_ran_is_done_when_it_does(
    spawn: Spawn, desk: MakeDesk
) -> None:
    blender = desk()
    blender.tick()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.pump(0.3)
    assert blender.job(job).state == "sending"
    spawn({"jobs": [QUICK]})
    blender.reach(job, "done")


def test_a_job_that_the_engine_refuses_says_why_and_can_be_tried_again(
    spawn: Spawn, desk: MakeDesk
) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    missing = "0" * 32
    job = blender.session.finish(FinishSettings(), replace(HERE, purpose="replace"), source=missing)
    view = blender.reach(job, "failed")
    assert "not in the engine's store" in view.problem
    again = blender.session.retry(job, FinishSettings(finish="game"))
    assert again != job
    blender.reach(again, "failed")
    assert [view.id for view in blender.snapshot.jobs] == [again]


def test_a_session_ends_at_once_with_all_that_was_not_sent(desk: MakeDesk) -> None:
    """Report 23: an extension that is switched off must not hang."""
    blender = desk()
    big = PictureIn(title="big", rows=bytes(4 * 2048 * 2048), width=2048, height=2048)
    blender.session.generate(GenerateSettings(variants=8), HERE, big)
    blender.tick()
    begin = time.monotonic()
    blender.session.close()
    blender.session.close()
    assert time.monotonic() - begin < 1.0
    blender.tick()
    assert "switched off" in blender.snapshot.engine.sentence
    with pytest.raises(EngineError, match="switched off"):
        blender.session.generate(SEED, HERE, picture())


def test_an_engine_that_is_silent_does_not_hold_the_end_up(spawn: Spawn, desk: MakeDesk) -> None:
    server = spawn({"jobs": [LONG]})
    blender = desk()
    blender.ready()
    os.kill(server.running().pid, signal.SIGSTOP)
    try:
        big = PictureIn(title="big", rows=bytes(4 * 2048 * 2048), width=2048, height=2048)
        blender.session.generate(GenerateSettings(variants=4), HERE, big)
        blender.pump(0.5)
        begin = time.monotonic()
        blender.session.close()
        assert time.monotonic() - begin < 1.0
    finally:
        os.kill(server.running().pid, signal.SIGCONT)


def test_a_user_folder_that_cannot_be_written_only_costs_the_offer(
    spawn: Spawn, tmp_path: Path
) -> None:
    spawn({"jobs": [QUICK]})
    (tmp_path / "file").write_text("")
    blender = Desk(tmp_path / "home", tmp_path / "file" / "user")
    try:
        blender.ready()
        (job,) = blender.session.generate(SEED, HERE, picture())
        blender.reach(job, "done")
    finally:
        blender.session.close()
