"""Jobs and parts in SQLite: every transition, other services, full and damaged files, the clock."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.pipe.messages import AttachedFile, PartFile
from engine.service.job_queue import JobQueue
from engine.service.records import NewJob, row_of
from engine.service.store import HISTORY, Store
from protocol.errors import EngineError
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, GenerateJob, UpscaleJob
from protocol.layout import Array
from protocol.parts import pack_file
from protocol.references import Attached, Stored

A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "home")
    yield store
    store.close()


def new(job: str, *, batch: bool = False, seed: int = 0, title: str = "") -> NewJob:
    spec = GenerateJob(picture=Attached("picture"), seed=seed)
    array = Array(name="picture", dtype="uint8", shape=(3,))
    return NewJob(
        id=job,
        spec=spec,
        finish=FinishChoice(finish="game"),
        checkpoint="someone/model",
        attached={"picture": AttachedFile(file="inputs/0", array=array)},
        profile="p",
        title=title,
        batch=batch,
    )


def part(job: str, name: str = "asset", sha256: str = "0" * 64) -> PartFile:
    layout = pack_file("asset.glb", b"abc").layout
    return PartFile(job=job, name=name, file="parts/x", bytes=3, sha256=sha256, layout=layout)


def test_a_job_comes_back_as_it_was_given(store: Store, tmp_path: Path) -> None:
    given = new(A, title="Стул")
    store.add(given)
    store.put_part(part(A))
    store.put_note(A, "The picture is small.", "user")
    store.put_note(A, "The picture is small.", "user")
    store.close()
    again = Store(tmp_path / "home")
    record = again.job(A)
    for name in ("id", "spec", "finish", "checkpoint", "attached", "title", "profile"):
        assert getattr(record, name) == getattr(given, name)
    assert record.state == "queued" and record.attempts == 0 and record.error is None
    assert again.parts(A) == [part(A)]
    assert again.notes(A) == [("The picture is small.", "user")]
    again.close()


def test_jobs_are_found_by_picture_and_title(store: Store) -> None:
    one, other = "1" * 64, "2" * 64
    for job, picture, title in ((A, one, "Стул"), (B, other, "Table 100%"), (C, one, "стулья")):
        store.add(replace(new(job, title=title), picture=picture))
    assert [r.id for r in store.jobs(picture=one)] == [C, A]
    assert [r.id for r in store.jobs(search="СТУЛ")] == [C, A]
    assert [r.id for r in store.jobs(search="0%")] == [B]
    assert [r.id for r in store.jobs(search="table", picture=one)] == []
    assert store.job(B).picture == other


def test_jobs_are_found_by_what_was_done(store: Store) -> None:
    chair = Stored(A)
    for id, spec in (
        (A, GenerateJob(picture=Attached("picture"), quality="high", seed=42)),
        (B, GenerateJob(picture=Attached("picture"), quality="draft", seed=43)),
        (C, UpscaleJob(source=chair)),
        (D, FinishJob(source=chair, finish="game")),
    ):
        store.add(replace(new(id, title="Chair"), spec=spec))

    def found(search: str) -> list[str]:
        return [record.id for record in store.jobs(search=search)]

    assert found("chair") == [D, C, B, A]
    assert found("HIGH Chair") == [A]
    assert found("seed 43") == [B]
    assert found("hoch|high") == [A] and found("|") == [D, C, B, A]
    assert found("upscale") == [C] and found("game") == [D]
    assert found("chair table") == found("generate") == []
    rows = [row_of(record, []) for record in store.jobs()]
    assert [(r.quality, r.seed, r.finish) for r in rows] == [
        *[("", None, "game"), ("", None, "")],
        *[("draft", 43, ""), ("high", 42, "")],
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_older_version_is_brought_up_to_date(
    store: Store, tmp_path: Path, version: int
) -> None:
    store.add(new(A, title="kept"))
    store.close()
    with sqlite3.connect(tmp_path / "home" / "store.sqlite") as db:
        db.execute("ALTER TABLE jobs DROP COLUMN seconds")
        if version == 1:
            db.execute("DROP INDEX jobs_by_picture")
            db.execute("ALTER TABLE jobs DROP COLUMN picture")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    again = Store(tmp_path / "home")
    assert again.job(A).title == "kept" and again.job(A).picture == ""
    assert again.job(A).seconds == {}
    again.end(A, "done", seconds={"shape": 1.5})
    assert again.job(A).seconds == {"shape": 1.5}
    again.close()


def test_states_follow_each_other_and_the_first_end_counts(store: Store) -> None:
    store.add(new(A))
    store.begin(A)
    assert store.job(A).state == "running" and store.job(A).attempts == 1
    store.at_stage(A, "shape")
    store.interrupt(A)
    assert (store.job(A).state, store.job(A).stage) == ("interrupted", "shape")
    store.requeue(A)
    store.begin(A)
    assert store.job(A).attempts == 2
    failure = EngineError("broken", "It broke.", "Try again.")
    assert store.end(A, "failed", error=failure, size=7)
    assert not store.end(A, "done")
    record = store.job(A)
    assert record.state == "failed" and record.bytes == 7
    assert record.error is not None and record.error.hint == "Try again."
    store.interrupt(A)
    store.requeue(A)
    assert store.job(A).state == "failed"


def test_what_ran_when_a_service_died_is_interrupted(store: Store, tmp_path: Path) -> None:
    for job in (A, B, C):
        store.add(new(job))
    store.begin(A)
    store.end(A, "done")
    store.begin(B)
    store.close()
    again = Store(tmp_path / "home")
    assert [record.id for record in again.recover()] == [B]
    assert [record.state for record in again.jobs()] == ["queued", "interrupted", "done"]
    again.close()


def test_interactive_jobs_come_before_batch_and_can_be_moved(store: Store) -> None:
    for job, batch in ((A, True), (B, False), (C, True), (D, False)):
        store.add(new(job, batch=batch))
    queue = JobQueue(store)
    assert list(queue.positions()) == [B, D, A, C]
    queue.reorder(D, B)
    queue.reorder(A, None)
    assert list(queue.positions()) == [D, B, C, A]
    with pytest.raises(EngineError, match="order cannot be mixed"):
        queue.reorder(A, B)
    store.begin(D)
    assert queue.position(B) == 1
    with pytest.raises(EngineError, match="no place in the queue"):
        queue.reorder(D, B)


def test_a_job_waits_for_the_result_that_it_needs(store: Store) -> None:
    queue = JobQueue(store)
    store.add(new(A))
    store.begin(A)
    store.add(NewJob(id=B, spec=FinishJob(source=Stored(A))))
    assert queue.next() is None
    store.add(new(C))
    found = queue.next()
    assert found is not None and found.id == C
    store.end(A, "done")
    found = queue.next()
    assert found is not None and found.id == B
    queue.check_sources(found)
    store.delete(A)
    with pytest.raises(EngineError, match="does not exist"):
        queue.check_sources(found)


def test_the_clock_may_go_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for i, job in enumerate((A, B, C)):
        monkeypatch.setattr(time, "time", lambda i=i: now - i * 86400)
        store.add(new(job))
    assert [record.id for record in store.jobs()] == [C, B, A]
    assert list(store.line()) == [A, B, C]
    store.begin(A)
    monkeypatch.setattr(time, "time", lambda: now - 10 * 86400)
    store.end(A, "done")
    assert store.job(A).state == "done"


def test_pages_of_jobs(store: Store) -> None:
    for i in range(5):
        store.add(new(f"{i:032x}"))
    page = store.jobs(limit=2)
    assert [record.number for record in page] == [5, 4]
    assert [record.number for record in store.jobs(limit=2, before=4)] == [3, 2]


def test_only_the_newest_measurements_stay(store: Store) -> None:
    for i in range(HISTORY + 5):
        job = f"{i:032x}"
        store.add(new(job))
        store.end(job, "done", costs={"p": {"shape": float(i)}})
    seconds = store.history("p")["shape"]
    assert len(seconds) == HISTORY and seconds[0] == HISTORY + 4


def test_a_second_service_is_told_of_the_first(store: Store, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as error:
        Store(tmp_path / "home")
    assert error.value.code == "service_running"
    code = (
        "import sys; from pathlib import Path; from engine.service.store import Store\n"
        "try: Store(Path(sys.argv[1]))\nexcept Exception as error: print(error.code)"
    )
    command = (sys.executable, "-c", code, str(tmp_path / "home"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "service_running"


def test_a_full_disk_is_one_sentence_and_nothing_is_half_written(store: Store) -> None:
    store.add(new(A))
    database = store._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(EngineError) as error:
        for i in range(100):
            store.put_note(A, f"{i}" * 500, "user")
    assert error.value.code == "disk_full"
    before = len(store.notes(A))
    database.execute("PRAGMA max_page_count = 1000000")
    store.put_note(A, "room again", "user")
    assert len(store.notes(A)) == before + 1


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError) as error:
        Store(tmp_path / "file" / "home")
    assert error.value.code == "home_unwritable" and "MAQUETTE_HOME" in error.value.hint
    (tmp_path / "home" / "store.sqlite").mkdir(parents=True)
    with pytest.raises(EngineError) as error:
        Store(tmp_path / "home")
    assert error.value.code == "home_unwritable"


def test_a_damaged_or_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database, but it is long enough to be looked at" * 100)
    with pytest.raises(EngineError) as error:
        Store(tmp_path)
    assert error.value.code == "store_damaged"
    assert path.read_bytes().startswith(b"this is no database")
    path.unlink()
    Store(tmp_path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(EngineError) as error:
        Store(tmp_path)
    assert error.value.code == "store_newer" and "99" in error.value.message


def test_secrets_and_paired_clients_stay(store: Store, tmp_path: Path) -> None:
    assert store.secret("key", lambda: "drawn") == "drawn"
    store.admit("k" * 40, "laptop", "token")
    store.close()
    again = Store(tmp_path / "home")
    assert again.secret("key", lambda: "another") == "drawn"
    assert again.admitted() == {"k" * 40: "token"}
    assert (tmp_path / "home" / "store.sqlite").stat().st_mode & 0o077 == 0
    again.close()


def test_a_job_of_another_version_fails_and_holds_nothing_up(store: Store) -> None:
    for job in (A, B):
        store.add(new(job))
    spec = '{"dream_job": {"of": "sheep"}}'
    store._db.execute("UPDATE jobs SET spec = ? WHERE id = ?", (spec, A))
    store.recover()
    assert [record.id for record in store.jobs()] == [B]
    assert store.state(A) == "failed"
    found = JobQueue(store).next()
    assert found is not None and found.id == B
