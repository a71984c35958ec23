"""Files appear whole or not at all, and errors name what went wrong."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from engine.host.files import (
    atomic_path,
    check_place,
    link_or_copy,
    put_folder,
    write_bytes_atomic,
)
from protocol.errors import EngineError


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.glb"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".glb"
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out.glb"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old and longer")
    write_bytes_atomic(target, b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="rights are different there")
def test_it_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    write_bytes_atomic(tmp_path / "a.bin", b"")
    (tmp_path / "b.bin").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.bin", "b.bin")}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("broken"), TimeoutError()])
def test_nothing_is_left_behind_by_what_went_wrong(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(type(error)) as caught, atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert caught.value is error
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said(tmp_path: Path, number: int) -> None:
    with pytest.raises(EngineError) as caught, atomic_path(tmp_path / "a.bin"):
        raise OSError(number, os.strerror(number))
    assert caught.value.code == "disk_full"
    assert "a.bin was not written" in caught.value.message
    assert "Make room" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_full_disk_while_the_file_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineError) as caught:
        write_bytes_atomic(tmp_path / "a.bin", b"x")
    assert caught.value.code == "disk_full"
    assert not list(tmp_path.iterdir())


def test_a_source_that_cannot_be_read_is_not_called_unwritable(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "a.bin") as temporary:
        temporary.write_bytes((tmp_path / "absent.bin").read_bytes())
    assert caught.value.filename == str(tmp_path / "absent.bin")
    assert not list(tmp_path.iterdir())


def test_a_temporary_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught, atomic_path(tmp_path / "a.bin") as temporary:
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary))
    assert caught.value.code == "unwritable"
    assert "Permission denied" in caught.value.message


@pytest.mark.parametrize("place", ["absent/a.bin", "folder"])
def test_places_where_no_file_can_be(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(EngineError) as caught:
        write_bytes_atomic(tmp_path / place, b"x")
    assert caught.value.code == "unwritable"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_name_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".bin")
    check_place(path)
    write_bytes_atomic(path, b"x")
    write_bytes_atomic(path, b"y")
    assert path.read_bytes() == b"y" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["n" * 252 + ".bin", "\u043a" * 126 + ".bin"])
def test_a_longer_name_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError) as caught:
        check_place(tmp_path / name)
    assert caught.value.code == "name_too_long" and caught.value.hint
    assert "256 bytes" in caught.value.message


def test_the_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    behind, link = tmp_path / "disk" / "a.bin", tmp_path / "a.bin"
    behind.parent.mkdir()
    behind.write_bytes(b"old")
    link.symlink_to(behind)
    check_place(link)
    write_bytes_atomic(link, b"new")
    assert link.is_symlink() and behind.read_bytes() == b"new"
    assert [path.name for path in behind.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_gets_another_name_or_is_copied(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind, link, target = (tmp_path / name for name in ("a.bin", "link.bin", "b.bin"))
    behind.write_bytes(b"weights")
    link.symlink_to(behind)

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    link_or_copy(link, target)
    assert target.read_bytes() == b"weights" and not target.is_symlink()
    assert target.samefile(behind) == links


def test_a_link_to_nothing_yet_makes_the_file(tmp_path: Path) -> None:
    link = tmp_path / "a.bin"
    link.symlink_to(tmp_path / "later.bin")
    write_bytes_atomic(link, b"new")
    assert link.is_symlink() and (tmp_path / "later.bin").read_bytes() == b"new"


def test_the_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    behind, link, made = tmp_path / "behind", tmp_path / "link", tmp_path / "made"
    for folder in (behind, made):
        folder.mkdir()
        (folder / folder.name).touch()
    link.symlink_to(behind)
    put_folder(made, link)
    assert link.is_symlink() and [path.name for path in behind.iterdir()] == ["made"]
