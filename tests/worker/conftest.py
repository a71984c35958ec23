"""The toy checkpoint, written once, and a worker with it."""

from pathlib import Path

import pytest

from engine.checkpoints import image_encoders as encoders
from engine.checkpoints.image_encoders import EncoderKind
from protocol.references import File
from tests.systems.trellis2.toy import ToyEncoder, picture
from tests.worker.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    def load(*, folder: Path | None, offline: bool) -> ToyEncoder:
        return ToyEncoder()

    monkeypatch.setitem(encoders.ENCODERS, "ToyEncoder", EncoderKind(load, 4))
    monkeypatch.setattr("engine.worker.worker.warm_up", lambda *jobs: 0)
    return Bench(tmp_path, toy)


@pytest.fixture
def image(tmp_path: Path) -> File:
    path = tmp_path / "disc.png"
    path.write_bytes(picture())
    return File(str(path))
