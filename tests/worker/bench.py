"""A worker in this process, and the front process as a list of what it is told."""

import json
from pathlib import Path
from typing import Any

from engine.pipe.messages import PartFile, Run, Setup
from engine.worker.tokens import Tokens
from engine.worker.worker import Worker
from protocol.events import Progress
from protocol.finishes import FinishChoice
from protocol.layout import views
from protocol.parts import check_part

SMALL = FinishChoice(finish="standard", faces=200, texture_size=32)


class End:
    """The front process, as a list of what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.on_event: Any = lambda event: None
        self.answer: Any = None

    def next(self) -> Any:
        return self.answer

    def send(self, event: Any) -> None:
        self.events.append(event)
        self.on_event(event)

    def waiting(self) -> bool:
        return False

    def take(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


class Bench:
    """A worker, its pipe and its home."""

    def __init__(self, home: Path, checkpoint: Path) -> None:
        self.home, self.checkpoint = home, str(checkpoint)
        self.end, self.tokens = End(), Tokens()
        self.worker = self.new_worker()

    def new_worker(self, *, networks: bool = True) -> Worker:
        setup = Setup(
            home=str(self.home), models=str(self.home / "models"), device="cpu", networks=networks
        )
        return Worker(setup, self.end, self.tokens)  # pyright: ignore[reportArgumentType]

    def run(self, job: str, spec: Any, finish: FinishChoice | None = None, **more: Any) -> Any:
        """The end of a job; what it told is in ``end.events``."""
        self.end.events.clear()
        folder = self.home / job
        folder.mkdir(exist_ok=True)
        self.worker.run(
            Run(job=job, spec=spec, finish=finish, checkpoint=self.checkpoint, folder=str(folder),
                title="My disc", **more)
        )  # fmt: skip
        return self.end.events[-1]

    def part(self, name: str) -> tuple[PartFile, Any]:
        """A part of the last job, checked, and its arrays."""
        (told,) = [part for part in self.end.take(PartFile) if part.name == name]
        data = (self.home / told.job / told.file).read_bytes()
        assert len(data) == told.bytes
        check_part(told.layout, data)
        return told, views(told.layout, data)

    def recipe(self) -> Any:
        """That of the last job."""
        return json.loads(bytes(self.part("recipe")[1]["data"]))

    def stages(self) -> list[str]:
        return [e.stage for e in self.end.take(Progress) if e.step == 0]

    def part_bytes(self, name: str) -> bytes:
        """A part of the last job."""
        told, _ = self.part(name)
        return (self.home / told.job / told.file).read_bytes()
