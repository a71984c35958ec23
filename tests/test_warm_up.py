"""Kernels that helpers compile in the background."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.kernels import JOBS, used_by
from engine import kernels, warm_up
from engine.kernel_cache import SUFFIX, cache_of, read_type, spelled

ROOT = Path(__file__).parents[1]
PARENT = """
import sys, time
from engine import warm_up
warm_up._NICE = 0
assert warm_up.warm_up("generate", helpers=1) == 1
print(warm_up._helpers[0].pid, flush=True)
{ending}
"""


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder without machine code, for this process and its children."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(warm_up, "_NICE", 0)  # tests may run beside much else
    folder = tmp_path / "kernels"
    for kernel, _ in warm_up.recorded("generate"):
        monkeypatch.setattr(cache_of(kernel), "_folder", folder)
    yield folder
    warm_up.stop()


def until(condition: Callable[[], bool], seconds: float = 250) -> bool:
    end = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return done


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for somebody to ask how it ended."""
    asked = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return asked.stdout.strip()[:1] in ("", "Z")


def test_helpers_compile_what_is_missing_and_end_when_stopped(empty):
    assert warm_up.warm_up("generate", helpers=1) == 1
    (helper,) = warm_up._helpers
    assert warm_up.warm_up("generate", helpers=1) == 1, "one at a time is enough"
    assert until(lambda: any(empty.glob(f"*{SUFFIX}"))), "nothing was compiled"
    missing = [kernels.is_missing(*one) for one in warm_up.recorded("generate")]
    assert not all(missing), "what helpers keep is not what this process looks for"
    warm_up.stop()
    assert helper.poll() is not None and not warm_up._helpers


def test_nothing_is_started_when_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(warm_up, "is_missing", lambda *_: False)
    assert warm_up.warm_up("generate", helpers=1) == 0


def test_one_core_gets_no_helper(empty, monkeypatch):
    monkeypatch.setattr(warm_up, "thread_count", lambda: 1)
    assert warm_up.warm_up("generate") == 0


def test_a_system_without_more_processes_does_no_harm(empty, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise BlockingIOError

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert warm_up.warm_up("generate", helpers=2) == 0


@pytest.mark.skipif(os.name == "nt", reason="asks ps")
@pytest.mark.parametrize("ending", ["", "import os; os._exit(1)", "time.sleep(1000)"])
def test_helpers_end_with_their_parent(empty, ending):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(ending=ending)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if "sleep" in ending:
            parent.kill()
    assert until(lambda: has_ended(pid))


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_helpers_leave_ctrl_c_to_their_parent(empty):
    assert warm_up.warm_up("generate", helpers=1) == 1
    (helper,) = warm_up._helpers
    assert until(lambda: any(empty.glob(f"*{SUFFIX}")))
    helper.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert helper.poll() is None


def test_recording_and_types_agree():
    for _, kinds in warm_up.recorded(*JOBS):
        assert tuple(read_type(spelled(kind)) for kind in kinds) == kinds


def test_torch_is_not_imported_for_it():
    script = "import sys; from engine.warm_up import recorded; recorded('generate', 'render')\n"
    script += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.slow
def test_the_demo_uses_no_kernel_that_is_not_recorded(tmp_path):
    recorded = [
        [f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}", [*map(spelled, kinds)]]
        for kernel, kinds in warm_up.recorded("generate", "render")
    ]
    for job, least in (("generate", 15), ("render", 5)):
        used = used_by(JOBS[job][0], tmp_path)
        assert len(used) > least, "kernels are used without being noticed"
        missing = [row for row in used if row not in recorded]
        assert not missing, "run: python -m benchmarks.kernels"
