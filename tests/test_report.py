"""What a job tells while it runs."""

import pytest

from engine.report import Cancelled, CancelToken, Report
from protocol import events
from protocol.errors import EngineError


def test_every_event_carries_the_job_and_the_last_is_its_end() -> None:
    told: list[events.Event] = []
    report = Report(told.append, on_part=lambda name, value: None, job="7")
    report.expect(("picture",))
    with report.ending(), report.stage("picture", 2) as step:
        step(1)
        step(2)
        report.note("It is small.")
        report.part("mesh", lambda: 1)
    assert [getattr(event, "job", None) for event in told] == ["7"] * len(told)
    assert [type(event).__name__ for event in told] == [
        *["Progress"] * 2, "Note", "Part", "Progress", "Done",
    ]  # fmt: skip
    assert [(event.step, event.fraction) for event in told if isinstance(event, events.Progress)]
    assert isinstance(told[-1], events.Done) and set(told[-1].seconds) == {"picture"}


@pytest.mark.parametrize(
    ("error", "code"),
    [(EngineError("too_dark", "It is dark.", "Light it."), "too_dark"), (KeyError(3), "internal")],
)
def test_failure_is_told_and_raised(error: Exception, code: str) -> None:
    told: list[events.Event] = []
    with pytest.raises(type(error)), Report(told.append).ending():
        raise error
    (failed,) = told
    assert isinstance(failed, events.Failed)
    assert failed.code == code and failed.message and failed.hint


def test_cancelling_is_told() -> None:
    told: list[events.Event] = []
    token = CancelToken()
    report = Report(told.append, cancel=token)
    with pytest.raises(Cancelled), report.ending(), report.stage("picture"):
        token.cancel()
    assert isinstance(told[-1], events.Cancelled)
    assert report.seconds.keys() == {"picture"}


def test_stages_are_those_of_the_table() -> None:
    with pytest.raises(ValueError, match="lunch"), Report().stage("lunch"):
        pass
