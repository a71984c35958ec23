"""The engine's process as Blender keeps it: started, shared, missed, ended; on real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core import local_engine
from blender_addon.core.engine_choice import FILE, REMOTE
from blender_addon.core.running import alive, read_running
from blender_addon.core.snapshot import EngineView
from blender_addon.engine_process import EngineProcess
from blender_addon.protocol.client import EngineClient
from blender_addon.protocol.errors import EngineError
from tests.service.peer import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
SLOW_JOB = {"jobs": [[{"stage": "shape", "steps": 30, "seconds": 3.0}]]}
NOTICED = 3.0
"""Seconds after which the death of an engine must be known."""

needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


class Blenders:
    """Makes what several Blenders of one user have."""

    def __init__(self, folder: Path) -> None:
        self.home, self.user = folder / "home", folder / "user"
        self.made: list[EngineProcess] = []
        self.pids: set[int] = set()

    def add(self, **changes: Any) -> EngineProcess:
        given = {"extension": ROOT / "blender_addon", "version": "0.1.0", **changes}
        process = EngineProcess(given.pop("home", self.home), self.user, **given)
        process.use_folder(Path(sys.prefix))
        self.made.append(process)
        return process

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> float:
        """Poll all ten times a second, as Blender does.

        Returns:
            Seconds that it took.
        """
        begin = time.monotonic()
        while not condition():
            seen = [process.facts.engine for process in self.made]
            assert time.monotonic() - begin < seconds, seen
            for process in self.made:
                process.poll()
            running = read_running(self.home / "engine.json")
            self.pids |= {running.pid} if running else set()
            time.sleep(0.05)
        return time.monotonic() - begin

    def state(self, process: EngineProcess, state: str, seconds: float = PATIENCE) -> EngineView:
        self.until(lambda: process.facts.engine.state == state, seconds)
        return process.facts.engine

    def pid(self) -> int:
        running = read_running(self.home / "engine.json")
        assert running is not None
        return running.pid

    def close(self) -> None:
        for process in self.made:
            process.close()
        for pid in self.pids - {os.getpid()}:
            if alive(pid):
                os.kill(pid, signal.SIGTERM)


@pytest.fixture
def blenders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Blenders]:
    serve_with(monkeypatch, tmp_path, SLOW_JOB)
    made = Blenders(tmp_path)
    yield made
    made.close()


def serve_with(
    monkeypatch: pytest.MonkeyPatch, folder: Path, script: dict[str, Any], *arguments: str
) -> None:
    """The engine plays a script."""
    file = folder / "script.json"
    file.write_text(json.dumps(script))

    def command(python: Path, idle: float = 30.0) -> list[str]:
        serve = (str(python), "-m", "engine", "serve", "--fake", str(file), "--idle", f"{idle:g}")
        return [*serve, *arguments]

    monkeypatch.setattr(local_engine, "serve_command", command)


def client_of(process: EngineProcess, name: str = "test") -> EngineClient:
    return EngineClient(process.find, name=name, program="test")


def wait_alive(client: EngineClient) -> None:
    end = time.monotonic() + PATIENCE
    while client.state != "alive":
        client.poll(0.005, wait_s=0.05)
        assert time.monotonic() < end, client.problem


def test_it_is_started_on_demand_and_shared_by_two_blenders(blenders: Blenders) -> None:
    one, two = blenders.add(), blenders.add()
    assert (one.facts.engine.state, one.facts.engine.verb) == ("stopped", "start")
    with pytest.raises(EngineError, match="asleep"):
        one.find()
    one.start(on_demand=True)
    assert one.facts.engine.state == "starting"
    blenders.state(one, "ready")
    blenders.state(two, "ready")
    two.start(on_demand=True)
    assert two.facts.engine.state == "ready"
    assert one.find().pid == two.find().pid == blenders.pid()
    with client_of(one, "one") as first, client_of(two, "two") as second:
        wait_alive(first)
        wait_alive(second)
    assert one.facts.engine.versions.startswith("extension 0.1.0, engine maquette ")
    facts = one.facts
    one.poll()
    assert one.facts is facts


def test_two_that_start_it_at_the_same_moment_share_one(blenders: Blenders) -> None:
    one, two = blenders.add(), blenders.add()
    one.start()
    two.start()
    blenders.state(one, "ready")
    blenders.state(two, "ready")
    blenders.until(lambda: not one.facts.engine.hint and not two.facts.engine.hint)
    assert one.find().pid == two.find().pid


@needs_kill
def test_its_death_is_noticed_and_a_restart_offered(blenders: Blenders) -> None:
    one, two = blenders.add(), blenders.add()
    one.start()
    blenders.state(one, "ready")
    blenders.state(two, "ready")
    os.kill(blenders.pid(), signal.SIGKILL)
    both = lambda: one.facts.engine.state == two.facts.engine.state == "gone"  # noqa: E731
    assert blenders.until(both) < NOTICED
    assert "ended by the system" in one.facts.engine.sentence
    assert one.facts.engine.verb == two.facts.engine.verb == "restart"
    one.restart()
    blenders.state(one, "ready")
    blenders.state(two, "ready")


@needs_kill
def test_one_that_is_silent_is_ended_by_a_restart(
    blenders: Blenders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_engine, "ENDING", 1.0)
    one = blenders.add()
    one.start()
    blenders.state(one, "ready")
    first = blenders.pid()
    os.kill(first, signal.SIGSTOP)
    one.restart()
    blenders.until(lambda: one.facts.engine.state == "ready" and blenders.pid() != first)
    assert not alive(first)


def test_what_crashes_again_and_again_is_left_alone(
    blenders: Blenders, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "import sys; print('no good kernel', file=sys.stderr); sys.exit(1)"
    monkeypatch.setattr(local_engine, "serve_command", lambda python: [python, "-c", words])
    one = blenders.add()
    for _ in range(3):
        one.start(on_demand=True)
        blenders.state(one, "gone")
    assert "3 times" in one.facts.engine.sentence
    assert "no good kernel" in one.facts.engine.sentence
    with pytest.raises(EngineError, match="no good kernel"):
        one.start(on_demand=True)
    one.start()
    assert one.facts.engine.state == "starting"
    blenders.state(one, "gone")


def test_stop_ends_it_for_all(blenders: Blenders) -> None:
    one, two = blenders.add(), blenders.add()
    one.start()
    blenders.state(one, "ready")
    blenders.state(two, "ready")
    two.stop()
    assert two.facts.engine.sentence == "The engine ends as soon as its job is done."
    blenders.until(lambda: one.facts.engine.verb == two.facts.engine.verb == "start")
    assert one.facts.engine.state == two.facts.engine.state == "stopped"
    assert not blenders.home.joinpath("engine.json").exists()


def test_a_file_that_a_crash_left_is_told_apart(blenders: Blenders) -> None:
    one = blenders.add()
    one.start()
    blenders.state(one, "ready")
    file = blenders.home / "engine.json"
    content = json.loads(file.read_text())
    one.stop(now=True)
    blenders.until(lambda: one.facts.engine.verb == "start")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid in (gone.pid, os.getpid()):  # nobody's number, and by now somebody else's
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        file.write_text(json.dumps({**content, "pid": pid, "endpoint": f"tcp://127.0.0.1:{port}"}))
        two = blenders.add()
        blenders.state(two, "stopped")
        two.start()
        blenders.state(two, "ready")
        assert blenders.pid() != pid
        two.stop(now=True)
        blenders.until(lambda two=two: two.facts.engine.verb == "start")


@needs_kill
def test_report_6_it_leaves_when_blender_was_killed_and_its_job_is_done(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SLOW_JOB))
    home = tmp_path / "home"
    blender = subprocess.Popen(
        [sys.executable, "-c", BLENDER, str(home), str(script)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert blender.stdout is not None
    job = blender.stdout.readline().strip()
    assert job
    blender.kill()
    blender.wait()
    blender.stdout.close()
    running = read_running(home / "engine.json")
    assert running is not None
    begin = time.monotonic()
    while alive(running.pid):
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.1)
    assert time.monotonic() - begin > 1.5  # the job was not cut off
    import sqlite3

    with sqlite3.connect(home / "store.sqlite") as store:
        ((state,),) = store.execute("select state from jobs where id = ?", (job,))
    store.close()
    assert state == "done"


BLENDER = """
import sys, time
from pathlib import Path
from blender_addon.core import local_engine
from blender_addon.engine_process import EngineProcess
from blender_addon.protocol.client import EngineClient
from blender_addon.protocol.jobs import GenerateJob
from blender_addon.protocol.references import Attached
from blender_addon.protocol.wire import Shaped

