"""A retexture by real clicks, then real Ctrl-Z over everything that was done, and redo.

An engine that plays a job has to run in ``MAQUETTE_HOME`` (``serve --fake``, with the parts
"finished" and "textures"), and the window has to be 1400 pixels high, so that every panel is seen.
"""

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import window

STEPS = int(([*sys.argv[sys.argv.index("--") + 1 :], "6"])[0])
"""Moves of the user before the new look arrives, and after it was kept."""


def snapshot() -> Any:
    """What the panels draw."""
    return window.module("bl.tick").snapshot()


def cube() -> Any:
    """The object of every new file."""
    return bpy.data.objects["Cube"]


def state() -> tuple[Any, ...]:
    """What undo has to bring back: vertices, place, materials, UV maps, objects."""
    thing = cube()
    return (
        tuple(round(value, 4) for vertex in thing.data.vertices for value in vertex.co),
        tuple(round(value, 4) for value in thing.location),
        tuple(slot.material.name if slot.material else "" for slot in thing.material_slots),
        tuple(sorted(layer.name for layer in thing.data.uv_layers)),
        tuple(sorted(bpy.data.objects.keys())),
    )


def move() -> window.Steps:
    """The user moves the object by a metre: a step of Blender's own."""
    before = tuple(cube().location)
    for key in ("g", "x", "1", "Return"):
        window.key(key, 300, 300)
        yield 0.1
    modal = bpy.context.window_manager.windows[0].modal_operators
    moved = lambda: tuple(cube().location) != before and not len(modal)  # noqa: E731
    yield from window.wait_for("the move", moved, 20)


def undo(times: int, keys: str) -> window.Steps:
    """Press the keys of undo or redo as often."""
    for _ in range(times):
        window.key(keys, 300, 300)
        yield 0.4
    yield 1.0


def unfold(*names: str) -> None:
    """Open panels that are folded at first."""
    registration = window.module("registration")
    registration.unregister()
    for cls in registration.CLASSES:
        if cls.__name__ in names:
            cls.bl_options = set(cls.bl_options) - {"DEFAULT_CLOSED"}
    registration.register()


def press(height: int, number: int) -> None:
    """Click on one of the buttons that are at least as high."""
    window.redraw()
    found = [one for one in window.buttons(0.15) if one[2] >= height * window.SCALE]
    window.click(*found[number][:2])


def story() -> window.Steps:
    unfold("MAQUETTE_PT_retexture")
    bpy.context.preferences.system.use_region_overlap = False
    yield from window.open_tab()
    yield from window.wait_for("the engine", lambda: snapshot().engine.state == "ready", 60)
    x, middle, height = window.buttons(0.84)[1]
    window.click(x, middle - height // 2 + int(10 * window.SCALE))
    yield from window.wait_for("the cut-out", lambda: snapshot().picture.cut_out, 60)
    yield 1.0
    seen = [state()]
    for _ in range(STEPS):
        yield from move()
        seen.append(state())
    press(27, 1)
    yield from window.wait_for("a job", lambda: snapshot().jobs, 20)
    preview = window.module("bl.retexture").preview_of
    yield from window.wait_for("the new look", lambda: preview(cube()), 90)
    yield 1.0
    window.shot("u1_beside")
    seen.append(state())
    press(23, 1)
    yield from window.wait_for("it to be kept", lambda: not preview(cube()), 20)
    yield 1.0
    seen.append(state())
    assert seen[-1][2] != seen[0][2], "no material came"
    window.shot("u2_kept")
    for _ in range(STEPS):
        yield from move()
        seen.append(state())

    steps = len(seen) - 1
    for back in range(1, steps + 1):
        yield from undo(1, "ctrl+z")
        assert state() == seen[-1 - back], f"{back} steps back"
    window.shot("u3_undone")
    for forth in range(1, steps + 1):
        yield from undo(1, "ctrl+shift+z")
        assert state() == seen[forth], f"{forth} steps forth again"
    yield from undo(steps, "ctrl+z")
    assert state() == seen[0]
    yield from undo(20, "ctrl+z")  # as far as it goes: to the file as it was opened
    assert "Cube" in bpy.data.objects
    yield from undo(20 + steps, "ctrl+shift+z")
    assert state() == seen[-1]
    window.shot("u4_again")
    images = [image for image in bpy.data.images if image.packed_file]
    assert images and all(bytes(image.packed_file.data[:4]) == b"\x89PNG" for image in images)
    sys.stdout.write(f"{steps} steps undone and redone, one by one and at once\n")


window.run(story)
