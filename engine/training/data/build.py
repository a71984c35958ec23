"""A data folder out of mesh files or toys: many processes make assets, one keeps the index.

A build can be stopped at any moment and started again: what is in the index is done, and anything
else is made again.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.host.files import unwritable
from engine.host.parallel import limit_threads, thread_count
from engine.ovoxel.checks import MAX_GRID_SIZE
from engine.render.picture import LARGEST_PICTURE
from engine.training.data.index import Entry, Index, open_index
from engine.training.data.make_asset import UNFINISHED, BuildSettings, Made, make_asset
from engine.training.data.sources import Source
from protocol.errors import EngineError

log = logging.getLogger(__name__)

OnProgress = Callable[[int, int, int], None]
"""Called with (assets done, assets to do, of the done ones failed)."""

_COMMIT_SECONDS = 2.0
_AHEAD = 3
"""Assets handed out per process: enough that none waits, few to lose at a stop."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Args:
        made: assets that it finished.
        skipped: assets that were there already.
        failed: the entries of all assets asked for that are not there, old failures included.
        seconds: it took.
    """

    made: int
    skipped: int
    failed: tuple[Entry, ...]
    seconds: float


def build(
    sources: Sequence[Source],
    folder: Path,
    settings: BuildSettings,
    *,
    processes: int | None = None,
    retry: bool = False,
    on_progress: OnProgress = lambda done, total, failed: None,
) -> BuildReport:
    """Make what is missing of a data folder. The files do not depend on ``processes``.

    Args:
        sources: what shall be in the folder; what else is there stays.
        processes: all cores when None; 1 works in this process.
        retry: whether assets that failed before are tried again.

    Raises:
        EngineError: ``build_settings``, ``build_differs`` when the folder was built with other
            settings, ``build_name`` when a name belongs to another asset there, ``disk_full``,
            ``unwritable``, ``build_worker``, and what ``open_index`` raises. What was made until
            then is kept, as it is on KeyboardInterrupt.
    """
    _check(settings)
    start = time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    with open_index(folder, write=True) as index:
        _agree(index, settings, folder)
        known = index.entries()
        _check_names(sources, known)
        todo = [s for s in sources if s.name not in known or (retry and not known[s.name].ok)]
        # Nobody else builds here, so this is what a killed build left.
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        made = _Keeper(index, len(todo), on_progress)
        try:
            _make_all(todo, settings, folder, processes or thread_count(), made)
        finally:
            made.flush()
            shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        entries = index.entries()
    failed = tuple(entries[s.name] for s in sources if not entries[s.name].ok)
    return BuildReport(made.ok, len(sources) - len(todo), failed, time.perf_counter() - start)


class _Keeper:
    """Takes in what was made, and writes it down every few seconds."""

    def __init__(self, index: Index, total: int, on_progress: OnProgress) -> None:
        self._index = index
        self._total = total
        self._on_progress = on_progress
        self._waiting: list[Entry] = []
        self._written = time.monotonic()
        self.ok = self.failed = 0

    def __call__(self, made: Made) -> None:
        if made.stop is not None:
            raise made.stop
        self._waiting.append(made.entry)
        self.ok += made.entry.ok
        self.failed += not made.entry.ok
        if time.monotonic() - self._written > _COMMIT_SECONDS:
            self.flush()
        self._on_progress(self.ok + self.failed, self._total, self.failed)

    def flush(self) -> None:
        self._index.put(self._waiting)
        self._waiting = []
        self._written = time.monotonic()


def _make_all(
    todo: list[Source], settings: BuildSettings, folder: Path, processes: int, keep: _Keeper
) -> None:
    waiting = iter(todo)
    # The first asset compiles the kernels, or loads them; every process of a pool would do it.
    for source in waiting:
        made = make_asset(source, settings, folder)
        keep(made)
        if processes > 1 and made.entry.ok:
            break
    rest = list(waiting)
    if rest:
        with _pool(min(processes, len(rest))) as pool:
            _make_in(pool, rest, settings, folder, _AHEAD * processes, keep)


def _make_in(
    pool: ProcessPoolExecutor,
    sources: Sequence[Source],
    settings: BuildSettings,
    folder: Path,
    ahead: int,
    keep: _Keeper,
) -> None:
    waiting = iter(sources)
    running: dict[Future[Made], Source] = {}
    try:
        while True:
            while len(running) < ahead and (source := next(waiting, None)) is not None:
                with _ctrl_c_unheard():  # submitting starts processes
                    running[pool.submit(make_asset, source, settings, folder)] = source
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                keep(future.result())
                del running[future]
    except BrokenProcessPool as error:
        names = ", ".join(sorted(source.name for source in running.values()))
        raise EngineError(
            "build_worker",
            f"A worker process was ended from outside; it was at one of {names}.",
            "Start the build again: it resumes there. With little memory, use fewer --processes.",
        ) from error
    except BaseException:
        # What is being made right now gets finished and counts.
        for future in running:
            future.cancel()
        for future in [f for f in running if not f.cancelled()]:
            if future.exception() is None and future.result().stop is None:
                keep(future.result())
        raise


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: a fork would copy the threads' locks of this process.
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ctrl_c_unheard() -> Iterator[None]:
    """Processes that are started now do not hear Ctrl-C from their first instruction on."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where workers are deaf once they run
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """One thread, deaf to Ctrl-C (the parent decides), and gone when the parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads(1)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _check(settings: BuildSettings) -> None:
    wrong = None
    if not settings.resolutions or not all(1 <= r <= MAX_GRID_SIZE for r in settings.resolutions):
        wrong = f"Resolutions go from 1 to {MAX_GRID_SIZE}, and at least one is needed."
    elif settings.views < 0:
        wrong = f"{settings.views} views are not possible."
    elif not 1 <= settings.picture <= LARGEST_PICTURE:
        wrong = f"Pictures have 1 to {LARGEST_PICTURE} pixels per side."
    if wrong:
        raise EngineError("build_settings", wrong, "Such as --resolution 64 --resolution 128.")


def _agree(index: Index, settings: BuildSettings, folder: Path) -> None:
    """One folder, one kind of asset."""
    wanted: dict[str, Any] = {**asdict(settings), "resolutions": list(settings.resolutions)}
    del wanted["require_textures"]
    present = index.settings()
    if not present:
        index.put_settings(wanted)
        return
    differences = [
        f"{name} {present.get(name)} there, {wanted[name]} asked for"
        for name in wanted
        if present.get(name) != wanted[name]
    ]
    if differences:
        raise EngineError(
            "build_differs",
            f"{folder} was built with other settings: {'; '.join(differences)}.",
            "Use the same settings, or another folder.",
        )


def _check_names(sources: Sequence[Source], known: dict[str, Entry]) -> None:
    for source in sources:
        other = known.get(source.name)
        if other is not None and other.source != source.origin:
            raise EngineError(
                "build_name",
                f"{source.name} was made from {other.source}, not from {source.origin}.",
                "Use another folder for other sources.",
            )
