"""Jobs whose results are in no scene yet, on disk: a crash of Blender must not hide them."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from .snapshot import ENDED_BADLY

if TYPE_CHECKING:
    from .following import Followed

LONGEST = 10_000
"""Bytes of a file that are read."""
MOST = 20
"""Jobs that have ended badly and are kept in mind, so that a farm leaves no heap of them."""


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What is known of a job without its engine.

    Attributes:
        engine: that has it: address of another machine's; empty: this machine's.
        state: how it has ended badly; empty: it has not, as far as is known.
        title, kind, problem, hint: as in ``JobView``.
    """

    engine: str = ""
    state: Literal["", "failed", "interrupted"] = ""
    title: str = ""
    kind: str = ""
    problem: str = ""
    hint: str = ""


class Unplaced:
    """A folder with a file for each job, so that several Blenders can share it.

    Args:
        folder: is made when it is needed.

    Attributes:
        engine: that is used now: address of another machine's; empty: this machine's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.engine = ""
        self._jobs: dict[str, Noted] = {}
        try:
            files = [file for file in folder.iterdir() if re.fullmatch("[0-9a-f]{32}", file.name)]
            files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        except OSError:
            files = []
        bad = 0
        for file in files:
            noted = _read(file)
            bad += noted.state in ENDED_BADLY
            if noted.state in ENDED_BADLY and bad > MOST:
                self.remove(file.name)
            else:
                self._jobs[file.name] = noted

    def __contains__(self, job: str) -> bool:
        return job in self._jobs

    def __getitem__(self, job: str) -> Noted:
        return self._jobs[job]

    def __iter__(self) -> Iterator[str]:
        """Those that the engine in use has."""
        return iter(sorted(job for job, noted in self._jobs.items() if noted.engine == self.engine))

    def add(self, job: str) -> None:
        """Somebody waits for it. A disk that is full only costs the offer after a crash."""
        self._write(job, Noted(engine=self.engine))

    def note(self, job: "Followed") -> None:
        """It has no result. What ended badly is shown by the next Blender although no engine runs;
        what the engine refused is nowhere but in this one."""
        if job.resubmit is None and job.state in ENDED_BADLY:
            noted = Noted(
                engine=self.engine,
                state=job.state,
                title=job.name,
                kind=job.kind,
                problem=job.problem,
                hint=job.hint,
            )
            self._write(job.id, noted)
        else:
            self.remove(job.id)

    def remove(self, job: str) -> None:
        """It is in the scene, or nobody wants it."""
        self._jobs.pop(job, None)
        try:
            (self._folder / job).unlink(missing_ok=True)
        except OSError:
            return

    def _write(self, job: str, noted: Noted) -> None:
        if self._jobs.get(job) == noted:
            return
        self._jobs[job] = noted
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / job).write_text(json.dumps(asdict(noted)), encoding="utf-8")
        except OSError:
            return


def _read(file: Path) -> Noted:
    """What a file says; one that cannot be read is of a job of this machine."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            told: Any = json.loads(opened.read(LONGEST))
    except (OSError, ValueError, RecursionError):
        return Noted()
    if not isinstance(told, dict):
        return Noted()
    values = cast("dict[str, Any]", told)
    names = [field.name for field in fields(Noted)]
    noted = Noted(**{n: values[n] for n in names if isinstance(values.get(n), str)})
    return noted if noted.state in ("", *ENDED_BADLY) else replace(noted, state="")
