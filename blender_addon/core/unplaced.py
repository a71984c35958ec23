"""Jobs whose results are in no scene yet, on disk: a crash of Blender must not hide them."""

import re
from collections.abc import Iterator
from pathlib import Path

LONGEST = 300
"""Characters of an address that are read."""


class Unplaced:
    """A folder with a file for each job, so that several Blenders can share it. In the file stands
    which engine has the job.

    Args:
        folder: is made when it is needed.

    Attributes:
        engine: that is used now: address of another machine's; empty: this machine's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.engine = ""
        self._jobs: dict[str, str] = {}
        try:
            files = [file for file in folder.iterdir() if re.fullmatch("[0-9a-f]{32}", file.name)]
        except OSError:
            files = []
        for file in files:
            self._jobs[file.name] = _engine_in(file)

    def __contains__(self, job: str) -> bool:
        return job in self._jobs

    def __iter__(self) -> Iterator[str]:
        """Those that the engine in use has."""
        return iter(sorted(job for job, engine in self._jobs.items() if engine == self.engine))

    def add(self, job: str) -> None:
        """Somebody waits for it. A disk that is full only costs the offer after a crash."""
        self._jobs[job] = self.engine
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / job).write_text(self.engine, encoding="utf-8")
        except OSError:
            return

    def remove(self, job: str) -> None:
        """It is in the scene, or nobody wants it."""
        self._jobs.pop(job, None)
        try:
            (self._folder / job).unlink(missing_ok=True)
        except OSError:
            return


def _engine_in(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(LONGEST)
    except OSError:
        return ""
