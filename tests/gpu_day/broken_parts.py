"""Parts of a day that goes wrong, where another process can import them."""

import os
import time
from collections.abc import Iterator

from benchmarks.gpu_day.parts import Day, Part, Row


def works(day: Day) -> Iterator[Row]:
    yield Row("device", day.device, "cpu | cuda", True, {"work": day.work})


def raises(day: Day) -> Iterator[Row]:
    yield Row("before", "1")
    raise ValueError("the card\nfell out")


def dies(day: Day) -> Iterator[Row]:
    yield Row("before", "2")
    os._exit(41)


def hangs(day: Day) -> Iterator[Row]:
    yield Row("before", f"{day.ends - time.time():.0f} s left")
    time.sleep(600)


def exits(day: Day) -> Iterator[Row]:
    raise SystemExit("as pytest may")
    yield  # a generator all the same


PARTS = (
    Part(raises, limit=60),
    Part(dies, limit=60),
    Part(hangs, limit=8),
    Part(exits, limit=60),
    Part(works, limit=60),
    Part(works, limit=60, least=5000),
    Part(works, limit=60, leaves=5000),
)
