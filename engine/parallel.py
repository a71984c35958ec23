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


def thread_count() -> int:
    """Cores this process may use, at least 1."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # Windows and macOS
        return max(1, os.cpu_count() or 1)


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
        threads: at most so many at a time; all cores when None.
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
