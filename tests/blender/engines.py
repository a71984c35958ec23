"""Engines for tests in Blender: processes of the project's own Python, with a home of their own."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Engine:
    """An engine's front process, its home, and what it printed.

    Args:
        home: its folder; an engine that was here before left its results in it.
        script: plays it instead of doing the jobs (engine/service/fake.py says what it may hold);
            None: the real one, with the small model.
    """

    def __init__(self, home: Path, script: Mapping[str, Any] | None = None) -> None:
        self.home = home
        self.connection = home / "engine.json"
        self.arguments: list[str] = []
        if script is not None:
            home.mkdir(parents=True, exist_ok=True)
            played = home / "script.json"
            played.write_text(json.dumps(script), encoding="utf-8")
            self.arguments = ["--fake", str(played)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 60.0) -> "Engine":
        """Start, and return when it listens."""
        self.home.mkdir(parents=True, exist_ok=True)
        python = os.environ["MAQUETTE_PYTHON"]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            "MAQUETTE_HOME": str(self.home),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
        with (self.home / "printed.txt").open("ab") as printed:
            self.process = subprocess.Popen(
                [python, "-m", "engine", "serve", *self.arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + seconds
        while not self._listens(self.process.pid):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the engine did not start: {self.printed}")
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """As a crash."""
        self._end(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    def stop(self) -> None:
        """As a user does."""
        self._end(signal.SIGTERM)

    @property
    def printed(self) -> str:
        return (self.home / "printed.txt").read_text(encoding="utf-8", errors="replace")

    def _listens(self, pid: int) -> bool:
        try:
            return json.loads(self.connection.read_text(encoding="utf-8"))["pid"] == pid
        except (OSError, ValueError, KeyError):
            return False

    def _end(self, how: int) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
