"""Which checkpoint is used when none is named."""

from pathlib import Path

import pytest

from engine import embedded
from engine.systems import default_checkpoint as room
from engine.systems.catalogue import choose
from engine.weights.store import Store
from engine.weights.weight import Weight
from protocol.errors import EngineError
from protocol.jobs import GenerateJob, TextureJob
from protocol.limits import QUALITIES
from protocol.references import File


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that has its embedded model."""
    folder = tmp_path / "embedded"
    folder.mkdir()
    (folder / "pipeline.json").write_text("{}")
    monkeypatch.setattr(embedded, "FOLDER", folder)
    return folder


def test_without_weights_the_embedded_model_is_used_and_said(tmp_path: Path, shipped: Path) -> None:
    place, sentence = room.default_checkpoint(Store(tmp_path))
    assert Path(place) == shipped
    assert sentence is not None and "docs/weights.md" in sentence


def test_without_both_it_is_said_how_to_get_weights(tmp_path: Path, shipped: Path) -> None:
    (shipped / "pipeline.json").unlink()
    with pytest.raises(EngineError) as caught:
        room.default_checkpoint(Store(tmp_path))
    assert caught.value.code == "weights_absent"
    assert "models download standard (14.6 GB)" in caught.value.hint
    assert "--checkpoint FOLDER" in caught.value.hint


@pytest.mark.parametrize("quality", QUALITIES)
def test_published_weights_that_a_quality_needs_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quality: str
) -> None:
    here = {weight.name for weight in choose([quality])}
    absent: set[str] = set()

    def state(_store: Store, weight: Weight) -> str:
        return "present" if weight.name in here - absent else "absent"

    monkeypatch.setattr(Store, "state", state)
    place, sentence = room.default_checkpoint(Store(tmp_path))
    assert "TRELLIS.2-4B" in place and sentence is None
    absent.add("structure_flow")
    assert room.default_checkpoint(Store(tmp_path))[1] is not None


def test_weights_for_textures_are_enough_for_a_texture_only(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {weight.name for weight in choose(["texture"])}
    monkeypatch.setattr(Store, "state", lambda _, w: "present" if w.name in here else "absent")
    picture = File("a.png")
    texture = TextureJob(mesh=File("a.glb"), picture=picture)
    assert "TRELLIS.2-4B" in room.default_checkpoint(Store(tmp_path), texture)[0]
    for job in (None, GenerateJob(picture=picture)):
        place, sentence = room.default_checkpoint(Store(tmp_path), job)
        assert Path(place) == shipped and sentence is not None
