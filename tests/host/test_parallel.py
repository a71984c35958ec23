"""Work over threads: in order, side by side, and stopped when asked."""

import threading

import pytest

from engine.host.parallel import map_chunks, thread_count

WAIT = 30


def test_results_are_in_the_order_of_the_chunks() -> None:
    first_may_end = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert first_may_end.wait(WAIT)
        if number == 3:
            first_may_end.set()
        return number * number

    assert map_chunks(work, range(8), threads=2) == [n * n for n in range(8)]


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_results_do_not_depend_on_the_threads(threads: int | None) -> None:
    assert map_chunks(str, [3, 1, 2], threads=threads) == ["3", "1", "2"]
    assert map_chunks(str, [], threads=threads) == []


def test_chunks_run_side_by_side_and_no_more_than_asked() -> None:
    both = threading.Barrier(2, timeout=WAIT)
    lock, running, most = threading.Lock(), 0, 0

    def work(number: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1

    map_chunks(work, range(6), threads=2)
    assert most == 2


def test_progress_is_told_by_the_calling_thread() -> None:
    seen: list[tuple[int, int, bool]] = []

    def on_done(done: int, total: int) -> None:
        seen.append((done, total, threading.current_thread() is threading.main_thread()))

    map_chunks(str, range(3), threads=2, on_done=on_done)
    assert seen == [(1, 3, True), (2, 3, True), (3, 3, True)]


def test_an_error_stops_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        map_chunks(work, range(10_000), threads=1)
    assert len(begun) < 10_000


def test_the_one_who_is_told_may_stop() -> None:
    begun: list[int] = []

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_chunks(begun.append, range(100_000), threads=1, on_done=stop)
    assert len(begun) < 100_000


def test_there_is_a_core() -> None:
    assert thread_count() >= 1
