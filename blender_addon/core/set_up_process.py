"""The process of a set-up: reads an order, holds the lock, and tells how it ends.

Nothing of Blender and no wheel is imported here. Blender starts it with its own Python
(``engine_process``), but isolated from what is installed there.
"""

import os
import sys
import time
import traceback
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..protocol.errors import EngineError
from .disk import FULL, unwritable
from .order import Order
from .places import Places
from .set_up import Asks, SetUp
from .set_up_lock import opened, take
from .swap import remove
from .telling import Teller


def main(arguments: Sequence[str]) -> int:
    """Run a set-up, or with "discard" remove what an unfinished one has left.

    Returns:
        Exit status: 0 all is well, 1 it failed, 3 it asks, 4 another one runs.
    """
    order = Order.from_json(sys.stdin.buffer.read())
    places = Places(Path(order.home))
    for folder in (places.work, places.set_up_log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    os.chdir(places.home)  # not the extension's folder, which an update must be able to replace
    told, discard = places.told(order.token), "discard" in arguments
    with opened(places.lock) as lock:
        if discard:
            with suppress(OSError):  # no room, perhaps, which this is about to make
                Teller(told).done()  # nobody takes it for a set-up that runs
        if not take(lock, order.token):
            return 4
        for old in places.work.glob(places.told("*").name):
            if old != told:
                remove(old)
        if discard:
            kept = (places.lock, told)
            for path in (places.new, *(p for p in places.work.iterdir() if p not in kept)):
                remove(path)
            return 0
        teller = Teller(told)
        with places.set_up_log.open("ab", buffering=0) as log:
            begun = f"\n=== {time.strftime('%Y-%m-%d %H:%M:%S')} {order.wheel}\n"
            with suppress(OSError):
                log.write(begun.encode())
            return _told(order, teller, log, places)


def _told(order: Order, teller: Teller, log: BinaryIO, places: Places) -> int:
    try:
        SetUp(order, teller, log).run()
    except Asks as asked:
        teller.asks(*asked.args)
        return 3
    except EngineError as error:
        problem = error
    except zipfile.BadZipFile as error:
        problem = EngineError("download_broken", f"A package is broken: {error}.", "Try again.")
    except OSError as error:
        _write_down(log)
        problem = unwritable(Path(error.filename or places.home), error)
    except Exception as error:  # noqa: BLE001  the user must hear of whatever it is
        _write_down(log)
        hint = f"Try again; if it stays so, send {places.set_up_log} with a report."
        problem = EngineError("set_up_failed", f"The set-up failed: {error!r}.", hint)
    else:
        teller.done()
        return 0
    if problem.code == FULL:
        # What is made again from the downloads gives its room back, also for the sentence.
        for folder in (places.new, places.work / "cache"):
            remove(folder)
    with suppress(OSError):  # whoever follows it sees that the disk is full
        teller.failed(problem)
    return 1


def _write_down(log: BinaryIO) -> None:
    with suppress(OSError):
        log.write(traceback.format_exc().encode())
