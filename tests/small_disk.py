"""A disk that is soon full: a file system in memory of the size that a test wants."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A new folder on a file system of ``size`` bytes; where none can be mounted, the test is
    skipped."""
    folder.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "-l", str(folder)), check=True)


def fill(file: Path, left: int = 0) -> None:
    """Take all bytes that are free but ``left``, until ``file`` is removed."""
    with suppress(OSError), file.open("wb", buffering=0) as opened:
        while (free := shutil.disk_usage(file.parent).free - left) > 0:
            opened.write(bytes(min(free, 1 << 20)))
        while left == 0:  # to the last block, whatever was counted
            opened.write(bytes(512))
