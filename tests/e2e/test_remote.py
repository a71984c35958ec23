"""The real service and its other machines: pairing, downloads that are cancelled, and nonsense."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fuzz_wire import live
from benchmarks.reliability import House
from engine import connect
from engine.readers.load import load_mesh
from protocol.connection import FILE_NAME, read_connection
from protocol.errors import EngineError
from protocol.events import ModelProgress
from protocol.replies import Accepted
from protocol.requests import CancelModels, DownloadModels, GetStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
ROCKET = ROOT / "examples" / "rocket.png"
ENCODER_BYTES = 1_212_559_808
"""Of DINOv3's model.safetensors, as it is published."""


@contextmanager
def running(home: Path, *words: str, config: str = "") -> Iterator[House]:
    home.mkdir()
    (home / "config.toml").write_text(config)
    house = House(home)
    house.start(*words)
    try:
        yield house
    finally:
        assert house.kill_service() >= 0, "something outlived the service"


def maquette(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "engine", *words],
        env={**os.environ, "MAQUETTE_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_another_machine_is_paired_and_has_an_asset_made(tmp_path: Path) -> None:
    """The other machine is another home, which knows nothing but the code."""
    here, there = tmp_path / "here", tmp_path / "there"
    with running(here, "--bind", "127.0.0.1"):
        code = maquette(here, "pair").stdout.splitlines()[0]
        paired = maquette(there, "pair", code)
        assert paired.returncode == 0, paired.stderr
        assert "client of the engine" in paired.stdout
        assert (there / FILE_NAME).stat().st_mode & 0o077 == 0
        assert not read_connection(there / FILE_NAME).local

        target = tmp_path / "rocket.glb"
        words = ("--quality", "draft", "--finish", "none")
        shown = maquette(there, "generate", str(ROCKET), "-o", str(target), *words)
        assert shown.returncode == 0, shown.stderr
        assert len(load_mesh(target).faces) > 100
        assert "rocket" in maquette(here, "jobs").stdout

        again = maquette(tmp_path / "third", "pair", code)
        assert again.returncode == 2 and "pairing code" in again.stderr
        stop = maquette(there, "stop")
        assert stop.returncode == 2 and "own machine only" in stop.stderr
        mesh = maquette(there, "submit", "finish", str(target))
        assert mesh.returncode == 2 and "cannot name files" in mesh.stderr


def test_nonsense_from_a_client_disturbs_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "home", config="[models]\noffline = true\n") as house:
        connection = read_connection(house.home / FILE_NAME)
        with connect(house.home) as engine:
            before = engine.status().memory
        after = live(connection, 3000, 5).memory
        assert after - before < 32 << 20
        with connect(house.home) as engine:
            job = engine.generate(ROCKET, quality="draft", finish=None).wait()
            assert job.snapshot().row.state == "done"


class SlowHub:
    """Gives out one file that never ends, at about 20 MB/s.

    Attributes:
        asked: path and Range header of every GET.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self._head(0)

            def do_GET(self) -> None:
                span = self.headers.get("Range")
                hub.asked.append((self.path, span))
                begin = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
                self._head(begin)
                piece = bytes(1 << 18)
                try:
                    for _ in range((ENCODER_BYTES - begin) // len(piece)):
                        self.wfile.write(piece)
                        time.sleep(0.0125)
                except OSError:  # it was cancelled
                    self.close_connection = True

            def _head(self, begin: int) -> None:
                self.send_response(206 if begin else 200)
                last = ENCODER_BYTES - 1
                self.send_header("Content-Range", f"bytes {begin}-{last}/{ENCODER_BYTES}")
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("ETag", '"x"')
                self.send_header("Content-Length", str(ENCODER_BYTES - begin))
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_download_is_cancelled_and_resumed_from_a_copy(tmp_path: Path) -> None:
    hub, home = SlowHub(), tmp_path / "home"
    folder = home / "models" / "facebook" / "dinov3-vitl16-pretrain-lvd1689m"
    try:
        with running(home, config=f'[models]\nendpoint = "{hub.url}"\n'):
            folder.mkdir(parents=True)
            (folder / "config.json").write_text("{}")
            mirror = {"facebook/dinov3-vitl16-pretrain-lvd1689m": "somebody/copy"}
            sizes = [_begun_and_cancelled(home, folder, mirror) for _ in range(2)]
        assert 0 < sizes[0] < sizes[1] < ENCODER_BYTES
        (first, none), (second, span) = hub.asked
        assert first.startswith("/somebody/copy/resolve/") and second == first
        assert none is None and span is not None
        # All that had arrived was resumed from.
        assert int(span.removeprefix("bytes=").rstrip("-")) == sizes[0]
    finally:
        hub.close()


def _begun_and_cancelled(home: Path, folder: Path, mirrors: dict[str, str]) -> int:
    """Bytes of the partial file that stays."""
    with connect(home) as engine, connect(home, name="other") as other:
        engine.ask(DownloadModels(names=("image_encoder",), mirrors=mirrors), Accepted)
        before = _progress(engine, lambda at: at.done > 0).done
        _progress(engine, lambda at: at.done > before)
        start = time.monotonic()
        other.ask(CancelModels(), Accepted)  # any client may
        ended = _progress(engine, lambda at: at.ended)
        assert time.monotonic() - start < 5
        assert ended.code == "cancelled" and "kept" in ended.message
        other.client.ask(GetStatus())
    (part,) = folder.glob(".model.safetensors.*.part")
    return part.stat().st_size


def _progress(engine: Any, wanted: Any) -> ModelProgress:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for told in engine.client.poll(0.05, wait_s=0.1):
            if isinstance(told, ModelProgress) and wanted(told):
                return told
            if isinstance(told, ModelProgress) and told.ended:
                raise EngineError(told.code, told.message, told.hint)
    raise TimeoutError("no progress")
