"""A disk that fills up while the engine is set up: a sentence, nothing half-made, a resume."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.core import machine, uv
from blender_addon.core.installed import own_engine
from tests.addon.core.index import Index
from tests.addon.core.set_up_runs import Desk, Run, version_of, wait_for
from tests.small_disk import fill, mounted

TORCH = "torch-2.9-py3-none-any.whl"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    here = machine.this_machine(sys.platform, os.uname().machine)
    monkeypatch.setattr(uv, "WHEELS", {(here.system, here.arch): uv.Wheel(*made.uv)})
    yield made
    made.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", 300_000_000) as folder:
        yield folder


def test_while_it_downloads(index: Index, disk: Path) -> None:
    order = index.order(disk / "home", index.add_engine("1.0"))
    index.behave({TORCH: {"slow": 1_000_000}})
    run = Run(index, order)
    part = run.places.downloads / f"{TORCH}.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 500_000)
    fill(disk / "ballast", left=200_000)
    code, message, hint = run.failed()
    assert code == "disk_full" and str(disk / "home") in message
    assert "Make room" in hint and "is kept" in hint
    here = part.stat().st_size
    assert here > 500_000 and own_engine(run.places) is None and not run.places.new.exists()
    (disk / "ballast").unlink()
    index.behave({})
    index.got()
    run = Run(index, order)
    assert run.wait() == 0, run.told()
    assert [asked for name, asked in index.got() if name == TORCH] == [f"bytes={here}-"]
    assert version_of(run.places) == "maquette 1.0"


def test_while_it_installs_the_engine_before_stays(index: Index, disk: Path) -> None:
    assert Run(index, index.order(disk / "home", index.add_engine("1.0"))).wait() == 0
    index.add("coming", "3.0", {"coming/__init__.py": ""}, size=3_000_000)
    order = index.order(disk / "home", index.add_engine("2.0", requires=["coming"]))
    index.hold.touch()
    run = Run(index, order)
    told = run.places.told(run.token)
    wait_for(lambda: told.exists() and "Installing" in told.read_text())
    fill(disk / "ballast", left=300_000)
    index.hold.unlink()
    code, _, hint = run.failed()
    assert code == "disk_full" and "Make room" in hint
    assert version_of(run.places) == "maquette 1.0"
    assert not run.places.new.exists() and not (run.places.work / "cache").exists()
    (disk / "ballast").unlink()
    index.got()
    run = Run(index, order)
    assert run.wait() == 0, run.told()
    assert index.got() == []  # all was here
    assert version_of(run.places) == "maquette 2.0"


def test_to_its_last_byte_it_is_said_and_downloads_can_be_deleted(index: Index, disk: Path) -> None:
    """Not even how it ended can be written."""
    index.behave({TORCH: {"slow": 1_000_000}})
    desk = Desk(index, disk, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: "torch" in desk.setup.step and desk.setup.bytes_done > 500_000)
    fill(disk / "ballast")
    desk.until(lambda: not desk.setup.running)
    assert "is full" in desk.setup.problem and "Make room" in desk.setup.hint
    assert desk.setup.resumable
    desk.process.discard_set_up()
    desk.until(lambda: not desk.setup.resumable)
    assert os.statvfs(disk).f_bavail > 0
    desk.process.close()
