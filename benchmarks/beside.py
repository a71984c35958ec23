"""A few jobs in a row by one worker, and by a worker with a finisher beside it: how much overlaps.

``python -m benchmarks.beside [--device cuda] [--jobs 3] [--quality draft] [--texture-size 512]``
runs the service with the small model, or what ``--checkpoint`` names, in a home of its own. It does
a job before that counts; worker and finisher, two more.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from engine.remote import Engine, sendable
from engine.service.options import Options
from engine.service.service import Service
from engine.settings import Settings
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob
from protocol.references import File

PICTURE = Path(__file__).resolve().parents[1] / "examples" / "rocket.png"
LOOK_SECONDS = 0.05
MIB = 1 << 20


@dataclass
class Row:
    """Jobs in a row.

    Attributes:
        wall: seconds from the first submission to the last end.
        both: seconds of these in which two jobs ran.
        processor: seconds of worker and finisher.
        memory: bytes of the largest resident set of worker and finisher, added up.
        ids: of the jobs, in order.
        seconds: by stage, of each.
        states: of the jobs, in the end.
    """

    wall: float = 0.0
    both: float = 0.0
    processor: float = 0.0
    memory: int = 0
    ids: list[str] = field(default_factory=list[str])
    seconds: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    states: list[str] = field(default_factory=list[str])


@contextmanager
def serving(home: Path, *, finisher: bool | None, device: str | None) -> Iterator[Service]:
    """A service in a thread of this process, with real workers.

    Args:
        finisher: as in ``Options``.
    """
    python = (sys.executable, "-m")
    options = Options(
        settings=Settings(home=home, models=home / "models", offline=True),
        worker=(*python, "engine.worker"),
        helper=(*python, "engine.helper"),
        device=device,
        finisher=finisher,
    )
    services: list[Service] = []
    ready = threading.Event()

    def serve() -> None:
        services.append(Service(options))  # here, since SQLite keeps to one thread
        ready.set()
        services[0].run()

    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait()
    try:
        yield services[0]
    finally:
        services[0].leave(wait=False)
        thread.join()


def get_ready(
    service: Service,
    engine: Engine,
    choice: FinishChoice,
    job: GenerateJob,
    checkpoint: str | None = None,
) -> None:
    """Jobs before it counts: all kernels are compiled, and loaded by both processes."""
    in_a_row(service, engine, choice, [job], checkpoint)
    staff = service._staff
    if staff.two:
        service._inbox.post(staff.finisher.start)
        while staff.finisher.state != "warm":
            time.sleep(LOOK_SECONDS)
        in_a_row(service, engine, choice, [job, job], checkpoint)


def in_a_row(
    service: Service,
    engine: Engine,
    choice: FinishChoice,
    jobs: list[GenerateJob],
    checkpoint: str | None = None,
) -> Row:
    """Submit jobs at once, and wait for their ends."""
    row, spent = Row(), dict[int, float]()
    before = _processor(service, spent)
    begin = last = time.perf_counter()
    for job in jobs:
        sent, attached = sendable(job)
        submitted = engine.submit(sent, attached, choice, checkpoint=checkpoint, title="rocket")
        row.ids.append(submitted.id)
    while True:
        states = {job.id: job.state for job in engine.jobs()}
        row.states = [states[job] for job in row.ids]
        now = time.perf_counter()
        row.both += (now - last) * (row.states.count("running") > 1)
        last = now
        row.processor = _processor(service, spent) - before
        row.memory = max(row.memory, sum(p.memory_info().rss for p in _processes(service)))
        if not {"queued", "running"} & set(row.states):
            break
        time.sleep(LOOK_SECONDS)
    row.wall = last - begin
    row.seconds = [dict(engine.job(job).snapshot().seconds) for job in row.ids]
    return row


def _processes(service: Service) -> list[psutil.Process]:
    staff = service._staff
    return [psutil.Process(pid) for one in (staff.worker, staff.finisher) for pid in one.pids]


def _processor(service: Service, spent: dict[int, float]) -> float:
    """Seconds so far; ``spent`` keeps those of processes that have ended."""
    for process in _processes(service):
        times = process.cpu_times()
        spent[process.pid] = times.user + times.system
    return sum(spent.values())


def main() -> None:
    """Both ways, a line each."""
    parser = argparse.ArgumentParser(description="Jobs in a row, by one worker and by two.")
    parser.add_argument("--device")
    parser.add_argument("--checkpoint")
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--quality", default="draft")
    parser.add_argument("--texture-size", type=int, default=512)
    given = parser.parse_args()
    choice = FinishChoice(finish="standard", texture_size=given.texture_size)
    picture = File(str(PICTURE))
    jobs = [
        GenerateJob(picture=picture, quality=given.quality, seed=seed) for seed in range(given.jobs)
    ]
    print("| | wall s | two jobs at once s | processor s | made s | finished s | MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for finisher, name in ((False, "worker"), (True, "worker and finisher")):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder, "home")
            with (
                serving(home, finisher=finisher, device=given.device) as service,
                Engine(home, name="benchmark") as engine,
            ):
                get_ready(service, engine, choice, jobs[0], given.checkpoint)
                row = in_a_row(service, engine, choice, jobs, given.checkpoint)
        assert set(row.states) == {"done"}, row.states
        made, finished = 0.0, 0.0
        for stages in row.seconds:
            names = list(stages)
            cut = names.index("saving") + 1
            made += sum(stages[stage] for stage in names[:cut])
            finished += sum(stages[stage] for stage in names[cut:])
        print(
            f"| {name} | {row.wall:.1f} | {row.both:.1f} | {row.processor:.1f} | {made:.1f} "
            f"| {finished:.1f} | {row.memory / MIB:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
