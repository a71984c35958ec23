"""The verbs of the service on the command line, with a worker that plays jobs from a script."""

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner, Result

from engine.cli import app
from tests.service.local import Local
from tests.service.peer import PATIENCE, Server

QUICK = [
    {"stage": "shape", "steps": 3, "seconds": 0.05},
    {"note": "The picture is small."},
    {"part": "mesh", "faces": 100},
]
FAILING = [{"fail": {"code": "shape_empty", "message": "No surface.", "hint": "Other seed."}}]
ENDLESS = [{"stage": "shape", "steps": 1000, "seconds": 600}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[..., Local]]:
    started: list[Local] = []

    def start(*jobs: list[dict[str, Any]]) -> Local:
        started.append(Local(home, {"jobs": list(jobs)}))
        return started[-1]

    yield start
    for local in started:
        local.close()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "chair.png"
    picture = Image.new("RGBA", (64, 64))
    picture.paste((200, 30, 30, 255), (16, 16, 48, 48))
    picture.save(path)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def submitted(image: Path, *more: str) -> str:
    shown = run("submit", "generate", image, *more)
    assert shown.exit_code == 0, shown.output
    return shown.stdout.strip()


def rows() -> list[dict[str, Any]]:
    return json.loads(run("jobs", "--json").stdout)


def test_a_job_is_submitted_listed_and_followed(serve: Any, image: Path) -> None:
    serve(QUICK)
    job = submitted(image, "--seed", "0", "--quality", "draft")
    shown = run("attach", job[:8], "--verbose")
    assert shown.exit_code == 0, shown.output
    assert f"{job} is done." in shown.stdout and "Seconds: shape " in shown.stdout
    assert "Seconds: shape " in run("attach", job[:8], "--verbose").stdout  # it is done by now
    assert "The picture is small." in shown.output
    (row,) = rows()
    assert (row["id"], row["state"], row["title"]) == (job, "done", "chair")
    assert job[:8] in run("jobs").stdout


