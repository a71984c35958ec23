"""Jobs over HTTP: submit, follow, fetch, and who may."""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob
from protocol.plain import from_dict, to_dict
from protocol.references import Attached
from protocol.requests import Submit, new_job_id
from protocol.samplers import Sampling
from tests.service.peer import PATIENCE, PNG, ROOT, Server

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

SCRIPT = {
    "jobs": [
        [{"stage": "shape", "steps": 4, "seconds": 0.4}, {"part": "asset", "bytes": 70_001}],
        [{"stage": "shape", "steps": 1000, "seconds": 100}],
        [
            {"stage": "shape", "steps": 4, "seconds": 3},
            {"part": "mesh", "faces": 100},
            {"part": "model"},
        ],
    ]
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Caller:
    """Attributes: server, port, token."""

    def __init__(self, server: Server, port: int) -> None:
        self.server, self.port = server, port
        self.token = server.connection.token

    @contextmanager
    def open(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        with closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            with connection.getresponse() as response:
                yield response

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        with self.open(method, path, body, **headers) as response:
            return response.status, json.loads(response.read())

    def until_it_answers(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                assert self.ask("GET", "/v1/status")[0] == 200
                return
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)

    def submit(self, seed: int, **more: Any) -> str:
        job = to_dict(GenerateJob(picture=Attached("p"), seed=seed))
        body = {
            "job": {"generate_job": job},
            "attached": {"p": base64.b64encode(PNG).decode()},
            "title": "chair",
            **more,
        }
        status, submitted = self.ask("POST", "/v1/jobs", body)
        assert status == 201
        return submitted["job"]


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    port = free_port()
    home: Path = tmp_path_factory.mktemp("web") / "home"
    server = Server(home, SCRIPT, "--http", str(port))
    caller = Caller(server, port)
    caller.until_it_answers()
    yield caller
    server.close()


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    kind = ""
    for line in response:
        if line.startswith(b"event: "):
            kind = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield kind, json.loads(line[6:])


def test_a_job_is_submitted_followed_and_fetched(caller: Caller) -> None:
    job = caller.submit(0)
    with caller.open("GET", f"/v1/jobs/{job}/events") as response:
        seen = list(events(response))
    assert seen[0][0] == "job_snapshot" and seen[-1][0] == "done"
    assert "progress" in [kind for kind, _ in seen]
    with caller.open("GET", f"/v1/jobs/{job}/parts/asset") as response:
        data = response.read()
        assert len(data) == 70_001
        layout = json.loads(response.headers["X-Maquette-Layout"])
        assert layout["file_name"] == "asset.glb"
        whole = data + bytes(-len(data) % 16)
        assert response.headers["X-Maquette-SHA256"] == hashlib.sha256(whole).hexdigest()
    assert caller.ask("GET", f"/v1/jobs/{job}")[1]["row"]["title"] == "chair"
    assert job in [row["id"] for row in caller.ask("GET", "/v1/jobs")[1]["rows"]]


def test_a_job_is_cancelled(caller: Caller) -> None:
    job = caller.submit(1)
    with caller.open("GET", f"/v1/jobs/{job}/events") as response:
        following = events(response)
        next(following)
        assert caller.ask("POST", f"/v1/jobs/{job}/cancel") == (200, {})
        assert list(following)[-1][0] == "cancelled"


def test_what_is_wrong_is_one_sentence(caller: Caller) -> None:
    status, refused = caller.ask("GET", "/v1/jobs/" + "0" * 32)
    assert status == 404 and refused["code"] == "job_unknown"
    status, refused = caller.ask("POST", "/v1/jobs", {"job": {"dream_job": {}}})
    assert status == 400 and refused["code"] == "field_invalid" and "job" in refused["message"]
    status, refused = caller.ask("POST", "/v1/jobs", {"attached": {"p": "%%%"}})
    assert status == 400 and refused["code"] == "body_invalid"


def test_a_mistyped_field_is_refused_and_the_right_one_named(caller: Caller) -> None:
    generate = {"picture": {"attached": {"name": "p"}}}
    sampler = {"samplers": {"shape": {"step": 3}}}
    before = caller.ask("GET", "/v1/jobs")
    for body, field, near in (
        ({"job": {"generate_job": generate | {"qualty": "draft"}}}, "qualty", "quality"),
        ({"job": {"generate_job": generate | sampler}}, "samplers.shape.step", "steps"),
        ({"job": {"generate_job": generate}, "finsh": {}}, "finsh", "finish"),
        ({"jbo": {"generate_job": generate}}, "jbo", "job"),
        ({"job": {"generate_job": generate}, "finish": {"face": 3}}, "finish.face", "faces"),
        ({"job": {"generate_job": generate}, "zzz": 1}, "zzz", "picture_sha256"),
    ):
        status, refused = caller.ask("POST", "/v1/jobs", body)
        assert status == 400 and refused["code"] == "field_unknown"
        assert field in refused["message"] and near in refused["hint"]
    assert caller.ask("GET", "/v1/jobs") == before


def test_every_field_of_a_submit_may_be_sent(caller: Caller) -> None:
    finish = FinishChoice(finish="game", faces=300)
    job = GenerateJob(picture=Attached("p"), samplers={"shape": Sampling(steps=3)}, quality="draft")
    submit = Submit(id=new_job_id(), job=job, finish=finish, title="all", picture_sha256="0" * 64)
    body = to_dict(submit) | {"attached": {"p": base64.b64encode(PNG).decode()}}
    assert caller.ask("POST", "/v1/jobs", body)[0] == 201
    snapshot = caller.ask("GET", f"/v1/jobs/{submit.id}")[1]
    assert from_dict(FinishChoice, snapshot["finish"]) == finish
    assert from_dict(GenerateJob, snapshot["job"]["generate_job"]) == job


def test_what_is_nowhere_is_json_too(caller: Caller) -> None:
    for method, path, status, code, words in (
        ("GET", "/v1/jbos", 404, "route_unknown", "/v1/jbos"),
        ("DELETE", "/v1/jobs", 405, "method_unknown", "GET, HEAD, POST"),
        ("GET", "/v1/jobs/0/cancel", 405, "method_unknown", "POST"),
    ):
        found, refused = caller.ask(method, path)
        assert (found, refused["code"]) == (status, code)
        assert words in refused["message"] + refused["hint"]


def test_the_examples_of_the_document_work(caller: Caller, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "http.md").read_text("utf-8").replace("8765", str(caller.port))
    python = "".join(re.findall("```python\n(.*?)```", text, re.DOTALL))
    (shell,) = re.findall("```sh\n(.*?)```", text, re.DOTALL)
    # The job of this seed in the script.
    python, shell = (example.replace('"seed": 7', '"seed": 2') for example in (python, shell))
    (tmp_path / "chair.png").write_bytes(PNG)
    environment = {**os.environ, "MAQUETTE_HOME": str(caller.server.home.absolute())}

    def result(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python += "print(vertices.shape[1], faces.max() < len(vertices))"
    told = result(sys.executable, "-c", python)
    assert "shape: 100%" in told and told.endswith("3 True\n")
    assert (tmp_path / "chair.glb").stat().st_size == 1000
    if shutil.which("curl") and shutil.which("base64"):
        told = result("sh", "-c", shell)
        assert told.startswith("HTTP/1.1 201")
        job = json.loads(told.splitlines()[-1])["job"]
        row = caller.ask("GET", f"/v1/jobs/{job}")[1]["row"]
        assert row["title"] == "chair" and row["state"] in ("queued", "running", "done")


def test_ids_may_be_shortened(caller: Caller) -> None:
    jobs = [caller.submit(0, id=f"{n}abc" + "0" * 28) for n in "12"]
    jobs.append(caller.submit(0, id="1abd" + "0" * 28))
    for job in jobs:
        with caller.open("GET", f"/v1/jobs/{job[:4]}/events") as response:
            assert list(events(response))[-1][0] in ("done", "job_snapshot")
        assert caller.ask("GET", f"/v1/jobs/{job[:4]}")[1]["row"]["id"] == job
        with caller.open("GET", f"/v1/jobs/{job[:4]}/parts/asset") as response:
            assert len(response.read()) == 70_001
    for path in ("1ab", "1ab/events", "1ab/parts/asset"):
        status, refused = caller.ask("GET", f"/v1/jobs/{path}")
        assert status == 400 and refused["code"] == "job_ambiguous"
    assert caller.ask("POST", "/v1/jobs/xyz/cancel")[1]["code"] == "job_unknown"
    assert caller.ask("POST", "/v1/jobs/2abc/cancel")[1]["code"] == "job_ended"


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Host": "evil.example.org:80"}],
)
def test_strangers_are_refused(caller: Caller, headers: dict[str, str]) -> None:
    for path in ("/v1/status", "/v1/jobs", "/v1/jobs/x/events"):
        status, refused = caller.ask("GET", path, **headers)
        assert status == 401 and refused["code"] == "token_wrong"


def test_the_description_names_every_path(caller: Caller) -> None:
    status, found = caller.ask("GET", "/openapi.json", Authorization="")
    assert status == 200 and found["openapi"].startswith("3.")
    assert "/v1/jobs/{job}/parts/{name}" in found["paths"]
    body = found["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    (generate, *_) = body["schema"]["properties"]["job"]["oneOf"]
    assert "seed" in generate["properties"]["generate_job"]["properties"]


def test_a_face_that_dies_is_started_again(caller: Caller) -> None:
    (face,) = [
        child
        for child in psutil.Process(caller.server.running().pid).children(recursive=True)
        if "engine.web" in child.cmdline()
    ]
    face.kill()
    caller.until_it_answers()
    logs = (caller.server.home / "logs").glob("*.log")
    assert any("started again" in log.read_text() for log in logs)


def test_who_only_might_ask_does_not_keep_the_engine(tmp_path: Path) -> None:
    port = free_port()
    server = Server(tmp_path / "home", SCRIPT, "--http", str(port), "--idle", "1")
    try:
        status, _ = server.ended()
        assert status == 0
    finally:
        server.close()


def test_it_ends_with_the_service(caller: Caller) -> None:
    start: Callable[..., None] = caller.server.start
    children = caller.server.children()
    caller.server.kill()
    end = time.monotonic() + 5.0
    with pytest.raises(OSError):
        while time.monotonic() < end:
            caller.ask("GET", "/v1/status")
    assert children
    start()
