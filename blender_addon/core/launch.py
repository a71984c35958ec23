"""How processes are started: detached from Blender, with an output that never blocks them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .disk import unwritable

# The parent of the extension's folder is only searched last, since it holds other extensions.
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); from importlib import import_module; "
    "sys.exit(import_module(sys.argv[2]).main(sys.argv[3:]))"
)
NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0
NEW_GROUP = 0x00000200 if sys.platform == "win32" else 0
"""For ``Popen``: no console opens; a Ctrl-C in another one does not arrive."""
SET_UP = "core.set_up_process"
IDLE = 60.0
"""Seconds after the last Blender has gone, and the last job is done, until the engine leaves."""


def set_up_command(python: Path, extension: Path, *arguments: str) -> list[str]:
    """A set-up with Blender's own Python, isolated from what is installed there.

    Args:
        python: Blender's.
        extension: folder of the extension, whose name is that of a package.
    """
    module = f"{extension.name}.{SET_UP}"
    return [str(python), "-I", "-c", _BOOTSTRAP, str(extension.parent), module, *arguments]


def serve_command(python: Path, idle: float = IDLE) -> list[str]:
    """The engine.

    Args:
        python: of its environment.
        idle: seconds without clients and jobs after which it leaves.
    """
    return [str(python), "-I", "-m", "engine", "serve", "--idle", f"{idle:g}"]


def stop_command(python: Path, *, now: bool) -> list[str]:
    """Ask the engine to end.

    Args:
        now: do not wait for its job, which can be resumed.
    """
    return [str(python), "-I", "-m", "engine", "stop", *(("--now",) if now else ())]


def blenders_python(
    executable: str, prefix: str, version: tuple[int, int], exists: Callable[[Path], bool]
) -> Path | None:
    """The Python that came with Blender, or that it uses; None: there is none to be found.

    Args:
        executable, prefix: of ``sys``.
        version: of Python.
        exists: whether there is a file.
    """
    name = f"python{version[0]}.{version[1]}"
    candidates = [
        *([Path(executable)] if Path(executable).name.lower().startswith("python") else []),
        *(Path(prefix, "bin", each) for each in (name, "python.exe", "python3", "python")),
        *(Path(folder, name) for folder in ("/usr/bin", "/usr/local/bin")),
    ]
    return next((each for each in candidates if exists(each)), None)


def start(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    given: bytes = b"",
) -> "subprocess.Popen[bytes]":
    """Start a program that outlives Blender and shows no window.

    Args:
        command: program and arguments.
        log: gets what it writes, emptied first.
        environment: of it.
        folder: it starts in.
        given: on its standard input; some kilobytes at most, so that writing never waits.

    Raises:
        EngineError: ``unwritable``, ``disk_full``.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as opened:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                stdout=opened,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                # A group of its own: a Ctrl-C in the terminal of Blender does not reach it, and it
                # can be ended with all that it started.
                start_new_session=sys.platform != "win32",
                creationflags=NO_WINDOW | NEW_GROUP,
            )
    except OSError as error:
        raise unwritable(Path(error.filename or log.parent), error) from error
    if process.stdin is not None:
        with suppress(OSError):  # it may have ended already; its exit status tells
            process.stdin.write(given)
            process.stdin.close()
    return process


def end_group(pid: int, environment: Mapping[str, str]) -> None:
    """End a program that ``start`` started, with all that it started, at once."""
    if sys.platform == "win32":
        subprocess.Popen(
            ["taskkill", "/T", "/F", "/PID", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            creationflags=NO_WINDOW,
        )
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
