"""A whole generation with the small model in a real window: real clicks, a real drop, a real
Ctrl-Z after a delivery, and another delivery after that.

An engine has to run in ``MAQUETTE_HOME``. Everything is pressed by the pointer; what happened is
read from the scene and from the snapshot.
"""

import subprocess
import sys
from math import radians
from pathlib import Path
from typing import Any

import bpy
from mathutils import Euler, Vector

sys.path.insert(0, str(Path(__file__).parent))
import window

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DROPPED = "drawn_mushroom"
SECONDS = 240


def snapshot() -> Any:
    """What the panels draw."""
    return window.module("bl.tick").snapshot()


def made() -> list[Any]:
    """Objects that Maquette made, with textures."""
    recipe = window.module("bl.recipe")
    return [thing for thing in bpy.data.objects if recipe.job_of(thing)]


def textured(name: str) -> bool:
    """Whether an object of that name is here, finished."""
    thing = bpy.data.objects.get(name)
    return thing is not None and any(
        node.type == "TEX_IMAGE"
        for slot in thing.material_slots
        if slot.material
        for node in slot.material.node_tree.nodes
    )


def press_generate() -> window.Steps:
    """Click on the tallest button there is."""
    yield 0.5
    x, y, height = max(window.buttons(), key=lambda button: button[2])
    assert height >= 30 * window.SCALE, f"the tallest button has {height} pixels"
    window.click(x, y)
    yield from window.wait_for("a job", lambda: snapshot().jobs, 15)


def story() -> window.Steps:
    yield from window.open_tab()
    yield from window.wait_for("the engine", lambda: snapshot().engine.state == "ready", 60)
    yield from window.wait_for("the checkpoint", lambda: snapshot().checkpoint, 60)
    yield 0.5
    window.shot("w1_ready")
    # The example ends the right column, above Text; buttons that touch are seen as one.
    x, middle, height = window.buttons(0.84)[-2]
    window.click(x, middle - height // 2 + int(10 * window.SCALE))
    yield from window.wait_for("the cut-out", lambda: snapshot().picture.cut_out, 60)
    yield 1.0
    window.shot("w2_picture")

    before = len(bpy.data.objects)
    yield from press_generate()
    yield from window.wait_for("an early look", lambda: len(bpy.data.objects) > before, SECONDS)
    yield 0.3
    window.shot("w3_running")
    yield from window.wait_for("the mushroom", lambda: textured("mushroom"), SECONDS)
    yield 1.0
    window.shot("w4_done")
    assert len(made()) == 1 and len(bpy.data.objects) == before + 1

    # A real undo: one step takes away the last stage, nothing of the user's.
    window.key("ctrl+z", 400, 400)
    yield 1.0
    assert "Cube" in bpy.data.objects and not textured("mushroom")
    window.key("ctrl+shift+z", 400, 400)
    yield 1.0
    assert textured("mushroom")
    for _ in range(3):
        window.key("ctrl+z", 400, 400)
        yield 0.7
    assert not made() and len(bpy.data.objects) == before
    yield 2.0  # until the viewport is drawn and the panel has noticed
    window.shot("w5_undone")

    # A real drop, and another delivery.
    drop = [sys.executable if "python" in Path(sys.executable).name else "python3"]
    drop += [str(Path(__file__).with_name("drop_file.py")), str(EXAMPLES / f"{DROPPED}.png")]
    dropped = subprocess.Popen([*drop, "420", str(window.height() - 420)])
    while dropped.poll() is None:
        yield 0.2
    assert dropped.returncode == 0
    yield 1.0
    window.shot("w6_drop")
    window.click(440, 420)
    yield from window.wait_for("the drop", lambda: snapshot().picture.title == DROPPED, 20)
    yield from window.wait_for("its cut-out", lambda: snapshot().picture.cut_out, 60)
    yield 1.0
    yield from press_generate()
    yield from window.wait_for("its object", lambda: textured(DROPPED), SECONDS)
    yield 1.0
    assert len(made()) == 1 and len(bpy.data.objects) == before + 1
    window.shot("w7_second")
    yield from show_it()


def show_it() -> window.Steps:
    """What was made, as it looks with its materials, in the middle of what the sidebar leaves."""
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    space = window.area().spaces.active
    space.shading.type = "MATERIAL"
    space.overlay.show_cursor = space.overlay.show_outline_selected = False
    thing = made()[0]
    view = space.region_3d
    view.view_rotation = Euler((radians(78), 0, radians(46))).to_quaternion()  # nearly level
    view.view_distance = 1.9
    middle = sum((Vector(corner) for corner in thing.bound_box), Vector()) / 8
    view.view_location = thing.matrix_world @ middle + view.view_rotation @ Vector((0.3, 0, 0))
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    yield 45.0
    window.redraw()
    yield 2.0
    window.shot("w8_material")


window.run(story)
