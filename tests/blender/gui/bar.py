"""The status bar while a job runs, after the extension was installed as a user does it: from the
Preferences, which stay open. Drawn by the extension's own timer, and by nothing else.

Start it with ``--by-hand`` and ``--zip``.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import window
from states import states

ZIP = Path(sys.argv[sys.argv.index("--") + 1])


def shown(kind: str) -> tuple[Any, Any]:
    """The window with an area of that kind, and the area."""
    for one in bpy.context.window_manager.windows:
        for area in one.screen.areas:
            if area.type == kind:
                return one, area
    raise AssertionError(f"there is no {kind}")


def install() -> window.Steps:
    """Install from Disk: Blender writes its progress into the status bar meanwhile."""
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.screen.userpref_show()
    yield 1.0
    preferences, area = shown("PREFERENCES")
    with bpy.context.temp_override(window=preferences, area=area):
        bpy.ops.extensions.package_install_files(
            "INVOKE_DEFAULT", repo="user_default", enable_on_install=True
        )
    yield 1.5
    browser, area = shown("FILE_BROWSER")
    area.spaces.active.params.directory = str(ZIP.parent).encode()
    area.spaces.active.params.filename = ZIP.name
    yield 1.0
    part = next(r for r in area.regions if r.type == "WINDOW")
    with bpy.context.temp_override(window=browser, area=area, region=part):
        bpy.ops.file.execute()
    enabled = bpy.context.preferences.addons
    yield from window.wait_for("the extension", lambda: window.PACKAGE in enabled, 60)
    yield 0.5


def bar(end: str = "right") -> Any:
    """Pixels of an end of it; our entry is at the right one."""
    width = bpy.context.window_manager.windows[0].width
    rows, columns = int(22 * window.SCALE), int(300 * window.SCALE)
    left = width - columns if end == "right" else 0
    return window.pixels(f"{columns}x{rows}+{left}+{window.height() - rows}").astype(int)


def moves(name: str) -> window.Steps:
    """Our bar grows within three seconds."""
    yield 2.0
    before = bar()
    window.shot(f"bar_{name}")
    yield 3.0
    changed = int((np.abs(bar() - before).max(axis=2) > 20).sum())
    sys.stdout.write(f"{name}: {changed} pixels are others\n")
    assert changed > 100, f"the bar stands still: {name}"


def leaves_a_modal_operator_its_words() -> window.Steps:
    """Its keys may take all the room there is, as Blender has it."""
    window.key("g", 400, 400)
    yield 1.5
    assert bpy.context.window_manager.windows[0].modal_operators, "nothing is modal"
    before = bar("left")
    window.shot("bar_modal")
    yield 2.0
    assert (np.abs(bar("left") - before).max(axis=2) > 20).sum() == 0
    assert np.ptp(before) > 100, "no words"
    window.key("Escape", 400, 400)


def story() -> window.Steps:
    yield from install()
    tick = window.module("bl.tick")
    running = states(window.module("core.snapshot"))["12_running"]
    share = [0.0]
    tick.snapshot = lambda: replace(
        running, jobs=(replace(running.jobs[0], fraction=share[0], eta=None),)
    )

    def work() -> float:
        """What the timer does ten times a second; it tells when there is another snapshot."""
        share[0] = min(1.0, share[0] + 0.01)
        tick.tell()
        return 0.1

    tick.snapshot()
    tick._wanted, tick._work = True, work
    yield from moves("with_preferences")
    with bpy.context.temp_override(window=shown("PREFERENCES")[0]):
        bpy.ops.wm.window_close()
    yield from moves("alone")
    yield from leaves_a_modal_operator_its_words()
    yield from moves("after")
    entries = getattr(bpy.types.STATUSBAR_HT_header.draw, "_draw_funcs", ())
    assert [one.__module__ for one in entries].count(f"{window.PACKAGE}.ui.status_bar") == 1


window.run(story)
