"""Disks, homes, clocks, networks and neighbours that are not as one would like."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import replies, requests
from protocol.errors import EngineError
from protocol.events import Done, EngineStatus, Failed, Progress
from protocol.jobs import GenerateJob
from protocol.references import Attached
from protocol.wire import Shaped
from tests.service.local import Local
from tests.service.peer import ROOT, Server, gone
from tests.small_disk import fill, mounted

Serve = Callable[..., Local]
Spawn = Callable[..., Server]
QUICK = [{"stage": "shape", "steps": 3, "seconds": 0.02}, {"part": "asset", "bytes": 5000}]
SLOW = [{"stage": "shape", "steps": 100, "seconds": 2.0}]


def job_id() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with mounted(tmp_path / "disk", 2 << 20) as place:
        yield place


def test_a_full_disk_refuses_a_job_and_the_next_one_works(serve: Serve, small_disk: Path) -> None:
    local = serve({"jobs": [QUICK]}, home=small_disk / "home")
    try:
        peer = local.peer()
        ballast = small_disk / "ballast"
        fill(ballast)
        job, after = job_id(), job_id()
        refused = peer.submit(job)
        assert refused.code == "disk_full" and str(small_disk) in refused.message
        assert peer.ask(requests.ListJobs()).rows == ()
        ballast.unlink()
        assert isinstance(peer.submit(after), replies.Submitted)
        peer.event(Done, after)
        assert [row.state for row in peer.ask(requests.ListJobs()).rows] == ["done"]
    finally:
        local.close()


def test_a_disk_that_fills_while_a_job_runs(serve: Serve, small_disk: Path) -> None:
    steps = [*SLOW, {"part": "asset", "bytes": 3_000_000}]
    local = serve({"jobs": [steps, QUICK]}, home=small_disk / "home")
    try:
        peer = local.peer()
        job, after = job_id(), job_id()
        peer.submit(job, seed=0)
        failed = peer.event(Failed, job)
        assert failed.code == "disk_full"
        peer.submit(after, seed=1)
        peer.event(Done, after)
    finally:
        local.close()


def test_an_end_that_cannot_be_stored_is_stored_when_there_is_room(serve: Serve) -> None:
    local = serve({"jobs": [SLOW, QUICK]})
    peer = local.peer()
    job, after = job_id(), job_id()
    peer.submit(job, seed=0)
    peer.event(Progress, job)
    full = EngineError("disk_full", "The disk is full.", "Make room.")
    store = local.service._store
    end = store.end

    def refuse(*_: object, **__: object) -> bool:
        raise full

    store.end = refuse
    peer.until(lambda: any(isinstance(e, EngineStatus) and e.sentence for e in peer.events))
    peer.submit(after, seed=1)
    peer.pump(0.3)
    assert not [event for event in peer.of(job) if isinstance(event, Done)]
    assert peer.ask(requests.GetStatus()).engine.sentence == "The disk is full."
    store.end = end
    peer.event(Done, job)
    peer.event(Done, after)
    assert peer.ask(requests.GetStatus()).engine.sentence == ""


def said(home: Path, *arguments: str) -> str:
    """What `maquette serve` says, and that is all, when it cannot."""
    done = subprocess.run(
        (sys.executable, "-m", "engine", "serve", *arguments),
        cwd=ROOT,
        env={**os.environ, "MAQUETTE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_home_that_is_read_only(small_disk: Path) -> None:
    subprocess.run(("mount", "-o", "remount,ro", str(small_disk)), check=True)
    sentence = said(small_disk / "home")
    assert "cannot be written" in sentence and "MAQUETTE_HOME" in sentence


def test_a_second_service_finds_the_first(spawn: Spawn) -> None:
    server = spawn({"jobs": [QUICK]})
    sentence = said(server.home)
    assert str(server.connection.pid) in sentence and "maquette stop" in sentence
    job, peer = job_id(), server.peer()
    peer.submit(job)
    peer.event(Done, job)


def test_a_home_with_a_name_of_many_letters(spawn: Spawn, tmp_path: Path) -> None:
    home = tmp_path / "Иван Петрович" / "модели и игрушки" / ("y" * 200)
    server = spawn({"jobs": [QUICK]}, home=home)
    job, peer = job_id(), server.peer()
    peer.submit(job)
    peer.event(Done, job)
    head = peer.ask(requests.FetchPart(job=job, name="asset", by_file=True))
    assert Path(head.path).is_relative_to(home) and Path(head.path).stat().st_size == head.size
    assert "is too long" in said(tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200))


def test_a_clock_that_is_set_back(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    local = serve({"jobs": [SLOW, QUICK]})
    peer = local.peer()
    job, after = job_id(), job_id()
    peer.submit(job, seed=0)
    peer.event(Progress, job)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 86400)
    peer.submit(after, seed=1)
    peer.event(Done, job)
    peer.event(Done, after)
    assert [row.id for row in peer.ask(requests.ListJobs()).rows] == [after, job]
    progress = [event.elapsed for event in peer.of(job) if isinstance(event, Progress)]
    assert progress == sorted(progress)


def test_names_are_not_looked_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror("no names here")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "getfqdn"):
        monkeypatch.setattr(socket, name, refuse)
    local = serve({"jobs": [QUICK]})
    assert local.service.connection.endpoint.startswith("tcp://127.0.0.1:")
    job, peer = job_id(), local.peer()
    peer.submit(job)
    peer.event(Done, job)


def test_an_address_that_is_taken_or_none_of_ours(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert address in said(tmp_path / "home", "--bind", address)
    assert "Cannot listen" in said(tmp_path / "home", "--bind", "192.0.2.1:4444")
    assert "is not an address" in said(tmp_path / "home", "--bind", "1.2.3.4:many")
    assert not (tmp_path / "home" / "engine.json").exists()


def test_it_leaves_when_nobody_needs_it(spawn: Spawn) -> None:
    server = spawn({"jobs": [SLOW]}, "--idle", "1.0")
    peer = server.peer()
    time.sleep(2.0)
    assert peer.ask(requests.Ping()) == replies.Pong()
    job = job_id()
    peer.submit(job)
    peer.event(Progress, job)
    children = server.children()
    peer.close()
    server.peers.clear()
    status, _ = server.ended()  # after the job, which takes two seconds
    assert status == 0 and gone(children, 5.0)
    assert not (server.home / "engine.json").exists()
    server.start()
    peer = server.peer()
    assert peer.ask(requests.ListJobs()).rows[0].state == "done"


def test_shutdown_finishes_what_runs_or_interrupts_it(spawn: Spawn) -> None:
    server = spawn({"jobs": [SLOW]})
    first, second = job_id(), job_id()
    peer = server.peer()
    for job in (first, second):
        peer.submit(job)
    peer.event(Progress, first)
    peer.ask(requests.Shutdown(wait=True))
    peer.event(Done, first)
    assert server.ended()[0] == 0
    server.start()
    peer = server.peer()
    peer.ask(requests.Attach(job=second))
    peer.event(Progress, second)
    peer.ask(requests.Shutdown(wait=False))
    assert server.ended()[0] == 0
    server.start()
    peer = server.peer()
    rows = {row.id: row for row in peer.ask(requests.ListJobs()).rows}
    assert rows[first].state == "done" and rows[second].state == "interrupted"
    assert rows[second].stage == "shape"
    assert isinstance(peer.ask(requests.Retry(job=second, id=second)), replies.Submitted)
    peer.event(Done, second)


@pytest.mark.parametrize("step", [SLOW[0], {"hang": 3600}])
def test_no_process_outlives_a_service_that_is_killed(spawn: Spawn, step: dict[str, int]) -> None:
    server = spawn({"jobs": [[{"stage": "encode"}, step]]})
    job, peer = job_id(), server.peer()
    peer.ask(requests.ListModels())
    peer.submit(job)
    peer.event(Progress, job)
    children = server.children()
    assert len(children) == 2
    server.kill()
    assert gone(children, 5.0)


def test_a_client_that_reads_nothing_costs_little(serve: Serve) -> None:
    big = 40 << 20
    local = serve({"jobs": [[{"part": "asset", "bytes": big}]]})
    job, peer, slow = job_id(), local.peer(), local.peer()
    peer.submit(job)
    peer.event(Done, job)
    slow.socket.rcvhwm = 1
    before = peer.ask(requests.GetStatus()).memory
    for _ in range(50):
        slow.send(requests.FetchPart(job=job, name="asset", chunk=1 << 20, credit=4))
    time.sleep(0.5)
    start = time.monotonic()
    status = peer.ask(requests.GetStatus())
    assert time.monotonic() - start < 5.0
    # 200 MiB were asked for; what libzmq and the system hold for one client is bounded.
    assert status.memory - before < 60 << 20


def test_a_client_that_vanishes_is_forgotten(serve: Serve) -> None:
    local = serve({})
    peer, other = local.peer(), local.peer()
    assert peer.ask(requests.GetStatus()).engine.clients == 2
    other.context.destroy(linger=0)
    for session in local.service._endpoint.sessions.values():
        session.seen = -1000.0
    peer.until(lambda: peer.ask(requests.GetStatus()).engine.clients == 1)


def test_large_attachments_do_not_hold_up_others(serve: Serve) -> None:
    local = serve({"jobs": [QUICK]})
    peer, other = local.peer(), local.peer()
    job = job_id()
    submit = requests.Submit(id=job, job=GenerateJob(picture=Attached("picture")))
    rows = Shaped(bytes(64 << 20), "uint8", (4096, 4096, 4))
    id = peer.send(submit, {"picture": rows})
    assert other.ask(requests.Ping()) == replies.Pong()
    peer.until(lambda: id in peer._replies)
    peer.event(Done, job)
    (file,) = (local.home / "assets" / job / "inputs").iterdir()
    assert file.stat().st_size == 64 << 20
