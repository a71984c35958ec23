"""The tab Maquette keeps its place in the sidebar, also when news appear and vanish, and they stand
above Generate. Another extension's tab stands beside it.
"""

import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import window
from states import states


class TEST_PT_neighbour(bpy.types.Panel):
    """Of an extension that was enabled later."""

    bl_label = bl_category = "Neighbour"
    bl_space_type, bl_region_type = "VIEW_3D", "UI"

    def draw(self, _context: Any) -> None:
        self.layout.label(text="Neighbour")


def tabs() -> Any:
    """Pixels of the tabs' column."""
    part = window.region()
    image = window.pixels(window.crop_of(part)).astype(int)
    return image[: int(500 * window.SCALE), -int(22 * window.SCALE) :]


def story() -> window.Steps:
    bpy.utils.register_class(TEST_PT_neighbour)
    bpy.context.preferences.system.use_region_overlap = False
    known = states(window.module("core.snapshot"))
    tick = window.module("bl.tick")
    shown = "01_no_engine"
    tick.snapshot = lambda: known[shown]
    yield from window.open_tab()
    places: dict[str, Any] = {}
    for shown in ("01_no_engine", "06_ready", "12_running", "16_done", "08_picture"):
        window.redraw()
        yield 2.0
        places[shown] = tabs()
        window.shot(f"tabs_{shown}", window.crop_of(window.region()))
    first = places["01_no_engine"]
    for name, place in places.items():
        same = (np.abs(place - first) <= 3).mean()
        assert same > 0.99, f"the tabs are others with {name}: {same:.3f} are the same"


window.run(story)
