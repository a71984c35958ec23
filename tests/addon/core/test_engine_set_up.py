"""A set-up as Blender sees it: asked for, followed, cancelled, agreed to, seen by another one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.core import machine, uv
from blender_addon.core.installed import own_engine
from blender_addon.core.places import Places
from blender_addon.core.running import alive
from blender_addon.core.set_up_lock import holder
from blender_addon.core.set_up_watch import SetUpWatch
from blender_addon.core.snapshot import SetupView
from tests.addon.core.index import LARGE, TORCH, Index
from tests.addon.core.set_up_runs import Desk

SLOW = {"torch-2.9-py3-none-any.whl": {"slow": 1_000_000}}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake uv is a shell script")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    here = machine.this_machine(sys.platform, "x86_64")
    wheel = uv.Wheel(*made.uv)
    monkeypatch.setattr(uv, "WHEELS", {(here.system, arch): wheel for arch in ("x64", "arm64")})
    yield made
    made.close()


def set_up_pid(folder: Path) -> int:
    found = holder(Places(folder / "home").lock)
    assert found is not None
    return found.pid


def test_it_is_followed_to_its_end_and_the_engine_is_there(index: Index, tmp_path: Path) -> None:
    index.behave({"torch-2.9-py3-none-any.whl": {"slow": 3_000_000}})
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    engine = desk.process.facts.engine
    assert (engine.state, engine.verb) == ("absent", "set_up")
    assert desk.setup.download > 100_000_000
    assert desk.setup.minutes > 0.5
    desk.process.set_up()
    assert desk.process.facts.engine.state == "installing"
    seen: list[SetupView] = []
    desk.until(lambda: seen.append(desk.setup) or not desk.setup.running)
    assert (desk.setup.problem, desk.setup.resumable) == ("", False)
    fractions = [each.fraction for each in seen]
    assert fractions == sorted(fractions)
    assert any(each.bytes_total > LARGE for each in seen)
    assert any("torch" in line for line in desk.setup.log)
    engine = desk.process.facts.engine
    assert (engine.state, engine.verb) == ("stopped", "start")
    assert engine.versions == "extension 0.1.0, engine maquette 1.0"


def test_cancel_ends_all_of_it_and_it_can_be_continued(index: Index, tmp_path: Path) -> None:
    index.behave(SLOW)
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: "torch" in desk.setup.step and desk.setup.bytes_done > 300_000)
    pid = set_up_pid(tmp_path)
    desk.process.cancel_set_up()
    assert not desk.setup.running
    assert desk.setup.problem == "The set-up was cancelled."
    assert desk.setup.resumable
    desk.until(lambda: not alive(pid))
    assert desk.process.facts.engine.state == "absent"
    index.behave({})
    index.got()
    desk.process.set_up()
    desk.until(lambda: not desk.setup.running)
    assert desk.process.facts.engine.state == "stopped"
    assert index.got()[0][1].startswith("bytes=")


def test_report_22_what_was_said_has_to_be_agreed_to(index: Index, tmp_path: Path) -> None:
    index.add("torch", "2.11", {"torch/__init__.py": TORCH}, size=LARGE, claimed=3_000_000_000)
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: not desk.setup.running)
    assert desk.setup.problem == "The download is 3.0 GB."
    assert desk.setup.hint and desk.setup.asks
    assert desk.setup.download == pytest.approx(3e9, rel=0.01)
    desk.process.set_up()  # another button, whose user has not read it
    desk.until(lambda: not desk.setup.running)
    assert desk.setup.asks and desk.process.facts.engine.state == "absent"
    desk.process.set_up(agreed=True)
    desk.until(lambda: not desk.setup.running)
    assert desk.setup.problem == "" and not desk.setup.asks
    assert desk.process.facts.engine.state == "stopped"


def test_another_blender_sees_it_and_does_not_begin_a_second(index: Index, tmp_path: Path) -> None:
    index.behave(SLOW)
    wheel = index.add_engine("1.0")
    one, two = Desk(index, tmp_path, wheel), Desk(index, tmp_path, wheel)
    one.process.set_up()
    one.until(lambda: "torch" in one.setup.step)
    two.until(lambda: two.setup.running and "torch" in two.setup.step)
    two.process.set_up()
    one.process.close()  # it is finished without the Blender that began it
    two.until(lambda: not two.setup.running)
    assert two.setup.problem == ""
    assert two.process.facts.engine.state == "stopped"


def test_the_update_that_an_extension_brings_is_offered(index: Index, tmp_path: Path) -> None:
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: not desk.setup.running)
    newer = Desk(index, tmp_path, index.add_engine("1.1"))
    engine = newer.process.facts.engine
    assert (engine.state, engine.verb) == ("stopped", "update")
    assert engine.sentence == "The engine is version 1.0; this extension brings 1.1."
    newer.process.set_up()
    newer.until(lambda: not newer.setup.running)
    assert newer.process.facts.engine.verb == "start"
    # A Blender with the older extension does not go back.
    desk.process.poll()
    assert (
        Desk(
            index, tmp_path, index.wheels / "maquette-1.0-py3-none-any.whl"
        ).process.facts.engine.verb
        == "start"
    )


def test_what_reads_words_comes_with_networks_that_know_some(index: Index, tmp_path: Path) -> None:
    without = Desk(index, tmp_path / "a", index.add_engine("1.0"))
    desk = Desk(index, tmp_path, index.add_engine("1.1", reads_words=True))
    assert desk.setup.download == without.setup.download + 95_000_000
    assert desk.setup.disk > without.setup.disk and desk.setup.minutes > without.setup.minutes
    desk.process.set_up()
    desk.until(lambda: not desk.setup.running)
    assert packages(tmp_path) == {"torch", "rembg", "sentences"}


def test_what_reads_words_is_added_by_its_button_and_stays(index: Index, tmp_path: Path) -> None:
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: not desk.setup.running)
    assert packages(tmp_path) == {"torch", "rembg"}
    index.got()
    desk.process.set_up(extra="text")
    desk.until(lambda: not desk.setup.running)
    assert packages(tmp_path) == {"torch", "rembg", "sentences"}
    assert not any(name.startswith("torch") for name, _ in index.got())
    newer = Desk(index, tmp_path, index.add_engine("1.1"))  # another Blender, who never asked
    newer.process.set_up()
    newer.until(lambda: not newer.setup.running)
    assert packages(tmp_path) == {"torch", "rembg", "sentences"}


def packages(folder: Path) -> set[str]:
    found = own_engine(Places(folder / "home"))
    assert found is not None
    return set(found.packages)


def test_one_that_dies_without_a_word_is_noticed(index: Index, tmp_path: Path) -> None:
    index.behave(SLOW)
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: "torch" in desk.setup.step)
    os.kill(set_up_pid(tmp_path), signal.SIGKILL)
    desk.until(lambda: not desk.setup.running)
    assert "without a word" in desk.setup.problem
    assert desk.setup.resumable


def test_what_an_unfinished_one_has_left_is_deleted_and_how_it_ended_is_put_away(
    index: Index, tmp_path: Path
) -> None:
    index.behave(SLOW)
    wheel = index.add_engine("1.0")
    desk, other = Desk(index, tmp_path, wheel), Desk(index, tmp_path, wheel)
    desk.process.set_up()
    desk.until(lambda: "torch" in desk.setup.step and desk.setup.bytes_done > 0)
    desk.process.cancel_set_up()
    assert desk.setup.resumable and desk.setup.problem
    desk.process.dismiss_set_up()
    assert not desk.setup.problem
    time.sleep(3.2)  # as long as the one that was cancelled may be looked past
    desk.process.discard_set_up()
    desk.until(lambda: other.process.poll() or not desk.setup.resumable)
    desk.until(lambda: other.process.poll() or not holder(Places(tmp_path / "home").lock))
    assert not (tmp_path / "home" / "engine.new").exists()
    for one in (desk, other):
        assert not one.setup.running and not one.setup.problem
        one.process.close()


@pytest.mark.parametrize("later", [False, True])
def test_two_blenders_press_at_the_same_moment(index: Index, tmp_path: Path, later: bool) -> None:
    index.behave({"torch-2.9-py3-none-any.whl": {"slow": 500_000}})
    wheel = index.add_engine("1.0")
    desks = [Desk(index, tmp_path, wheel) for _ in range(2)]
    desks[0].process.set_up()
    if later:  # but before the other one has looked
        desks[0].until(lambda: "torch" in desks[0].setup.step)
    desks[1].process.set_up()
    steps: list[set[str]] = [set(), set()]

    def over() -> bool:
        for desk, seen in zip(desks, steps, strict=True):
            desk.process.poll()
            seen.add(desk.setup.step)
        return all(desk.process.facts.engine.state == "stopped" for desk in desks)

    desks[0].until(over)
    for desk, seen in zip(desks, steps, strict=True):
        assert not desk.setup.running and desk.setup.problem == ""
        assert "Downloading torch 2.9" in seen, "the other one's progress is shown"
        desk.process.close()
    assert [name for name, _ in index.got()].count("torch-2.9-py3-none-any.whl") == 1


def test_the_engine_is_set_up_again_from_the_start(index: Index, tmp_path: Path) -> None:
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    desk.process.set_up()
    desk.until(lambda: not desk.setup.running)
    broken = next((tmp_path / "home" / "engine").rglob("torch/__init__.py"))
    whole = broken.read_text()
    broken.write_text("broken")
    desk.process.set_up(fresh=True)
    desk.until(lambda: not desk.setup.running)
    assert desk.setup.problem == ""
    assert next((tmp_path / "home" / "engine").rglob("torch/__init__.py")).read_text() == whole


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A program of somebody else that leads a process group, as a set-up does."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_who_got_the_number_of_a_dead_set_up_is_left_alone(
    index: Index, tmp_path: Path, stranger: "subprocess.Popen[bytes]"
) -> None:
    work = tmp_path / "home" / "engine.set-up"
    work.mkdir(parents=True)
    (work / "told-1.jsonl").write_text(
        '{"step": "Downloading torch", "fraction": 0.2, "done": 1, "total": 9}\n'
    )
    (work / "lock").write_text(f"{stranger.pid} 1")
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    assert not desk.setup.running
    desk.process.cancel_set_up()
    assert stranger.poll() is None
    assert desk.process.facts.engine.state == "absent"


def test_the_set_up_of_another_blender_that_has_just_died_has_nobody_to_end(
    index: Index, tmp_path: Path
) -> None:
    index.behave(SLOW)
    desk = Desk(index, tmp_path, index.add_engine("1.0"))
    watch = SetUpWatch(Places(tmp_path / "home"), time.monotonic)
    desk.process.set_up()
    desk.until(lambda: watch.poll() or watch.running)
    pid = set_up_pid(tmp_path)
    assert watch.pid == pid
    os.killpg(pid, signal.SIGKILL)
    desk.until(lambda: not desk.setup.running)
    assert watch.running and watch.pid == 0  # it has not looked again yet
    watch.close()


def test_cancel_of_another_blenders_set_up_ends_it(index: Index, tmp_path: Path) -> None:
    index.behave(SLOW)
    wheel = index.add_engine("1.0")
    one, two = Desk(index, tmp_path, wheel), Desk(index, tmp_path, wheel)
    one.process.set_up()
    two.until(lambda: two.setup.running and "torch" in two.setup.step)
    two.process.cancel_set_up()
    one.until(lambda: not one.setup.running)
    assert two.setup.problem == "The set-up was cancelled."
