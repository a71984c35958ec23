"""Starting, watching and ending workers, without a service around them."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.pipe.messages import Event, Run, Setup
from engine.service.child import how_it_ended
from engine.service.inbox import Inbox
from engine.service.workers import Patience, Supervisor
from protocol.events import Cancelled, Done, Progress
from protocol.jobs import GenerateJob
from protocol.references import Attached
from tests.service.peer import PATIENCE, gone

Bench = Callable[..., "Listening"]


class Listening:
    """A supervisor and all that it told."""

    def __init__(self, folder: Path, script: dict[str, Any], patience: Patience) -> None:
        file = folder / "script.json"
        file.write_text(json.dumps(script))
        self.folder = folder
        self.inbox = Inbox()
        self.events: list[Event] = []
        self.crashes: list[tuple[str, str]] = []
        self.changes = 0
        self.ahead = 0.0
        self.worker = Supervisor(
            (sys.executable, "-m", "engine.service.fake", str(file)),
            Setup(home=str(folder), models=str(folder)),
            self.inbox,
            self,
            patience=patience,
            clock=lambda: time.monotonic() + self.ahead,
        )

    def on_worker_event(self, event: Event) -> None:
        self.events.append(event)

    def on_crash(self, job: str, sentence: str) -> None:
        self.crashes.append((job, sentence))

    def on_worker_change(self) -> None:
        self.changes += 1

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, (self.worker.state, self.events, self.crashes)
            self.inbox.run()
            self.worker.tick()
            time.sleep(0.005)

    def ready(self) -> None:
        self.until(lambda: self.worker.start() or self.worker.free)

    def run(self, seed: int = 0) -> None:
        spec = GenerateJob(picture=Attached("picture"), seed=seed)
        self.worker.run(Run(job="j", spec=spec, folder=str(self.folder)))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made: list[Listening] = []

    def make(script: dict[str, Any], **patience: float) -> Listening:
        made.append(Listening(tmp_path, script, Patience(**patience)))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield make
    for listening in made:
        listening.worker.close()
        # Threads that still tell of the end must not be held up.
        listening.inbox.run()
        listening.inbox.close()


SLOW = [{"stage": "shape", "steps": 1000, "seconds": 60}]


def test_a_worker_starts_runs_and_is_ended_when_idle(bench: Bench) -> None:
    listening = bench({"jobs": [[{"stage": "shape"}]]}, idle=100)
    worker = listening.worker
    assert worker.state == "none" and not worker.free
    listening.ready()
    (pid,) = worker.pids
    listening.until(lambda: worker.state == "warm")
    listening.run()
    assert worker.state == "busy"
    listening.until(lambda: not worker.job)
    assert isinstance(listening.events[-1], Done)
    listening.ahead = 50
    listening.worker.tick()
    assert worker.state == "warm"
    listening.ahead = 200
    listening.until(lambda: worker.state == "none")
    assert gone([pid], PATIENCE) and not listening.crashes


def test_a_device_that_cannot_be_used_is_a_sentence_and_is_not_warmed(bench: Bench) -> None:
    """Jobs are taken all the same: some need no device."""
    listening = bench(
        {"device_problem": "The device cuda:7 cannot be used. Give cpu.", "jobs": [[]]}
    )
    worker = listening.worker
    worker.start()
    listening.until(lambda: worker.free)
    assert worker.sentence == "The device cuda:7 cannot be used. Give cpu."
    listening.run()
    listening.until(lambda: not worker.job)
    assert isinstance(listening.events[-1], Done)
    assert (worker.state, worker.checkpoint) == ("warm", "")


def test_a_cancel_is_heard(bench: Bench) -> None:
    listening = bench({"jobs": [SLOW]})
    listening.ready()
    listening.run()
    listening.until(lambda: any(isinstance(e, Progress) for e in listening.events))
    listening.worker.cancel()
    listening.until(lambda: not listening.worker.job)
    assert listening.events[-1] == Cancelled(job="j", forced=False)
    assert listening.worker.free


def test_a_cancel_that_is_not_heard_becomes_force(bench: Bench) -> None:
    listening = bench({"jobs": [[{"stage": "shape"}, {"hang": 3600}]]}, cancel=2.0)
    listening.ready()
    (pid,) = listening.worker.pids
    listening.run()
    listening.until(lambda: any(isinstance(e, Progress) and e.step for e in listening.events))
    time.sleep(0.5)  # until it is deaf
    start = time.monotonic()
    listening.worker.cancel()
    listening.until(lambda: not listening.worker.job)
    assert time.monotonic() - start >= 1.9
    assert listening.events[-1] == Cancelled(job="j", forced=True)
    assert gone([pid], PATIENCE) and not listening.crashes
    listening.until(lambda: not listening.worker.pids)
    listening.ready()


def test_crashes_are_backed_off_and_then_the_breaker_opens(bench: Bench) -> None:
    listening = bench({"start": "crash"}, back_off=0.01, back_off_most=0.02, crashes=5)
    worker = listening.worker
    listening.until(lambda: worker.start() or worker.state == "broken")
    assert len(listening.crashes) == 5
    assert "5 times" in worker.sentence and "status 3" in worker.sentence
    worker.start()
    assert worker.pids == []
    worker.forgive()
    assert worker.state == "none" and worker.sentence == ""
    listening.until(lambda: worker.start() or worker.state == "broken")
    assert len(listening.crashes) == 6


def test_crashes_long_ago_do_not_count(bench: Bench) -> None:
    listening = bench({"start": "crash"}, back_off=0.0, crashes=3, window=100)
    worker = listening.worker
    for i in range(4):
        listening.ahead = i * 60.0
        listening.until(lambda i=i: len(listening.crashes) > i or worker.start())
        assert worker.state == "none"


def test_a_worker_that_never_gets_ready_is_killed(bench: Bench) -> None:
    listening = bench({"start": "hang"}, start=3.0)
    listening.worker.start()
    (pid,) = listening.worker.pids
    listening.ahead = 10
    listening.until(lambda: listening.crashes)
    assert gone([pid], PATIENCE)


def test_memory_is_free_when_release_says_so(bench: Bench) -> None:
    listening = bench({})
    listening.ready()
    (pid,) = listening.worker.pids
    told: list[bool] = []
    listening.worker.release(lambda: told.append(gone([pid], 0)))
    listening.until(lambda: told)
    assert told == [True]
    listening.worker.release(lambda: told.append(True))
    assert told == [True, True]


def test_a_program_that_is_not_there(tmp_path: Path, bench: Bench) -> None:
    listening = bench({}, back_off=0.0, crashes=2)
    listening.worker._command = (str(tmp_path / "missing"),)
    listening.until(lambda: listening.worker.start() or listening.worker.state == "broken")
    assert "cannot be started" in listening.worker.sentence


def test_paths_do_not_get_into_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    listening = bench({"jobs": [[{"print": "reading /home/me/secret.png\n"}]]})
    caplog.set_level("INFO", "engine.service")
    listening.ready()
    spec = GenerateJob(picture=Attached("picture"))
    run = Run(job="j", spec=spec, folder=str(listening.folder))
    listening.worker.run(run, hidden=["/home/me/secret.png"])
    listening.until(lambda: "reading" in caplog.text)
    assert "reading <hidden>" in caplog.text and "secret" not in caplog.text


def test_what_is_read_after_the_end_of_a_job_is_hidden_too(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    listening = bench({"jobs": [[], [{"print": "late: /home/me/secret.png\n"}]]})
    caplog.set_level("INFO", "engine.service")
    listening.ready()
    for seed, hidden in enumerate(("/home/me/secret.png", "/home/me/other.png")):
        spec = GenerateJob(picture=Attached("picture"), seed=seed)
        run = Run(job=f"job {seed}", spec=spec, folder=str(listening.folder))
        listening.worker.run(run, hidden=[hidden])
        listening.until(lambda: listening.worker.free)
    listening.until(lambda: "late" in caplog.text)
    assert "late: <hidden>" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize(
    ("status", "word"), [(-9, "memory"), (-11, "driver"), (0xC0000005, "driver"), (5, "status 5")]
)
def test_an_exit_status_is_a_sentence(status: int, word: str) -> None:
    assert word in how_it_ended(status)
