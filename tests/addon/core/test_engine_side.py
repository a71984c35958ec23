"""The engine itself: weights, memory, versions, its end."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender_addon.core import asking
from blender_addon.core.costs import UNKNOWN, cost_of_game_ready, quality_of, saved_by_fast
from blender_addon.core.pictures import PictureIn
from blender_addon.core.refusals import (
    gate_sentence,
    why_not_download,
    why_not_finder,
    why_not_generate,
)
from blender_addon.core.settings import FinishSettings, GenerateSettings
from blender_addon.core.snapshot import EngineView, WeightsView
from blender_addon.core.weights import FINDS_OBJECTS
from blender_addon.protocol.errors import EngineError
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import ROOT, Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
QUICK: list[dict[str, Any]] = [{"stage": "shape"}, {"part": "mesh", "faces": 200}]
LONG: list[dict[str, Any]] = [{"stage": "shape", "steps": 1000, "seconds": 60}]
SEED = GenerateSettings(seed=0, finish=None)


def weights(blender: Desk) -> WeightsView:
    return blender.snapshot.weights or WeightsView()


def test_what_the_networks_can_do_is_told(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.until(lambda: blender.snapshot.checkpoint)
    checkpoint = blender.snapshot.checkpoint
    assert checkpoint is not None and checkpoint.small
    assert {row.name for row in checkpoint.qualities} >= {"draft", "standard"}
    assert {stage.name for stage in checkpoint.stages} >= {"structure", "shape", "texture"}
    assert all(stage.steps > 0 and stage.label for stage in checkpoint.stages)
    # The small model has too few steps: nothing is saved there.
    assert saved_by_fast(checkpoint, {}) == ""
    assert all(stage.reuse_after for stage in checkpoint.stages)


def test_what_a_job_took_is_told_after_it(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.until(lambda: blender.snapshot.checkpoint)

    def seconds() -> float | None:
        row = quality_of(blender.snapshot.checkpoint, "draft")
        return row.seconds if row else None

    assert seconds() is None
    settings = GenerateSettings(seed=0, quality="draft")
    (job,) = blender.session.generate(settings, HERE, picture())
    blender.reach(job, "done")
    blender.until(lambda: seconds() is not None, patience=10)
    assert cost_of_game_ready(blender.snapshot.checkpoint) == UNKNOWN
    finished = blender.session.finish(FinishSettings(finish="game"), HERE, source=job)
    blender.reach(finished, "done")
    blender.until(lambda: "about" in cost_of_game_ready(blender.snapshot.checkpoint), patience=10)


def test_weights_are_downloaded_and_a_download_stopped(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK], "download": {"seconds": 1.0}})
    blender = desk()
    blender.ready()
    blender.session.weights.load("standard")
    view = blender.until(lambda: blender.snapshot.weights)
    assert view.missing == view.total > 1e9 and view.folder
    gated = [row for row in view.rows if row.gated]
    assert gated and all(row.page.startswith("https://huggingface.co/") for row in gated)
    assert gate_sentence(view).startswith("DINOv3: its owner asks")
    blender.session.weights.download("standard")
    assert why_not_download(blender.snapshot).startswith("A download is running")
    blender.until(lambda: weights(blender).done > 0)
    blender.session.weights.cancel()
    blender.until(lambda: not weights(blender).running)
    assert not weights(blender).problem
    blender.session.weights.download("standard", ungated=True)
    blender.until(lambda: weights(blender).missing == 0)
    assert not weights(blender).running
    assert why_not_download(blender.snapshot) == "All of these weights are here."
    assert gate_sentence(blender.snapshot.weights) == ""


def test_the_small_network_for_backgrounds_is_downloaded_alone(
    spawn: Spawn, desk: MakeDesk
) -> None:
    spawn({"jobs": [QUICK], "download": {"seconds": 1.0}})
    blender = desk()
    blender.ready()
    dots = np.random.default_rng(1).integers(0, 255, (128, 128, 4), np.uint8)
    dots[..., 3] = 255
    busy = PictureIn(title="busy", rows=dots.tobytes(), width=128, height=128)
    blender.session.chosen.choose(busy)
    blender.until(lambda: blender.snapshot.picture.problem)
    shown = blender.snapshot.picture
    assert shown.wants_network and shown.readable and shown.maskable
    assert shown.hint.startswith("Download a small network (220 MB)")
    blender.session.weights.download(FINDS_OBJECTS)
    blender.until(lambda: weights(blender).done > 0)
    assert weights(blender).missing == pytest.approx(220e6, rel=0.05)
    assert "running" in why_not_finder(blender.snapshot)
    blender.until(lambda: not weights(blender).running)
    assert blender.snapshot.picture.checking  # asked again by itself
    blender.until(lambda: weights(blender).total > 1e9)  # the usual list again


def test_a_download_that_fails_says_why(spawn: Spawn, desk: MakeDesk) -> None:
    fail = {"code": "hub_gated", "message": "It is gated.", "hint": "Accept the terms."}
    spawn({"jobs": [QUICK], "download": {"seconds": 0.1, "fail": fail}})
    blender = desk()
    blender.ready()
    blender.session.weights.download("standard")
    blender.until(lambda: weights(blender).problem)
    view = weights(blender)
    assert not view.running
    assert (view.problem, view.hint) == ("It is gated.", "Accept the terms.")
    blender.session.weights.download("standard")
    assert not weights(blender).problem


def test_a_download_does_not_outlive_its_engine(spawn: Spawn, desk: MakeDesk) -> None:
    server = spawn({"jobs": [QUICK], "download": {"seconds": 60}})
    blender = desk()
    blender.ready()
    blender.session.weights.download("standard")
    blender.until(lambda: weights(blender).done > 0)
    server.kill()
    server.start()
    blender.until(lambda: not weights(blender).running)
    assert "resumes" in weights(blender).hint


def test_memory_is_given_back_unless_a_job_needs_it(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [LONG]})
    blender = desk()
    blender.ready()
    (job,) = blender.session.generate(SEED, HERE, picture())
    blender.reach(job, "running")
    blender.session.release_memory()
    blender.until(lambda: "needs the memory" in blender.snapshot.message)
    blender.session.cancel(job)
    blender.reach(job, "cancelled")
    blender.session.release_memory()
    blender.until(lambda: "given its memory back" in blender.snapshot.message)
    blender.until(lambda: not blender.snapshot.engine.warm)


def test_an_engine_of_another_version_is_refused_in_a_sentence(
    spawn: Spawn, desk: MakeDesk
) -> None:
    spawn({"protocol": 99, "jobs": [QUICK]})
    blender = desk()
    blender.session.chosen.choose(picture())
    blender.until(lambda: blender.snapshot.engine.state == "refused")
    engine = blender.snapshot.engine
    assert engine.verb == "update" and "version" in engine.sentence and engine.hint
    assert engine.sentence in why_not_generate(blender.snapshot)


def test_an_engine_that_was_ended_is_stopped_and_not_gone(spawn: Spawn, desk: MakeDesk) -> None:
    server = spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    blender.session.shutdown_engine()
    blender.until(lambda: server.running().poll() is not None)
    server.ended()
    blender.until(lambda: blender.snapshot.engine.state == "stopped")
    assert blender.snapshot.engine.verb == "start"


def test_the_process_is_there_before_it_answers(desk: MakeDesk) -> None:
    blender = desk()
    lives = EngineView(state="ready", sentence="", verb="")
    blender.session.engine_facts(lives)
    blender.tick()
    assert blender.snapshot.engine.state == "starting"
    absent = EngineView(sentence="It is not set up.", verb="set_up")
    blender.session.engine_facts(absent)
    blender.tick()
    assert blender.snapshot.engine.state == "absent"
    assert blender.snapshot.engine.sentence == "It is not set up."


def test_a_far_engine_that_is_silent_is_gone(desk: MakeDesk, tmp_path: Path) -> None:
    blender = desk()
    far = EngineView(state="ready", place="render-box", remote=True, verb="")
    blender.session.engine_facts(far)
    blender.tick()
    assert blender.snapshot.engine.sentence == "Connecting to render-box."


def test_without_an_engine_no_wheel_is_loaded(tmp_path: Path) -> None:
    """A tab that is drawn on a machine without an engine costs nothing."""
    script = f"""
