"""What needs the network cannot be pressed while Blender keeps extensions off it, and says why."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from tests.blender import addon
from tests.blender.layout import Layout, plain_texts
from tests.blender.recorder import Recorder, show

DOWNLOADS = ("download_weights", "use_copy", "download_finder")
WHY = {
    "off": "Blender's online access is off, so nothing can be downloaded: press Allow Online "
    "Access.",
    "overridden": "Blender was started with --offline-mode, so nothing can be downloaded: start "
    "it without.",
}


@pytest.fixture
def missing(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The engine is ready, and its weights are not here."""
    view = addon.module("core.snapshot")
    shown = replace(
        known["08_picture"],
        weights=view.WeightsView(missing=10, total=10, free=1 << 40, folder="/models"),
    )
    show(monkeypatch, shown)
    plain_texts(monkeypatch)
    return {"shown": shown, "session": session}


def be(monkeypatch: pytest.MonkeyPatch, access: str) -> None:
    monkeypatch.setattr(addon.module("bl.network"), "access", lambda: access)


@pytest.mark.parametrize("access", ["off", "overridden"])
def test_downloads_are_refused_in_full_words(
    access: str, missing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    be(monkeypatch, access)
    for name in DOWNLOADS:
        with pytest.raises(RuntimeError, match=WHY[access]):
            getattr(bpy.ops.maquette, name)()
    assert missing["session"].calls == []
    switch = ["allow_online"] if access == "off" else []
    source, engine = addon.module("ui.source"), addon.module("ui.engine")
    for draw, button in (
        (lambda on: source.draw_finder(on, bpy.context, missing["shown"]), "download_finder"),
        (
            lambda on: engine.draw_weights(on, bpy.context, missing["shown"].weights, 300),
            "download_weights",
        ),
    ):
        drawn = Layout()
        draw(drawn)
        assert drawn.texts[-1] == WHY[access]
        assert [name for name, *_ in drawn.operators] == [button, *switch]


def test_downloads_begin_where_they_may(
    missing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    be(monkeypatch, "allowed")
    recorder = missing["session"]
    monkeypatch.setattr(recorder, "weights", recorder, raising=False)
    for name in DOWNLOADS:
        assert getattr(bpy.ops.maquette, name)() == {"FINISHED"}
        assert recorder.only()[0] == "download"
    drawn = Layout()
    addon.module("ui.source").draw_finder(drawn, bpy.context, missing["shown"])
    assert drawn.texts == []


def test_another_machine_is_not_paired_in_offline_mode(
    missing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    process = SimpleNamespace(use_remote=lambda *given: asked.append(given))
    monkeypatch.setattr(addon.module("bl.tick"), "engine", lambda: process)
    be(monkeypatch, "overridden")
    with pytest.raises(RuntimeError, match="--offline-mode"):
        bpy.ops.maquette.use_remote(code="a")
    drawn, engine = Layout(), addon.module("ui.engine")
    engine.draw_verbs(drawn, bpy.context, missing["shown"].engine)
    assert any("--offline-mode" in told for told in drawn.texts)
    # Switched off only, its dialog has the switch.
    be(monkeypatch, "off")
    assert bpy.ops.maquette.use_remote(code="a") == {"FINISHED"}
    assert asked == [("", "a")]


def test_a_set_up_says_why_it_cannot_begin_wherever_its_button_is(
    known: dict[str, Any], missing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = known["30_words_missing"]
    sentence = "Blender may not use the internet."
    for drawing in ("update", "words", "card"):
        shown = replace(
            words, setup=replace(words.setup, why_not=sentence, problem="It was cut.", hint="Wait.")
        )
        show(monkeypatch, shown)
        drawn = Layout()
        if drawing == "update":
            addon.module("ui.first_run").draw_update(drawn, bpy.context, shown.setup)
        elif drawing == "words":
            addon.module("ui.source").draw_words_missing(drawn, bpy.context, shown)
        else:
            addon.module("ui.sidebar").repair(drawn, bpy.context, "update")
        assert drawn.texts[-1] == sentence
        assert [name for name, *_ in drawn.operators][-1] == "set_up"
