"""The process that looks at pictures and keeps weights, so that the front process stays small."""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from engine.host.files import unwritable
from engine.pipe.helping import Answered, Ask, FromHelper, Helped, ToHelper
from engine.pipe.messages import AttachedFile, Setup
from engine.service.child import Child
from engine.service.endpoint import Answer, Session
from engine.service.inbox import Inbox
from protocol.errors import EngineError
from protocol.events import ModelProgress
from protocol.layout import Array
from protocol.replies import Refused
from protocol.requests import CheckPicture, CutOut, DescribeCheckpoint, Submit
from protocol.wire import Shaped

log = logging.getLogger(__name__)

IDLE = 60.0
"""Seconds without a question after which the process is ended."""


class Helper:
    """Started at the first question.

    Args:
        command: program and arguments.
        setup: tells it where things are kept.
        tell: sends the progress of a download to the session that asked for it.
        home: pictures that came with a question lie in its folder checks for a moment.
        disk: its thread writes and reads them, since the loop waits for no disk.
    """

    def __init__(
        self,
        command: Sequence[str],
        setup: Setup,
        inbox: Inbox,
        home: Path,
        tell: Callable[[Session, ModelProgress], None],
        disk: ThreadPoolExecutor,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._setup, self._inbox = command, setup, inbox
        self._folder = home / "checks"
        self._tell, self._disk = tell, disk
        self._writing = 0
        self._clock = clock
        self._child: Child | None = None
        self._asked: dict[int, Answer] = {}
        self._working: dict[int, tuple[Session, int]] = {}
        self._last = 0
        self._used = 0.0
        self._leaving: list[Child] = []

    @property
    def busy(self) -> bool:
        """Whether a question is open, or a download runs."""
        return bool(self._writing or self._asked or self._working)

    def look(self, request: CheckPicture | CutOut, shaped: Shaped | None, answer: Answer) -> None:
        """Look at a picture; the answer is PictureNotes, CutOutPicture or Refused.

        Args:
            shaped: what came with the request, for ``Attached``.
        """
        if shaped is None:
            self._ask(request, None, answer)
            return
        path = self._folder / secrets.token_hex(8)
        array = Array(name="picture", dtype=shaped.dtype, shape=shaped.shape)
        file = AttachedFile(file=str(path.absolute()), array=array)

        def written(error: OSError | None) -> None:
            self._writing -= 1
            if error is None:
                self._ask(request, file, answer)
            else:
                answer(Refused.of(unwritable(path, error)))

        def write() -> None:
            failure = None
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(shaped.data)
            except OSError as error:
                failure = error
            self._inbox.post(partial(written, failure))

        self._writing += 1
        self._disk.submit(write)

    def describe(self, request: DescribeCheckpoint, answer: Answer) -> None:
        """What a checkpoint can do, without the seconds that jobs took."""
        self._ask(request, None, answer)

    def check(self, request: Submit, answer: Answer) -> None:
        """Whether the checkpoint can do a job; the answer is Accepted or Refused."""
        self._ask(request, None, answer)

    def models(self, request: Any, id: int, answer: Answer, session: Session) -> None:
        """List, download, verify or remove weights; ModelProgress follows where it takes long."""
        number = self._ask(request, None, answer)
        self._working[number] = (session, id)

    def tick(self) -> None:
        """Look at the clock."""
        if self._child and not self.busy and self._clock() - self._used >= IDLE:
            self._child.close()
            self._leaving.append(self._child)
            self._child = None

    def close(self) -> None:
        for child in (*self._leaving, *([self._child] if self._child else [])):
            child.end(1.0)
        with suppress(OSError):
            for path in self._folder.iterdir():
                path.unlink()

    def _ask(self, request: Any, file: AttachedFile | None, answer: Answer) -> int:
        self._used = self._clock()
        if self._child is None:
            child = Child(
                self._command,
                self._inbox,
                commands=ToHelper,
                events=FromHelper,
                on_event=lambda event: self._on_event(event),
                on_end=lambda status: self._on_end(child),
            )
            self._child = child
            child.send(self._setup)
        self._last += 1
        self._asked[self._last] = answer
        self._child.send(Ask(id=self._last, request=request, file=file))
        return self._last

    def _on_event(self, event: Any) -> None:
        self._used = self._clock()
        match event:
            case Answered(id=id, reply=reply):
                answer = self._asked.pop(id, None)
                if event.buffer is not None:
                    self._disk.submit(self._take, event.buffer, reply, answer)
                elif answer is not None:
                    answer(reply, {})
                if not event.more:
                    self._working.pop(id, None)
            case Helped(id=id, progress=progress) if id in self._working:
                session, request = self._working[id]
                self._tell(session, _of(progress, request))
                if progress.ended:
                    del self._working[id]
            case _:
                log.debug("the helper told of what nobody asked for")

    def _take(self, file: AttachedFile, reply: Any, answer: Answer | None) -> None:
        """On the disk's thread: what goes along with a reply, from its file, which goes."""
        path = Path(file.file)
        try:
            shaped = Shaped(path.read_bytes(), file.array.dtype, file.array.shape)
        except OSError as error:
            lost = EngineError(
                "answer_lost",
                f"What was made of the picture cannot be read: {error.strerror}.",
                "Try it again.",
            )
            reply, buffers = Refused.of(lost), {}
        else:
            buffers = {file.array.name: shaped}
        path.unlink(missing_ok=True)
        if answer is not None:
            self._inbox.post(partial(answer, reply, buffers))

    def _on_end(self, child: Child) -> None:
        if child in self._leaving:
            self._leaving.remove(child)
            return
        self._child = None
        lost = Refused.of(
            EngineError(
                "helper_crashed",
                "The process that looks at pictures and weights has crashed.",
                "Try it again; if it happens again, the picture may be damaged.",
            )
        )
        asked, self._asked = self._asked, {}
        working, self._working = self._working, {}
        for answer in asked.values():
            answer(lost)
        for session, request in working.values():
            ended = ModelProgress(
                request=request,
                done=0,
                total=0,
                ended=True,
                code=lost.code,
                message=lost.message,
                hint=lost.hint,
            )
            self._tell(session, ended)


def _of(progress: ModelProgress, request: int) -> ModelProgress:
    return ModelProgress(**{**vars(progress), "request": request})
