"""What becomes of a job between worker and finisher, without processes."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.pipe.messages import NEEDS_NETWORKS, Ready, Saved, Setup, Started
from engine.service.inbox import Inbox
from engine.service.job_queue import JobQueue
from engine.service.records import JobRecord, NewJob
from engine.service.running import Running
from engine.service.running_job import RunningJob
from engine.service.staff import Staff
from engine.service.store import Store
from engine.service.workers import Supervisor
from protocol.events import (
    Done,
    Failed,
    Progress,
)
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob
from protocol.plain import to_dict
from protocol.references import Attached
from protocol.stages import Overall

FINISH = FinishChoice()


class Recorder:
    """A supervisor, as far as a saved asset has to do with it."""

    def __init__(self, job: str, *, free: bool) -> None:
        self.job, self.free = job, free
        self.device = None
        self.answers: list[bool] = []
        self.runs: list[Any] = []

    def hand_over(self, accepted: bool) -> None:
        self.answers.append(accepted)
        self.job = "" if accepted else self.job

    def run(self, command: Any, *, hidden: Any) -> None:
        self.runs.append(command)
        self.job, self.free = command.job, False


@pytest.mark.parametrize(
    "but", ["", "cancelled", "held", "disk full", "nothing waits", "finisher busy", "ended"]
)
def test_when_a_saved_asset_goes_to_the_finisher(tmp_path: Path, but: str) -> None:
    store = Store(tmp_path / "home")
    running = Running(store, JobQueue(store), lambda event, job: None, lambda: None)
    spec = GenerateJob(picture=Attached("p"))
    for job in ("a" * 32, "b" * 32)[: 1 if but == "nothing waits" else 2]:
        store.add(NewJob(id=job, spec=spec, finish=FINISH))
    made = "a" * 32
    store.begin(made)
    running._jobs[made] = RunningJob(
        store.job(made), device="", fresh=True, cancelling=but == "cancelled"
    )
    staff: Any = SimpleNamespace(
        worker=Recorder("" if but == "ended" else made, free=False),
        finisher=Recorder("other" if but == "finisher busy" else "", free=but != "finisher busy"),
        two=True,
        to_finisher=False,
    )
    running.on_worker_event(Saved(job=made, seconds={"shape": 2.0}))
    if but == "disk full":
        running._unsaved.append(lambda: None)
    running.hold = but == "held"
    running._answer(staff)
    accepted = not but
    assert staff.worker.answers == ([] if but == "ended" else [accepted])
    assert [run.half for run in staff.finisher.runs] == ["second"] * accepted
    assert running._jobs[made].beside is accepted
    store.close()


@pytest.mark.parametrize(("cancelled", "state"), [(True, "cancelled"), (False, "queued")])
def test_what_cannot_be_read_is_made_again_unless_it_was_cancelled(
    tmp_path: Path, cancelled: bool, state: str
) -> None:
    store = Store(tmp_path / "home")
    running = Running(store, JobQueue(store), lambda event, job: None, lambda: None)
    job = "a" * 32
    store.add(NewJob(id=job, spec=GenerateJob(picture=Attached("p")), finish=FINISH))
    store.begin(job)
    running._jobs[job] = RunningJob(
        store.job(job), device="", fresh=True, beside=True, cancelling=cancelled
    )
    lost = Failed(job=job, code=NEEDS_NETWORKS, message="Damaged.", hint="Run it again.")
    running.on_worker_event(lost)
    assert store.job(job).state == state
    store.close()


@pytest.mark.parametrize("first", ["made", "finished"])
def test_what_the_finisher_does_holds_nothing_up(tmp_path: Path, first: str) -> None:
    """Seconds until jobs are done."""
    store = Store(tmp_path / "home")
    running = Running(store, JobQueue(store), lambda event, job: None, lambda: None)
    made, finished, waits = "a" * 32, "b" * 32, "c" * 32
    for job in (made, finished, waits):
        store.add(NewJob(id=job, spec=GenerateJob(picture=Attached("p")), profile="rough"))
    begun = [(finished, 50.0), (made, 20.0)]
    for job, eta in begun if first == "finished" else reversed(begun):
        store.begin(job)
        progress = Progress(stage="bake", step=0, steps=1, fraction=0, elapsed=1, eta=eta)
        running._jobs[job] = RunningJob(
            store.job(job), device="", fresh=True, beside=job == finished, progress=progress
        )
    assert running.etas() == {made: 20.0, finished: 50.0}
    store.begin(waits)
    store.end(waits, "done", costs={"rough": {"total": 7.0}})
    later = "d" * 32
    store.add(NewJob(id=later, spec=GenerateJob(picture=Attached("p")), profile="rough"))
    assert running.etas() == {made: 20.0, finished: 50.0, later: 27.0}
    store.close()


def test_what_is_told_of_two_halves_is_what_one_worker_would_tell() -> None:
    every = ("structure", "shape", "saving", "clean", "bake")
    record: Any = object.__new__(JobRecord)
    vars(record).update(spec=GenerateJob(picture=Attached("p")), finish=FINISH, kind="generate")
    vars(record).update(profile="rough")
    job = RunningJob(record, device="Abacus", fresh=True)
    job.started(Started(job="j", route="whole", stages=every), lambda profile: {})
    whole, half, told = Overall(every), Overall(every), list[float]()
    expected: list[float] = []
    for number, stage in enumerate(every):
        if stage == "clean":
            job.hand_over(dict.fromkeys(every[:3], 2.0))
            job.started(Started(job="j", route="resumed", stages=every[3:]), lambda profile: {})
            half = Overall(every[3:])
        for step in range(3):
            elapsed = 2.0 * (number if number < 3 else number - 3) + step
            event = Progress(
                stage=stage, step=step, steps=2, elapsed=elapsed,
                fraction=half.update(stage, step, 2),
            )  # fmt: skip
            event = job.moved(event)
            told.append(event.fraction)
            expected.append(whole.update(stage, step, 2))
            assert event.elapsed == 2.0 * number + step
    assert told == pytest.approx(expected)
    done = job.whole(Done(seconds=dict.fromkeys(every[3:], 2.0)))
    assert done.seconds == dict.fromkeys(every, 2.0)
    costs = job.costs(done.seconds)
    assert set(costs) == {"Abacus|generate||whole", "Abacus|any|", "rough"}
    assert costs["rough"] == {"total": 10.0}


def hiring(inbox: Inbox) -> Callable[[Setup, str], Supervisor]:
    listener: Any = None

    def hire(setup: Setup, name: str) -> Supervisor:
        return Supervisor(("nothing",), setup, inbox, listener, name=name)

    return hire


@pytest.mark.parametrize(
    ("ready", "two"),
    [
        (None, False),
        (Ready(device="cpu"), False),
        (Ready(device="mps"), False),
        (Ready(device="cuda:1"), True),
        (Ready(device="xpu:0"), False),
        (Ready(device="cuda", problem="It is too old."), False),
    ],
)
def test_which_devices_have_a_finisher(ready: Ready | None, two: bool) -> None:
    inbox = Inbox()
    staff = Staff(hiring(inbox), Setup(home="h", models="m", device="cuda"), finisher=None)
    staff.worker.device = ready
    assert staff.two is two
    staff.finisher.state = "broken"  # then the worker does all
    assert not staff.two
    inbox.close()


def test_the_finisher_is_told_to_leave_the_device_alone() -> None:
    inbox = Inbox()
    setup = Setup(home="h", models="m", device="cuda:1", offline=True)
    staff = Staff(hiring(inbox), setup, finisher=None)
    told: dict[str, Supervisor] = {"worker": staff.worker, "finisher": staff.finisher}
    assert told["worker"]._setup == setup
    finisher = to_dict(told["finisher"]._setup)
    assert finisher == {**to_dict(setup), "device": "cpu", "networks": False}
    inbox.close()
