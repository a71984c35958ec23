"""Enabling and disabling the extension: what it costs, what it touches, what it leaves."""

import bpy

from tests.blender import addon
from tests.blender.pump import Pump

WHEELS = ("zmq", "msgpack")


def test_it_is_installed_in_the_users_folder() -> None:
    assert addon.module().__package__ == addon.MODULE
    assert (addon.folder() / "blender_manifest.toml").is_file()


def test_ten_reloads_leave_nothing(pump: Pump) -> None:
    classes = [each.__name__ for each in addon.registered_classes()]
    timers, handlers = pump.registered, _handlers()
    assert classes
    for _ in range(10):
        addon.disable()
        assert addon.registered_classes() == []
        assert pump.registered == []
        assert not any("maquette" in name for name in _handlers())
        addon.enable()
    assert [each.__name__ for each in addon.registered_classes()] == classes
    assert pump.registered == timers
    assert _handlers() == handlers


def _handlers() -> list[str]:
    lists = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)]
    functions = [each for one in lists if isinstance(one, list) for each in one]
    return [f"{each.__module__}.{each.__qualname__}" for each in functions]
