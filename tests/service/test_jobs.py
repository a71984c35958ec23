"""Jobs of clients, from submit to their last event."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol import replies, requests
from protocol.client import EngineClient
from protocol.errors import EngineError
from protocol.events import (
    ENDS,
    Cancelled,
    Done,
    Failed,
    Interrupted,
    Note,
    Part,
    Progress,
    Queued,
)
from protocol.jobs import FinishJob, GenerateJob, TextureJob, UpscaleJob
from protocol.parts import check_part
from protocol.references import Attached, File, Stored
from protocol.wire import Shaped
from tests.service.local import Local
from tests.service.peer import PNG, Peer

Serve = Callable[..., Local]
QUICK: list[dict[str, Any]] = [{"stage": "shape", "steps": 4, "seconds": 0.02}]
SLOW: list[dict[str, Any]] = [{"stage": "shape", "steps": 1000, "seconds": 60}]


def job_id() -> str:
    return secrets.token_hex(16)


def fetched(peer: Peer, job: str, name: str, chunk: int = 65536) -> tuple[Any, bytes]:
    """A whole part, three chunks at a time."""
    head = peer.ask(requests.FetchPart(job=job, name=name))
    data = bytearray()
    while len(data) < head.size:
        peer.chunks.clear()
        request = requests.FetchPart(job=job, name=name, offset=len(data), chunk=chunk, credit=3)
        peer.ask(request)
        wanted = min(3, -(-(head.size - len(data)) // chunk))
        peer.until(lambda wanted=wanted: len(peer.chunks) == wanted)
        for received in peer.chunks:
            assert isinstance(received.message, replies.PartChunk)
            assert received.message.offset == len(data)
            data += received.buffers["data"].data
    return head, bytes(data)


def test_a_job_from_submit_to_its_parts(serve: Serve) -> None:
    steps = [
        {"print": "a library prints\n"},
        {"memory": 5000},
        *QUICK,
        {"note": "The picture is small."},
        {"part": "mesh", "faces": 20000},
        {"part": "thumbnail"},
    ]
    peer = serve({"jobs": [steps]}).peer()
    job = job_id()
    submitted = peer.submit(job, title="chair")
    assert submitted == replies.Submitted(job=job, position=0)
    assert peer.event(Done, job).seconds.keys() == {"shape"}
    events = peer.of(job)
    assert isinstance(events[0], Queued)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.step for event in progress] == [0, 1, 2, 3, 4]
    assert progress[-1].memory == 5000
    kinds = [type(event) for event in events if not isinstance(event, Progress)]
    assert kinds == [Queued, Note, Part, Part, Done]
    head, data = fetched(peer, job, "mesh")
    assert hashlib.sha256(data).hexdigest() == head.sha256
    check_part(head.layout, data)
    assert head.path == ""
    by_file = peer.ask(requests.FetchPart(job=job, name="mesh", by_file=True))
    with open(by_file.path, "rb") as file:
        assert file.read() == data
    (row,) = peer.ask(requests.ListJobs()).rows
    assert (row.state, row.title, row.fraction) == ("done", "chair", 1.0)
    assert row.parts == ("mesh", "thumbnail") and row.bytes > len(data)


def test_what_came_with_a_job_reaches_the_worker(serve: Serve) -> None:
    local = serve({"jobs": [QUICK]})
    peer = local.peer()
    job = job_id()
    peer.submit(job)
    peer.event(Done, job)
    (file,) = (local.home / "assets" / job / "inputs").iterdir()
    assert file.read_bytes() == PNG + job.encode()


def test_submitting_twice_runs_once(serve: Serve) -> None:
    peer = serve({"jobs": [QUICK]}).peer()
    job = job_id()
    for _ in range(3):
        assert isinstance(peer.submit(job), replies.Submitted)
    peer.event(Done, job)
    assert isinstance(peer.submit(job), replies.Submitted)
    peer.pump(0.3)
    assert sum(isinstance(event, Done) for event in peer.events) == 1
    assert len(peer.ask(requests.ListJobs()).rows) == 1


def test_a_job_without_its_picture_is_refused(serve: Serve) -> None:
    peer = serve({"jobs": [QUICK]}).peer()
    job = GenerateJob(picture=Attached("picture"))
    refused = peer.ask(requests.Submit(id=job_id(), job=job))
    assert refused.code == "attachment_missing"
    missing = FinishJob(source=Stored(job_id()))
    assert peer.ask(requests.Submit(id=job_id(), job=missing)).code == "source_missing"
    texture = TextureJob(mesh=Attached("mesh"), picture=Attached("picture"))
    buffers = {
        "mesh.position": Shaped(bytes(36), "float32", (3, 3)),
        "picture": Shaped(bytes(16), "uint8", (2, 2, 4)),
    }
    accepted = peer.ask(requests.Submit(id=job_id(), job=texture), buffers)
    assert isinstance(accepted, replies.Submitted)


def test_two_clients_see_one_job(serve: Serve) -> None:
    local = serve({"jobs": [[{"stage": "shape", "steps": 20, "seconds": 1.0}]]})
    first, second, third = local.peer(name="one"), local.peer(name="two"), local.peer()
    job = job_id()
    first.submit(job)
    first.event(Progress, job)
    snapshot = second.ask(requests.Attach(job=job))
    assert snapshot.row.state == "running" and snapshot.row.client == "one"
    assert isinstance(snapshot.job, GenerateJob)
    second.event(Done, job)
    first.event(Done, job)
    third.pump(0.1)
    assert third.of(job) == []


def test_a_job_that_fails_and_is_tried_again(serve: Serve) -> None:
    failure = {"code": "out_of_memory", "message": "Too little memory.", "hint": "Lower it."}
    local = serve({"jobs": [[*QUICK, {"fail": failure}], QUICK]})
    peer = local.peer()
    job, again, later = job_id(), job_id(), job_id()
    peer.submit(job, seed=0)
    assert peer.event(Failed, job) == Failed(job=job, **failure)
    peer.ask(requests.ListJobs())
    changed = GenerateJob(picture=Attached("picture"), seed=1)
    accepted = peer.ask(requests.Retry(job=job, id=again, changed=changed))
    assert isinstance(accepted, replies.Submitted)
    peer.event(Done, again)
    rows = peer.ask(requests.ListJobs()).rows
    assert [(row.state, row.retry_of) for row in rows] == [("done", job), ("failed", "")]
    assert rows[1].failure == Failed(job=job, **failure)
    folder = local.home / "assets" / again / "inputs"
    assert [file.read_bytes() for file in folder.iterdir()] == [PNG + job.encode()]
    wrong = GenerateJob(picture=Attached("other"), seed=1)
    refused = peer.ask(requests.Retry(job=job, id=later, changed=wrong))
    assert refused.code == "attachment_missing"
    assert peer.ask(requests.Retry(job=job, id=job)).code == "job_not_interrupted"


def test_cancel_of_a_job_that_waits_and_of_one_that_runs(serve: Serve) -> None:
    peer = serve({"jobs": [SLOW, QUICK]}).peer()
    running, waiting, after = job_id(), job_id(), job_id()
    peer.submit(running, seed=0)
    peer.event(Progress, running)
    assert peer.submit(waiting, seed=1).position == 1
    peer.submit(after, seed=1)
    assert peer.ask(requests.Cancel(job=waiting)) == replies.Accepted()
    assert peer.event(Cancelled, waiting) == Cancelled(job=waiting, forced=False)
    peer.ask(requests.Cancel(job=running))
    assert peer.event(Cancelled, running).forced is False
    peer.event(Done, after)
    assert peer.ask(requests.Cancel(job=running)).code == "job_ended"
    for job in (running, waiting, after):
        assert sum(isinstance(event, ENDS) for event in peer.of(job)) == 1


def test_a_worker_that_does_not_hear_is_killed_and_the_next_job_works(serve: Serve) -> None:
    peer = serve({"jobs": [[*QUICK, {"hang": 3600}], QUICK]}).peer()
    deaf, after = job_id(), job_id()
    peer.submit(deaf, seed=0)
    peer.until(lambda: any(isinstance(e, Progress) and e.step == 4 for e in peer.of(deaf)))
    peer.submit(after, seed=1)
    peer.pump(0.5)  # until it is deaf
    peer.ask(requests.Cancel(job=deaf))
    assert peer.event(Cancelled, deaf).forced is True
    peer.event(Done, after)


@pytest.mark.parametrize("fault", [{"crash": 9}, {"exit": 7}, {"torn": 1}, {"garbage": "nonsense"}])
def test_a_crash_is_told_and_the_job_resumes(serve: Serve, fault: dict[str, Any]) -> None:
    second = {"stage": "texture", "steps": 2, "seconds": 0.02}
    peer = serve({"jobs": [[*QUICK, {**fault, "attempts": 1}, second]]}).peer()
    job = job_id()
    peer.submit(job)
    assert peer.event(Interrupted, job).stage == "shape"
    done = peer.event(Done, job)
    assert done.seconds.keys() == {"texture"}  # the other one was kept
    stages = [event.stage for event in peer.of(job) if isinstance(event, Progress)]
    assert stages == ["shape"] * 5 + ["texture"] * 3


def test_a_job_that_crashes_its_worker_twice_has_failed(serve: Serve) -> None:
    peer = serve({"jobs": [[{"crash": 9}], QUICK]}).peer()
    job, after = job_id(), job_id()
    peer.submit(job, seed=0)
    peer.submit(after, seed=1)
    failed = peer.event(Failed, job)
    assert failed.code == "worker_crashed" and "memory" in failed.message
    peer.event(Done, after)


def test_reorder_pin_and_delete(serve: Serve) -> None:
    local = serve({"jobs": [SLOW, QUICK]})
    peer = local.peer()
    running, *waiting = [job_id() for _ in range(4)]
    peer.submit(running, seed=0)
    peer.event(Progress, running)
    for job in waiting:
        peer.submit(job, seed=1)
    peer.ask(requests.Reorder(job=waiting[2], before=waiting[0]))
    rows = {row.id: row for row in peer.ask(requests.ListJobs(states=("queued",))).rows}
    assert [rows[job].position for job in waiting] == [2, 3, 1]
    assert peer.ask(requests.Delete(job=waiting[0])).code == "job_needed"
    peer.ask(requests.Cancel(job=running))
    for job in waiting:
        peer.event(Done, job)
    order = [event.job for event in peer.events if isinstance(event, Done)]
    assert order == [waiting[2], waiting[0], waiting[1]]
    peer.ask(requests.Pin(job=waiting[0]))
    assert peer.ask(requests.ListJobs(limit=2, after=waiting[1])).rows[0].pinned
    peer.ask(requests.Delete(job=waiting[0]))
    assert waiting[0] not in {row.id for row in peer.ask(requests.ListJobs()).rows}
    assert peer.ask(requests.FetchPart(job=waiting[0], name="mesh")).code == "job_unknown"
    peer.until(lambda: not (local.home / "assets" / waiting[0]).exists())


def test_a_finish_waits_for_its_source_and_fails_with_it(serve: Serve) -> None:
    peer = serve({"jobs": [SLOW]}).peer()
    source, finish = job_id(), job_id()
    peer.submit(source, seed=0)
    peer.event(Progress, source)
    peer.ask(requests.Submit(id=finish, job=FinishJob(source=Stored(source))))
    peer.ask(requests.Cancel(job=source))
    assert peer.event(Failed, finish).code == "source_missing"


def test_a_part_that_is_not_whole_is_told(serve: Serve) -> None:
    peer = serve({"jobs": [[{"part": "asset", "cut": True}, {"part": "thumbnail"}]]}).peer()
    job = job_id()
    peer.submit(job)
    assert "The part asset was lost" in peer.event(Note, job).sentence
    peer.event(Done, job)
    assert [event.name for event in peer.of(job) if isinstance(event, Part)] == ["thumbnail"]
    assert peer.ask(requests.FetchPart(job=job, name="asset")).code == "part_unknown"


def test_notes_come_back_to_those_who_attach_later(serve: Serve) -> None:
    peer = serve({"jobs": [[{"note": "One."}, {"note": "Two."}]]}).peer()
    job = job_id()
    peer.submit(job)
    peer.event(Done, job)
    snapshot = peer.ask(requests.Attach(job=job))
    assert [note.sentence for note in snapshot.notes] == ["One.", "Two."]


def test_the_status_and_the_memory_that_is_given_back(serve: Serve) -> None:
    peer = serve({"jobs": [QUICK, SLOW], "device_name": "Abacus"}).peer()
    assert peer.welcome.status.worker == "none"
    job, busy = job_id(), job_id()
    peer.submit(job)
    peer.event(Done, job)
    status = peer.ask(requests.GetStatus())
    assert (status.engine.worker, status.engine.device_name) == ("warm", "Abacus")
    assert status.engine.checkpoint == "fake" and status.results > 0
    assert peer.ask(requests.ReleaseMemory()) == replies.Accepted()
    assert peer.ask(requests.GetStatus()).engine.worker == "none"
    peer.submit(busy, seed=1)
    peer.event(Progress, busy)
    assert peer.ask(requests.ReleaseMemory()).code == "engine_busy"
    peer.ask(requests.Cancel(job=busy))


def test_every_request_has_an_answer() -> None:
    from engine.service.requests import Desk
    from protocol.messages import REQUESTS

    parts: dict[str, Any] = {}
    names = ("house", "store", "queue", "running", "staff", "admission", "submitting", "helper")
    parts.update(dict.fromkeys((*names, "disk")))
    desk = Desk(**parts)
    assert set(desk._handlers) | {requests.Hello, requests.Pair} == set(REQUESTS.values())


def test_files_of_this_machine_may_be_named_from_here(serve: Serve, tmp_path: Path) -> None:
    peer = serve({"jobs": [QUICK]}).peer()
    job = job_id()
    picture = tmp_path / "secret name.png"
    submit = requests.Submit(id=job, job=GenerateJob(picture=File(str(picture))))
    refused = peer.ask(submit)
    assert refused.code == "file_absent" and "does not exist" in refused.message
    assert peer.ask(requests.ListJobs()).rows == ()
    picture.write_bytes(PNG)
    assert isinstance(peer.ask(submit), replies.Submitted)
    peer.event(Done, job)
    changed = replace(submit, id=job_id())
    assert isinstance(peer.ask(changed), replies.Submitted)


def test_jobs_are_found_by_the_picture_they_were_made_from(serve: Serve) -> None:
    peer = serve({"jobs": [[]]}).peer()
    a, b, c, d, e = (requests.new_job_id() for _ in range(5))
    data = PNG + a.encode()
    sha = hashlib.sha256(data).hexdigest()
    peer.submit(a, title="Chair")
    peer.submit(b, picture_sha256=sha)  # a corrected copy of the same picture
    peer.submit(c)
    peer.event(Done, a)
    upscale = UpscaleJob(source=Stored(a))
    peer.ask(requests.Submit(id=d, job=upscale))
    peer.event(Done, c)
    peer.ask(requests.Retry(job=a, id=e))

    def found(**how: Any) -> set[str]:
        return {row.id for row in peer.ask(requests.ListJobs(**how)).rows}

    assert found(picture_sha256=sha) == {a, b, d, e}
    assert found(search="chair") == {a, e}
    assert found(search="upscale") == {d}
    rows = {row.id: row.picture_sha256 for row in peer.ask(requests.ListJobs()).rows}
    assert rows[c] and rows[c] != sha
    assert peer.ask(requests.Attach(job=d)).row.picture_sha256 == sha
    with pytest.raises(EngineError, match="picture_sha256"):
        requests.ListJobs(picture_sha256="xyz")


def test_a_client_that_closes_counts_no_longer(serve: Serve) -> None:
    local = serve({})
    peer = local.peer()
    client = EngineClient(lambda: local.service.connection, name="guest", program="tests")
    client.ask(requests.GetStatus())
    assert peer.ask(requests.GetStatus()).engine.clients == 2
    client.close()
    peer.until(lambda: peer.ask(requests.GetStatus()).engine.clients == 1, patience=2.0)
