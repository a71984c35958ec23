"""Jobs whose results are in no scene yet, on disk: a crash of Blender must not hide them."""

import re
from pathlib import Path


class Unplaced:
    """A folder with an empty file for each job, so that several Blenders can share it.

    Args:
        folder: is made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: set[str] = set()
        try:
            names = [file.name for file in folder.iterdir()]
        except OSError:
            names = []
        self._jobs.update(name for name in names if re.fullmatch("[0-9a-f]{32}", name))

    def __contains__(self, job: str) -> bool:
        return job in self._jobs

    def __iter__(self):
        return iter(sorted(self._jobs))

    def add(self, job: str) -> None:
        """Somebody waits for it. A disk that is full only costs the offer after a crash."""
        self._jobs.add(job)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / job).touch()
        except OSError:
            return

    def remove(self, job: str) -> None:
        """It is in the scene, or nobody wants it."""
        self._jobs.discard(job)
        try:
            (self._folder / job).unlink(missing_ok=True)
        except OSError:
            return