home, script = Path(sys.argv[1]), sys.argv[2]
local_engine.serve_command = lambda python: [
    str(python), "-m", "engine", "serve", "--fake", script, "--idle", "1"]
process = EngineProcess(home, home / "user", extension=Path("blender_addon"), version="0.1.0")
process.use_folder(Path(sys.prefix))
process.start()
while process.facts.engine.state != "ready":
    process.poll()
    time.sleep(0.05)
client = EngineClient(process.find, name="b", program="b")
picture = Shaped(bytes(64 * 64 * 4), "uint8", (64, 64, 4))
job = client.submit(GenerateJob(picture=Attached("picture"), seed=0), {"picture": picture})
while True:
    for told in client.poll(0.005, wait_s=0.05):
        if type(told).__name__ == "Progress":
            print(job, flush=True)
"""


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path, blenders: Blenders) -> None:
    (tmp_path / "file").write_text("")
    one = blenders.add(
        home=tmp_path / "file" / "home", wheel=tmp_path / "maquette-1-py3-none-any.whl"
    )
    for verb in (one.start, one.set_up):
        with pytest.raises(EngineError) as caught:
            verb()
        assert caught.value.code == "unwritable"
        assert "MAQUETTE_HOME" in caught.value.hint


def test_what_the_engine_refuses_to_start_with_is_shown(blenders: Blenders) -> None:
    blenders.home.mkdir()
    (blenders.home / "config.toml").write_text("[models]\nfoldr = 1\n")
    one = blenders.add()
    one.start()
    view = blenders.state(one, "gone")
    assert "models.foldr" in view.sentence
    assert view.hint


def test_report_5_no_name_is_looked_up(blenders: Blenders, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no names here")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    one = blenders.add()
    one.start()
    blenders.state(one, "ready")
    with client_of(one) as client:
        wait_alive(client)


def test_another_machine_is_paired_with_and_forgotten(
    blenders: Blenders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_with(monkeypatch, tmp_path, SLOW_JOB, "--bind", "127.0.0.1")
    there = blenders.add()
    there.start()
    blenders.state(there, "ready")
    command = [sys.executable, "-m", "engine", "pair"]
    environment = {**os.environ, "MAQUETTE_HOME": str(blenders.home)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    code = told.stdout.splitlines()[0]
    here = Blenders(tmp_path / "here")
    one = here.add()
    with pytest.raises(EngineError, match="not a pairing code"):
        one.use_remote("", "something")
    address, _, keys = code.rpartition("/")
    one.use_remote(address, keys)
    assert one.facts.engine.state == "starting"
    view = here.state(one, "ready")
    assert (view.remote, view.place) == (True, address)
    with client_of(one) as client:
        wait_alive(client)
    secret = here.user / REMOTE
    if sys.platform != "win32":
        assert secret.stat().st_mode & 0o777 == 0o600
    again = EngineProcess(here.home, here.user, extension=ROOT / "blender_addon", version="0.1.0")
    assert again.facts.engine.place == address
    again.close()
    one.use_remote(address, keys)  # a code is good once
    assert here.state(one, "gone").verb == "pair"
    one.forget_remote()
    assert not secret.exists()
    assert json.loads((here.user / FILE).read_text()) == {"folder": "", "remote": ""}
    assert not one.facts.engine.remote
    here.close()


def test_report_15_another_machine_needs_online_access(tmp_path: Path) -> None:
    process = EngineProcess(
        tmp_path / "home",
        tmp_path / "user",
        extension=ROOT / "blender_addon",
        version="0.1.0",
        wheel=tmp_path / "maquette-1.0-py3-none-any.whl",
        online=lambda: "overridden",
    )
    for verb in (process.set_up, lambda: process.use_remote("", "a:1/b")):
        with pytest.raises(EngineError, match="--offline-mode"):
            verb()
    assert "--offline-mode" in process.facts.setup.why_not


def test_a_folder_without_an_engine_is_refused(tmp_path: Path, blenders: Blenders) -> None:
    one = blenders.add()
    with pytest.raises(EngineError, match="There is no Maquette engine in"):
        one.use_folder(tmp_path)
    assert one.facts.engine.state == "stopped"


def test_it_loads_no_wheel_and_no_thread() -> None:
    script = (
        "import sys, pathlib, blender_addon.engine_process as e; "
        "p = e.EngineProcess(pathlib.Path('/nowhere/h'), pathlib.Path('/nowhere/u'), "
        "extension=pathlib.Path('blender_addon'), version='1'); p.poll(); "
        "print(sorted({'zmq', 'msgpack', 'numpy', 'urllib.request', 'ssl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
