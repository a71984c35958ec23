"""How numba kernels are compiled, and where their machine code is kept.

numba caches each kernel beside its own source file and looks at that file only: a kernel whose
callee changed in another file would silently run the old machine code. So the cache folder is named
after the contents of all files with kernels. The newest few folders stay: versions that share a
cache may run side by side.
"""

import hashlib
import shutil
from pathlib import Path

from numba import config, njit

_PACKAGE = Path(__file__).parent
_KEPT = 4


def _stamp() -> str:
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"engine.kernels" in source or path == Path(__file__):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source)
    return digest.hexdigest()[:16]


def _choose_cache() -> None:
    name = f"kernels-{_stamp()}"
    chosen = getattr(config, "CACHE_DIR", "")  # the user's NUMBA_CACHE_DIR
    roots = [Path(chosen)] if chosen else []
    for root in (*roots, _PACKAGE / "__pycache__", Path.home() / ".cache" / "maquette"):
        folder = root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.touch()  # the folder in use counts as the newest
        except OSError:  # an installation that its user may not write to
            continue
        setattr(config, "CACHE_DIR", str(folder))  # noqa: B010 (numba declares its settings late)
        _drop_old(root)
        return


def _drop_old(root: Path) -> None:
    aged = []
    for folder in root.glob("kernels-*"):
        try:
            aged.append((folder.stat().st_mtime, folder))
        except OSError:  # another process has just removed it
            continue
    for _, folder in sorted(aged, reverse=True)[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


_choose_cache()


def are_cold() -> bool:
    """Whether nothing has been compiled yet, so that the first use takes long."""
    return not any(Path(config.CACHE_DIR).iterdir())  # pyright: ignore[reportAttributeAccessIssue]


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
