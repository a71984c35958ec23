"""Report 4: 200 deliveries in a real window while Cycles renders the viewport.

Every third is a new object, the others replace its mesh, each with its undo step in a tick of
ours; what Blender does in threads of its own goes on meanwhile. At the end a few real Ctrl-Z.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
import window

COUNT = 200


def story() -> window.Steps:
    sys.modules["tests.blender.addon"] = type(sys)("addon")
    sys.modules["tests.blender.addon"].module = window.module  # pyright: ignore
    from tests.blender import parts

    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.use_denoising = scene.cycles.use_preview_denoising = False
    scene.cycles.preview_samples = 4096
    window.area().spaces.active.shading.type = "RENDERED"
    yield 3.0
    deliver = window.module("bl.tick").deliver
    begin, longest, uid = time.monotonic(), 0.0, 0
    for number in range(COUNT):
        more: dict[str, Any] = {"job": f"{number:032x}"}
        if number % 3:
            more |= {"purpose": "replace", "object": uid, "object_name": "Chair"}
        else:
            scene.cursor.location = (number % 7 - 3, number % 5 - 2, 0)
            more["matrix"] = window.module("bl.place").at_cursor(scene)
        delivery = parts.delivery(**more)
        start = time.perf_counter()
        placed = deliver(delivery)
        longest = max(longest, time.perf_counter() - start)
        assert placed.outcome == "placed", placed
        uid = placed.object
        yield 0.05
    seconds = time.monotonic() - begin
    mine = [t.name for t in threading.enumerate()]
    assert mine == ["MainThread"], mine
    objects = len([thing for thing in bpy.data.objects if thing.name.startswith("Chair")])
    assert objects == (COUNT + 2) // 3, objects
    window.shot("deliveries")
    for _ in range(3):
        window.key("ctrl+z", 400, 400)
        yield 1.0
    assert len(bpy.data.objects) < objects + 4
    said = f"{COUNT} deliveries in {seconds:.0f} s, the longest {1000 * longest:.0f} ms\n"
    sys.stdout.write(said)


window.run(story)
