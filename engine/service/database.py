"""The SQLite file of a home: its tables, how it is opened and locked, its errors as sentences."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.host.files import unwritable
from engine.service.records import searchable_of
from protocol.errors import EngineError

STORE = "store.sqlite"
"""Name of the file in a home."""
VERSION = 3
"""Of the tables, kept in the file."""
LIST_SECONDS = 0.3
LONGEST_PATH = 500
"""Bytes; SQLite's own limit is 512, with the suffixes of files beside it."""

_TABLES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    finish TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    attached TEXT NOT NULL,
    profile TEXT NOT NULL,
    title TEXT NOT NULL,
    picture TEXT NOT NULL DEFAULT '',
    client TEXT NOT NULL,
    batch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '',
    seconds TEXT NOT NULL DEFAULT '{}',
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


def open_database(path: Path) -> sqlite3.Connection:
    """The database, locked for as long as it is open; its tables are made when they are missing.

    Raises:
        EngineError: ``home_too_long``; ``home_unwritable``; ``service_running``: another process
            has it; ``store_newer``; ``store_damaged``; ``disk_full``.
    """
    if len(os.fsencode(path.absolute())) > LONGEST_PATH:
        raise EngineError(
            "home_too_long",
            f"The path {path} is too long for SQLite, which takes {LONGEST_PATH} bytes.",
            "Set MAQUETTE_HOME to a folder with a shorter path.",
        )
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        # Another service holds it for hours, but a list of jobs for a moment only.
        db = sqlite3.connect(path, timeout=LIST_SECONDS, isolation_level=None)
        try:
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.row_factory = sqlite3.Row
    # SQLite's own LIKE and lower() know English letters only.
    db.create_function("searchable", 3, searchable_of, deterministic=True)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA journal_mode = WAL")
    # FULL: a transition that was told to somebody survives a power cut.
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA cache_size = -1024")
    db.execute("BEGIN IMMEDIATE")  # takes the lock, which stays
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise EngineError(
            "store_newer",
            f"{path} was written by a newer Maquette (store {version}, here {VERSION}).",
            "Update the engine, or set MAQUETTE_HOME to another folder.",
        )
    if version == 1:
        db.execute("ALTER TABLE jobs ADD COLUMN picture TEXT NOT NULL DEFAULT ''")
    if version in (1, 2):
        db.execute("ALTER TABLE jobs ADD COLUMN seconds TEXT NOT NULL DEFAULT '{}'")
    if version == 0:
        for statement in _TABLES.split(";"):
            db.execute(statement)
    if version < 2:
        db.execute("CREATE INDEX jobs_by_picture ON jobs (picture)")
    if version < VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


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
def told(path: Path) -> Iterator[None]:
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
