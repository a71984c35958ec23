"""What the store keeps of a job, as values."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.pipe.messages import AttachedFile, PartFile
from protocol.errors import EngineError
from protocol.events import Failed
from protocol.finishes import FinishChoice
from protocol.jobs import Job
from protocol.plain import from_dict
from protocol.replies import JobRow
from protocol.requests import JobState
from protocol.searching import searchable

INPUTS = "inputs"
"""Folder of a job for what came with it."""


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What a client asked for, as it is stored.

    Attributes:
        id: 32 hexadecimal digits.
        spec: what is to be done.
        finish: what comes right after it; None: nothing.
        checkpoint: None: the default one.
        attached: files in the job's folder, by the names that the client gave them.
        profile: key of the seconds that such jobs took (``estimates.rough_profile``).
        title, client: for people.
        picture: SHA-256 of the picture that it is made from, or empty.
        batch: waits for interactive jobs.
        retry_of: id of the job that this one is another try of, or empty.
    """

    id: str
    spec: Job
    finish: FinishChoice | None = None
    checkpoint: str | None = None
    attached: Mapping[str, AttachedFile] = field(default_factory=dict[str, AttachedFile])
    profile: str = ""
    title: str = ""
    picture: str = ""
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
        seconds: of its stages, once it is done.
        pinned: never removed by the quota.
        created, started, ended: seconds since 1970, for people only; None: not yet.
        bytes: of its results on disk.
        error: why it failed.
    """

    number: int
    kind: str
    position: int
    state: JobState
    attempts: int
    stage: str
    seconds: Mapping[str, float]
    pinned: bool
    created: float
    started: float | None
    ended: float | None
    bytes: int
    error: EngineError | None


def record_of(row: sqlite3.Row) -> JobRecord:
    values = dict(row)
    code, message, hint = (values.pop(name) for name in ("code", "message", "hint"))
    for name, kind in (
        ("spec", Job),
        ("finish", FinishChoice | None),
        ("attached", Mapping[str, AttachedFile]),
        ("seconds", Mapping[str, float]),
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


def part_of(row: sqlite3.Row) -> PartFile:
    return from_dict(PartFile, dict(row) | {"layout": json.loads(row["layout"])})


def row_of(record: JobRecord, parts: Sequence[PartFile]) -> JobRow:
    """A job as lists show it, without what only the running service knows."""
    failure = record.error and Failed(
        job=record.id,
        code=record.error.code,
        message=record.error.message,
        hint=record.error.hint,
    )
    return JobRow(
        id=record.id,
        kind=record.kind,
        client=record.client,
        title=record.title,
        state=record.state,
        priority="batch" if record.batch else "interactive",
        created=record.created,
        started=record.started,
        ended=record.ended,
        stage=record.stage,
        fraction=1.0 if record.state == "done" else 0.0,
        parts=tuple(part.name for part in parts),
        bytes=record.bytes,
        pinned=record.pinned,
        retry_of=record.retry_of,
        failure=failure,
        picture_sha256=record.picture,
        **_settings(vars(record.spec)),
    )


def searchable_of(title: str, kind: str, spec: str) -> str:
    """``searchable`` of a job by its settings ``spec`` as the store has them."""
    (settings,) = json.loads(spec).values()
    return searchable(title, kind, **_settings(settings))


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ``JobRow`` that tell results of one picture apart."""
    return {
        "quality": spec.get("quality") or spec.get("type") or "",
        "seed": spec.get("seed"),
        "finish": spec.get("finish") or "",
    }