def test_waiting_gives_one_json_value(serve: Any, image: Path) -> None:
    serve(QUICK)
    shown = run("submit", "generate", image, "--seed", "0", "--wait", "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["row"]["state"] == "done"
    assert set(told["seconds"]) == {"shape"}


def test_a_job_that_fails_says_why_and_is_tried_again(serve: Any, image: Path) -> None:
    serve(FAILING)
    shown = run("submit", "generate", image, "--wait")
    assert shown.exit_code == 2
    assert "No surface." in shown.output
    assert "Other seed." in shown.output
    (row,) = rows()
    again = run("retry", row["id"])
    assert again.exit_code == 0, again.output
    run("attach", again.stdout.strip())
    assert [row["retry_of"] for row in rows()] == [row["id"], ""]


def test_cancel(serve: Any, image: Path) -> None:
    serve(ENDLESS)
    running, waiting = submitted(image), submitted(image, "--batch")
    assert "is cancelled" in run("cancel", waiting).stdout
    assert "is cancelled" in run("cancel", running).stdout
    assert [row["state"] for row in rows()] == ["cancelled", "cancelled"]
    shown = run("cancel", running)
    assert shown.exit_code == 2
    assert "nothing to be cancelled" in shown.output


def test_status_and_stop(serve: Any, home: Path) -> None:
    local = serve(QUICK)
    told = json.loads(run("status", "--json").stdout)
    assert told["running"] is True
    assert told["engine"]["worker"] in ("none", "starting", "warming", "warm")
    assert "Waiting jobs: 0" in run("status").stdout
    assert run("stop").stdout == "It ends.\n"
    local.thread.join(20)
    assert not local.thread.is_alive()
    assert json.loads(run("status", "--json").stdout) == {"running": False}
    assert run("stop").stdout == "No engine runs.\n"


def test_without_an_engine_there_is_a_sentence(home: Path, image: Path) -> None:
    for words in (("status",), ("attach", "abc"), ("submit", "generate", image)):
        shown = run(*words)
        assert shown.exit_code == 2
        assert "maquette serve" in shown.output


def test_jobs_without_an_engine_are_those_of_the_store(serve: Any, image: Path) -> None:
    shown = run("jobs")
    assert shown.exit_code == 0 and "No jobs." in shown.stdout
    local = serve(ENDLESS)
    job = submitted(image)
    local.peer().until(lambda: rows()[0]["state"] == "running")
    local.close()
    local.thread.join(20)
    shown = run("jobs")
    assert shown.exit_code == 0, shown.output
    assert job[:8] in shown.stdout and "interrupted" in shown.stdout
    assert "maquette serve" in shown.stderr and "store" in shown.stderr


@pytest.mark.parametrize("verb", ["finish", "upscale"])
def test_a_source_that_is_nowhere_is_refused_at_once(serve: Any, verb: str) -> None:
    serve(QUICK)
    for source in ("NOPE", "nope.glb", "abc", "0" * 32):
        shown = run("submit", verb, source)
        assert shown.exit_code == 2, shown.output
    assert rows() == []


def test_it_says_how_to_follow_a_job(serve: Any, image: Path) -> None:
    serve(QUICK)
    shown = run("submit", "generate", image)
    assert f"maquette attach {shown.stdout[:8]}" in shown.stderr
    followed = run("attach", shown.stdout[:8])
    assert "Starting" not in followed.output


def test_status_does_not_count_itself(serve: Any) -> None:
    serve(QUICK)  # which nobody has talked to yet
    assert "clients: 0" in run("status").stdout


def test_ids_that_are_wrong(serve: Any, image: Path) -> None:
    serve(QUICK)
    shown = run("attach", "zzz")
    assert shown.exit_code == 2
    assert "No jobs begin with 'zzz'" in shown.output
    assert run("attach", "0" * 32).exit_code == 2
    for verb in ("attach", "cancel", "retry"):
        shown = run(verb, "")
        assert shown.exit_code == 2 and "empty text is not the id" in shown.output


def test_pair_needs_an_address(serve: Any) -> None:
    serve(QUICK)
    shown = run("pair")
    assert shown.exit_code == 2
    assert "--bind" in shown.output


def test_check_of_a_picture(image: Path, tmp_path: Path, home: Path) -> None:
    shown = run("check", image, "--json")
    assert shown.exit_code == 0, shown.output
    (told,) = json.loads(shown.stdout)
    assert (told["width"], told["height"]) == (64, 64)
    assert "small_object" in [note["code"] for note in told["notes"]]
    assert "64 x 64" in run("check", image).stdout
    assert run("check", tmp_path / "no.png").exit_code == 2
    (tmp_path / "second.png").write_bytes(image.read_bytes())
    shown = run("check", image, tmp_path / "no.png", tmp_path / "second.png")
    assert shown.exit_code == 2
    assert shown.stdout.count("64 x 64") == 2 and "no.png" in shown.output
    shown = run("check", image, tmp_path / "no.png", "--json")
    whole, missing = json.loads(shown.stdout)
    assert shown.exit_code == 2 and whole["width"] == 64
    assert missing["error"]["code"] == "image_missing" and missing["error"]["hint"]


def test_check_fails_on_what_would_be_refused(tmp_path: Path, home: Path) -> None:
    for size in ((1, 1), (300, 300)):
        Image.new("RGB", size, "white").save(tmp_path / "white.png")
        assert run("check", tmp_path / "white.png").exit_code == 2


FINISHED = [
    {"stage": "clean"},
    {"part": "finished", "faces": 100},
    {"part": "model", "faces": 100},
]


def test_a_job_that_makes_no_asset_is_saved(serve: Any, image: Path, tmp_path: Path) -> None:
    """Finishing again makes a model and no folder."""
    serve(FINISHED)
    target = tmp_path / "out.glb"
    mesh = tmp_path / "cube.ply"
    trimesh.creation.box().export(mesh)
    shown = run("submit", "finish", mesh, "--wait", "-o", target, "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["files"] == [str(target)] and target.is_file()
    assert not target.with_suffix(".maquette").exists()
    target.unlink()
    again = run("attach", told["job"], "-o", target)
    assert again.exit_code == 0 and target.is_file(), again.output


def test_what_was_interrupted_says_how_to_resume_it(serve: Any, image: Path) -> None:
    local = serve(ENDLESS)
    job = submitted(image)
    local.peer().until(lambda: rows()[0]["state"] == "running")
    local.close()
    local.thread.join(20)
    again = serve(ENDLESS)
    assert again.service.interrupted == [job]
    assert f"maquette retry {job[:8]}" in run("jobs").stdout


def test_a_home_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "file"))
    shown = run("jobs")
    assert shown.exit_code == 2 and "is a file" in shown.output and "config" not in shown.output


def test_watching_once_tells_of_failures(serve: Any, image: Path, tmp_path: Path) -> None:
    serve(FAILING)
    shown = run("watch", image.parent, "-o", tmp_path / "out", "--once", "--seed", "0")
    assert shown.exit_code == 2
    assert "No surface." in shown.output and "1 picture gave no asset" in shown.output
    assert run("watch", tmp_path / "out", "-o", tmp_path / "out", "--once").exit_code == 0


