"""Figures of the real engine with the small model: from a picture to its first step, and how far
off the time is that it says is left.

    python -m benchmarks.engine [--jobs 3]

Wall seconds, since these are what a user waits for; run it when nothing else runs.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.reliability import PICTURE, House
from engine.remote import Engine, RemoteJob
from protocol import requests
from protocol.checkpoints import CheckpointDescription
from protocol.events import Done, Event, Progress
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob
from protocol.references import Attached
from protocol.replies import Accepted, PictureNotes
from protocol.wire import Shaped

FINISH = FinishChoice(texture_size=512)
LEAST_LEFT = 0.5
"""Seconds that must be left for an estimate to be judged."""


def submitted(engine: Engine, seed: int) -> RemoteJob:
    job = GenerateJob(picture=Attached("picture"), quality="draft", seed=seed)
    return engine.submit(job, _picture(), FINISH, title="rocket")


def _picture() -> dict[str, Shaped]:
    return {"picture": Shaped.of_file(PICTURE.read_bytes())}


def first_step(engine: Engine, seed: int) -> tuple[float, float, list[tuple[float, Event]]]:
    """Seconds from submit to the first stage and to the first step of a flow; then all events."""
    start = time.monotonic()
    job = submitted(engine, seed)
    told = [(time.monotonic() - start, event) for event in job.events()]
    stage = next(at for at, event in told if isinstance(event, Progress))
    step = next(
        at for at, event in told if isinstance(event, Progress) and event.stage == "structure"
        and event.step
    )  # fmt: skip
    return stage, step, told


def eta_errors(told: list[tuple[float, Event]]) -> list[float]:
    """Of each estimate that was told, as a share of what was really left then."""
    end = next(at for at, event in told if isinstance(event, Done))
    return [
        abs(event.eta - (end - at)) / (end - at)
        for at, event in told
        if isinstance(event, Progress) and event.eta is not None and end - at > LEAST_LEFT
    ]


def main(jobs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="maquette-") as folder:
        house = House(Path(folder, "home"))
        house.start()
        try:
            with Engine(house.home, name="figures") as engine:
                _measure(house, engine, jobs)
        finally:
            house.kill_service()


def _measure(house: House, engine: Engine, jobs: int) -> None:
    stage, step, _ = first_step(engine, 0)
    print(f"no worker yet: submit to first stage {stage:.2f} s, to first step {step:.2f} s")
    warm: list[tuple[float, float]] = []
    totals: list[float] = []
    for seed in range(1, 5):
        stage, step, told = first_step(engine, seed)
        warm.append((stage, step))
        totals.append(told[-1][0])
    stage, step = (median(values) for values in zip(*warm, strict=True))
    print(f"warm worker, median of 4: first stage {stage:.2f} s, first step {step:.2f} s")
    print(f"whole jobs: {', '.join(f'{total:.1f}' for total in totals)} s")

    errors, asked = [], []
    for seed in range(5, 5 + jobs):
        _, _, told = first_step(engine, seed)
        errors.append(median(eta_errors(told)))
        description = engine.ask(requests.DescribeCheckpoint(finish=FINISH), CheckpointDescription)
        expected = description.qualities[0].seconds or 0.0
        asked.append(abs(expected - told[-1][0]) / told[-1][0])
    print(f"ETA after five jobs, median error of each job: {', '.join(f'{e:.0%}' for e in errors)}")
    print(f"DescribeCheckpoint's seconds, error: {', '.join(f'{e:.0%}' for e in asked)}")

    service = psutil.Process(house.service.pid if house.service else 0)
    print(f"front process: {service.memory_info().rss / 1e6:.1f} MB")
    request = requests.CheckPicture(picture=Attached("picture"))
    took: list[float] = []
    for _ in range(5):
        start = time.monotonic()
        notes = engine.client.ask(request, _picture(), timeout_s=60)
        assert isinstance(notes, PictureNotes)
        took.append(time.monotonic() - start)
    print(f"check of a picture: first {took[0]:.2f} s, then {median(took[1:]):.3f} s")

    engine.ask(requests.ReleaseMemory(), Accepted)
    engine.client.ask(request, _picture(), timeout_s=60)
    start = time.monotonic()
    while engine.status().engine.worker != "warm":
        time.sleep(0.05)
    print(f"from looking at a picture to a warm worker: {time.monotonic() - start:.1f} s")
    stage, step, _ = first_step(engine, 99)
    print(f"warmed while a picture was chosen: first stage {stage:.2f} s, first step {step:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=3, help="whose estimates are judged")
    main(parser.parse_args().jobs)
