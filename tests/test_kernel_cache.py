"""Machine code that is kept is used again, and never for anything that it was not made from."""

import importlib
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core import types
from numba.core.dispatcher import Dispatcher

from engine import kernels
from engine.kernel_cache import SUFFIX, read_type, spelled, stamp_of

CALLER = """
from engine.kernels import kernel
from {callee} import LENGTH, longer

@kernel
def run(x):
    {doc}
    return longer(x) * LENGTH
"""
CALLEE = """
from engine.kernels import tight
LENGTH = {length}

@tight
def longer(x):
    return x + {more}
"""
Import = Callable[..., ModuleType]


@pytest.fixture
def imported(tmp_path, monkeypatch) -> Import:
    """Writes the two files of a package and imports the caller, as a new process would."""
    monkeypatch.setattr(kernels, "FOLDER", tmp_path / "kept")
    monkeypatch.syspath_prepend(tmp_path)
    count = itertools.count()

    def make(doc: str = "pass", length: int = 10, more: int = 1) -> ModuleType:
        for name in ("kernels_caller", "kernels_callee"):
            sys.modules.pop(name, None)
        # Python takes a file of the same size and second for the same file.
        line = f"# {next(count):05}\n"
        callee = line + CALLEE.format(length=length, more=more)
        (tmp_path / "kernels_callee.py").write_text(callee)
        caller = line + CALLER.format(callee="kernels_callee", doc=doc)
        (tmp_path / "kernels_caller.py").write_text(caller)
        for cached in tmp_path.glob("__pycache__/*.pyc"):
            cached.unlink()
        importlib.invalidate_caches()
        return importlib.import_module("kernels_caller")

    return make


def was_loaded(kernel: Dispatcher) -> bool:
    """Whether the only code of a kernel came from its folder."""
    return sum(kernel.stats.cache_hits.values()) == 1


def test_a_second_process_loads_what_the_first_compiled(imported):
    first = imported().run
    assert first(1) == 20 and not was_loaded(first)
    second = imported().run
    assert second(1) == 20 and was_loaded(second)


def test_comments_and_docstrings_change_nothing(imported):
    imported(doc='"""Words."""').run(1)
    kernel = imported(doc='"""Other words."""  # and a comment').run
    assert kernel(1) == 20 and was_loaded(kernel)


@pytest.mark.parametrize(("change", "result"), [({"length": 100}, 200), ({"more": 2}, 30)])
def test_a_change_in_another_file_is_seen(imported, change, result):
    imported().run(1)
    kernel = imported(**change).run
    assert kernel(1) == result and not was_loaded(kernel)


def test_what_is_only_a_part_of_another_kernel_is_not_kept(imported, tmp_path):
    imported().run(1)
    names = [file.name for file in (tmp_path / "kept").iterdir()]
    assert len(names) == 1 and names[0].startswith("kernels_caller.run-")


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1] + b"\0", bytes])
def test_a_damaged_file_is_made_again(imported, tmp_path, damage):
    imported().run(1)
    (file,) = (tmp_path / "kept").iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole) if damage is not bytes else b"")
    kernel = imported().run
    assert kernel(1) == 20 and not was_loaded(kernel)
    assert len(file.read_bytes()) == len(whole)


def test_a_folder_that_cannot_be_written_to_does_no_harm(imported, tmp_path):
    (tmp_path / "kept").write_text("a file where the folder would be")
    assert imported().run(1) == 20


def test_the_newest_versions_stay(imported, tmp_path):
    for more in range(6):
        imported(more=more).run(1)
    assert len(list((tmp_path / "kept").glob(f"*{SUFFIX}"))) == 4


class Ordered(NamedTuple):
    first: np.ndarray
    second: np.ndarray


class Swapped(NamedTuple):
    second: np.ndarray
    first: np.ndarray


@pytest.mark.parametrize(
    "value",
    [
        *(1, 2.5, True, np.float32(1), np.zeros((2, 3), np.int16)),
        *(np.zeros((4, 4))[:, :2], np.asfortranarray(np.zeros((2, 3))), np.zeros(2, bool)),
        *((1, 2), (1, 2.5), Ordered(np.zeros(1), np.zeros(2)), Ordered(np.zeros(1), np.eye(2))),
        np.frombuffer(b"abcd", np.uint8),
    ],
)
def test_types_are_read_as_they_were_spelled(value):
    kind = kernels.sort_in_place.typeof_pyval(value)
    assert read_type(spelled(kind)) == kind


def test_the_order_of_fields_is_spelled():
    """Machine code finds a field by its place, and Python by its name."""
    arrays = (types.float64[::1], types.float64[::1])
    ordered: Any = types.BaseTuple.from_types(arrays, Ordered)
    swapped: Any = types.BaseTuple.from_types(arrays, Swapped)
    assert spelled(ordered)[1:] != spelled(swapped)[1:]


def test_stamps_do_not_depend_on_the_process():
    """A stamp of an address or of a set's order would mean that nothing is ever found again."""
    script = (
        "from engine.warm_up import recorded\n"
        "from engine.kernel_cache import stamp_of\n"
        "for k, _ in recorded('generate'): print(k.py_func.__module__, stamp_of(k))"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    from engine.warm_up import recorded

    ours = [f"{k.py_func.__module__} {stamp_of(k)}" for k, _ in recorded("generate")]
    assert done.stdout.splitlines() == ours