import sys
from pathlib import Path
from blender_addon.core.session import Session
from blender_addon.core.snapshot import EngineView
session = Session(None, client="a", program="b", user_folder=Path({str(tmp_path)!r}))
session.engine_facts(EngineView(sentence="There is no engine."))
for _ in range(3):
    session.tick()
assert session.snapshot.engine.sentence == "There is no engine."
assert not {{"zmq", "msgpack", "numpy"}} & set(sys.modules)
session.close()
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_wheels_that_do_not_fit_are_told_and_looked_at_once(
    desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Report 7: an update replaced them while Blender was using them."""
    looked: list[None] = []

    def broken() -> None:
        looked.append(None)
        raise EngineError("wheels_mixed", "pyzmq was replaced.", "Restart Blender.")

    monkeypatch.setattr(asking, "check_wheels", broken)
    blender = desk()
    for _ in range(3):
        blender.tick()
    engine = blender.snapshot.engine
    assert (engine.state, engine.sentence, engine.hint, engine.verb) == (
        "refused",
        "pyzmq was replaced.",
        "Restart Blender.",
        "",
    )
    assert len(looked) == 1
    assert why_not_generate(blender.snapshot) == "pyzmq was replaced. Restart Blender."
    with pytest.raises(EngineError, match="replaced"):
        blender.session.generate(SEED, HERE, picture())
    assert not blender.snapshot.jobs


def test_an_update_that_waits_is_offered_beside_a_running_engine(
    spawn: Spawn, desk: MakeDesk
) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    facts = EngineView(state="ready", sentence="It is older.", hint="Update it.", verb="update")
    blender.session.engine_facts(facts)
    engine = blender.snapshot.engine
    assert (engine.state, engine.sentence, engine.verb) == ("ready", "It is older.", "update")
