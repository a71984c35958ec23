"""kill -9 of worker, service and client at random moments of real jobs, and what became of them.

``python -m benchmarks.reliability 50 --seed 7`` runs a service with the small model in a home of
its own, lets it do one job after the other, and kills something in the middle of each. Afterwards
the job must be done, once; every part must have its hash; what is delivered must be byte-equal to
that of a job that nothing has interrupted; no process may be left over. Prints a line a run as it
happens, a table for docs/reliability.md in the end, and exits with 1 if anything was wrong.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from engine.remote import Engine, RemoteJob, is_running
from protocol.client import Answer
from protocol.connection import FILE_NAME, read_connection
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Failed, Interrupted, Progress
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, GenerateJob
from protocol.references import Attached, File, Stored
from protocol.replies import Accepted, JobSnapshot, PartHead
from protocol.requests import Attach, FetchPart, Shutdown
from protocol.wire import Shaped

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "rocket.png"
VICTIMS = ("worker", "service", "client")
KINDS = ("raw", "finished", "finish again")
"""Kinds of jobs: a picture to a raw surface; to a finished asset; a stored asset finished again."""
COMPARED = ("source", "structure", "finished", "textures", "model", "thumbnail")
"""Parts that are the same however often a job was interrupted."""
ORPHAN_SECONDS = 5.0
LONGEST = 900.0
"""Seconds for a job on an overloaded machine."""


@dataclass
class Outcome:
    """One run.

    Attributes:
        kind: of the job.
        moment: seconds after the job's submission, or after its first stage began.
        stage: that ran when something was killed; empty: none yet.
        stages_after: that ran, or ran on, after it.
        gone: seconds until no process of a killed service was left.
        seconds: from the kill, or since the service is there again, to the end of the job.
        wrong: what should not have happened.
    """

    number: int
    victim: str
    kind: str
    moment: float
    since: str
    stage: str = ""
    stages_after: list[str] = field(default_factory=list)
    gone: float | None = None
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class House:
    """A home with a service that can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "MAQUETTE_HOME": str(home), "PYTHONPATH": str(ROOT)}
        self.service: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *words],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self, *words: str) -> None:
        """Start the service with these options, and wait until it answers."""
        self.service = self.command("serve", *words)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with suppress(EngineError):
                pid = read_connection(self.home / FILE_NAME).pid
                if pid == self.service.pid and is_running(self.home):
                    Engine(self.home, name="reliability").close()
                    return
            if self.service.poll() is not None:
                raise RuntimeError(f"the service ended with status {self.service.returncode}")
            time.sleep(0.1)
        raise RuntimeError("the service did not answer within 120 s")

    def processes(self) -> Iterator[psutil.Process]:
        """Every process of this home but the service and what it has started."""
        kin = {os.getpid()}
        with suppress(psutil.Error):
            if self.service is not None:
                service = psutil.Process(self.service.pid)
                kin |= {service.pid, *(child.pid for child in service.children(recursive=True))}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get("MAQUETTE_HOME") == str(self.home)
                if ours and process.pid not in kin and process.status() != "zombie":
                    yield process

    def worker(self) -> psutil.Process | None:
        """The worker, if there is one."""
        if self.service is not None:
            for child in psutil.Process(self.service.pid).children():
                with suppress(psutil.Error):
                    if "engine.worker" in child.cmdline():
                        return child
        return None

    def kill_service(self) -> float:
        """Kill the service alone; seconds until nothing of it was left, -1: something was."""
        if self.service is None:
            raise RuntimeError("no service runs")
        self.service.kill()
        self.service.wait()
        self.service = None
        start = time.monotonic()
        while time.monotonic() < start + 2 * ORPHAN_SECONDS:
            if not any("submit" not in process.cmdline() for process in self.processes()):
                return time.monotonic() - start
            time.sleep(0.05)
        return -1.0


@dataclass(frozen=True)
class Usual:
    """A job of a kind to which nothing happened.

    Attributes:
        id: of it.
        seconds: that it took, by a worker that had done one before.
        parts: SHA-256 of each of ``COMPARED``.
    """

    id: str
    seconds: float
    parts: dict[str, str]


