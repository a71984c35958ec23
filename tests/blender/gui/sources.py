"""Every source of a picture by real clicks, and the mask painted by a real stroke.

An engine has to run in ``MAQUETTE_HOME``; the window has to be 1400 pixels high.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import window

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
ROW = 22.5
"""Pixels at 100 % from one row of the ways to choose a picture to the next."""


def picture() -> Any:
    """What the panels draw of the chosen picture."""
    return window.module("bl.tick").snapshot().picture


def copy(kind: str, data: bytes) -> None:
    """Put something into the clipboard; xclip stays to give it."""
    command = ["xclip", "-selection", "clipboard", "-in"] + (["-target", kind] if kind else [])
    given = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    given.communicate(data)


def clear() -> window.Steps:
    """Choose no picture."""
    if picture().title:
        bpy.ops.maquette.clear_picture()
    yield from window.wait_for("no picture", lambda: not picture().title, 10)
    window.redraw()
    yield 1.0


def press(column: float, row: int) -> None:
    """Click on a way to choose a picture: the rows below Open Picture count from 0."""
    _, y, height = next(one for one in window.buttons(0.25) if one[2] >= 25 * window.SCALE)
    part = window.region()
    below = height / 2 + (ROW / 2 + 2 + ROW * row) * window.SCALE
    window.click(part.x + int(part.width * column), int(y - below))


LEFT, RIGHT = 0.25, 0.7


def chosen(title: str) -> window.Steps:
    """Wait for a picture of that title, and for the engine's word on it."""
    yield from window.wait_for(title, lambda: picture().title == title, 30)
    yield from window.wait_for("its cut-out", lambda: not picture().checking, 60)
    yield 1.0


def dismiss() -> window.Steps:
    """Close what a refusal has shown."""
    window.key("Escape", 300, 300)
    yield 1.0


def clipboard() -> window.Steps:
    """Empty, words, a picture, a copied file."""
    for name, kind, data in (("empty", "", b""), ("words", "", b"just some words")):
        copy(kind, data)
        yield 0.5
        press(LEFT, 0)
        yield 2.0
        window.shot(f"s_clipboard_{name}")
        assert not picture().title
        yield from dismiss()
    copy("image/png", (EXAMPLES / "rocket.png").read_bytes())
    yield 0.5
    press(LEFT, 0)
    yield from chosen("Clipboard")
    assert picture().cut_out, picture().problem
    yield from clear()
    copy("", f"file://{EXAMPLES / 'duck.png'}\n".encode())
    yield 0.5
    press(LEFT, 0)
    yield from chosen("duck")


def views() -> window.Steps:
    """The viewport, the camera's view, no render, the last render."""
    for title, column, row in (("Viewport", RIGHT, 1), ("Camera View", LEFT, 2)):
        yield from clear()
        press(column, row)
        yield from chosen(title)
        window.sidebar_shot(f"s_{title.split()[0].lower()}")
        assert max(picture().width, picture().height) >= 1000
    yield from clear()
    press(LEFT, 1)
    yield 2.0
    window.shot("s_no_render")
    assert not picture().title
    yield from dismiss()
    render = bpy.context.scene.render
    render.engine, render.resolution_percentage = "BLENDER_WORKBENCH", 50
    render.film_transparent = True
    bpy.context.preferences.view.render_display_type = "NONE"
    bpy.ops.render.render()
    yield 1.0
    press(LEFT, 1)
    yield from chosen("Render")
    assert picture().cut_out and picture().width == 960


def images() -> window.Steps:
    """An image of the file by its preview; another one by the Image editor's menu."""
    grid = bpy.data.images.new("Grid", 256, 256, alpha=True)
    grid.generated_type = "COLOR_GRID"
    yield from clear()
    press(RIGHT, 0)
    yield 3.0
    window.shot("s_image")
    window.key("Return", *middle_of_dialog())
    yield from chosen("Grid")
    assert picture().problem and "Adjust Cut-Out" in picture().hint
    window.sidebar_shot("s_refused")


def middle_of_dialog() -> tuple[int, int]:
    """A dialog opens around the button that called it."""
    part = window.region()
    return part.x + int(part.width * RIGHT), part.y + part.height - int(150 * window.SCALE)


def mask() -> window.Steps:
    """What was refused is cut out by hand; the file is saved meanwhile, with its images."""
    area = window.area("DOPESHEET_EDITOR")
    bpy.ops.maquette.paint_mask("EXEC_DEFAULT", True)
    editor = bpy.context.window_manager.windows[-1]
    yield from window.wait_for("the mask", lambda: bpy.data.images.get("Maquette Mask"), 10)
    yield 3.0
    painted = bpy.data.images["Maquette Mask"]
    brush = bpy.context.tool_settings.image_paint.brush
    x, y = editor.x + editor.width // 2, window.height() - editor.y - editor.height // 2
    stroke(x - 60, y, x + 60, y)
    yield from window.wait_for("the stroke", lambda: painted.is_dirty, 20)
    window.shot("s_mask")
    opaque = count_opaque(painted)
    window.key("ctrl+z", x, window.height() - y)
    yield from window.wait_for("undo", lambda: count_opaque(mask_image()) > opaque, 10)
    window.key("ctrl+shift+z", x, window.height() - y)
    yield from window.wait_for("redo", lambda: count_opaque(mask_image()) == opaque, 10)
    mask_image().pack()  # as saving the file with its images does
    assert not mask_image().is_dirty
    bpy.ops.wm.save_as_mainfile(filepath=str(window.OUT / "masked.blend"))
    assert bpy.ops.maquette.use_mask("EXEC_DEFAULT", True) == {"FINISHED"}
    assert picture().cut_out and not picture().problem
    assert brush is None or brush.blend != "ERASE_ALPHA"
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[-1]):
        bpy.ops.wm.window_close()
    yield 2.0
    window.sidebar_shot("s_masked")
    assert area.type == "DOPESHEET_EDITOR"


def mask_image() -> Any:
    """It is another one after undo."""
    return bpy.data.images["Maquette Mask"]


def count_opaque(image: Any) -> int:
    """Pixels that belong to the object."""
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return int((pixels[3::4] > 0.5).sum())


def stroke(x: int, y: int, to_x: int, to_y: int) -> None:
    """Press, move, let go; counted from the top left of the screen."""
    half = [str((x + to_x) // 2), str((y + to_y) // 2)]
    command = ["mousemove", str(x), str(y), "sleep", "0.3", "mousedown", "1", "sleep", "0.2"]
    command += ["mousemove", *half, "sleep", "0.2", "mousemove", str(to_x), str(to_y)]
    subprocess.run(["xdotool", *command, "sleep", "0.3", "mouseup", "1"], check=True)


def story() -> window.Steps:
    bpy.context.preferences.system.use_region_overlap = False
    yield from window.open_tab()
    ready = lambda: window.module("bl.tick").snapshot().engine.state == "ready"  # noqa: E731
    yield from window.wait_for("the engine", ready, 60)
    parts: tuple[Callable[[], window.Steps], ...] = (clipboard, views, images, mask)
    for part in parts:
        yield from part()


window.run(story)
