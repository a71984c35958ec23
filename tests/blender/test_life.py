"""Enabling and disabling the extension: what it costs, what it touches, what it leaves.

Unpacking the wheels, which Blender does when an extension is enabled for the first time, is not
counted.
"""

import sys
from pathlib import Path

import bpy
import pytest

from tests.blender import addon, fresh, zips
from tests.blender.pump import Pump

WATCHED = """
opened = []

def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.posix_spawn", "urllib.")):
        opened.append(event)

sys.addaudithook(watch)
"""
"""Python itself tells of every socket and every process, whoever makes it."""


def test_it_is_installed_in_the_users_folder() -> None:
    assert addon.module().__package__ == addon.MODULE
    assert (addon.folder() / "blender_manifest.toml").is_file()


def test_report_15_enabling_asks_nobody_and_imports_no_wheel(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = """
    import importlib
    addon.install(ours)
    addon.module().unregister()
    for name in [name for name in sys.modules if name.startswith(addon.MODULE)]:
        del sys.modules[name]
    loaded, opened[:] = set(sys.modules), []
    before = time.process_time()
    importlib.import_module(addon.MODULE).register()
    said["seconds"] = time.process_time() - before
    said["opened"] = opened
    said["loaded"] = sorted({name.split(".")[0] for name in set(sys.modules) - loaded})
    said["modules"] = sorted(addon.loaded())
    """
    said = fresh.blender(tmp_path, WATCHED, code, ours=zips.OURS)
    with capfd.disabled():
        sys.stdout.write(f"\nenabling took {said['seconds'] * 1000:.0f} ms of processor time\n")
    assert said["opened"] == []
    assert not {"zmq", "msgpack", "threading", "asyncio", "requests"} & set(said["loaded"])
    assert not any(name.startswith("protocol.client") for name in said["modules"])


def test_a_socket_would_be_seen(tmp_path: Path) -> None:
    code = """
    import socket
    with socket.socket() as probe:
        probe.connect_ex(("127.0.0.1", 9))
    said["opened"] = opened
    """
    assert "socket.connect" in fresh.blender(tmp_path, WATCHED, code)["opened"]


def test_nothing_is_put_at_the_top_level() -> None:
    """Another extension's ``protocol``, or ``core``, must not be ours."""
    ours = str(addon.folder())
    outside = [
        name
        for name, module in list(sys.modules.items())
        if (getattr(module, "__file__", None) or "").startswith(ours)
        and not name.startswith(addon.MODULE)
    ]
    assert outside == []
    assert not any(path.startswith(ours) for path in sys.path)


def test_ten_reloads_leave_nothing(pump: Pump) -> None:
    classes = [each.__name__ for each in addon.registered_classes()]
    before = (pump.registered, _handlers(), _menus(), _properties())
    assert classes
    for _ in range(10):
        addon.disable()
        assert addon.registered_classes() == []
        left = [*pump.registered, *_handlers(), *_menus(), *_properties()]
        assert not [name for name in left if "maquette" in name]
        addon.enable()
    assert [each.__name__ for each in addon.registered_classes()] == classes
    assert (pump.registered, _handlers(), _menus(), _properties()) == before


def test_the_status_bar_keeps_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blender's installation of extensions sets a text there before the extension is enabled, and
    from then on every end of a text drops what was appended since."""
    bar, tell = bpy.types.STATUSBAR_HT_header, addon.module("bl.tick").tell
    entry = f"{addon.MODULE}.ui.status_bar.draw"
    extended = bar.draw
    monkeypatch.setattr(bar, "_draw_orig", extended._draw_funcs[0], raising=False)
    monkeypatch.setattr(bar, "draw", extended)
    bpy.data.workspaces[0].status_text_set(None)
    assert entry not in _menus()
    for _ in range(3):
        tell()
    assert _menus().count(entry) == 1
    addon.disable()
    assert entry not in _menus()
    monkeypatch.undo()
    addon.enable()
    assert _menus().count(entry) == 1


def _handlers() -> list[str]:
    lists = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)]
    return _names(each for one in lists if isinstance(one, list) for each in one)


def _menus() -> list[str]:
    """Functions that were appended to menus, headers and panels of Blender's."""
    drawn = (getattr(getattr(bpy.types, name), "draw", None) for name in dir(bpy.types))
    return _names(each for draw in drawn for each in getattr(draw, "_draw_funcs", ()))


def _names(functions) -> list[str]:
    return [f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', f)}" for f in functions]


def _properties() -> list[str]:
    """Properties of ours on Blender's own types."""
    kinds = (
        *(bpy.types.Scene, bpy.types.Object, bpy.types.Material, bpy.types.Image),
        *(bpy.types.WindowManager, bpy.types.Collection, bpy.types.Mesh, bpy.types.World),
    )
    return [
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name in kind.bl_rna.properties.keys()  # noqa: SIM118 - a collection of RNA
        if "maquette" in name
    ]
