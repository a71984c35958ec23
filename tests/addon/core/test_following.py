"""What is told of a job, without an engine: estimates, order, and what came too late."""

from blender_addon.core.deliveries import Target
from blender_addon.core.following import Followed, Following
from blender_addon.core.snapshot import JobView
from blender_addon.protocol import events, replies


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def progress(step: int, eta: float | None, stage: str = "shape") -> events.Progress:
    fraction = step / 10
    return events.Progress(
        job="j", stage=stage, step=step, steps=10, fraction=fraction, elapsed=float(step), eta=eta
    )


def following() -> tuple[Following, Clock, list[Followed]]:
    clock, ended = Clock(), []
    jobs = Following(clock, lambda job, name: None, ended.append)
    jobs.add(Followed(id="j", title="chair", target=Target(), state="queued"))
    return jobs, clock, ended


def view(jobs: Following) -> JobView:
    return jobs.views()[0]


def test_what_is_left_never_grows() -> None:
    jobs, clock, _ = following()
    told = [None, 50.0, 60.0, 55.0, 30.0, 80.0, 5.0, None, 4.0]
    seen: list[float] = []
    for step, eta in enumerate(told):
        jobs.take(progress(step, eta))
        for _ in range(3):
            clock.now += 0.4
            if (left := view(jobs).eta) is not None:
                seen.append(left)
    assert seen and seen == sorted(seen, reverse=True)


def test_an_estimate_that_is_over_is_unknown_and_not_zero_for_ever() -> None:
    jobs, clock, _ = following()
    jobs.take(progress(1, 5.0))
    assert view(jobs).eta == 6.0 or view(jobs).eta == 5.0
    clock.now += 6
    jobs.take(progress(2, 60.0))
    assert view(jobs).eta is None


def test_a_fraction_never_goes_back_but_a_new_attempt_begins_at_nothing() -> None:
    jobs, _, _ = following()
    jobs.take(progress(5, 5.0))
    jobs.take(progress(3, 5.0))
    assert view(jobs).fraction == 0.5
    jobs.take(events.Queued(job="j", position=0))
    jobs.take(progress(1, 30.0))
    assert view(jobs).fraction == 0.1
    assert view(jobs).eta is not None and view(jobs).eta > 25  # pyright: ignore[reportOptionalOperand]


def test_the_view_changes_once_a_second_between_events() -> None:
    jobs, clock, _ = following()
    jobs.take(progress(1, None))
    before = view(jobs)
    clock.now += 0.3
    assert view(jobs) == before
    clock.now += 1.0
    assert view(jobs).elapsed == before.elapsed + 1


def test_events_after_the_end_change_nothing() -> None:
    jobs, _, ended = following()
    jobs.take(events.Done(job="j", seconds={}))
    jobs.take(progress(1, 5.0))
    jobs.take(events.Failed(job="j", code="x", message="m", hint="h"))
    assert view(jobs).state == "fetching" and len(ended) == 1
    jobs.take(events.Done(job="other", seconds={}))
    assert len(ended) == 1


def test_a_snapshot_tells_what_was_missed() -> None:
    jobs, _, ended = following()
    failure = events.Failed(job="j", code="memory", message="The memory is full.", hint="Draft.")
    row = replies.JobRow(
        id="j",
        kind="generate",
        client="me",
        title="chair",
        state="failed",
        priority="interactive",
        created=1.0,
        failure=failure,
    )
    from blender_addon.protocol.jobs import GenerateJob
    from blender_addon.protocol.references import Attached

    job = GenerateJob(picture=Attached("picture"))
    notes = (events.Note(sentence="Seen."), events.Note(sentence="Hidden.", level="detail"))
    jobs.take_snapshot(replies.JobSnapshot(row=row, job=job, notes=notes))
    assert (view(jobs).state, view(jobs).problem) == ("failed", "The memory is full.")
    assert view(jobs).notes == ("Seen.",) and len(ended) == 1


def test_done_jobs_make_room_for_new_ones() -> None:
    jobs, _, _ = following()
    found = jobs.get("j")
    assert found is not None
    found.state = "done"
    jobs.add(Followed(id="k", title="", target=None))
    assert [job.id for job in jobs.views()] == ["k"]
