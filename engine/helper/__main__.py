"""`python -m engine.helper`: started by the service, and gone when it is."""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from engine.pipe.frames import read_frames, write_frame
from engine.pipe.helping import Answered, Ask, FromHelper, Helped, ToHelper
from engine.pipe.messages import AttachedFile, Setup
from engine.pipe.worker_end import streams
from protocol.errors import EngineError
from protocol.replies import Accepted, Refused
from protocol.requests import (
    CancelModels,
    CheckPicture,
    CutOut,
    DescribeCheckpoint,
    DownloadModels,
    ListModels,
    RemoveModels,
    Submit,
    VerifyModels,
)

CHECKS = "checks"
"""Folder in the home for pictures that came with a question, and for rows that go with a reply."""


def serve(make: "Callable[[Callable[[Any], None]], Helping]") -> None:
    """Answer until the front process is gone: each request on a thread of its own.

    Args:
        make: of a function that sends a message to the front process, who answers.
    """
    with streams() as (asked, answers):
        helping = make(partial(write_frame, answers, kind=FromHelper))
        for message in read_frames(asked, ToHelper):
            if isinstance(message, Setup):
                helping.begin(message)
            else:
                threading.Thread(target=helping.answer, args=(message,), daemon=True).start()
    # A download may be in the middle of a file; what has arrived stays.
    os._exit(0)


class Helping:
    """Answers questions.

    Args:
        write: sends a message to the front process.
    """

    def __init__(self, write: Callable[[Any], None]) -> None:
        self._write, self._lock = write, threading.Lock()

    def begin(self, setup: Setup) -> None:
        """What comes before the first question."""
        from engine.helper.pictures import Pictures
        from engine.helper.weights import LongWork

        self._setup = setup
        self._pictures = Pictures(Path(setup.home, CHECKS))
        self._work = LongWork()

    def answer(self, ask: Ask) -> None:
        """Answer a question, whatever happens."""
        try:
            self._answer(ask)
        except EngineError as error:
            self._send(Answered(id=ask.id, reply=Refused.of(error)))
        except Exception:
            hint = "Report it with the log of the engine."
            sentence = "The engine's helper made a mistake."
            fault = Refused(code="internal", message=sentence, hint=hint)
            self._send(Answered(id=ask.id, reply=fault))
            raise

    def _answer(self, ask: Ask) -> None:
        from engine.helper import weights
        from engine.systems.catalogue import choose
        from engine.systems.describing import check_job, describe_checkpoint

        request = ask.request
        mirrors = request.mirrors if isinstance(request, DownloadModels) else None
        store = weights.store_of(self._setup, mirrors)
        match request:
            case CheckPicture():
                self._reply(ask, self._pictures.check(ask))
            case CutOut():
                self._reply(ask, *self._pictures.cut_out(ask, request, store))
            case DescribeCheckpoint(checkpoint=checkpoint):
                self._reply(ask, describe_checkpoint(checkpoint, store))
            case Submit(job=job, checkpoint=checkpoint):
                check_job(job, checkpoint, store)
                self._reply(ask, Accepted())
            case ListModels():
                self._reply(ask, weights.listed(store))
            case RemoveModels(names=names):
                store.remove(choose(names))
                self._reply(ask, Accepted())
            case CancelModels():
                self._work.cancel()
                self._reply(ask, Accepted())
            case DownloadModels(names=names):
                self._long(ask, weights.download(store, names))
            case VerifyModels(names=names):
                self._long(ask, weights.verify(store, names))

    def _long(self, ask: Ask, work: Any) -> None:
        """Accept, do it, tell how far it is and how it ended."""
        self._send(Answered(id=ask.id, reply=Accepted(), more=True))
        self._work.run(work, lambda at: self._send(Helped(id=ask.id, progress=at)))

    def _reply(self, ask: Ask, reply: Any, buffer: AttachedFile | None = None) -> None:
        self._send(Answered(id=ask.id, reply=reply, buffer=buffer))

    def _send(self, message: Any) -> None:
        with self._lock:
            self._write(message)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("The engine's helper is started by the engine.")
    serve(Helping)
