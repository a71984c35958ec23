"""Work spread over threads, with results that do not depend on how many there are.

The kernels of this package are numba functions that release the GIL, so plain threads run them
side by side. Unlike numba's own parallel loops this can be called from several threads at once,
stops between chunks when asked, and compiles in a fraction of the time.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


_most_threads: int | None = None


def limit_threads(most: int | None) -> None:
    """Use at most this many threads in this process from now on; None takes the limit away.

    For processes that share a machine with others like them: see ``engine.training.data.build``.
    """
    global _most_threads
    _most_threads = most


def thread_count() -> int:
    """Cores this process may use, at least 1 and at most what ``limit_threads`` said."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # Windows and macOS
        cores = os.cpu_count() or 1
    return max(1, cores if _most_threads is None else min(cores, _most_threads))


def map_chunks(
    function: Callable[[Chunk], Result],
    chunks: Sequence[Chunk],
    *,
    threads: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """``[function(chunk) for chunk in chunks]``, several at a time, in order.

    Args:
        function: must release the GIL to gain anything; must not depend on other chunks.
        chunks: chosen by the data alone, never by the thread count, so results are the same.
        threads: at most this many at a time; all cores when None.
        on_done: called in the calling thread with (chunks done, chunks in all); may raise to stop.
    """
    results: list[Result] = []
    with ThreadPoolExecutor(threads or thread_count()) as pool:
        futures = [pool.submit(function, chunk) for chunk in chunks]
        try:
            for future in futures:
                results.append(future.result())
                if on_done is not None:
                    on_done(len(results), len(chunks))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results
