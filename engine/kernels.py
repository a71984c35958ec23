"""How numba kernels are compiled, and the folder where their machine code is kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.dispatcher import Dispatcher

from engine.kernel_cache import SUFFIX, cache_of, keep

_PACKAGE = Path(__file__).parent


def _choose_folder() -> Path | None:
    """The first place that may be written to; None: there is none, and kernels are not kept."""
    chosen = getattr(config, "CACHE_DIR", "")  # the user's NUMBA_CACHE_DIR
    roots = [Path(chosen)] if chosen else []
    for root in (*roots, _PACKAGE / "__pycache__", Path.home() / ".cache" / "maquette"):
        folder = root / "kernels"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # an installation that its user may not write to
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


FOLDER = _choose_folder()
_COLD = FOLDER is None or next(FOLDER.glob(f"*{SUFFIX}"), None) is None


def are_cold() -> bool:
    """Whether nothing had been compiled when this process began: the first use takes long."""
    return _COLD


def is_missing(kernel: Dispatcher, kinds: tuple) -> bool:
    """Whether a kernel's machine code for arguments of some numba types could be kept but is not.

    Args:
        kernel: made by ``kernel`` or ``tight``.
    """
    return cache_of(kernel).is_missing(kinds)


def _compiled(function: Callable, **options: Any) -> Dispatcher:
    options |= {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    made = njit(**options)(function)
    if isinstance(made, Dispatcher):  # not so under NUMBA_DISABLE_JIT
        keep(made, FOLDER)
    return made


def kernel(function: Callable) -> Dispatcher:
    """Decorator of compiled functions: kept on disk, runs beside other threads, divides as C."""
    return _compiled(function)


def tight(function: Callable) -> Dispatcher:
    """Decorator of inner loops and their helpers, which may not make arrays.

    numba counts references to an array by atomic operations at every call and every row view, and
    threads that share the array wait for each other: that was more than half of the time of the
    loops here. Functions that make no arrays can go without.
    """
    return _compiled(function, _nrt=False)


@tight
def sort_in_place(values):
    """Sort a short array of numbers by shell sort; numba's own sort takes seconds to compile."""
    gap = 1
    while gap < values.shape[0] // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, values.shape[0]):
            value = values[i]
            j = i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3
