"""Jobs, parts and what stages cost, in SQLite: each transition is one transaction.

The file is locked for as long as it is open, by the operating system, so two services cannot share
a home and nothing is left behind when one is killed. Order is by number, never by a clock, which a
user may set back.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.host.files import unwritable
from engine.pipe import Array, PartFile
from protocol.errors import EngineError
from protocol.jobs import FinishJob, Job
from protocol.plain import from_dict, to_dict
from protocol.requests import JobState

VERSION = 1
"""Of the tables, kept in the file."""
HISTORY = 40
"""Measurements that are kept of each stage of each kind of job."""

OPEN: tuple[JobState, ...] = ("queued", "running", "interrupted")

_TABLES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    finish TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    attached TEXT NOT NULL,
    title TEXT NOT NULL,
    client TEXT NOT NULL,
    batch INTEGER NOT NULL,
    position REAL NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '',
    retry_of TEXT NOT NULL DEFAULT '',
    pinned INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    bytes INTEGER NOT NULL DEFAULT 0,
    code TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT ''
);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE TABLE parts (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    layout TEXT NOT NULL,
    PRIMARY KEY (job, name)
);
CREATE TABLE notes (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sentence TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (job, sentence)
);
CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    profile TEXT NOT NULL,
    stage TEXT NOT NULL,
    seconds REAL NOT NULL
);
CREATE INDEX history_by_profile ON history (profile, stage);
CREATE TABLE clients (
    key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    token TEXT NOT NULL,
    paired REAL NOT NULL
);
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What a client asked for, as it is stored.

    Attributes:
        id: 32 hexadecimal digits.
        spec: what is to be done.
        finish: what comes right after it; None: nothing.
        checkpoint: None: the default one.
        attached: files in the job's folder, by the names that the client gave them.
        title, client: for people.
        batch: waits for interactive jobs.
        retry_of: id of the job that this one is another try of, or empty.
    """

    id: str
    spec: Job
    finish: FinishJob | None = None
    checkpoint: str | None = None
    attached: Mapping[str, Array] = field(default_factory=dict[str, Array])
    title: str = ""
    client: str = ""
    batch: bool = False
    retry_of: str = ""


@dataclass(frozen=True, kw_only=True)
class JobRecord(NewJob):
    """A job in the store.

    Attributes:
        number: jobs that came later have larger ones.
        kind: generate, texture, upscale, finish or render.
        position: jobs of the same urgency run by it; smaller first.
        attempts: how often it was begun.
        stage: that began last, or empty.
        pinned: never removed by the quota.
        created, started, ended: seconds since 1970, for people only; None: not yet.
        bytes: of its results on disk.
        error: why it failed.
    """

    number: int
    kind: str
    position: float
    state: JobState
    attempts: int
    stage: str
    pinned: bool
    created: float
    started: float | None
    ended: float | None
    bytes: int
    error: EngineError | None


