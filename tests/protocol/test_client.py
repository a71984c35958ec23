"""The client against a small service: greeting, silence, loss, resumed parts, close."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol import presence
from protocol.client import Answer, EngineClient, Fetched
from protocol.connection import read_connection
from protocol.errors import EngineError
from protocol.events import Done, Note, Progress, Queued
from protocol.jobs import GenerateJob
from protocol.references import Attached
from protocol.replies import Accepted, JobRow, JobSnapshot, Refused, Submitted
from protocol.requests import Attach, Cancel, Delete, FetchPart, GetStatus, Shutdown, Submit
from protocol.wire import Shaped
from tests.protocol.service import Service, noise, stored

JOB = "0" * 32
PICTURE = GenerateJob(picture=Attached("picture"))


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def client(service: Service) -> Iterator[EngineClient]:
    with EngineClient(service.connection, name="test", program="test 1") as client:
        yield client


def poll_until(client: EngineClient, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """All that is told until it is enough; at most 20 s."""
    told: list[Any] = []
    end = time.monotonic() + 20
    while not enough(told):
        if time.monotonic() > end:
            pytest.fail(f"not told within 20 s: {told}, {client.state}, {client.problem}")
        told += client.poll(wait_s=0.05)
    return told


def connect(client: EngineClient) -> None:
    poll_until(client, lambda told: client.state == "alive")


def test_a_request_is_answered(service: Service, client: EngineClient) -> None:
    assert client.state == "connecting"
    id = client.request(Cancel(job=JOB))
    told = poll_until(client, lambda told: bool(told))
    assert told == [Answer(id, Accepted())]
    assert client.state == "alive"
    assert client.welcome is not None and client.welcome.engine == "fake 1"


def test_a_job_is_submitted_with_its_picture(service: Service, client: EngineClient) -> None:
    attached: list[Any] = []
    service.answer = lambda received: attached.append(received.buffers)
    job = client.submit(PICTURE, {"picture": Shaped(bytes(2 * 3 * 4), "uint8", (2, 3, 4))})
    (answer,) = poll_until(client, lambda told: bool(told))
    assert answer.reply == Submitted(job=job, position=0)
    assert attached[0]["picture"].shape == (2, 3, 4)


def test_asking_raises_what_the_engine_refuses_with(service: Service, client: EngineClient) -> None:
    service.answer = lambda received: Refused(code="no", message="No.", hint="Wait.")
    with pytest.raises(EngineError, match="No") as caught:
        client.ask(GetStatus())
    assert caught.value.code == "no"


def test_a_newer_progress_replaces_an_older_one(service: Service, client: EngineClient) -> None:
    connect(client)
    one, two, three = (
        Progress(job=JOB, stage="shape", step=i, steps=3, fraction=i / 3, elapsed=1.0 * i)
        for i in range(3)
    )
    other = Progress(job="other", stage="shape", step=1, steps=3, fraction=0.3, elapsed=1.0)
    note, done = Note(job=JOB, sentence="Hm."), Done(job=JOB, seconds={"shape": 1.0})
    service.send(Queued(job=JOB, position=3), one, other, note, two, three, done)
    # What comes meanwhile waits in the client until somebody polls.
    time.sleep(1)
    told = poll_until(client, lambda told: done in told)
    assert told == [Queued(job=JOB, position=3), other, note, three, done]


def test_no_engine_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "engine.json"
    with EngineClient(lambda: read_connection(file), name="test", program="test 1") as client:
        client.poll()
        assert client.state == "gone"
        assert client.problem is not None and client.problem.code == "engine_not_running"
        with pytest.raises(EngineError, match="No engine runs here"):
            client.ask(GetStatus())


def test_an_engine_that_starts_later_is_found(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOOK_EVERY", 0.05)
    file = tmp_path / "engine.json"
    with EngineClient(lambda: read_connection(file), name="test", program="test 1") as client:
        id = client.request(GetStatus())
        client.poll()
        assert client.state == "gone"
        file.write_text(service.connection().to_json(), encoding="utf-8")
        assert poll_until(client, lambda told: bool(told)) == [Answer(id, Accepted())]


def test_a_wrong_token_is_refused(service: Service) -> None:
    def find() -> Any:
        return service.connection(token="another token")

    with EngineClient(find, name="test", program="test 1") as client:
        with pytest.raises(EngineError, match="The token is wrong"):
            client.ask(GetStatus())
        assert client.state == "refused"


def test_a_wrong_key_gets_nothing(service: Service) -> None:
    other = Service()
    key = other.connection().server_key
    other.stop()
    with EngineClient(
        lambda: service.connection(server_key=key), name="test", program="test 1"
    ) as client:
        with pytest.raises(EngineError):
            client.ask(GetStatus(), timeout_s=6)
        assert client.state in ("refused", "gone")
    assert service.received == []


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def alive_by(clock: Clock, client: EngineClient) -> None:
    for _ in range(2000):
        clock.now += 0.001
        client.poll(wait_s=0.02)
        if client.state == "alive":
            return
    pytest.fail(f"{client.state}, {client.problem}")


def test_silence_is_noticed_within_three_seconds(service: Service) -> None:
    clock = Clock()
    with EngineClient(service.connection, name="test", program="test 1", clock=clock) as client:
        alive_by(clock, client)
        service.silent = True
        start = clock.now
        while client.state == "alive" and clock.now < start + 10:
            clock.now += 0.1
            client.poll()
        assert client.state == "gone"
        assert 2.5 < clock.now - start < 3.3
        assert client.problem is not None and client.problem.code == "engine_silent"
        service.silent = False
        alive_by(clock, client)
        assert client.problem is None


def test_a_client_that_was_busy_itself_does_not_blame_the_engine(service: Service) -> None:
    clock = Clock()
    with EngineClient(service.connection, name="test", program="test 1", clock=clock) as client:
        alive_by(clock, client)
        clock.now += 60  # Blender renders
        client.poll()
        assert client.state == "alive"


def test_an_upload_is_no_silence(service: Service) -> None:
    clock = Clock()
    remote = service.connection(pid=0)
    with EngineClient(lambda: remote, name="test", program="test 1", clock=clock) as client:
        alive_by(clock, client)
        service.silent = True
        client.submit(PICTURE, {"picture": Shaped.of_file(bytes(10_000_000))})
        start = clock.now
        while client.state == "alive" and clock.now < start + 60:
            clock.now += 0.5
            client.poll()
        assert 12 < clock.now - start < 15


def test_what_was_unanswered_is_repeated(service: Service, client: EngineClient) -> None:
    connect(client)
    service.silent = True
    job = client.submit(PICTURE, {"picture": Shaped.of_file(b"png")})
    shutdown = client.request(Shutdown())
    client.poll()
    service.stop()
    service.silent, service.session = False, "second"
    service.start()
    told = poll_until(client, lambda told: len(told) == 2)
    lost, submitted = told
    assert (lost.id, lost.reply.code) == (shutdown, "connection_lost")
    assert submitted.reply == Submitted(job=job, position=0)
    assert [type(message) for message in service.received].count(Submit) == 1
    assert not any(isinstance(message, Shutdown) for message in service.received)


def test_jobs_are_followed_through_a_loss(service: Service, client: EngineClient) -> None:
    job = client.submit(PICTURE, {"picture": Shaped.of_file(b"png")})
    over = client.submit(PICTURE, {"picture": Shaped.of_file(b"png")})
    poll_until(client, lambda told: len(told) == 2)
    service.send(Done(job=over, seconds={}))
    poll_until(client, lambda told: bool(told))
    service.stop()
    row = JobRow(
        id=job,
        kind="generate",
        client="test",
        title="",
        state="running",
        priority="interactive",
        created=1.0,
    )
    snapshot = JobSnapshot(row=row, job=PICTURE)
    service.answer = lambda received: snapshot if isinstance(received.message, Attach) else None
    service.start()
    (answer,) = poll_until(client, lambda told: bool(told))
    assert answer.reply == snapshot
    assert [m for m in service.received if isinstance(m, Attach)] == [Attach(job=job)]


def test_a_part_comes_by_chunks(service: Service, client: EngineClient) -> None:
    part = stored(JOB, "asset", noise(40_000_001))
    service.parts[JOB, "asset"] = part
    remote = service.connection(pid=0)
    with EngineClient(lambda: remote, name="test", program="test 1") as client:
        id = client.fetch(JOB, "asset")
        (fetched,) = poll_until(client, lambda told: bool(told))
    assert isinstance(fetched, Fetched)
    assert (fetched.id, fetched.head, fetched.data) == (id, part.head, part.data)
    # Credit: it is never asked for more than the client has room for.
    requests = [m for m in service.received if isinstance(m, FetchPart)]
    assert all(not m.by_file and m.credit <= 16 for m in requests)


def test_a_part_is_resumed_at_the_chunk_where_it_stopped(service: Service) -> None:
    part = stored(JOB, "asset", noise(30 << 20))
    service.parts[JOB, "asset"] = part
    service.chunks_left = 17
    remote = service.connection(pid=0)
    with EngineClient(lambda: remote, name="test", program="test 1") as client:
        id = client.fetch(JOB, "asset")
        poll_until(client, lambda told: client.fraction_fetched(id) >= 17 / 30)
        service.stop()
        before = len(service.received)
        service.chunks_left = 1 << 30
        service.start()
        (fetched,) = poll_until(client, lambda told: bool(told))
        assert fetched.data == part.data
        resumed = [m for m in service.received[before:] if isinstance(m, FetchPart)]
        assert resumed[0].offset == 17 << 20


def test_a_part_comes_by_its_file(service: Service, client: EngineClient, tmp_path: Path) -> None:
    file = tmp_path / "asset"
    part = stored(JOB, "asset", noise(10_000_000), str(file))
    file.write_bytes(part.data)
    service.parts[JOB, "asset"] = part
    client.fetch(JOB, "asset")
    (fetched,) = poll_until(client, lambda told: bool(told))
    assert fetched.data == part.data
    assert [m.credit for m in service.received if isinstance(m, FetchPart)] == [0]


@pytest.mark.parametrize("how", ["missing", "short", "changed", "folder"])
def test_a_file_that_is_not_right_is_fetched_by_chunks(
    service: Service, client: EngineClient, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "asset"
    part = stored(JOB, "asset", noise(3_000_000), str(file))
    if how == "short":
        file.write_bytes(part.data[:-1])
    elif how == "changed":
        file.write_bytes(part.data[:-1] + b"?")
    elif how == "folder":
        file.mkdir()
    service.parts[JOB, "asset"] = part
    client.fetch(JOB, "asset")
    (fetched,) = poll_until(client, lambda told: bool(told))
    assert fetched.data == part.data


def test_a_damaged_part_is_refused(service: Service, client: EngineClient) -> None:
    part = stored(JOB, "asset", noise(100_000))
    part.data = part.data[:-1] + b"?"
    service.parts[JOB, "asset"] = part
    id = client.fetch(JOB, "asset")
    with pytest.raises(EngineError, match="damaged") as caught:
        client.wait_for(id, 20)
    assert caught.value.code == "part_damaged"


def test_a_part_that_there_is_not(service: Service, client: EngineClient) -> None:
    with pytest.raises(EngineError, match="There is no such part"):
        client.wait_for(client.fetch(JOB, "asset"), 20)
    assert not client.fetching


def test_closing_does_not_wait_for_unsent_frames(service: Service, client: EngineClient) -> None:
    connect(client)
    service.silent = True
    for _ in range(10):
        client.submit(PICTURE, {"picture": Shaped.of_file(bytes(4 << 20))})
    client.poll()
    # Waiting for them would take for ever; the figure is in benchmarks/protocol.py.
    client.close()
    client.close()
    with pytest.raises(EngineError, match="closed"):
        client.poll()


def test_a_program_ends_although_frames_are_unsent(service: Service) -> None:
    # pyzmq #1002, #1003 (report 23): interpreters that hang in the end of their context.
    script = f"""
import sys, time
from protocol.client import EngineClient
from protocol.connection import Connection
from protocol.jobs import GenerateJob
from protocol.references import Attached
from protocol.wire import Shaped
client = EngineClient(lambda: {service.connection()!r}, name="test", program="test 1")
while client.state != "alive":
    client.poll(wait_s=0.1)
for _ in range(10):
    client.submit(GenerateJob(picture=Attached("p")), {{"p": Shaped.of_file(bytes(4 << 20))}})
client.poll()
print(time.time(), flush=True)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert time.time() - float(done.stdout) < 20
    assert done.stderr == ""


def test_there_is_no_thread(service: Service, client: EngineClient) -> None:
    before = threading.active_count()
    client.submit(PICTURE, {"picture": Shaped.of_file(bytes(1 << 20))})
    poll_until(client, lambda told: bool(told))
    assert threading.active_count() == before


def test_requests_are_bounded(tmp_path: Path) -> None:
    with EngineClient(
        lambda: read_connection(tmp_path / "engine.json"), name="test", program="test 1"
    ) as client:
        with pytest.raises(EngineError) as caught:
            for _ in range(1001):
                client.request(Delete(job=JOB))
        assert caught.value.code == "too_many_requests"
