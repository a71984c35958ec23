"""How much of a job is done."""

import pytest

from protocol.stages import STAGES, Overall


def test_the_table_is_by_name() -> None:
    assert all(name == stage.name and stage.share > 0 for name, stage in STAGES.items())
    assert len({stage.label for stage in STAGES.values()}) == len(STAGES)


def test_a_job_goes_from_0_to_1() -> None:
    overall = Overall(("picture", "shape", "bake"))
    told = [
        overall.update(stage, step, 4)
        for stage in ("picture", "shape", "bake")
        for step in range(5)
    ]
    assert told[0] == 0 and told[-1] == 1
    assert told == sorted(told)
    whole = sum(STAGES[name].share for name in ("picture", "shape", "bake"))
    assert told[4] == pytest.approx(STAGES["picture"].share / whole)


def test_stages_that_come_unasked_never_lead_backwards() -> None:
    overall = Overall(("picture", "shape", "simplify", "unwrap", "bake"))
    told = [
        overall.update(stage, step, 1)
        for stage in ("picture", "encode", "encode", "shape", "upsample", "simplify", "bake")
        for step in (0, 1)
    ]
    assert told == sorted(told)
    assert told[-2] < 1 and told[-1] == 1


def test_a_stage_that_begins_again_after_an_error_counts_once() -> None:
    overall = Overall(("decode_shape", "bake"))
    overall.update("decode_shape", 0, 2)
    half = overall.update("decode_shape", 1, 2)
    assert overall.update("decode_shape", 0, 2) == half
    assert overall.update("bake", 1, 1) == 1
