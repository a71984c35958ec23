"""The first run in a real window: no engine, Blender offline, one button each; cancelled by its
cross, and ready to continue.

``MAQUETTE_HOME`` has to be an empty folder. What is downloaded until the cross is pressed comes
from the real index.
"""

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import window


def snapshot() -> Any:
    """What the panels draw."""
    return window.module("bl.tick").snapshot()


def story() -> window.Steps:
    yield from window.open_tab()
    yield from window.wait_for("the card", lambda: snapshot().engine.state == "absent", 20)
    yield from window.wait_for("its costs", lambda: snapshot().setup.download > 0, 20)
    yield 1.0
    window.shot("f1_no_engine")
    if not bpy.app.online_access:
        assert snapshot().setup.why_not
        window.click(*window.buttons()[0][:2])
        yield from window.wait_for("online access", lambda: bpy.app.online_access, 5)
        yield from window.wait_for("the button", lambda: not snapshot().setup.why_not, 10)
        yield 1.0
    x, y, _ = max(window.buttons(), key=lambda button: button[2])
    window.click(x, y)
    yield from window.wait_for("the set-up", lambda: snapshot().setup.running, 20)
    yield 8.0
    window.shot("f2_installing")
    assert snapshot().setup.running, snapshot().setup.problem
    window.click(*window.buttons(0.808)[0][:2])
    yield from window.wait_for("its end", lambda: not snapshot().setup.running, 20)
    yield 1.0
    window.shot("f3_cancelled")
    assert snapshot().engine.state == "absent"
    assert max(window.buttons(), key=lambda button: button[2])[2] >= 30 * window.SCALE


window.run(story)
