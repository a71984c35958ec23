"""Inside a Blender with a window: steps of a script, places of regions, pictures of the screen."""

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

OUT = Path(os.environ["MAQUETTE_GUI_OUT"])
SCALE = float(os.environ["MAQUETTE_GUI_SCALE"])
PACKAGE = "bl_ext.user_default.maquette"
Steps = Iterator[float]


def run(story: Callable[[], Steps]) -> None:
    """Go through the story, which yields how many seconds to wait, and end Blender."""
    steps = story()

    def step() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            _end(0)
        except BaseException:  # noqa: BLE001 - Blender must end whatever went wrong
            traceback.print_exc()
            shot("failed")
            _end(1)
        return None

    bpy.app.timers.register(step, first_interval=2.0, persistent=True)


def _end(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def area(kind: str = "VIEW_3D") -> Any:
    """The first area of that kind."""
    return next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == kind)


def region(kind: str = "UI", of: str = "VIEW_3D") -> Any:
    """A region of an area."""
    return next(r for r in area(of).regions if r.type == kind)


def open_tab() -> Steps:
    """Show the sidebar with our tab."""
    area().spaces.active.show_region_ui = True
    yield 1.0
    region().active_panel_category = "Maquette"
    region().tag_redraw()
    yield 0.5


def redraw() -> None:
    """Have the add-on draw its places again, and then all others."""
    module("bl.tick").tell()
    for one in bpy.context.window_manager.windows[0].screen.areas:
        for part in one.regions:
            part.tag_redraw()


def height() -> int:
    """Of the window in pixels."""
    return bpy.context.window_manager.windows[0].height


def crop_of(part: Any) -> str:
    """A region as ImageMagick names it: its own rows count from the bottom."""
    return f"{part.width}x{part.height}+{part.x}+{height() - part.y - part.height}"


def shot(name: str, crop: str = "") -> Path:
    """A picture of the screen or of a piece of it, with few colours so that it is small."""
    file = OUT / f"{name}.png"
    command = ["import", "-window", "root"]
    if crop:
        command += ["-crop", crop, "+repage"]
    command += ["+dither", "-colors", "200", f"png8:{file}"]
    subprocess.run(command, check=True)
    return file


def sidebar_shot(name: str) -> Path:
    """A picture of the sidebar down to the last panel."""
    import numpy as np

    part = region()
    image = pixels(crop_of(part)).astype(int)
    inside = image[:, : part.width - int(40 * SCALE)]
    inside = inside[: -int(20 * SCALE) or None]
    used = (np.abs(inside - inside[-1, 4]) > 6).any(axis=(1, 2)).nonzero()[0]
    rows = min(part.height, (int(used[-1]) if len(used) else part.height) + int(12 * SCALE))
    return shot(name, f"{part.width}x{rows}+{part.x}+{height() - part.y - part.height}")


def status_bar_shot(name: str) -> Path:
    """A picture of the right half of the status bar."""
    width = bpy.context.window_manager.windows[0].width
    rows = int(26 * SCALE)
    return shot(name, f"{width // 2}x{rows}+{width - width // 2}+{height() - rows}")


def click(x: int, y: int, button: int = 1) -> None:
    """A real click at a place of the window, counted from the bottom left as Blender does.

    It happens while the story waits: a button takes a press only after it has seen the pointer,
    and Blender sees nothing before the step has ended.
    """
    at = [str(x), str(height() - y)]
    command = ["mousemove", *at, "sleep", "0.5", "mousedown", str(button), "sleep", "0.1"]
    subprocess.Popen(["xdotool", *command, "mouseup", str(button)])


def key(keys: str, x: int, y: int) -> None:
    """A real key with the pointer at a place."""
    subprocess.run(["xdotool", "mousemove", str(x), str(height() - y)], check=True)
    time.sleep(0.05)
    subprocess.run(["xdotool", "key", keys], check=True)


def module(name: str) -> Any:
    """A module of the installed extension."""
    import importlib

    return importlib.import_module(f"{PACKAGE}.{name}")


def pixels(crop: str) -> Any:
    """A piece of the screen: uint8 (height, width, 3), rows from the top."""
    import numpy as np

    command = ["import", "-window", "root", "-crop", crop, "+repage", "-depth", "8", "ppm:-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    kind, size, depth, rest = data.split(b"\n", 3)
    assert (kind, depth) == (b"P6", b"255")
    width, height_ = (int(side) for side in size.split())
    return np.frombuffer(rest, np.uint8).reshape(height_, width, 3)


def buttons(share: float = 0.25) -> list[tuple[int, int, int]]:
    """Buttons that can be pressed in the sidebar, from the top: x and y of their middle in the
    window (y counted from below), and their height in pixels. They are known by their colour.

    Args:
        share: of the width at which to look down; a place without letters.
    """
    import numpy as np

    inner = bpy.context.preferences.themes[0].user_interface.wcol_tool.inner
    wanted = np.array([round(255 * value) for value in inner[:3]])
    part = region()
    column = int(part.width * share)
    image = pixels(crop_of(part)).astype(int)
    same = (np.abs(image[:, column] - wanted) <= 3).all(axis=1)
    found, begin = [], None
    for row, there in enumerate([*same, False]):
        if there and begin is None:
            begin = row
        elif not there and begin is not None:
            if row - begin >= 10 * SCALE:
                middle = (begin + row) // 2
                found.append((part.x + column, part.y + part.height - middle, row - begin))
            begin = None
    return found


def wait_for(what: str, true: Callable[[], Any], seconds: float) -> Steps:
    """Wait until it is true; fail with its name where it does not come."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds} s")
        yield 0.1
