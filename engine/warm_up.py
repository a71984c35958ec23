"""Kernels that a job will need, compiled in the background by processes that end with this one.

numba compiles one kernel at a time in a process, mostly in Python, so that threads gain nothing.
What a job needs was recorded from one (``python -m benchmarks.kernels``), in order of use. Helpers
begin with what is used last while this process compiles what it meets: where they meet in the
middle all is done, and hardly a kernel was compiled twice.
"""

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from engine.host.parallel import thread_count
from engine.kernel_cache import read_type
from engine.kernels import is_missing

RECORDED = Path(__file__).with_name("warm_up.json")
"""By job: names of kernels, and the types of their arguments as ``spelled`` has them."""

_MOST_HELPERS = 3
_NICE = 10
_helpers: list[subprocess.Popen] = []


def warm_up(*jobs: str, helpers: int | None = None) -> int:
    """Compile in the background what jobs need and is not compiled; returns at once.

    Helpers have a low priority, print nothing, ignore Ctrl-C, and end when they are done or this
    process ends, however that happens. Nothing depends on them: a kernel that is still missing is
    compiled when it is called.

    Args:
        jobs: entries of ``RECORDED``, such as "generate", "render" or "read".
        helpers: processes; None: one less than there are cores, at most 3.

    Returns:
        How many helpers are at work: 0 where nothing is missing, or nothing can be kept.

    Raises:
        KeyError: a job that was never recorded.
    """
    for helper in [h for h in _helpers if h.poll() is not None]:
        _end(helper)
    if _helpers or not sys.executable or not any(is_missing(*one) for one in recorded(*jobs)):
        return len(_helpers)
    count = min(_MOST_HELPERS, thread_count() - 1) if helpers is None else helpers
    for k in range(count):
        with suppress(OSError):  # the system allows no more processes
            _helpers.append(_start(jobs, k, count))
    return len(_helpers)


def stop() -> None:
    """End all helpers; what they have compiled stays."""
    for helper in list(_helpers):
        _end(helper)


def recorded(*jobs: str) -> list[tuple[Dispatcher, tuple]]:
    """Kernels that jobs use and the types of their arguments, each once, in order of first use."""
    table = json.loads(RECORDED.read_text(encoding="utf-8"))
    found = {}
    for name, spellings in (row for job in jobs for row in table[job]):
        module, _, function = name.rpartition(".")
        kernel = getattr(importlib.import_module(module), function)
        if isinstance(kernel, Dispatcher):  # not so under NUMBA_DISABLE_JIT
            kinds = tuple(read_type(spelling) for spelling in spellings)
            found[name, kinds] = kernel, kinds
    return list(found.values())


def help_with(jobs: tuple[str, ...], k: int, count: int, nice: int) -> None:
    """What helper ``k`` of ``count`` does; ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(nice)
    for kernel, kinds in recorded(*jobs)[::-1][k::count]:
        if is_missing(kernel, kinds):
            with suppress(Exception):  # whoever calls the kernel will be told
                kernel.compile(kinds)
    os._exit(0)


def _end_with_parent() -> None:
    """The standard input is a pipe that nobody writes to; it ends when the parent does."""
    with suppress(OSError):
        os.read(0, 1)
    os._exit(0)


def _start(jobs: tuple[str, ...], k: int, count: int) -> subprocess.Popen:
    code = f"import sys; sys.path[:] = {sys.path!r}; import engine.warm_up as warm; "
    code += f"warm.help_with({jobs!r}, {k}, {count}, {_NICE})"
    flags = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP", "BELOW_NORMAL_PRIORITY_CLASS")
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=sum(getattr(subprocess, flag, 0) for flag in flags),
    )


def _end(helper: subprocess.Popen) -> None:
    _helpers.remove(helper)
    helper.kill()
    if helper.stdin is not None:
        helper.stdin.close()
    helper.wait()


atexit.register(stop)
