"""Worker and finisher side by side: who does what, and that neither troubles the other."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from protocol import replies, requests
from protocol.events import (
    ENDS,
    Cancelled,
    Done,
    Failed,
    Interrupted,
    Part,
    Progress,
)
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, RenderJob
from protocol.references import Stored
from protocol.requests import new_job_id
from tests.service.local import Local
from tests.service.peer import PATIENCE, Peer, Server

Serve = Callable[..., Local]
FINISH = FinishChoice()

SHAPE: dict[str, Any] = {"stage": "shape", "steps": 4, "seconds": 0.1}
BAKE: dict[str, Any] = {"stage": "bake", "steps": 4, "seconds": 0.1}
LONG_SHAPE: dict[str, Any] = {"stage": "shape", "steps": 2000, "seconds": 120}
LONG_BAKE: dict[str, Any] = {"stage": "bake", "steps": 2000, "seconds": 120}
SAVED = {"saved": True}
MESH, ASSET = {"part": "mesh"}, {"part": "asset"}


def made_in_two(*after: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a job that makes an asset and then does these."""
    return [SHAPE, MESH, SAVED, *after, ASSET]


def gpu(*jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """A script for a GPU; job n has the seed n."""
    return {"device": "cuda:0", "device_name": "Abacus", "jobs": list(jobs)}


def both_ready(serve: Serve, script: dict[str, Any], **options: Any) -> Local:
    """A service whose worker and finisher wait for jobs."""
    local = serve(script, device=script["device"], **options)
    staff = local.service._staff
    until(lambda: staff.worker.state == "warm")
    local.service._inbox.post(staff.finisher.start)
    until(lambda: staff.finisher.state == "warm")
    return local


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def submit(peer: Peer, seed: int, **more: Any) -> str:
    job = new_job_id()
    assert isinstance(peer.submit(job, seed=seed, finish=FINISH, **more), replies.Submitted)
    return job


def side_by_side(serve: Serve, first: list[Any], second: list[Any]) -> tuple[Local, Peer, str, str]:
    """A service whose finisher does the second half of one job while the worker does the other."""
    local = both_ready(serve, gpu(first, second))
    peer = local.peer()
    one, other = submit(peer, 0), submit(peer, 1)
    peer.event(Progress, other)
    assert not [event for event in peer.of(one) if isinstance(event, ENDS)]
    assert doing(local) == (other, one)
    return local, peer, one, other


def doing(local: Local) -> tuple[str, str]:
    """Jobs of worker and finisher."""
    staff = local.service._staff
    return staff.worker.job, staff.finisher.job


def stages(peer: Peer, job: str) -> list[str]:
    """In which steps were told, without repetitions."""
    seen: list[str] = []
    for event in peer.of(job):
        if isinstance(event, Progress) and seen[-1:] != [event.stage]:
            seen.append(event.stage)
    return seen


def ran(peer: Peer) -> dict[str, str]:
    return {row.id: row.state for row in peer.ask(requests.ListJobs()).rows}


def test_a_job_is_finished_while_the_next_one_is_made(serve: Serve) -> None:
    slow = {**BAKE, "steps": 20, "seconds": 1.0}
    local = both_ready(serve, gpu(made_in_two(slow), made_in_two(BAKE)))
    peer = local.peer()
    one, other = submit(peer, 0), submit(peer, 1)
    peer.event(Progress, other)
    # Both run, and it says so.
    assert set(ran(peer).values()) == {"running"}
    status = peer.ask(requests.GetStatus())
    assert (status.engine.worker, status.engine.job, status.finishing) == ("busy", other, one)
    peer.event(Done, one)
    peer.event(Done, other)
    order = [event.job for event in peer.events if isinstance(event, Progress | Done)]
    assert order.index(other) < max(i for i, job in enumerate(order) if job == one)
    for job in (one, other):
        events = peer.of(job)
        fractions = [event.fraction for event in events if isinstance(event, Progress)]
        assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
        elapsed = [event.elapsed for event in events if isinstance(event, Progress)]
        assert elapsed == sorted(elapsed)
        assert stages(peer, job) == ["shape", "bake"]
        assert [event.name for event in events if isinstance(event, Part)] == ["mesh", "asset"]
        done = events[-1]
        assert isinstance(done, Done) and done.seconds.keys() == {"shape", "bake"}
        row = peer.ask(requests.Attach(job=job)).row
        assert (row.state, row.parts) == ("done", ("mesh", "asset"))
        assert not [event for event in events if isinstance(event, Interrupted)]
    # What is remembered of the first is the whole of it, as of a job of the GPU.
    (total,) = [event.seconds for event in peer.of(one) if isinstance(event, Done)]
    profile, kept = "Abacus|generate|fake|fake", list[Any]()
    local.service._inbox.post(lambda: kept.append(local.service._store.history(profile)))
    until(lambda: kept)
    assert total["shape"] in kept[0]["shape"] and total["bake"] in kept[0]["bake"]
    assert total["bake"] > 0.9


def test_where_nothing_waits_the_worker_goes_on_by_itself(serve: Serve) -> None:
    local = serve(gpu(made_in_two(BAKE)))
    peer = local.peer()
    for _ in range(2):
        job = submit(peer, 0)
        assert peer.event(Done, job).seconds.keys() == {"shape", "bake"}
    staff = local.service._staff
    assert staff.two and not staff.finisher.pids and staff.finisher.state == "none"


def test_the_finisher_is_started_when_another_job_waits(serve: Serve) -> None:
    slow = {**SHAPE, "steps": 40, "seconds": 2.0}
    local = serve(gpu([slow, SAVED, LONG_BAKE], [LONG_SHAPE]))
    peer = local.peer()
    one, other = submit(peer, 0), submit(peer, 1)
    peer.event(Progress, one)
    peer.event(Progress, other)
    assert doing(local) == (other, one)


def test_a_busy_finisher_is_not_waited_for(serve: Serve) -> None:
    """Only one job is ahead: the worker finishes its own asset, and then takes the next."""
    local = both_ready(serve, gpu(made_in_two(LONG_BAKE), made_in_two(BAKE), [LONG_SHAPE]))
    peer = local.peer()
    one, other, third = (submit(peer, seed) for seed in range(3))
    peer.event(Progress, third)
    assert isinstance(peer.of(other)[-1], Done)
    assert doing(local) == (third, one)
    first = [event.job for event in peer.events if isinstance(event, Progress | Done)]
    assert first.index(third) > max(i for i, job in enumerate(first) if job == other)


@pytest.mark.parametrize("spec", [FinishJob, RenderJob])
def test_a_job_without_networks_overtakes_the_sampling(serve: Serve, spec: Any) -> None:
    local = serve(gpu([BAKE], [LONG_SHAPE]))
    peer = local.peer()
    source, long, behind, quick = submit(peer, 0), submit(peer, 1), submit(peer, 1), new_job_id()
    peer.event(Done, source)
    peer.event(Progress, long)
    peer.ask(requests.Submit(id=quick, job=spec(source=Stored(source))))
    peer.event(Done, quick)
    assert doing(local) == (long, "") and ran(peer)[behind] == "queued"


def test_a_worker_that_is_there_does_what_needs_no_networks(serve: Serve) -> None:
    local = serve(gpu([BAKE]))
    peer = local.peer()
    source, again = submit(peer, 0), new_job_id()
    peer.event(Done, source)
    peer.ask(requests.Submit(id=again, job=FinishJob(source=Stored(source))))
    peer.event(Done, again)
    assert not local.service._staff.finisher.pids
    # Once its memory was given back, it is not taken again for that.
    assert peer.ask(requests.ReleaseMemory()) == replies.Accepted()
    third = new_job_id()
    peer.ask(requests.Submit(id=third, job=FinishJob(source=Stored(source))))
    peer.event(Done, third)
    assert local.service._staff.worker.state == "none" and local.service._staff.finisher.pids


def test_the_finisher_that_dies_costs_only_its_half(serve: Serve) -> None:
    crash = {"crash": 9, "attempts": 1}
    local = both_ready(serve, gpu(made_in_two(BAKE, crash), [LONG_SHAPE]))
    peer = local.peer()
    one, other = submit(peer, 0), submit(peer, 1)
    assert peer.event(Interrupted, one).stage == "bake"
    done = peer.event(Done, one)
    assert done.seconds.keys() <= {"bake"}  # nothing was made once more
    assert doing(local) == (other, "")
    assert not [event for event in peer.of(other) if isinstance(event, Interrupted)]
    begun = [e for e in peer.of(other) if isinstance(e, Progress) and e.step == 0]
    assert len(begun) == 1


def test_a_job_that_kills_the_finisher_twice_has_failed(serve: Serve) -> None:
    local = both_ready(serve, gpu(made_in_two({"crash": 11}), [LONG_SHAPE]))
    peer = local.peer()
    one, other = submit(peer, 0), submit(peer, 1)
    assert peer.event(Failed, one).code == "worker_crashed"
    peer.event(Progress, other)
    assert ran(peer)[other] == "running"


def test_the_worker_that_dies_does_not_disturb_the_finisher(serve: Serve) -> None:
    slow = {**BAKE, "steps": 60, "seconds": 3.0}
    crash = {"crash": 9, "attempts": 1}
    _, peer, one, other = side_by_side(serve, made_in_two(slow), [SHAPE, crash, BAKE])
    assert peer.event(Interrupted, other).stage == "shape"
    assert peer.event(Done, other).seconds.keys() == {"bake"}
    assert peer.event(Done, one).seconds.keys() == {"shape", "bake"}
    assert not [event for event in peer.of(one) if isinstance(event, Interrupted)]


def test_what_was_saved_and_cannot_be_read_is_made_again(serve: Serve) -> None:
    lost = {"fail": {"code": "needs_networks", "message": "Damaged."}, "attempts": 1}
    _, peer, one, _ = side_by_side(serve, made_in_two(BAKE, lost), [LONG_SHAPE])
    peer.event(Interrupted, one)
    peer.event(Done, one)
    assert not [event for event in peer.of(one) if isinstance(event, Failed)]


def test_either_is_cancelled_alone(serve: Serve) -> None:
    local, peer, one, other = side_by_side(serve, made_in_two(LONG_BAKE), [LONG_SHAPE])
    peer.ask(requests.Cancel(job=one))
    assert peer.event(Cancelled, one).forced is False
    assert doing(local) == (other, "") and ran(peer)[other] == "running"
    peer.ask(requests.Cancel(job=other))
    assert peer.event(Cancelled, other).forced is False
    assert doing(local) == ("", "")


def test_the_worker_is_cancelled_alone(serve: Serve) -> None:
    local, peer, one, other = side_by_side(serve, made_in_two(LONG_BAKE), [LONG_SHAPE])
    peer.ask(requests.Cancel(job=other))
    assert peer.event(Cancelled, other).forced is False
    assert doing(local) == ("", one) and ran(peer)[one] == "running"
    status = peer.ask(requests.GetStatus())
    assert (status.engine.worker, status.engine.job, status.finishing) == ("busy", one, one)
    # The device is not needed any more, and the finisher does not have it.
    assert peer.ask(requests.ReleaseMemory()) == replies.Accepted()
    assert doing(local) == ("", one)
    assert local.service._staff.worker.pids == []


def test_a_finisher_that_hears_nothing_is_killed(serve: Serve) -> None:
    deaf = made_in_two(BAKE, {"hang": 3600})
    local, peer, one, other = side_by_side(serve, deaf, [LONG_SHAPE])
    peer.until(lambda: stages(peer, one) == ["shape", "bake"])
    peer.pump(0.5)
    assert peer.ask(requests.ReleaseMemory()).code == "engine_busy"
    peer.ask(requests.Cancel(job=one))
    assert peer.event(Cancelled, one).forced is True
    assert doing(local) == (other, "")


def test_without_a_finisher_that_works_the_worker_does_all(serve: Serve) -> None:
    local = both_ready(serve, gpu(made_in_two(BAKE)))
    peer, finisher = local.peer(), local.service._staff.finisher
    local.service._inbox.post(
        lambda: finisher.release(lambda: setattr(finisher, "state", "broken"))
    )
    until(lambda: finisher.state == "broken")
    # Whoever submits a job has it tried once more; here it stays broken.
    finisher.forgive = lambda: None
    one, again = submit(peer, 0), new_job_id()
    peer.event(Done, one)
    peer.ask(requests.Submit(id=again, job=FinishJob(source=Stored(one))))
    peer.event(Done, again)
    assert finisher.pids == []


def test_both_are_finished_before_the_service_leaves(serve: Serve) -> None:
    slow = {**BAKE, "steps": 20, "seconds": 1.0}
    local, peer, one, other = side_by_side(serve, made_in_two(slow), made_in_two(BAKE))
    waits = submit(peer, 1)
    peer.ask(requests.Shutdown(wait=True))
    peer.event(Done, one)
    peer.event(Done, other)
    local.thread.join(PATIENCE)
    assert not local.thread.is_alive()
    assert not [event for event in peer.of(waits) if isinstance(event, Progress)]


def test_both_are_interrupted_and_resume(spawn: Callable[..., Server]) -> None:
    long = {**SHAPE, "steps": 60, "seconds": 3.0}
    slow = {**BAKE, "steps": 60, "seconds": 3.0}
    server = spawn(gpu([long, SAVED, slow], [long, SAVED, BAKE]))
    peer = server.peer()
    one, other = submit(peer, 0), submit(peer, 1)
    peer.event(Progress, other)
    peer.until(lambda: stages(peer, one) == ["shape", "bake"])
    server.kill()
    server.start()
    peer = server.peer()
    assert ran(peer) == {one: "interrupted", other: "interrupted"}
    for job in (other, one):
        assert isinstance(peer.ask(requests.Retry(job=job, id=job)), replies.Submitted)
        peer.ask(requests.Attach(job=job))
    # It needs no networks any more, so it does not wait for the other one.
    assert peer.event(Done, one).seconds.keys() <= {"bake"}
    assert "shape" not in stages(peer, one)
    peer.event(Done, other)
    peer.ask(requests.Shutdown(wait=False))
    assert server.ended()[0] == 0


def test_on_a_processor_there_is_one_worker(serve: Serve) -> None:
    slow = {**BAKE, "steps": 20, "seconds": 1.0}
    local = serve({"jobs": [made_in_two(slow), made_in_two(BAKE)]})
    peer = local.peer()
    one, other, again = submit(peer, 0), submit(peer, 1), new_job_id()
    peer.event(Progress, one)
    peer.ask(requests.Submit(id=again, job=FinishJob(source=Stored(one))))
    peer.event(Done, again)
    order = [e.job for e in peer.events if isinstance(e, Progress | Done)]
    assert [job for i, job in enumerate(order) if order[i - 1 : i] != [job]] == [one, other, again]
    assert peer.ask(requests.GetStatus()).finishing == ""
    assert not local.service._staff.finisher.pids