class Trial:
    """One run: a job, a kill, and whether everything came right.

    Args:
        usual: what the job should give, by kind.
    """

    def __init__(self, house: House, outcome: Outcome, usual: dict[str, Usual]) -> None:
        self.house, self.outcome, self.usual = house, outcome, usual
        self.engine = Engine(house.home, name="reliability")
        self.stage, self.stages_after = "", list[str]()
        self.killed = False

    def run(self) -> None:
        outcome = self.outcome
        try:
            job, client = self._begin()
            self._until(outcome, job)
            outcome.stage = self.stage
            self._kill(client)
            self.killed = True
            start = time.monotonic()
            self._end(job)
            outcome.seconds = time.monotonic() - start
            outcome.stages_after = self.stages_after
            self._check(job)
        finally:
            self.engine.close()

    def _begin(self) -> "tuple[RemoteJob, subprocess.Popen[bytes] | None]":
        """A job of this process, or of another one that is to be killed."""
        kind, asset = self.outcome.kind, self.usual["finished"].id
        if self.outcome.victim != "client":
            return submitted_kind(self.engine, kind, asset), None
        known = {row.id for row in self.engine.jobs()}
        words = ["finish", asset, "--texture", str(FINISHED.texture_size)]
        if kind == "raw":
            words = ["generate", str(PICTURE), "--quality", "draft", "--seed", str(JOB.seed)]
            words += ["--finish", "none"]
        client = self.house.command("submit", *words, "--wait")
        while True:
            new = [row.id for row in self.engine.jobs(5) if row.id not in known]
            if new:
                return self.engine.job(new[0]), client
            if client.poll() is not None:
                raise RuntimeError(f"the client ended with status {client.returncode}")
            time.sleep(0.1)

    def _until(self, outcome: Outcome, job: RemoteJob) -> None:
        """Wait for the moment of the kill."""
        self.engine.client.request(_attach(job))
        since = time.monotonic() if outcome.since == "submission" else None
        while since is None or time.monotonic() < since + outcome.moment:
            if self._listen(job, 0.02) is not None:
                return
            if since is None and self.stage:
                since = time.monotonic()

    def _kill(self, client: "subprocess.Popen[bytes] | None") -> None:
        victim = self.outcome.victim
        if client is not None:
            client.kill()
            client.wait()
        elif victim == "worker":
            worker = self.house.worker()
            if worker is None:
                self.outcome.victim = "worker (none was there)"
            else:
                worker.kill()
        else:
            self.outcome.gone = self.house.kill_service()
            if not 0 <= self.outcome.gone <= ORPHAN_SECONDS:
                self.outcome.wrong.append("processes outlived the service")
            self.house.start()

    def _end(self, job: RemoteJob) -> None:
        """Wait for the end of the job, resuming it where a user has to."""
        self.engine.client.request(_attach(job))
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            told = self._listen(job, 0.1)
            if isinstance(told, Interrupted) and self.outcome.victim == "service":
                job.resume()
            elif isinstance(told, Failed):
                self.outcome.wrong.append(f"failed: {told.message}")
                return
            elif isinstance(told, Done):
                return
        self.outcome.wrong.append(f"not done within {LONGEST:.0f} s")

    def _listen(self, job: RemoteJob, seconds: float) -> Done | Failed | Interrupted | None:
        """The end of the job, or its interruption, if that came."""
        found = None
        for told in self.engine.client.poll(0.02, wait_s=seconds):
            match told:
                case Progress(job=id, stage=stage) if id == job.id:
                    self.stage = stage
                    if self.killed and stage not in self.stages_after:
                        self.stages_after.append(stage)
                case Done(job=id) | Failed(job=id) | Interrupted(job=id) if id == job.id:
                    found = told
                case Answer(reply=JobSnapshot(row=row)) if row.id == job.id:
                    if row.state == "done":
                        found = Done(job=row.id, seconds={})
                    elif row.state == "failed":
                        found = row.failure
                    elif row.state == "interrupted":
                        found = Interrupted(job=row.id)
                case _:
                    pass
        return found

    def _check(self, job: RemoteJob) -> None:
        wrong = self.outcome.wrong
        row = job.snapshot().row
        if row.state != "done":
            wrong.append(f"the job is {row.state}")
        ended = f"job {job.id} is done"
        logs = [file.read_text("utf-8") for file in (self.house.home / "logs").glob("service.log*")]
        if (count := sum(text.count(ended) for text in logs)) != 1:
            wrong.append(f"the job was done {count} times")
        for name in row.parts:
            try:
                job.part(name)
            except EngineError as error:
                wrong.append(f"part {name}: {error.message}")
        hashes = part_hashes(self.engine, job)
        for name, sha256 in self.usual[self.outcome.kind].parts.items():
            # The command line names what it makes after the picture.
            if hashes.get(name) != sha256 and not (
                name == "model" and self.outcome.victim == "client"
            ):
                wrong.append(f"part {name} is another one than usual")
        wrong += [f"process {process.pid} is left over" for process in self.house.processes()]


JOB = GenerateJob(picture=File(str(PICTURE)), quality="draft", seed=3)
FINISHED = FinishChoice(texture_size=512)


def submitted_kind(engine: Engine, kind: str, asset: str) -> RemoteJob:
    """A job of a kind; ``asset``: id of the job whose result is finished again."""
    if kind == "finish again":
        job = FinishJob(source=Stored(asset), texture_size=FINISHED.texture_size)
        return engine.submit(job, title="rocket")
    return submitted(engine, JOB, FINISHED if kind == "finished" else None)


def part_hashes(engine: Engine, job: RemoteJob) -> dict[str, str]:
    """SHA-256 of the parts of ``COMPARED`` that are there."""
    names = set(job.snapshot().row.parts) & set(COMPARED)
    asked = {name: FetchPart(job=job.id, name=name) for name in names}
    return {name: engine.ask(request, PartHead).sha256 for name, request in asked.items()}


