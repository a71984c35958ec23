"""Set-ups that tests follow: their process alone, and one as a Blender sees it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blender_addon.core import launch, uv
from blender_addon.core.order import Order
from blender_addon.core.places import Places, python_in
from blender_addon.core.snapshot import SetupView
from blender_addon.engine_process import EngineProcess
from tests.addon.core.index import Index

EXTENSION = Path(__file__).resolve().parents[3] / "blender_addon"


class Run:
    """A set-up in its process."""

    def __init__(self, index: Index, order: Order, *arguments: str) -> None:
        self.places, self.token = Places(Path(order.home)), order.token
        self.places.work.mkdir(parents=True, exist_ok=True)
        self.process = launch.start(
            launch.set_up_command(Path(sys.executable), EXTENSION, *arguments),
            log=self.places.process_log,
            environment=uv.environment_for(index.environment(), self.places),
            folder=self.places.home,
            given=order.to_json(),
        )

    def wait(self) -> int:
        status = self.process.wait(120)
        assert self.places.process_log.read_text() == ""
        return status

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.places.told(self.token).read_text().splitlines()]

    def failed(self) -> list[str]:
        assert self.wait() == 1
        return self.told()[-1]["failed"]


def version_of(places: Places) -> str:
    command = [str(python_in(places.engine)), "-I", "-m", "engine", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Desk:
    """A Blender that polls."""

    def __init__(self, index: Index, folder: Path, wheel: Path) -> None:
        self.process = EngineProcess(
            folder / "home",
            folder / "user",
            extension=EXTENSION,
            version="0.1.0",
            environment=index.environment(),
            python=Path(sys.executable),
            wheel=wheel,
        )

    @property
    def setup(self) -> SetupView:
        return self.process.facts.setup

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, self.process.facts
            self.process.poll()
            time.sleep(0.05)


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
