"""Presets of the user's own: kept whole, never lost."""

import json
from pathlib import Path

import pytest

from blender_addon.core.presets import Presets
from blender_addon.core.settings import FinishSettings, GenerateSettings, StageSettings
from blender_addon.protocol.errors import EngineError

MINE = GenerateSettings(
    quality="draft",
    variants=3,
    stages={"shape": StageSettings(steps=20)},
    fast=True,
    finish=FinishSettings(finish="game", faces=3000),
)


def test_a_preset_is_kept_without_what_belongs_to_one_picture(tmp_path: Path) -> None:
    presets = Presets(tmp_path / "Мои пресеты" / "deep")
    assert presets.list() == ()
    kept = GenerateSettings(
        **{**vars(MINE), "seed": 999, "checkpoint": "/home/me/networks", "batch": True}
    )
    assert presets.save("  My   chairs ", kept) == "My chairs"
    assert presets.save("стулья / 2: <rough>?", MINE)
    assert presets.list() == ("My chairs", "стулья / 2: <rough>?")
    assert presets.load("My chairs") == MINE
    assert presets.load("стулья / 2: <rough>?") == MINE
    presets.delete("My chairs")
    presets.delete("My chairs")
    assert presets.list() == ("стулья / 2: <rough>?",)
    with pytest.raises(EngineError, match="no preset called My chairs"):
        presets.load("My chairs")


def test_names(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    with pytest.raises(EngineError, match="no name"):
        presets.save(" - ", MINE)
    presets.save("Chairs", MINE)
    presets.save("chairs", GenerateSettings(quality="high"))
    assert presets.load("Chairs").quality == "draft"
    with pytest.raises(EngineError, match="is a preset called"):
        presets.save("Chairs", MINE, replace=False)
    presets.save("Chairs", GenerateSettings(quality="standard"))
    assert presets.load("Chairs").quality == "standard"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace("draft", "best"),
        lambda text: text.replace('"steps": 20', '"steps": "many"'),
        lambda text: text.replace('"fast": true', '"fast": "very"'),
        lambda text: json.dumps({"name": 3}),
        lambda text: "[" * 100_000,
    ],
)
def test_a_broken_file_is_one_sentence_and_is_never_lost(tmp_path: Path, damage) -> None:  # pyright: ignore
    presets = Presets(tmp_path)
    presets.save("Chairs", MINE)
    presets.save("Tables", MINE)
    file = next(f for f in tmp_path.iterdir() if f.name.startswith("Chairs"))
    broken = damage(file.read_text(encoding="utf-8"))
    file.write_text(broken, encoding="utf-8")
    assert presets.list() == ("Tables",)
    (found,) = presets.unreadable()
    assert found.file == file.name and found.sentence.startswith("The preset in the file")
    assert len(found.sentence) < 300
    with pytest.raises(EngineError, match="cannot be read"):
        presets.load("Chairs")
    presets.save("Chairs", MINE)
    assert presets.load("Chairs") == MINE
    assert broken in [f.read_text(encoding="utf-8") for f in tmp_path.glob("*.unreadable")]


def test_a_preset_of_a_later_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    presets.save("Chairs", MINE)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text(encoding="utf-8"))
    content["settings"]["mood"] = "happy"
    content["settings"]["finish"]["gloss"] = 1
    file.write_text(json.dumps(content), encoding="utf-8")
    assert presets.load("Chairs") == MINE


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    presets = Presets(file / "presets")
    assert presets.list() == ()
    with pytest.raises(EngineError) as caught:
        presets.save("Chairs", MINE)
    assert caught.value.code == "preset_unwritable" and caught.value.hint
