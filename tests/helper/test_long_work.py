"""Downloads and checks of weights that are stopped in their middle."""

import errno
import os
import threading

import pytest

from engine.helper.weights import LongWork, listed, store_of
from engine.pipe.messages import Setup
from engine.weights.store import OnProgress, Progress
from protocol.events import ModelProgress


def test_what_runs_is_cancelled_at_its_next_step_and_later_work_is_not() -> None:
    work, told = LongWork(), list[ModelProgress]()
    begun = threading.Event()

    def endless(tell: OnProgress) -> None:
        for done in range(1_000_000):
            tell(Progress("a.safetensors", done, 10, done, 1_000_000))
            begun.set()

    thread = threading.Thread(target=work.run, args=(endless, told.append))
    thread.start()
    assert begun.wait(30)
    work.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert told[-1].ended and told[-1].code == "cancelled" and told[-1].done < 1_000_000
    assert told[-1].file == "a.safetensors"

    work.run(lambda tell: tell(Progress("b", 1, 1, 1, 1)), told.append)
    assert told[-1].ended and told[-1].code == ""


def test_work_that_falls_is_told_to_have_ended_whatever_it_fell_over() -> None:
    work, told = LongWork(), list[ModelProgress]()

    def full(tell: OnProgress) -> None:
        tell(Progress("a.safetensors", 1, 10, 1, 10))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.safetensors.part")

    work.run(full, told.append)
    assert told[-1].ended and told[-1].code == "disk_full" and told[-1].hint
    assert "a.safetensors.part" in told[-1].message

    def wrong(tell: OnProgress) -> None:
        raise KeyError("etag")

    with pytest.raises(KeyError):  # for the log
        work.run(wrong, told.append)
    assert told[-1].ended and told[-1].code == "internal" and "etag" in told[-1].message


def test_a_gated_weight_names_a_copy() -> None:
    rows = listed(store_of(Setup(home="/none", models="/none/models"))).rows
    gated = [row for row in rows if row.gated]
    assert gated and all(row.mirror and row.mirror != row.repository for row in gated)
    assert not any(row.mirror for row in rows if not row.gated)


def test_mirrors_of_a_request_are_beside_those_of_the_settings() -> None:
    setup = Setup(home="/none", models="/none/models", mirrors={"a/b": "c/d"})
    assert store_of(setup, {"e/f": "g/h"}).origin.mirrors == (("a/b", "c/d"), ("e/f", "g/h"))
