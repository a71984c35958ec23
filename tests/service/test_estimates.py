"""Seconds that are left: right after a few jobs, and never more than before within a stage."""

import random
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest

from engine.service.estimates import (
    TOTAL,
    Estimate,
    history_with,
    rough_profile,
    total_seconds,
)
from protocol.events import Done, Interrupted, Progress
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob, UpscaleJob
from protocol.references import Attached, Stored
from protocol.requests import Submit, new_job_id
from protocol.stages import STAGES
from tests.service.local import Local

STEPS = {"encode": 1, "structure": 12, "shape": 12, "texture": 12, "unwrap": 1, "bake": 100}
TRUE = {"encode": 0.4, "structure": 3.0, "shape": 7.0, "texture": 2.0, "unwrap": 6.0, "bake": 4.0}


def played(
    estimate: Estimate, seconds: dict[str, float], noise: random.Random
) -> list[tuple[str, float, float | None]]:
    """(stage, seconds that are really left, estimate) at each event of a job."""
    moments: list[tuple[str, int, float]] = []
    elapsed = 0.0
    for stage, steps in STEPS.items():
        for step in range(steps + 1):
            if step:
                elapsed += seconds[stage] / steps * noise.uniform(0.8, 1.2)
            moments.append((stage, step, elapsed))
    seen: list[tuple[str, float, float | None]] = []
    for stage, step, at in moments:
        event = Progress(stage=stage, step=step, steps=STEPS[stage], fraction=0.0, elapsed=at)
        seen.append((stage, elapsed - at, estimate.update(event)))
    return seen


def jobs(count: int) -> list[list[tuple[str, float, float | None]]]:
    """Jobs whose stages vary by 15 %, each estimated from those before."""
    draw = random.Random(7)
    history: dict[str, list[float]] = {}
    result: list[list[tuple[str, float, float | None]]] = []
    for _ in range(count):
        seconds = {stage: value * draw.uniform(0.85, 1.15) for stage, value in TRUE.items()}
        result.append(played(Estimate(tuple(STEPS), history), seconds, draw))
        for stage, value in seconds.items():
            history.setdefault(stage, []).insert(0, value)
    return result


def test_it_never_grows_within_a_stage() -> None:
    for job in jobs(6):
        last: dict[str, float] = {}
        for stage, _, eta in job:
            if eta is not None:
                assert eta <= last.get(stage, eta)
                last[stage] = eta


def test_the_median_error_after_five_jobs() -> None:
    *_, job = jobs(6)
    errors = [abs(eta - left) / left for _, left, eta in job if left > 0.5 and eta is not None]
    assert len(errors) > 100
    assert median(errors) < 0.25


def test_the_first_job_knows_nothing_until_it_has_a_pace() -> None:
    (job,) = jobs(1)
    assert job[0][2] is None
    assert all(eta is not None for _, _, eta in job[2:])
    assert job[-1][2] == 0.0


def test_a_stage_that_was_never_measured_gets_its_share() -> None:
    scale = 2.0
    history = {"shape": [STAGES["shape"].share * scale]}
    estimate = Estimate(("shape", "bake"), history)
    event = Progress(stage="shape", step=0, steps=10, fraction=0.0, elapsed=0.0)
    eta = estimate.update(event)
    assert eta == (STAGES["shape"].share + STAGES["bake"].share) * scale


def test_a_stage_that_comes_twice_is_measured_as_a_whole() -> None:
    estimate = Estimate(("shape", "upsample", "shape"), {"shape": [8.0], "upsample": [1.0]})
    event = Progress(stage="shape", step=0, steps=10, fraction=0.0, elapsed=0.0)
    assert estimate.update(event) == 9.0


def test_a_stage_longer_than_ever_ends_at_what_comes_after() -> None:
    estimate = Estimate(("shape", "bake"), {"shape": [1.0], "bake": [2.0]})
    for step, elapsed in ((0, 0.0), (1, 30.0), (2, 60.0)):
        event = Progress(stage="shape", step=step, steps=2, fraction=0.0, elapsed=elapsed)
        eta = estimate.update(event)
    assert eta == 2.0


