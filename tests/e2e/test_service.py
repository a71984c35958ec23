"""The real service and worker with the small model: from a picture to files, and stopped midway.

One service for all tests of this file, since a worker takes seconds to start.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.reliability import House, run
from engine import connect
from engine.assets.folder import load_asset
from engine.cli import app
from engine.readers.load import load_mesh
from engine.remote import Engine, RemoteJob, sendable
from protocol.client import Answer
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Event, Progress
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, GenerateJob
from protocol.references import Attached, File, Stored
from protocol.requests import CutOut
from protocol.wire import Shaped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
ROCKET = ROOT / "examples" / "rocket.png"
SMALL = FinishChoice(finish="standard", texture_size=512)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("home"))
    house.start()
    yield house
    assert house.kill_service() >= 0, "the worker outlived the service"


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    with connect(house.home, name="test") as engine:
        yield engine


@pytest.fixture(scope="module")
def made(house: House) -> str:
    """The id of a job that is done, and finished."""
    with connect(house.home, name="test") as engine:
        return submitted(engine, SMALL, seed=1).wait().id


def submitted(engine: Engine, choice: FinishChoice | None = None, *, seed: int) -> RemoteJob:
    job, attached = sendable(GenerateJob(picture=File(str(ROCKET)), quality="draft", seed=seed))
    return engine.submit(job, attached, choice, title="rocket")


def test_three_lines_of_python(engine: Engine, tmp_path: Path) -> None:
    job = engine.generate(ROCKET, quality="draft", finish=None).wait()
    (file,) = job.save(tmp_path / "rocket.glb")
    assert len(load_mesh(file).faces) > 100
    assert {"structure", "mesh", "model", "thumbnail", "asset"} <= set(job.snapshot().row.parts)
    with pytest.raises(EngineError, match="no part"):
        job.part("finished")
    (obj,) = job.save(tmp_path / "rocket.obj")
    assert len(load_mesh(obj).faces) == len(load_mesh(file).faces)


def test_an_asset_comes_home_and_is_finished_again(
    engine: Engine, made: str, tmp_path: Path
) -> None:
    folder = engine.job(made).save_asset(tmp_path / "rocket.maquette")
    asset = load_asset(folder)
    assert asset.recipe["seed"] == 1
    again = engine.submit(FinishJob(source=Stored(made), texture_size=256)).wait()
    assert len(again.mesh().faces) > 100
    assert again.part("textures").head.layout.images[0].width == 256


STAGES = (
    *("picture", "encode", "structure", "decode_structure", "shape", "texture", "decode_shape"),
    *("decode_material", "saving", "clean", "remesh", "detail", "simplify", "unwrap", "bake"),
    *("writing", "thumbnail"),
)


def test_these_are_all_stages(engine: Engine, made: str) -> None:
    """By what the end says: of a short stage no progress need be seen, since newer progress
    replaces what a busy client has not read."""
    stages: set[str] = set()
    for event in submitted(engine, SMALL, seed=1).events():
        if isinstance(event, Progress):
            stages.add(event.stage)
        elif isinstance(event, Done):
            assert stages <= set(event.seconds)
            stages = set(event.seconds)
    assert stages == set(STAGES)


def one_cancelled_in(
    engine: Engine, stage: str, choice: FinishChoice | None, *, seed: int
) -> tuple[RemoteJob, Event]:
    """A job that was cancelled at its first progress of ``stage``, and its last event.

    Newer progress replaces what has not been read, so on a busy machine a short stage can pass
    unseen. Such a job runs to its end, and another one is made.
    """
    for _ in range(5):
        job = submitted(engine, choice, seed=seed)
        seen, last = False, None
        for event in job.events():
            if isinstance(event, Progress) and event.stage == stage and not seen:
                job.cancel()
                seen = True
            last = event
        if seen and last is not None:
            return job, last
    raise AssertionError(f"no progress of {stage} was seen in five jobs")


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_in_a_stage_and_the_engine_still_works(engine: Engine, stage: str) -> None:
    job, last = one_cancelled_in(engine, stage, SMALL, seed=2)
    # Of the last stage the end may have been on its way.
    assert isinstance(last, Cancelled) or stage == STAGES[-1]
    state = "cancelled" if isinstance(last, Cancelled) else "done"
    assert job.snapshot().row.state == state


def test_the_small_model_says_that_it_stands_in(engine: Engine, made: str) -> None:
    notes = [note.sentence for note in engine.job(made).snapshot().notes]
    assert any("small model" in sentence for sentence in notes)


def test_a_picture_that_was_cut_out_first_gives_the_same(engine: Engine, made: str) -> None:
    """What a panel shows before, and sends perhaps painted on, is what a job makes of it itself."""
    client = engine.client
    asked = client.request(
        CutOut(picture=Attached("picture")),
        {"picture": Shaped.of_file(ROCKET.read_bytes())},
    )
    rows = None
    while rows is None:
        for told in client.poll(0.05, wait_s=0.2):
            if isinstance(told, Answer) and told.id == asked:
                rows = told.buffers["picture"]
    job = GenerateJob(picture=Attached("rows"), matte="cutout", quality="draft", seed=1)
    again = engine.submit(job, {"rows": rows}, SMALL, title="rocket").wait()
    for name in ("source", "structure", "mesh", "finished", "textures"):
        one, other = (j.part(name).head.sha256 for j in (engine.job(made), again))
        assert one == other, name


def test_a_retry_of_a_cancelled_job_begins_after_its_samples(engine: Engine) -> None:
    job, last = one_cancelled_in(engine, "decode_shape", None, seed=3)
    assert isinstance(last, Cancelled)
    again = job.retry()
    done = [event for event in again.events() if isinstance(event, Done)][-1]
    assert "decode_shape" in done.seconds
    assert not {"structure", "shape", "texture"} & set(done.seconds)
    assert again.snapshot().row.state == "done"


def test_the_command_line_uses_the_engine_that_runs(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAQUETTE_HOME", str(house.home))
    target = tmp_path / "rocket.glb"
    shown = CliRunner().invoke(
        app,
        ["generate", str(ROCKET), "-o", str(target), "--quality", "draft", "--finish", "none"],
    )
    assert shown.exit_code == 0, shown.output
    assert f"{target}: " in shown.output
    assert load_asset(tmp_path / "rocket.maquette").recipe["kind"] == "generate"
    jobs = CliRunner().invoke(app, ["jobs"])
    assert jobs.output.splitlines()[0].count("rocket") == 1
    assert "command line" in jobs.output.splitlines()[0]


def test_kill_worker_service_and_client_at_random_moments(tmp_path: Path) -> None:
    for outcome in run(3, seed=11, home=tmp_path / "home"):
        assert outcome.wrong == [], outcome


def test_watch_makes_an_asset_of_every_picture_that_has_none(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAQUETTE_HOME", str(house.home))
    pictures, output = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    (pictures / "rocket.png").write_bytes(ROCKET.read_bytes())
    (pictures / "broken.png").write_bytes(b"no picture")
    words = ["watch", str(pictures), "-o", str(output), "--quality", "draft", "--finish", "none"]
    shown = CliRunner().invoke(app, [*words, "--once"])
    assert shown.exit_code == 2, shown.output  # one is no picture
    assert len(load_mesh(output / "rocket.glb").faces) > 100
    assert "broken.png: " in shown.output
    assert not (output / "broken.glb").exists()
