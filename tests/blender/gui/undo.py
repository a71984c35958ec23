"""A retexture by real clicks, then real Ctrl-Z over everything that was done, and redo.

After that *Keep* alone is undone and redone twenty times, and another look is asked for and kept.
An engine that plays a job has to run in ``MAQUETTE_HOME`` (``serve --fake``, with the parts
"finished" and "textures"), and the window has to be 1400 pixels high, so that every panel is seen.
"""

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
import window

sys.modules["tests.blender.addon"] = type(sys)("addon")
sys.modules["tests.blender.addon"].module = window.module  # pyright: ignore
from tests.blender import foreign  # noqa: E402

STEPS = int(([*sys.argv[sys.argv.index("--") + 1 :], "6"])[0])
"""Moves of the user before the new look arrives, and after it was kept."""


def snapshot() -> Any:
    """What the panels draw."""
    return window.module("bl.tick").snapshot()


def cube() -> Any:
    """The object of every new file."""
    return bpy.data.objects["Cube"]


def state() -> dict[str, Any]:
    """What undo has to bring back: every byte of the mesh, place, materials, objects."""
    thing = cube()
    return {
        "mesh": foreign.all_bytes(thing),
        "place": tuple(thing.location),
        "materials": foreign.shown(thing),
        "objects": sorted(bpy.data.objects.keys()),
    }


def move() -> window.Steps:
    """The user moves the object by a metre: a step of Blender's own."""
    before = tuple(cube().location)
    for key in ("g", "x", "1", "Return"):
        window.key(key, 300, 300)
        yield 0.1
    modal = bpy.context.window_manager.windows[0].modal_operators
    moved = lambda: tuple(cube().location) != before and not len(modal)  # noqa: E731
    yield from window.wait_for("the move", moved, 20)


def until(keys: str, expected: dict[str, Any], what: str) -> window.Steps:
    """Press the keys of undo or redo once, and wait for what has to be there then."""
    window.key(keys, 300, 300)
    try:
        yield from window.wait_for(what, lambda: state() == expected, 10)
    except AssertionError:
        sys.stdout.write(f"expected {expected}\nfound {state()}\n")
        raise
    yield 0.2


def press_often(times: int, keys: str) -> window.Steps:
    """Press the keys of undo or redo as often."""
    for _ in range(times):
        window.key(keys, 300, 300)
        yield 0.4
    yield 1.0


def unfold(name: str) -> None:
    """Open a panel that is folded at first. Only that panel is registered again: after operators
    were, Blender drops a press on their buttons, or crashes."""
    registration = window.module("registration")
    panel = next(cls for cls in registration.CLASSES if cls.__name__ == name)
    bpy.utils.unregister_class(panel)
    panel.bl_options = set(panel.bl_options) - {"DEFAULT_CLOSED"}
    bpy.utils.register_class(panel)


def press(height: int, number: int) -> window.Steps:
    """Click on one of the buttons that are at least as high."""
    window.redraw()
    yield 1.0
    found = [one for one in window.buttons(0.15) if one[2] >= height * window.SCALE]
    assert len(found) > number, found
    window.click(*found[number][:2])


def retexture(shot: str) -> window.Steps:
    """Press *Retexture*, and wait for the new look beside the object."""
    yield from press(27, 1)
    yield from window.wait_for("a job", lambda: snapshot().jobs, 20)
    yield from window.wait_for("the new look", preview, 90)
    flat = [polygon.use_smooth for polygon in preview().data.polygons]
    assert not any(flat), "the preview of a flat cube is smooth"
    yield 1.0
    window.shot(shot)


def keep(shot: str) -> window.Steps:
    """Press *Keep*, and wait until Blender's state says that the look is kept."""
    look = preview().material_slots[0].material.name
    yield from press(23, 1)
    kept = lambda: not preview() and foreign.shown(cube()) == [look]  # noqa: E731
    yield from window.wait_for("it to be kept", kept, 20)
    yield 1.0
    window.shot(shot)


def preview() -> Any:
    """The new look that stands beside the object, or None."""
    return window.module("bl.retexture").preview_of(cube())


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
    yield from retexture("u1_beside")
    seen.append(state())
    yield from keep("u2_kept")
    seen.append(state())
    assert seen[-1]["materials"] != seen[0]["materials"], "no material came"
    assert seen[-1]["mesh"] == seen[-2]["mesh"], "Keep changed the mesh"
    yield from there_and_back(seen[-2:], 20)
    for _ in range(STEPS):
        yield from move()
        seen.append(state())

    steps = len(seen) - 1
    for back in range(1, steps + 1):
        yield from until("ctrl+z", seen[-1 - back], f"{back} steps back")
    window.shot("u3_undone")
    for forth in range(1, steps + 1):
        yield from until("ctrl+shift+z", seen[forth], f"{forth} steps forth again")
    yield from press_often(steps, "ctrl+z")
    assert state() == seen[0]
    yield from press_often(20, "ctrl+z")  # as far as it goes: to the file as it was opened
    assert "Cube" in bpy.data.objects
    yield from press_often(20 + steps, "ctrl+shift+z")
    assert state() == seen[-1]
    window.shot("u4_again")
    images = [image for image in bpy.data.images if image.packed_file]
    assert images and all(bytes(image.packed_file.data[:4]) == b"\x89PNG" for image in images)
    sys.stdout.write(f"{steps} steps undone and redone, one by one and at once\n")

    yield from retexture("u5_beside_again")
    seen = [state()]
    yield from keep("u6_kept_again")
    seen.append(state())
    yield from there_and_back(seen, 2)
    sys.stdout.write("another look came after that, and was kept\n")


def there_and_back(seen: list[dict[str, Any]], times: int) -> window.Steps:
    """Undo and redo the last step as often, and compare everything each time."""
    for number in range(times):
        yield from until("ctrl+z", seen[-2], f"undo {number + 1}")
        yield from until("ctrl+shift+z", seen[-1], f"redo {number + 1}")
    sys.stdout.write(f"Keep undone and redone {times} times\n")


window.run(story)
