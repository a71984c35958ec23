"""A quota for results, leftovers of services that were killed, logs that do not grow."""

import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.service import housekeeping
from engine.service.records import NewJob
from engine.service.store import Store
from protocol import requests
from protocol.events import Done, EngineStatus
from protocol.jobs import FinishJob, GenerateJob
from protocol.references import Attached, Stored
from tests.service.local import Local


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "home")
    yield store
    store.close()


def ended(store: Store, number: int, size: int) -> str:
    job = f"{number:032x}"
    store.add(NewJob(id=job, spec=GenerateJob(picture=Attached("picture"))))
    folder = store.folder(job)
    folder.mkdir(parents=True)
    (folder / "asset").write_bytes(bytes(size))
    store.end(job, "done", size=housekeeping.folder_bytes(folder))
    return job


def test_the_oldest_go_first_but_never_what_somebody_needs(store: Store) -> None:
    jobs = [ended(store, i, 100) for i in range(6)]
    store.pin(jobs[0], True)
    store.add(NewJob(id="f" * 32, spec=FinishJob(source=Stored(jobs[1]))))
    assert housekeeping.over_quota(store, 500) == []
    chosen = [record.id for record in housekeeping.over_quota(store, 350)]
    assert chosen == [jobs[2], jobs[3]]
    everything = [record.id for record in housekeeping.over_quota(store, 0)]
    assert everything == [jobs[2], jobs[3], jobs[4]]  # the newest stays, however large it is


def test_what_is_discarded_is_gone_even_if_the_folder_stays_a_while(store: Store) -> None:
    job = ended(store, 1, 100)
    (folder,) = housekeeping.discard(store, [job])
    assert not store.has(job) and not store.folder(job).exists() and folder.exists()
    assert housekeeping.leftovers(store) == [folder]
    housekeeping.remove_folders([folder])
    assert housekeeping.leftovers(store) == []


def test_leftovers_are_never_results(store: Store) -> None:
    kept = ended(store, 1, 100)
    lost = store.folder("a" * 32)
    (lost / "parts").mkdir(parents=True)
    never = store.folder("b" * 32)
    (never / "inputs").mkdir(parents=True)
    foreign = store.folder("my own folder")
    foreign.mkdir()
    assert housekeeping.leftovers(store) == [never]
    assert store.folder(kept).exists()


def test_the_quota_is_kept_and_told(serve: Callable[..., Local]) -> None:
    local = serve({"jobs": [[{"part": "asset", "bytes": 100_000}]]}, quota=250_000)
    peer = local.peer()
    jobs = [secrets.token_hex(16) for _ in range(4)]
    for job in jobs:
        peer.submit(job)
        peer.event(Done, job)
    peer.until(lambda: len(peer.ask(requests.ListJobs()).rows) == 2)
    assert [row.id for row in peer.ask(requests.ListJobs()).rows] == [jobs[3], jobs[2]]
    told = [e for e in peer.events if isinstance(e, EngineStatus) and "quota" in e.sentence]
    assert told
    peer.until(lambda: not (local.home / "assets" / jobs[0]).exists())


def test_logs_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "LOG_BYTES", 2000)
    root = logging.getLogger("engine.service")
    before = root.level, root.propagate
    handler = housekeeping.log_to(tmp_path / "logs")
    try:
        for i in range(200):
            logging.getLogger("engine.service.test").info("line %d", i)
            logging.getLogger("engine.service.test").debug("a secret")
    finally:
        root.removeHandler(handler)
        handler.close()
        root.level, root.propagate = before
    files = sorted((tmp_path / "logs").iterdir())
    assert len(files) == 3 and all(file.stat().st_size <= 2000 for file in files)
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert "line 199" in text and "secret" not in text
