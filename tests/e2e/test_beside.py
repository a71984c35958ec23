"""Real worker and finisher with the small model, as they are where there is a GPU."""

from pathlib import Path

import pytest

from benchmarks.beside import PICTURE, get_ready, in_a_row, serving
from engine.remote import Engine
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, GenerateJob
from protocol.references import File, Stored

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CHOICE = FinishChoice(finish="standard", texture_size=256)
SAME = ("source", "structure", "mesh", "finished", "textures", "model", "thumbnail")


def test_assets_in_a_row_overlap_and_are_those_of_one_worker(tmp_path: Path) -> None:
    home = tmp_path / "home"
    draft = GenerateJob(picture=File(str(PICTURE)), quality="draft", seed=1)
    with (
        serving(home, finisher=True, device="cpu") as service,
        Engine(home, name="test") as engine,
    ):
        get_ready(service, engine, CHOICE, draft)
        row = in_a_row(service, engine, CHOICE, [draft] * 3)
        assert row.states == ["done"] * 3 and row.both > 0.0
        # The first was finished beside the second; the last, behind which nothing waits, was not.
        jobs = [engine.job(id) for id in row.ids]
        for stages in row.seconds:
            assert list(stages) == list(row.seconds[-1])
        for name in SAME:
            assert len({job.part(name).head.sha256 for job in jobs}) == 1, name
        again = engine.submit(FinishJob(source=Stored(row.ids[0]), texture_size=128)).wait()
        assert again.part("textures").head.layout.images[0].width == 128
        assert service._staff.finisher.device is not None
        assert service._staff.finisher.checkpoint == ""