def test_jobs_are_alike_when_their_settings_are() -> None:
    job = GenerateJob(picture=Attached("a"), quality="high", seed=1)
    alike = GenerateJob(picture=Attached("b"), quality="high", seed=2)
    draft = GenerateJob(picture=Attached("a"), quality="draft")
    finish = FinishChoice()
    assert rough_profile(job, None, None) == rough_profile(alike, None, None)
    profiles = {
        rough_profile(job, None, None),
        rough_profile(draft, None, None),
        rough_profile(job, finish, None),
        rough_profile(job, None, "other"),
        rough_profile(replace(job, fast=True), None, None),
    }
    assert len(profiles) == 5
    assert total_seconds({TOTAL: [3.0, 1.0, 2.0]}) == 2.0
    assert total_seconds({}) is None


def test_a_resumed_job_counts_only_the_stages_that_remain(serve: Callable[..., Local]) -> None:
    long = {"stage": "structure", "steps": 4, "seconds": 1.0}
    short = {"stage": "shape", "steps": 4, "seconds": 0.2}
    crash = {"crash": 9, "attempts": 1}
    peer = serve({"jobs": [[long, short], [long, crash, short]]}).peer()
    measured, resumed = new_job_id(), new_job_id()
    peer.submit(measured, seed=0)
    seconds = peer.event(Done, measured).seconds
    assert seconds["structure"] >= 1.0
    peer.submit(resumed, seed=1)
    peer.event(Done, resumed)
    told = peer.of(resumed)
    interrupted = [isinstance(event, Interrupted) for event in told].index(True)
    before, after = (
        [event for event in part if isinstance(event, Progress)]
        for part in (told[:interrupted], told[interrupted:])
    )
    assert before[0].eta == pytest.approx(seconds["structure"] + seconds["shape"])
    assert {event.stage for event in after} == {"shape"}
    assert after[0].eta == pytest.approx(seconds["shape"])


def test_stages_that_an_earlier_attempt_did_are_not_waited_for() -> None:
    history = {"structure": [10.0], "shape": [4.0], "texture": [2.0]}
    estimate = Estimate(("structure", "shape", "texture"), history)
    event = Progress(stage="shape", step=0, steps=10, fraction=0.0, elapsed=0.0)
    assert estimate.update(event) == 6.0
    event = Progress(stage="shape", step=5, steps=10, fraction=0.5, elapsed=1.0)
    assert estimate.update(event) == pytest.approx(0.5 * (0.5 * 2.0 + 0.5 * 4.0) + 2.0)


def test_a_job_of_another_kind_is_estimated_by_the_stages_that_both_have(
    serve: Callable[..., Local],
) -> None:
    finishing = [
        {"stage": "unwrap", "seconds": 0.3},
        {"stage": "bake", "steps": 4, "seconds": 0.2},
    ]
    first = [{"stage": "structure", "seconds": 0.2}, {"part": "mesh", "faces": 8}, *finishing]
    peer = serve({"jobs": [first, [{"stage": "upsample", "seconds": 0.01}, *finishing]]}).peer()
    made, finer = new_job_id(), new_job_id()
    peer.submit(made, seed=0)
    seconds = peer.event(Done, made).seconds
    upscale = UpscaleJob(source=Stored(made), seed=1)
    peer.ask(Submit(id=finer, job=upscale, finish=FinishChoice(finish="full")))
    peer.event(Done, finer)
    told = [event for event in peer.of(finer) if isinstance(event, Progress)]
    # Twice the side of the textures, so four times the texels.
    wanted = seconds["unwrap"] + 4 * seconds["bake"]
    after = next(event for event in told if event.stage == "unwrap")
    assert after.eta == pytest.approx(wanted)


def test_what_such_jobs_took_goes_before_what_others_took() -> None:
    job = GenerateJob(picture=Attached("a"))
    others = {"bake": [1.0, 3.0, 2.0], "shape": [9.0]}
    found = history_with({"shape": [5.0]}, others, job, FinishChoice(texture_size=1024))
    assert found == {"shape": [5.0], "bake": [0.75]}
    assert history_with({}, others, job, None)["bake"] == [3.0]
