"""Jobs, parts and what stages cost, in SQLite: each transition is one transaction.

The file is locked for as long as it is open, by the operating system, so two services cannot share
a home and nothing is left behind when one is killed. Order is by number, never by a clock, which a
user may set back.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.pipe.messages import PartFile
from engine.service.database import STORE, open_database, told
from engine.service.records import JobRecord, NewJob, part_of, record_of
from protocol.errors import EngineError
from protocol.jobs import Job
from protocol.plain import to_dict
from protocol.requests import JobState

log = logging.getLogger(__name__)

HISTORY = 40
"""Measurements that are kept of each stage of each kind of job."""

_ORDER = "batch, position, number"
OPEN: tuple[JobState, ...] = ("queued", "running", "interrupted")


class Store:
    """The store of a home; open from the beginning to ``close``.

    Args:
        home: made when it is missing.

    Raises:
        EngineError: what ``open_database`` raises.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / STORE
        self._db = open_database(self._path)
        self._assets = home / "assets"

    def close(self) -> None:
        self._db.close()

    def recover(self) -> list[JobRecord]:
        """What a service that ended without a word left behind: running jobs are interrupted."""
        with self._transaction() as db:
            db.execute("UPDATE jobs SET state = 'interrupted' WHERE state = 'running'")
        marks = ", ".join("?" * len(OPEN))
        for row in self._db.execute(
            f"SELECT * FROM jobs WHERE state IN ({marks})", OPEN
        ).fetchall():
            if _readable(row) is None:
                self.end(row["id"], "failed", error=_UNREADABLE)
        return self.jobs(states=("interrupted",))

    def folder(self, job: str) -> Path:
        """Everything of a job; made by ``add``."""
        return self._assets / job

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
            "picture": new.picture,
            "client": new.client,
            "batch": new.batch,
            "retry_of": new.retry_of,
            "profile": new.profile,
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
        return record_of(row)

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
        picture: str = "",
        search: str = "",
        begins: str = "",
    ) -> list[JobRecord]:
        """Jobs, the newest first.

        Args:
            picture: only those made from the picture of this SHA-256; empty: from any.
            search: as in ``ListJobs``.
            begins: only those whose id begins so; empty: any.
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
        if picture:
            where.append("picture = ?")
            values.append(picture)
        for word in search.casefold().split():
            any_of = list(filter(None, word.split("|")))
            found_in = ["instr(searchable(title, kind, spec), ?)"] * len(any_of)
            where.append(f"({' OR '.join(found_in) or 1})")
            values += any_of
        if begins:
            where.append("substr(id, 1, ?) = ?")
            values += len(begins), begins
        query = f"SELECT * FROM jobs WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"
        found = map(_readable, self._db.execute(query, (*values, limit)))
        return [record for record in found if record is not None]

    def waiting(self, *, may_lack_networks: bool = False) -> Iterator[JobRecord]:
        """Queued jobs, the next one first: interactive ones before batch.

        Args:
            may_lack_networks: only those that make no asset, or may have made it already.
        """
        some = "AND (kind IN ('finish', 'render') OR started NOTNULL)" if may_lack_networks else ""
        query = f"SELECT * FROM jobs WHERE state = 'queued' {some} ORDER BY {_ORDER}"
        return map(record_of, self._db.execute(query))

    def line(self) -> dict[str, str]:
        """Profiles of the queued jobs by their ids, in the order of ``waiting``."""
        query = f"SELECT id, profile FROM jobs WHERE state = 'queued' ORDER BY {_ORDER}"
        return dict(map(tuple, self._db.execute(query)))

    def arrange(self, jobs: Sequence[str]) -> None:
        """Waiting jobs run in this order, among those of the same urgency."""
        with self._transaction() as db:
            for position, job in enumerate(jobs, 1):
                db.execute("UPDATE jobs SET position = ? WHERE id = ?", (position, job))

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
        seconds: Mapping[str, float] | None = None,
        costs: Mapping[str, Mapping[str, float]] | None = None,
    ) -> bool:
        """A job is done, failed or cancelled.

        Args:
            error: why it failed.
            size: bytes of its results.
            seconds: of its stages.
            costs: by profile, the seconds of its stages, for estimates.

        Returns:
            False where it had ended before: the first end counts.
        """
        code, message, hint = (error.code, error.message, error.hint) if error else ("", "", "")
        marks, measured = ", ".join("?" * len(OPEN)), json.dumps(dict(seconds or {}))
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, ended = ?, bytes = ?, seconds = ?, code = ?,"
                f" message = ?, hint = ? WHERE id = ? AND state IN ({marks})",
                (state, time.time(), size, measured, code, message, hint, job, *OPEN),
            ).rowcount
            if changed:
                for profile, seconds in (costs or {}).items():
                    self._remember(profile, seconds)
        return bool(changed)

    def bytes(self) -> int:
        """Of all results."""
        return self._db.execute("SELECT coalesce(sum(bytes), 0) FROM jobs").fetchone()[0]

    def unpinned_bytes(self) -> int:
        """Of results that may be removed."""
        query = "SELECT coalesce(sum(bytes), 0) FROM jobs WHERE NOT pinned"
        return self._db.execute(query).fetchone()[0]

    def count(self, state: JobState) -> int:
        query = "SELECT count(*) FROM jobs WHERE state = ?"
        return self._db.execute(query, (state,)).fetchone()[0]

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
        return [part_of(row) for row in self._db.execute(query, (job,))]

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
        return part_of(row)

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
                "INSERT OR REPLACE INTO clients VALUES (?, ?, ?, ?)",
                (key, name, token, time.time()),
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
        with told(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


_UNREADABLE = EngineError(
    "job_unreadable",
    "Another version of Maquette stored this job, and this one does not understand it.",
    "Ask for it again.",
)


def _readable(row: sqlite3.Row) -> JobRecord | None:
    """None: another version wrote what this one does not understand."""
    try:
        return record_of(row)
    except EngineError as error:
        log.warning("job %s cannot be read: %s", row["id"], error)
        return None
