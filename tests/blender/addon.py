"""The extension as a user has it: installed from the zip, enabled, disabled."""

import contextlib
import importlib
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import addon_utils
import bpy

MODULE = "bl_ext.user_default.maquette"


def install(zip_file: Path) -> None:
    """As *Install from Disk* does.

    Raises:
        AssertionError: it is not enabled afterwards, with what Blender printed; the operator itself
            says nothing then.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        bpy.ops.extensions.package_install_files(
            filepath=str(zip_file), repo="user_default", enable_on_install=True
        )
    assert enabled(), f"{zip_file.name} was not enabled: {said.getvalue()}"
    prefer_shared_packages()


def start() -> None:
    """Enable what was installed, as Blender does when it starts; its wheel itself starts as if
    nobody had ever used it."""
    user = Path(bpy.utils.user_resource("EXTENSIONS"), "user_default")
    modules = [f"bl_ext.user_default.{file.parent.name}" for file in user.glob("*/*.toml")]
    addon_utils.extensions_refresh(addon_modules_pending=modules)
    for name in modules:
        assert addon_utils.enable(name, default_set=True, refresh_handled=True), name
    prefer_shared_packages()


def prefer_shared_packages() -> None:
    """No Blender has packages of its own that hide those of extensions; an environment may."""
    if sys.path[0] != str(shared_packages()):
        sys.path.insert(0, str(shared_packages()))


def enabled() -> bool:
    return addon_utils.check(MODULE)[1]


def enable() -> None:
    bpy.ops.preferences.addon_enable(module=MODULE)


def disable() -> None:
    bpy.ops.preferences.addon_disable(module=MODULE)


def folder() -> Path:
    """Where it was installed."""
    return Path(bpy.utils.user_resource("EXTENSIONS"), "user_default", "maquette")


def shared_packages() -> Path:
    """The folder into which Blender unpacks the wheels of all extensions."""
    local = Path(bpy.utils.user_resource("EXTENSIONS"), ".local")
    if sys.platform == "win32":
        return local / "Lib" / "site-packages"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return local / "lib" / version / "site-packages"


def module(name: str = "") -> ModuleType | Any:
    """A module of the installed extension: ``module("bl.tick")``."""
    return importlib.import_module(f"{MODULE}.{name}" if name else MODULE)


def loaded() -> set[str]:
    """Names of the extension's modules that are loaded, relative to it."""
    return {name.removeprefix(MODULE + ".") for name in sys.modules if name.startswith(MODULE)}


def registered_classes() -> list[type]:
    """Everything of the extension's that is registered with Blender."""
    kinds = (
        *(bpy.types.Operator, bpy.types.Panel, bpy.types.Menu, bpy.types.UIList),
        *(bpy.types.PropertyGroup, bpy.types.AddonPreferences, bpy.types.FileHandler),
    )
    found = {
        each
        for kind in kinds
        for each in _below(kind)
        if each.__module__.startswith(MODULE) and getattr(each, "is_registered", False)
    }
    return sorted(found, key=lambda each: each.__name__)


def _below(kind: type) -> set[type]:
    return {each for child in kind.__subclasses__() for each in (child, *_below(child))}
