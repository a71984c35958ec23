"""Programs that a set-up runs: what they write goes into its log, and comes back."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ..protocol.errors import EngineError
from .disk import disk_full, is_full
from .launch import NO_WINDOW
from .places import Places
from .uv_trouble import in_words

Each = Callable[[], None]


class Commands:
    """
    Args:
        places: of the engine.
        log: ``places.set_up_log``, open for appending.

    Attributes:
        uv: its binary, as soon as it is here.
    """

    def __init__(self, places: Places, log: BinaryIO) -> None:
        self.uv = Path()
        self._places, self._log = places, log

    def run_uv(self, *arguments: str, each: Each | None = None) -> tuple[int, str]:
        """As ``run``."""
        return self.run([str(self.uv), *arguments], each)

    def run(self, command: Sequence[str], each: Each | None = None) -> tuple[int, str]:
        """
        Args:
            command: to run.
            each: is called twice a second meanwhile.

        Returns:
            Exit status, and what it wrote.
        """
        self._log.write(f"> {Path(command[0]).name} {' '.join(command[1:])}\n".encode())
        self._log.flush()
        begin = self._log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=self._places.work,
            creationflags=NO_WINDOW,
        )
        while True:
            try:
                status = process.wait(0.5 if each else None)
                break
            except subprocess.TimeoutExpired:
                if each:
                    each()
        with self._places.set_up_log.open("rb") as opened:
            opened.seek(begin)
            return status, opened.read().decode("utf-8", "replace")

    def trouble(self, text: str, doing: str) -> EngineError:
        """What a program wrote that failed, as a sentence.

        Args:
            text: of it.
            doing: what it was to do, such as "install the engine".
        """
        if is_full(self._places.home):
            return disk_full(self._places.home)
        return in_words(text, doing, self._places.home, self._places.set_up_log)
