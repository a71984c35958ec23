"""Sentences are translated before they are filled in."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from blender_addon.core import costs, finishes, language, refusals
from blender_addon.core.snapshot import EngineView, Snapshot
from blender_addon.protocol.finishes import FINISHES
from tests.house import texts

GERMAN = texts.language(texts.LANGUAGES / "de_DE.json")["*"]


@pytest.fixture
def german() -> Iterator[None]:
    language.use(lambda text: GERMAN.get(text, text))
    yield
    language.use(None)


@pytest.mark.usefixtures("german")
def test_values_come_into_the_translation() -> None:
    gone = EngineView(state="gone", remote=True, place="studio")
    said = refusals.why_not_generate(Snapshot(engine=gone))
    assert said == "Die Engine auf studio antwortet nicht."
    assert costs.cost_in_words(38.0, 8_000_000_000) == "etwa 40 s, 8 GB Speicher"
    assert costs.cost_of_generating(None) == "auf diesem Rechner noch nicht gemessen"


@pytest.mark.usefixtures("german")
def test_a_sentence_and_its_remedy_are_looked_up_one_by_one() -> None:
    assert language.whole("The engine does not run.", "Restart the engine.") == (
        "Die Engine läuft nicht. Die Engine neu starten."
    )
    assert language.whole("A word of the engine's own.", "") == "A word of the engine's own."


def test_without_a_language_texts_are_in_english() -> None:
    assert language.said("{count} of {most}", count=1, most=2) == "1 of 2"
    assert language.said("") == ""


def test_a_finish_in_words_follows_what_it_is() -> None:
    """No text has figures of finishes of its own, which would stay when the finishes change."""
    game = replace(FINISHES["game"], faces=12_345, lod_shares=(1.0, 0.5), collision_hull=False)
    assert finishes.in_words(game) == "12,345 faces, normal map, 2 levels of detail"
    assert finishes.game_ready() == finishes.in_words(FINISHES["game"])
    assert "collision hull" in finishes.game_ready()
    figures = "|".join(f"{finish.faces:,}" for finish in FINISHES.values())
    assert [text for text in texts.texts() if re.search(figures, text)] == []


@pytest.mark.usefixtures("german")
def test_a_finish_in_german_words() -> None:
    assert "Flächen, Normal-Map, 4 Detailstufen, Kollisionshülle" in finishes.game_ready()