class Store:
    """The store of a home; open from the beginning to ``close``.

    Args:
        home: exists.

    Raises:
        EngineError: ``service_running``: another service has it; ``home_unwritable``;
            ``store_newer``; ``store_damaged``; ``disk_full``.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.assets = home / "assets"
        path = home / "store.sqlite"
        with _told(path):
            self.assets.mkdir(parents=True, exist_ok=True)
            # Without a wait: whoever holds it holds it for hours.
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            with _told(path):
                self._open(path)
        except BaseException:
            self._db.close()
            raise

    def _open(self, path: Path) -> None:
        db = self._db
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        # FULL: a transition that was told to somebody survives a power cut.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA cache_size = -4096")
        db.execute("BEGIN IMMEDIATE")  # takes the lock, which stays
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise EngineError(
                "store_newer",
                f"{path} was written by a newer Maquette (store {version}, here {VERSION}).",
                "Update the engine, or set MAQUETTE_HOME to another folder.",
            )
        if version == 0:
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def recover(self) -> list[JobRecord]:
        """What a service that ended without a word left behind: running jobs are interrupted."""
        with self._transaction() as db:
            db.execute("UPDATE jobs SET state = 'interrupted' WHERE state = 'running'")
        return self.jobs(states=("interrupted",))

    def folder(self, job: str) -> Path:
        """Everything of a job; made by ``add``."""
        return self.assets / job

    # Jobs

    def add(self, new: NewJob) -> JobRecord:
        """Put a job at the end of the queue. Its folder and what is attached are there already."""
        spec = to_dict(new.spec, Job)
        (kind,) = spec
        values = {
            "id": new.id,
            "kind": kind.removesuffix("_job"),
            "spec": json.dumps(spec),
            "finish": json.dumps(None if new.finish is None else to_dict(new.finish)),
            "checkpoint": new.checkpoint or "",
            "attached": json.dumps({name: to_dict(file) for name, file in new.attached.items()}),
            "title": new.title,
            "client": new.client,
            "batch": new.batch,
            "retry_of": new.retry_of,
            "state": "queued",
            "created": time.time(),
        }
        with self._transaction() as db:
            (last,) = db.execute("SELECT coalesce(max(position), 0) FROM jobs").fetchone()
            values["position"] = last + 1
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            db.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", values)
        return self.job(new.id)

    def job(self, job: str) -> JobRecord:
        """
        Raises:
            EngineError: ``job_unknown``.
        """
        row = self._db.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise EngineError(
                "job_unknown", f"There is no job {job[:40]}.", "Ask for the list of jobs."
            )
        return _record(row)

    def has(self, job: str) -> bool:
        return bool(self._db.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone())

    def state(self, job: str) -> JobState | None:
        """None: there is no such job."""
        row = self._db.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()
        return row[0] if row else None

    def jobs(
        self,
        *,
        states: tuple[JobState, ...] = (),
        limit: int = -1,
        before: int | None = None,
    ) -> list[JobRecord]:
        """Jobs, the newest first.

        Args:
            limit: how many at most; -1: all.
            before: only jobs with smaller numbers.
        """
        where, values = ["1"], list[Any]()
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += states
        if before is not None:
            where.append("number < ?")
            values.append(before)
        query = f"SELECT * FROM jobs WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"
        return [_record(row) for row in self._db.execute(query, (*values, limit))]

    def waiting(self) -> list[JobRecord]:
        """Queued jobs, the next one first: interactive ones before batch."""
        query = "SELECT * FROM jobs WHERE state = 'queued' ORDER BY batch, position, number"
        return [_record(row) for row in self._db.execute(query)]

    def move(self, job: str, position: float) -> None:
        self._update("position = ? WHERE id = ?", position, job)

    def pin(self, job: str, pinned: bool) -> None:
        self._update("pinned = ? WHERE id = ?", pinned, job)

    def begin(self, job: str) -> None:
        self._update(
            "state = 'running', attempts = attempts + 1, stage = '', started = ? WHERE id = ?",
            time.time(),
            job,
        )

    def at_stage(self, job: str, stage: str) -> None:
        self._update("stage = ? WHERE id = ? AND state = 'running'", stage, job)

    def interrupt(self, job: str) -> None:
        self._update("state = 'interrupted' WHERE id = ? AND state = 'running'", job)

    def requeue(self, job: str, *, forgive: bool = False) -> None:
        """An interrupted job waits again, where it stood before.

        Args:
            forgive: count its attempts from the beginning.
        """
        attempts = "0" if forgive else "attempts"
        self._update(
            f"state = 'queued', attempts = {attempts} WHERE id = ? AND state = 'interrupted'", job
        )

    def end(
        self,
        job: str,
        state: JobState,
        *,
        error: EngineError | None = None,
        size: int = 0,
        profile: str = "",
        seconds: Mapping[str, float] | None = None,
    ) -> bool:
        """A job is done, failed or cancelled.

        Args:
            error: why it failed.
            size: bytes of its results.
            profile, seconds: what its stages cost, for estimates.

        Returns:
            False where it had ended before: the first end counts.
        """
        code, message, hint = (error.code, error.message, error.hint) if error else ("", "", "")
        marks = ", ".join("?" * len(OPEN))
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, ended = ?, bytes = ?, code = ?, message = ?, hint = ?"
                f" WHERE id = ? AND state IN ({marks})",
                (state, time.time(), size, code, message, hint, job, *OPEN),
            ).rowcount
            if changed:
                self._remember(profile, seconds or {})
        return bool(changed)

    def delete(self, job: str) -> None:
        """The row; the folder is housekeeping's."""
        with self._transaction() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (job,))

    # Parts and notes

    def put_part(self, part: PartFile) -> None:
        """A part is there. One that an earlier attempt made is replaced."""
        layout = json.dumps(to_dict(part.layout))
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO parts (job, name, file, bytes, sha256, layout)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (part.job, part.name, part.file, part.bytes, part.sha256, layout),
            )

    def parts(self, job: str) -> list[PartFile]:
        """In the order in which they came."""
        query = "SELECT * FROM parts WHERE job = ? ORDER BY rowid"
        return [_part(row) for row in self._db.execute(query, (job,))]

    def part(self, job: str, name: str) -> PartFile:
        """
        Raises:
            EngineError: ``part_unknown``.
        """
        query = "SELECT * FROM parts WHERE job = ? AND name = ?"
        row = self._db.execute(query, (job, name)).fetchone()
        if row is None:
            raise EngineError(
                "part_unknown",
                f"The job {job[:40]} has no part {name[:40]}.",
                "Wait for the event that says it is there.",
            )
        return _part(row)

    def put_note(self, job: str, sentence: str, level: str) -> None:
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", (job, sentence, level))

    def notes(self, job: str) -> list[tuple[str, str]]:
        """(sentence, level)."""
        query = "SELECT sentence, level FROM notes WHERE job = ? ORDER BY rowid"
        return [tuple(row) for row in self._db.execute(query, (job,))]

    # History of stages

    def _remember(self, profile: str, seconds: Mapping[str, float]) -> None:
        for stage, value in seconds.items():
            self._db.execute(
                "INSERT INTO history (profile, stage, seconds) VALUES (?, ?, ?)",
                (profile, stage, value),
            )
            self._db.execute(
                "DELETE FROM history WHERE profile = ?1 AND stage = ?2 AND number NOT IN"
                " (SELECT number FROM history WHERE profile = ?1 AND stage = ?2"
                "  ORDER BY number DESC LIMIT ?3)",
                (profile, stage, HISTORY),
            )

    def history(self, profile: str) -> dict[str, list[float]]:
        """Seconds by stage, the newest first."""
        found: dict[str, list[float]] = {}
        query = "SELECT stage, seconds FROM history WHERE profile = ? ORDER BY number DESC"
        for stage, seconds in self._db.execute(query, (profile,)):
            found.setdefault(stage, []).append(seconds)
        return found

    # Paired clients

    def admit(self, key: str, name: str, token: str) -> None:
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO clients VALUES (?, ?, ?, ?)", (key, name, token, time.time())
            )

    def admitted(self) -> dict[str, str]:
        """Tokens by public key."""
        return dict(map(tuple, self._db.execute("SELECT key, token FROM clients")))

    def secret(self, name: str, draw: Callable[[], str]) -> str:
        """A secret of this home, drawn at its first use."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, draw()))
            row = db.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
        return row[0]

    def _update(self, change: str, *values: Any) -> None:
        with self._transaction() as db:
            db.execute(f"UPDATE jobs SET {change}", values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _told(self.home / "store.sqlite"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _record(row: sqlite3.Row) -> JobRecord:
    values = dict(row)
    code, message, hint = (values.pop(name) for name in ("code", "message", "hint"))
    for name, kind in (
        ("spec", Job),
        ("finish", FinishJob | None),
        ("attached", Mapping[str, Array]),
    ):
        values[name] = from_dict(kind, json.loads(values[name]))  # pyright: ignore[reportArgumentType]
    return JobRecord(
        **values
        | {
            "checkpoint": values["checkpoint"] or None,
            "batch": bool(values["batch"]),
            "pinned": bool(values["pinned"]),
            "error": EngineError(code, message, hint) if code else None,
        }
    )


def _part(row: sqlite3.Row) -> PartFile:
    return from_dict(PartFile, dict(row) | {"layout": json.loads(row["layout"])})


_SENTENCES = {
    sqlite3.SQLITE_BUSY: (
        "service_running",
        "Another service of this home is running.",
        "Use it ('maquette status' finds it), or stop it with 'maquette stop'.",
    ),
    sqlite3.SQLITE_FULL: (
        "disk_full",
        "The disk is full: {path} was not written.",
        "Make room; the service then continues by itself.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "store_damaged",
        "{path} is damaged.",
        "Rename it to begin with an empty list; the results stay in the folder assets.",
    ),
}
_SENTENCES[sqlite3.SQLITE_CORRUPT] = _SENTENCES[sqlite3.SQLITE_NOTADB]
_SENTENCES[sqlite3.SQLITE_LOCKED] = _SENTENCES[sqlite3.SQLITE_BUSY]


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite and the system say, as a sentence with a remedy."""
    refused = (
        "home_unwritable",
        f"{path} cannot be written: {{reason}}.",
        "Set MAQUETTE_HOME to a folder that you may write to.",
    )
    try:
        yield
    except sqlite3.Error as error:
        # A code has finer codes in its higher bytes.
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        code, message, hint = _SENTENCES.get(primary, refused)
        raise EngineError(code, message.format(path=path, reason=error), hint) from error
    except OSError as error:
        full = unwritable(path, error)
        if full.code == "disk_full":
            raise full from error
        code, message, hint = refused
        raise EngineError(code, message.format(reason=error.strerror), hint) from error
