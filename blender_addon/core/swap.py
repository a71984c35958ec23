"""Bringing a new engine into the place of the old one, so that at every moment one is whole."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..protocol.errors import EngineError
from .launch import NO_WINDOW
from .places import Places, python_in
from .running import alive, end, read_running

PATIENCE = 20.0
"""Seconds that an engine without a job may take to end, and Windows to let go of its files."""


def put_in_place(places: Places, told: Callable[[str], None]) -> None:
    """``new`` becomes ``engine``; an engine that runs is asked to end first, after its job.

    Raises:
        EngineError: ``engine_in_use``.
    """
    if places.engine.exists():
        _stop(places, told)
    told("Putting the new engine in its place")
    remove(places.old)
    if places.engine.exists():
        _rename(places.engine, places.old)
    try:
        _rename(places.new, places.engine)
    except EngineError:
        if places.old.exists():
            places.old.rename(places.engine)
        raise
    remove(places.old)


def _stop(places: Places, told: Callable[[str], None]) -> None:
    running = read_running(places.connection)
    if running is None or not alive(running.pid):
        return
    told("Waiting for the running job")
    command = [str(python_in(places.engine)), "-I", "-m", "engine", "stop"]
    stopped = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        creationflags=NO_WINDOW,
    )
    limit = time.monotonic() + PATIENCE
    while alive(running.pid):
        if stopped.returncode != 0 and time.monotonic() > limit:
            end(running.pid)
            limit = float("inf")
        time.sleep(0.2)


def _rename(path: Path, to: Path) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            path.rename(to)
            return
        except OSError as error:
            if sys.platform == "win32" and time.monotonic() < limit:
                time.sleep(0.5)
                continue
            raise EngineError(
                "engine_in_use",
                f"The engine in {path.parent} cannot be replaced: {error.strerror}.",
                "Close what uses it (other Blenders, a terminal in its folder), then try again: "
                "the new one is ready.",
            ) from error


def copy_environment(source: Path, target: Path) -> None:
    """A second environment that shares the files of the first: no bytes are copied.

    Installing into it replaces files, never writes into them, so that the first stays as it is.
    """
    for folder, folders, files in os.walk(source):
        to = target / Path(folder).relative_to(source)
        to.mkdir(parents=True, exist_ok=True)
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in list(folders):
            if Path(folder, name).is_symlink():
                folders.remove(name)
                files.append(name)
        for name in files:
            one, other = Path(folder, name), to / name
            if one.is_symlink():
                other.symlink_to(os.readlink(one))
                continue
            try:
                os.link(one, other)
            except OSError:
                shutil.copy2(one, other)


def remove(path: Path) -> None:
    """A folder or file, if it is there; what cannot be removed now stays until the next time."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):  # on Windows, while anybody has it open
        path.unlink(missing_ok=True)
