"""The history's rows: what tells results of one picture apart, whole at any size of the window."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from tests.blender import addon
from tests.blender.layout import Layout
from tests.blender.recorder import Recorder, show

LONGEST = 123_456


@pytest.mark.parametrize("width", [220, 300, 600])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_what_tells_results_apart_is_drawn_whole(
    width: int, scale: float, known: dict[str, Any]
) -> None:
    history, text = addon.module("ui.history"), addon.module("bl.text")
    row = known["19_history"].history[0]
    page = [
        replace(row, id="0" * 32, quality="standard", seed=LONGEST),
        replace(row, id="1" * 32, quality="standard", seed=LONGEST + 1),
        replace(row, id="2" * 32, kind="upscale", quality="", seed=None),
        replace(row, id="3" * 32, kind="finish", quality="", seed=None, finish="game"),
        replace(row, id="4" * 32, kind="finish", quality="", seed=None, created=row.created - 6e6),
    ]
    style = SimpleNamespace(widget=SimpleNamespace(points=11))
    context = SimpleNamespace(
        region=SimpleNamespace(type="UI", width=int(width * scale)),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=scale), ui_styles=[style]),
    )
    room = int(text.room(context) / history.COLUMNS - 10 * scale)
    told: list[tuple[str, ...]] = []
    for one in page:
        drawn = Layout()
        history.draw_facts(drawn, context, one, room)
        told.append(tuple(drawn.texts))
        assert all("…" not in line for line in drawn.texts)
    assert len(set(told)) == len(page)
    assert " ".join(told[0]).startswith("Standard") and f"Seed {LONGEST}" in " ".join(told[0])
    drawn = Layout()
    whole = SimpleNamespace(**vars(context), area=bpy.context.area)
    history.draw_grid(drawn, whole, page, bpy.context.window_manager.maquette)
    assert [text for text in drawn.texts if text] == [line for lines in told for line in lines]


def test_a_name_that_is_cut_on_its_button_is_whole_elsewhere(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "the old lighthouse at the pier of the second harbour"
    row = replace(known["19_history"].history[0], title=name)
    show(monkeypatch, replace(known["19_history"], history=(row,)))
    choose = addon.module("operators.history").MAQUETTE_OT_history_choose
    told = choose.description(bpy.context, SimpleNamespace(job=row.id))
    assert told.splitlines() == [name, "Show what can be done with this result"]
    style = SimpleNamespace(widget=SimpleNamespace(points=11))
    context = SimpleNamespace(
        region=SimpleNamespace(type="UI", width=220),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0), ui_styles=[style]),
    )
    drawn = Layout()
    addon.module("ui.history").draw_chosen(drawn, context, row)
    assert " ".join(drawn.texts).startswith(name)
