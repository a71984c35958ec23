"""How numba kernels are compiled, and where their machine code is kept.

numba caches each kernel beside its own source file and looks at that file only: a kernel whose
callee changed in another file would silently run the old machine code. So the cache folder is named
after the contents of all files with kernels, and a folder of other contents is thrown away.
"""

import hashlib
import shutil
from pathlib import Path

from numba import config, njit

_PACKAGE = Path(__file__).parent


def _stamp() -> str:
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"engine.kernels" in source:
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source)
    return digest.hexdigest()[:16]


def _choose_cache() -> None:
    for root in (_PACKAGE / "__pycache__", Path.home() / ".cache" / "maquette"):
        folder = root / f"kernels-{_stamp()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # an installation that its user may not write to
            continue
        setattr(config, "CACHE_DIR", str(folder))  # noqa: B010 (numba declares its settings late)
        for other in root.glob("kernels-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        return


_choose_cache()

kernel = njit(cache=True, nogil=True, error_model="numpy")
"""Decorator of compiled functions: cached on disk, runs beside other threads, divides as C does."""

tight = njit(  # the flag is numba's own, and not in its stubs
    cache=True, nogil=True, error_model="numpy", _nrt=False
)  # pyright: ignore[reportCallIssue]
"""Decorator of inner loops and their helpers, which may not make arrays.

numba counts references to an array by atomic operations at every call and every row view, and
threads that share the array wait for each other: that was more than half of the time of the loops
here. Functions that make no arrays can go without.
"""


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