@pytest.mark.parametrize(
    "words", [("--idle", "-5"), ("--quota", "-1"), ("--http", "0"), ("--http", "99999")]
)
def test_numbers_that_cannot_be(home: Path, words: tuple[str, str]) -> None:
    shown = run("serve", *words)
    assert shown.exit_code == 2 and words[0] in shown.output
    assert not home.exists()


def test_a_port_that_is_taken(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shown = run("serve", "--http", str(taken.getsockname()[1]))
    assert shown.exit_code == 2 and "port" in shown.output and not (home / "engine.json").exists()


def test_an_engine_that_is_killed_is_waited_for_and_then_said(
    serve: Any, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.remote.GONE_PATIENCE", 0.5)
    local = serve(ENDLESS)
    job = submitted(image)
    local.peer().until(lambda: rows()[0]["state"] == "running")
    threading.Timer(1.0, local.close).start()
    shown = run("attach", job)
    assert shown.exit_code == 2
    assert "maquette serve" in shown.output and f"maquette attach {job[:8]}" in shown.output


def test_a_place_that_cannot_be_is_refused_before_the_job_is_sent(
    serve: Any, image: Path, tmp_path: Path
) -> None:
    serve(FAILING)
    run("submit", "generate", image, "--wait")
    (old,) = rows()
    (tmp_path / "file").touch()
    for place in ("a.fbx", tmp_path / "file" / "a.glb", tmp_path):
        shown = run("submit", "generate", image, "--wait", "-o", place)
        assert shown.exit_code == 2, shown.output
        assert run("retry", old["id"], "-o", place).exit_code == 2
    assert rows() == [old]


def test_watching_into_a_file_is_one_sentence(serve: Any, image: Path, tmp_path: Path) -> None:
    serve(QUICK)
    (tmp_path / "file").touch()
    shown = run("watch", tmp_path, "-o", tmp_path / "file", "--once")
    assert shown.exit_code == 2 and "Cannot write" in shown.output


def test_a_device_that_cannot_be_is_refused_before_anything_starts(home: Path) -> None:
    for name in ("banana", "cuda:x", "cuda:", "meta"):
        shown = run("serve", "--device", name)
        assert shown.exit_code == 2 and f"The device {name} cannot be used" in shown.output
    assert not home.exists()


@pytest.fixture
def spawn(home: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(script: dict[str, Any], *arguments: str) -> Server:
        started.append(Server(home, script, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.close()


def test_serving_says_what_is_wrong_with_the_device(spawn: Callable[..., Server]) -> None:
    problem = "There is no cuda:7. Give cpu."
    errors = spawn({"device_problem": problem}, "--device", "cuda:7").running().stderr
    assert errors is not None and errors.readline().decode().strip() == problem
    shown = run("status")
    assert problem in shown.stdout and "ready" not in shown.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_with_a_word_on_what_becomes_of_jobs(
    spawn: Callable[..., Server], image: Path, number: signal.Signals
) -> None:
    server = spawn({"jobs": [ENDLESS]})
    job, waiting = submitted(image), submitted(image)
    end = time.monotonic() + PATIENCE
    while rows()[-1]["state"] != "running":
        assert time.monotonic() < end
    server.running().send_signal(number)
    status, told = server.ended()
    assert status == 0
    assert f"{job[:8]} is interrupted" in told and f"maquette retry {job[:8]}" in told
    assert "Jobs that wait: 1" in told and waiting[:8] not in told


def test_a_job_that_is_done_is_only_done_again_when_that_is_meant(serve: Any, image: Path) -> None:
    serve(QUICK)
    told = json.loads(run("submit", "generate", image, "--seed", "0", "--wait", "--json").stdout)
    shown = run("retry", told["job"][:8])
    assert shown.exit_code == 2 and len(rows()) == 1
    assert "is done" in shown.output and "--again" in shown.output and "attach" in shown.output
    again = run("retry", told["job"], "--again")
    assert again.exit_code == 0, again.output
    assert [row["retry_of"] for row in rows()] == [told["job"], ""]


@pytest.mark.parametrize(
    "words", [("--quality", "lovely"), ("--finish", "x"), ("--matte", "x"), ("--seed", "-1")]
)
def test_watching_makes_no_folder_when_an_option_is_wrong(
    serve: Any, image: Path, words: tuple[str, str]
) -> None:
    out = image.parent / "deep" / "out"
    assert run("watch", image.parent, "-o", out).exit_code == 2  # no engine runs
    serve(QUICK)
    shown = run("watch", image.parent, "-o", out, "--once", *words)
    assert shown.exit_code == 2 and words[1] in shown.output
    assert not out.parent.exists()
