"""What is registered with Blender, in order, and how it is taken away again.

Nothing is begun here: no wheel is imported, no socket opened, no process started. The session is
made by ``bl.tick`` when it is first needed.
"""

import contextlib
from types import ModuleType

import bpy

from . import preferences, properties
from .bl import languages, tick
from .operators import (
    acting,
    generating,
    history,
    matte,
    objects,
    presets,
    several,
    sources,
    weights,
)
from .operators import engine as engine_operators
from .ui import engine as engine_panels
from .ui import first_run, generate, jobs, menus, status_bar
from .ui import history as history_panels
from .ui import objects as object_panels
from .ui import source as source_menus

PACKAGE = __package__ or "maquette"
MODULES: tuple[ModuleType, ...] = (
    properties,
    preferences,
    sources,
    several,
    matte,
    generating,
    presets,
    objects,
    history,
    engine_operators,
    weights,
    source_menus,
    first_run,
    jobs,
    generate,
    object_panels,
    history_panels,
    engine_panels,
    menus,
)
CLASSES = tuple(cls for module in MODULES for cls in module.CLASSES)


def register() -> None:
    """Register everything; twice is once."""
    unregister()
    languages.register(PACKAGE)
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.attach()
    menus.attach()
    tick.register()
    tick.on_change += [acting.redraw, status_bar.redraw]


def unregister() -> None:
    """Take everything away, in reverse order; what is not there is no fault."""
    tick.unregister()
    with contextlib.suppress(ValueError):
        menus.detach()
    properties.detach()
    for cls in reversed(CLASSES):
        if cls.is_registered:
            bpy.utils.unregister_class(cls)
    languages.unregister(PACKAGE)