def submitted(engine: Engine, job: GenerateJob, choice: FinishChoice | None = None) -> RemoteJob:
    """A job that makes an asset of the picture; without a choice it ends with the raw surface."""
    picture = {"picture": Shaped.of_file(PICTURE.read_bytes())}
    return engine.submit(replace(job, picture=Attached("picture")), picture, choice, title="rocket")


def _attach(job: RemoteJob) -> Attach:
    return Attach(job=job.id)


def run(count: int, seed: int, home: Path, victims: tuple[str, ...] = VICTIMS) -> list[Outcome]:
    """So many runs; their outcomes are also printed as they come."""
    house = House(home)
    try:
        house.start()
        usual = usual_jobs(house)
        for kind, job in usual.items():
            print(f"undisturbed, {kind}: {job.seconds:.1f} s", flush=True)
        outcomes: list[Outcome] = []
        draw = random.Random(seed)
        for number in range(1, count + 1):
            since = draw.choice(("submission", "first stage", "first stage", "first stage"))
            victim = victims[number % len(victims)]
            kind = draw.choice(KINDS if victim != "client" else ("raw", "finish again"))
            moment = draw.uniform(0.0, usual[kind].seconds)
            outcome = Outcome(number, victim, kind, moment, since)
            Trial(house, outcome, usual).run()
            outcomes.append(outcome)
            print(line(outcome), flush=True)
        outcomes[-1].wrong += left_in_the_end(house)
        return outcomes
    finally:
        if house.service is not None:
            house.kill_service()


def cancels(count: int, seed: int, home: Path) -> None:
    """Cancel jobs at random moments; prints the seconds from the request to the event."""
    house, draw = House(home), random.Random(seed)
    try:
        house.start()
        usual = usual_jobs(house)["raw"].seconds
        took: list[float] = []
        forced = 0
        with Engine(home, name="reliability") as engine:
            for number in range(count):
                job = submitted(
                    engine, GenerateJob(picture=File(str(PICTURE)), quality="draft", seed=number)
                )
                moment = time.monotonic() + draw.uniform(0.0, 0.9 * usual)
                start = None
                for event in job.events():
                    if start is None and time.monotonic() >= moment:
                        start = time.monotonic()
                        with suppress(EngineError):  # it had just ended
                            job.cancel()
                    if isinstance(event, Cancelled) and start is not None:
                        took.append(time.monotonic() - start)
                        forced += event.forced
        print(
            f"{len(took)} of {count} jobs cancelled, {forced} of them by force; seconds: "
            f"median {statistics.median(took):.2f}, most {max(took):.2f}"
        )
    finally:
        if house.service is not None:
            house.kill_service()


def usual_jobs(house: House) -> dict[str, Usual]:
    """A job of each kind to which nothing happens."""
    found: dict[str, Usual] = {}
    with Engine(house.home, name="reliability") as engine:
        asset = submitted_kind(engine, "finished", "").wait().id
        for kind in KINDS:
            start = time.monotonic()
            job = submitted_kind(engine, kind, asset).wait()
            seconds = time.monotonic() - start
            found[kind] = Usual(job.id, seconds, part_hashes(engine, job))
    return found


def left_in_the_end(house: House) -> list[str]:
    """What is left of a service that was stopped, and should not be."""
    with Engine(house.home, name="reliability") as engine:
        wrong = [f"job {row.id} is {row.state}" for row in engine.jobs() if row.state != "done"]
        engine.ask(Shutdown(), Accepted)
    if house.service is not None:
        house.service.wait(60)
        house.service = None
    wrong += [f"process {process.pid} is left over" for process in house.processes()]
    if (house.home / FILE_NAME).exists():
        wrong.append("the connection file is left over")
    return wrong


def line(outcome: Outcome) -> str:
    """A row of the table."""
    gone = "" if outcome.gone is None else f"{outcome.gone:.1f}"
    after = ", ".join(outcome.stages_after) or "-"
    when = f"{outcome.moment:.1f} s after the {outcome.since}"
    cells = (
        *(outcome.number, outcome.victim, outcome.kind, when, outcome.stage or "-", after, gone),
        *(f"{outcome.seconds:.1f}", "; ".join(outcome.wrong) or "right"),
    )
    return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| run | killed | job | when | stage | stages after | all gone, s | done after, s | result |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", type=int, help="runs")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--cancel", action="store_true", help="cancel jobs instead of killing")
    options = parser.parse_args()
    if options.cancel:
        with tempfile.TemporaryDirectory(prefix="maquette-") as home:
            cancels(options.count, options.seed, Path(home))
        return
    with tempfile.TemporaryDirectory(prefix="maquette-") as home:
        outcomes = run(options.count, options.seed, Path(home), tuple(options.victims.split(",")))
    print(HEAD)
    for outcome in outcomes:
        print(line(outcome))
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    print(f"{len(outcomes)} runs, seed {options.seed}, {wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
