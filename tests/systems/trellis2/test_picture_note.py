"""What a user is told of how the background of a picture was removed."""

from types import SimpleNamespace
from typing import Any

import pytest

from engine.report import Report
from engine.systems.trellis2 import work
from protocol import events


@pytest.mark.parametrize(("matte", "level"), [("cutout", "detail"), ("plain", "user")])
def test_that_a_stored_picture_is_cut_out_already_is_a_detail(
    matte: Any, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: Any = SimpleNamespace(note="How it was removed.", cutout=None)
    models: Any = SimpleNamespace(plan=lambda uses: "resident", matte=None)
    monkeypatch.setattr(work, "load_picture", lambda *_, **__: ready)
    told: list[events.Event] = []
    nothing: Any = None
    inputs: Any = SimpleNamespace(kept=nothing)
    work.begin_work(
        models, Report(told.append), inputs, nothing,
        spec=nothing, picture=nothing, matte=matte, noise=nothing, samplers={},
    )  # fmt: skip
    notes = [event for event in told if isinstance(event, events.Note)]
    assert [note.level for note in notes if note.sentence == ready.note] == [level]
