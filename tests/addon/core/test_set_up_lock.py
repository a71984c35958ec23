"""The lock of the set-up with Windows' locks of bytes, which other systems do not have."""

import os
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blender_addon.core import set_up_lock
from blender_addon.core.set_up_lock import Holder, holder, opened, take
from tests.addon.core.windows import LK_NBLCK, Windows


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    made = Windows()
    monkeypatch.setitem(sys.modules, "msvcrt", made)
    monkeypatch.setattr(set_up_lock, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(set_up_lock, "PATIENCE", 0.1)
    monkeypatch.setattr(
        Path, "open", lambda path, *given, **named: made.open(path, *given, **named)
    )
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def held(windows: Windows, file: Path) -> Iterator[FileIO]:
    lock = opened(file)
    assert take(lock, "first")
    yield lock
    lock.close()


def test_who_holds_it_is_read_beside_what_is_locked(held: FileIO, file: Path) -> None:
    assert holder(file) == Holder(os.getpid(), "first")


def test_a_second_one_does_not_get_it_and_changes_nothing(held: FileIO, file: Path) -> None:
    second = opened(file)
    assert not take(second, "second")
    second.close()
    assert holder(file) == Holder(os.getpid(), "first")


def test_looking_leaves_nothing_locked_not_even_for_a_moment(windows: Windows, file: Path) -> None:
    file.write_text("1 old")
    assert holder(file) is None
    assert not windows.late
    lock = opened(file)
    assert take(lock, "first")
    lock.close()


def test_two_that_look_at_once_do_not_see_each_other(
    windows: Windows, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("1 old")
    looks: list[Any] = []
    locking = windows.locking

    def while_it_looks(fd: int, mode: int, count: int) -> None:
        locking(fd, mode, count)
        if mode == LK_NBLCK and not looks:
            looks.append("begun")
            mine = os.getpid()
            monkeypatch.setattr(set_up_lock.os, "getpid", lambda: mine + 4)
            looks.append(holder(file))
            monkeypatch.setattr(set_up_lock.os, "getpid", lambda: mine)

    monkeypatch.setattr(windows, "locking", while_it_looks)
    assert holder(file) is None
    assert looks == ["begun", None]


def test_what_a_dead_one_held_is_free_when_windows_comes_to_it(
    windows: Windows, file: Path
) -> None:
    dead = opened(file)
    assert take(dead, "dead")
    dead.close()  # as the end of its process does
    assert holder(file) == Holder(os.getpid(), "dead")
    windows.settle()
    assert holder(file) is None
    lock = opened(file)
    assert take(lock, "next")
    assert holder(file) == Holder(os.getpid(), "next")
    lock.close()


def test_a_shorter_number_leaves_nothing_of_a_longer_one(windows: Windows, file: Path) -> None:
    file.write_text("1234567890 a_long_token")
    lock = opened(file)
    assert take(lock, "b")
    assert file.read_text() == f"{os.getpid()} b"
    lock.close()


def test_no_file_and_no_number_are_nobodys(windows: Windows, file: Path) -> None:
    assert holder(file) is None
    lock = opened(file)
    windows.locking(lock.fileno(), LK_NBLCK, 1 << 31)
    assert holder(file) is None, "it was locked, but nothing stands in it"
    lock.close()
