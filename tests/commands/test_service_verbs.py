"""The verbs of the service on the command line, with a worker that plays jobs from a script."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from engine.cli import app
from tests.service.local import Local

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
    assert f"{job} is done." in shown.stdout
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
