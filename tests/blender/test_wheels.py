"""The wheels among those of other extensions, and while an update replaces them (reports 7 to 9).

Versions are made up: the real wheels, renamed.
"""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.blender import zips
from tests.blender.fresh import blender

Change = Callable[[str, bytes], tuple[str, bytes]]

LOAD = """
def load():
    try:
        addon.module("core.wheels").check_wheels()
    except Exception as error:
        return [error.code, error.message, error.hint]
    import zmq, msgpack
    said["files"] = [zmq.__file__, msgpack.__file__]
    return [zmq.__version__, msgpack.__version__]

def install(file):
    bpy.ops.extensions.package_install_files(
        filepath=str(file), repo="user_default", enable_on_install=True
    )
    addon.prefer_shared_packages()
"""


@pytest.fixture
def undeletable(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes the libraries in a folder of packages stay, as Windows does with those in use."""

    def keep(packages: Path) -> None:
        libraries = [file for file in packages.rglob("*") if ".so" in file.name]
        assert libraries
        try:
            change = ["chattr", "+i", *map(str, libraries)]
            done = subprocess.run(change, capture_output=True, text=True)
        except OSError:
            pytest.skip("chattr is not here")
        if done.returncode != 0:
            pytest.skip(f"chattr: {done.stderr.splitlines()[0]}")

    yield keep
    _free(tmp_path)


def _free(folder: Path) -> None:
    subprocess.run(["chattr", "-R", "-f", "-i", str(folder)], check=False)


def _ours(change: Change, which: str = "") -> dict[str, bytes]:
    wheels = zips.wheels_of(zips.OURS).items()
    return dict(change(n, data) if n.startswith(which) else (n, data) for n, data in wheels)


def _called(version: str) -> Change:
    return lambda name, data: zips.called(name, data, version)


def test_the_wheels_are_the_extensions_own(tmp_path: Path) -> None:
    said = blender(tmp_path, LOAD, "install(ours); said['got'] = load()", ours=zips.OURS)
    assert said["got"] == _versions()
    assert all(str(Path("extensions", ".local")) in file for file in said["files"])


@pytest.mark.parametrize("version", ["0.9.0", "99.0.0"])
def test_report_9_another_version_is_there_first(tmp_path: Path, version: str) -> None:
    other = zips.other_extension(tmp_path / "other.zip", _ours(_called(version)))
    blender(tmp_path, LOAD, "install(other); install(ours)", other=other, ours=zips.OURS)
    said = blender(tmp_path, LOAD, "addon.start(); said['got'] = load()")
    assert said["got"] == max(_versions(), [version, version])


def test_report_9_a_newer_one_that_does_not_work_is_named(tmp_path: Path) -> None:
    wheels = _ours(lambda name, data: zips.broken(*zips.called(name, data, "99.0.0")), "pyzmq")
    other = zips.other_extension(tmp_path / "other.zip", wheels)
    code = "install(other); install(ours); said['got'] = load()"
    code, message, hint = blender(tmp_path, LOAD, code, other=other, ours=zips.OURS)["got"]
    assert code == "wheels_unusable"
    assert "pyzmq 99.0.0" in message and "no such thing" in message
    assert hint.startswith("The extension Other Thing brings pyzmq too: update or remove it.")


def test_report_9_one_that_is_in_memory_already(tmp_path: Path) -> None:
    other = zips.other_extension(tmp_path / "other.zip", _ours(_called("0.9.0")))
    code = "install(other); import zmq; install(ours); said['got'] = load()"
    code, message, hint = blender(tmp_path, LOAD, code, other=other, ours=zips.OURS)["got"]
    assert code == "wheels_mixed"
    assert "0.9.0 is loaded" in message and "restart Blender" in hint
    assert blender(tmp_path, LOAD, "addon.start(); said['got'] = load()")["got"] == _versions()


def test_report_7_an_update_with_the_same_wheels_needs_no_restart(tmp_path: Path) -> None:
    newer = zips.with_wheels(zips.OURS, tmp_path / "newer.zip", "99.0.0", zips.wheels_of(zips.OURS))
    code = """
    install(ours); said["before"] = load()
    install(newer); said["after"] = load()
    said["enabled"] = addon.enabled()
    said["manifest"] = (addon.folder() / "blender_manifest.toml").read_text()
    """
    said = blender(tmp_path, LOAD, code, ours=zips.OURS, newer=newer)
    assert said["enabled"] and 'version = "99.0.0"' in said["manifest"]
    assert said["before"] == said["after"] == _versions()


def test_report_7_an_update_while_libraries_are_in_use(
    tmp_path: Path, undeletable: Callable[[Path], None]
) -> None:
    newer = zips.with_wheels(zips.OURS, tmp_path / "newer.zip", "99.0.0", _ours(_called("99.0.0")))
    user = tmp_path / "user"
    assert blender(user, LOAD, "install(ours); said['got'] = load()", ours=zips.OURS)["got"]
    undeletable(user / "extensions" / ".local")
    code = """
    assert len(load()) == 2
    try:
        install(newer)
    except RuntimeError as error:
        said["operator"] = str(error)
    said["enabled"] = addon.enabled()
    said["got"] = load()
    """
    said = blender(user, LOAD, "addon.start()", code, newer=newer)
    assert said["enabled"]
    assert (
        said["got"][0] == "wheels_mixed" and said["got"][2] == "Save your work and restart Blender."
    )
    _free(user)
    said = blender(user, LOAD, "addon.start(); said['got'] = load()")
    assert said["got"] == ["99.0.0", "99.0.0"]


def _versions() -> list[str]:
    names = sorted(zips.wheels_of(zips.OURS), reverse=True)
    return [next(n.split("-")[1] for n in names if n.startswith(p)) for p in ("pyzmq", "msgpack")]
