"""Results of before: pages, filters, thumbnails of what is seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core import gallery, history, language
from blender_addon.core.settings import FinishSettings, GenerateSettings, UpscaleSettings
from blender_addon.protocol.errors import EngineError
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
QUICK: list[dict[str, Any]] = [
    {"stage": "shape"},
    {"part": "mesh", "faces": 200},
    {"part": "thumbnail"},
]
SEED = GenerateSettings(seed=0, finish=None)


def made(blender: Desk, *titles: str) -> list[str]:
    """A result for each title, one after the other; titles of one letter share a picture."""
    jobs = [
        blender.session.generate(SEED, HERE, picture(title, 64 if len(title) == 1 else 32))[0]
        for title in titles
    ]
    blender.until(lambda: {delivery.job for delivery in blender.delivered} >= set(jobs))
    return jobs


def test_pages_and_filters(spawn: Spawn, desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    jobs = made(blender, "a", "b", "Chair", "c", "Armchair")
    other = desk()
    other.until(lambda: other.snapshot.history)
    titles = lambda: [row.title for row in other.snapshot.history]  # noqa: E731
    assert titles() == ["Armchair", "c"] and other.snapshot.history_more
    other.session.history(more=True)
    other.until(lambda: titles() == ["Armchair", "c", "Chair", "b"])
    other.session.history(more=True)
    other.until(lambda: titles() == ["Armchair", "c", "Chair", "b", "a"])
    assert not other.snapshot.history_more
    assert [row.id for row in other.snapshot.history] == jobs[::-1]
    other.session.history(filter="CHAIR")
    other.until(lambda: titles() == ["Armchair", "Chair"])
    other.session.history(filter="", picture=picture("b").sha256)
    other.until(lambda: titles() == ["c", "b"] and other.snapshot.history_more)
    assert {row.picture for row in other.snapshot.history} == {picture("b").sha256}
    other.session.history(picture="")
    other.until(lambda: titles() == ["Armchair", "c"])


def test_only_thumbnails_that_are_seen_are_fetched(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    jobs = made(blender, "a", "b", "c")
    blender.pump(0.2)
    assert not blender.session.thumbnails
    blender.session.show(jobs[:2])
    blender.until(lambda: len(blender.session.thumbnails) == 2)
    assert set(blender.session.thumbnails) == set(jobs[:2])
    assert len(blender.session.thumbnails[jobs[0]]) == 128 * 128 * 4
    assert {row.id for row in blender.snapshot.history if row.thumbnail} == set(jobs[:2])
    blender.session.history()
    blender.pump(0.2)
    assert {row.id for row in blender.snapshot.history if row.thumbnail} == set(jobs[:2])


def test_pin_and_delete(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    first, second = made(blender, "a", "b")
    blender.session.pin(first, True)
    blender.session.delete(second)
    assert [(row.id, row.pinned) for row in blender.snapshot.history] == [(first, True)]
    blender.pump(0.2)
    other = desk()

    def seen_by_the_other() -> bool:
        other.session.history()
        other.pump(0.05)
        return [(row.id, row.pinned) for row in other.snapshot.history] == [(first, True)]

    other.until(seen_by_the_other)
    blender.session.delete(second)
    blender.until(lambda: "no job" in blender.snapshot.message)


def test_a_result_once_more(spawn: Spawn, desk: MakeDesk, tmp_path: Path) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk(engine_home=tmp_path / "home")
    blender.ready()
    (job,) = made(blender, "a")
    (again,) = blender.session.again(job, HERE, seed=12, quality="draft")
    assert blender.job(again).state == "sending"
    assert blender.reach(again, "done").title == "a"
    recipe = blender.delivered[-1].recipe
    assert (recipe["settings"]["seed"], recipe["settings"]["quality"]) == (12, "draft")
    assert recipe["job"] == again and recipe["picture_sha256"] == picture("a").sha256
    (lost,) = blender.session.again("0" * 32, HERE)
    assert blender.reach(lost, "failed").hint
    folder = blender.session.folder_of(again)
    assert folder.is_dir() and folder.name == again
    with pytest.raises(EngineError, match="no folder"):
        blender.session.folder_of(lost)
    with pytest.raises(EngineError, match="own machine"):
        desk().session.folder_of(again)


def test_all_that_was_seen_stays_when_the_first_page_comes_again(
    spawn: Spawn, desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    monkeypatch.setattr(history, "MOST", 2)
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    jobs = made(blender, "a", "b", "c", "d")
    other = desk()
    seen = lambda: [row.id for row in other.snapshot.history]  # noqa: E731
    other.until(lambda: len(seen()) == 2)
    other.session.history(more=True)
    other.until(lambda: seen() == jobs[::-1])
    jobs += made(blender, "e")
    other.session.history()
    other.until(lambda: seen() == jobs[::-1])
    assert not other.snapshot.history_more


def test_results_of_one_picture_are_told_apart(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    settings = GenerateSettings(seed=0, quality="draft", variants=2, finish=None)
    first, second = blender.session.generate(settings, HERE, picture("chair"))
    blender.reach(second, "done")
    finer = blender.session.upscale(UpscaleSettings(seed=0), HERE, source=first)
    game = blender.session.finish(FinishSettings(finish="game"), HERE, source=first)
    blender.reach(game, "done")
    other = desk()
    rows = lambda: {row.id: row for row in other.snapshot.history}  # noqa: E731
    other.until(lambda: len(rows()) == 4)
    told = {id: gallery.facts(row, ["14:05"]) for id, row in rows().items()}
    assert told == {
        first: ["Draft", "Seed 0", "14:05"],
        second: ["Draft", "Seed 1", "14:05"],
        finer: ["Upscale", "Seed 0", "14:05"],
        game: ["Game-Ready", "14:05"],
    }
    for search, wanted in (
        ("draft", {first, second}),
        ("Seed 1", {second}),
        ("game-ready", {game}),
        ("entwurf", {first, second}),
        ("verfeinern", {finer}),
        ("high", set[str]()),
    ):
        try:
            language.use(lambda text: {"Draft": "Entwurf", "Upscale": "Verfeinern"}.get(text, text))
            # The rows that are here, and what the engine finds.
            assert {r.id for r in gallery.shown(rows().values(), search, "")} == wanted, search
            other.session.history(filter=search)
            other.until(lambda wanted=wanted: set(rows()) == wanted)
        finally:
            language.use(None)
        other.session.history(filter="")
        other.until(lambda: len(rows()) == 4)


def test_facts_are_packed_into_lines_that_fit() -> None:
    facts = ["Standard", "Seed 123456", "yesterday", "14:05"]
    assert gallery.packed(facts, lambda line: len(line) <= 20) == [
        *["Standard", "Seed 123456", "yesterday · 14:05"]
    ]
    assert gallery.packed(facts, lambda line: len(line) <= 5) == facts
    assert gallery.packed([], lambda line: True) == []
